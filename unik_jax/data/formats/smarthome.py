"""Toyota Smarthome: names of files, classes and protocols.

Published by Das et al., "Toyota Smarthome: Real-World Activities of Daily
Living", ICCV 2019: https://project.inria.fr/toyotasmarthome/. A clip is
`Action_pPP_rRR_vVV_cCC_pose3d.json` (subject, two numbers of the recording,
camera). Its content is LCR-Net's, read by `lcrnet`: 13 joints, in pixels of a
640 x 480 image and in space.
"""

import difflib
import re
from typing import NamedTuple

from unik_jax.data.formats.clip_names import RESTORE_NAME, check_ranges
from unik_jax.errors import UserError

# In label order of the cross-subject protocol (CS), and of the prepared set.
CLASSES_31 = (
  'Cook.Cleandishes',
  'Cook.Cleanup',
  'Cook.Cut',
  'Cook.Stir',
  'Cook.Usestove',
  'Cutbread',
  'Drink.Frombottle',
  'Drink.Fromcan',
  'Drink.Fromcup',
  'Drink.Fromglass',
  'Eat.Attable',
  'Eat.Snack',
  'Enter',
  'Getup',
  'Laydown',
  'Leave',
  'Makecoffee.Pourgrains',
  'Makecoffee.Pourwater',
  'Maketea.Boilwater',
  'Maketea.Insertteabag',
  'Pour.Frombottle',
  'Pour.Fromcan',
  'Pour.Fromkettle',
  'Readbook',
  'Sitdown',
  'Takepills',
  'Uselaptop',
  'Usetelephone',
  'Usetablet',
  'Walk',
  'WatchTV',
)
# Number of clips in the whole dataset of each class of the cross-view protocols
# (CV1, CV2), in their published label order. It has Usetablet before
# Usetelephone, unlike CS.
_CV_CLIPS = {
  'Cutbread': 45,
  'Drink.Frombottle': 341,
  'Drink.Fromcan': 325,
  'Drink.Fromcup': 2241,
  'Drink.Fromglass': 65,
  'Eat.Attable': 617,
  'Eat.Snack': 216,
  'Enter': 444,
  'Getup': 833,
  'Leave': 416,
  'Pour.Frombottle': 276,
  'Pour.Fromcan': 59,
  'Readbook': 942,
  'Sitdown': 1116,
  'Takepills': 344,
  'Uselaptop': 396,
  'Usetablet': 49,
  'Usetelephone': 451,
  'Walk': 4070,
}
CLASSES_19 = tuple(_CV_CLIPS)
# How often UNIK's script repeats each training clip of CV1 and CV2, to balance
# the classes.
CV_REPEATS = {
  name: round(1000 / clips) if clips < 1000 else 1
  for name, clips in _CV_CLIPS.items()
}
CS_TRAIN_SUBJECTS = frozenset({3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25})
CV1_TRAIN_CAMERAS = frozenset({1})
CV2_TRAIN_CAMERAS = frozenset({1, 3, 4, 6, 7})
CV_TEST_CAMERA = 2
# There are 18 subjects, whose numbers have gaps.
_MAX = {'subject': 25, 'camera': 7}

_NAME = re.compile(r'(([^_]+)_p(\d+)_r\d+_v\d+_c(\d+))(_.*)?\.json', re.ASCII)


class ClipName(NamedTuple):
  """The parts of a file's name.

  Attributes:
    clip: the name up to the camera's number.
    action: one of `CLASSES_31`.
    subject: number of the person, from 1.
    camera: number of the camera, from 1.
  """

  clip: str
  action: str
  subject: int
  camera: int


def parse_clip_name(name: str, where: str) -> ClipName:
  """Parses a name such as Walk_p02_r01_v03_c02_pose3d.json.

  Args:
    name: name of the file.
    where: the file, for errors.

  Raises:
    UserError: the name has another form, an unknown action, or a number that
      the dataset does not have.
  """
  match = _NAME.fullmatch(name)
  if not match:
    raise UserError(
      f'{where}: expected a name of the form Action_pPP_rRR_vVV_cCC_*.json, got'
      f' {name!r}. {RESTORE_NAME}'
    )
  clip, action, subject, camera, _ = match.groups()
  if action not in CLASSES_31:
    by_lower = {name.lower(): name for name in CLASSES_31}
    close = difflib.get_close_matches(action.lower(), by_lower)
    names = ' or '.join(by_lower[name] for name in close)
    hint = f'Did you mean {names}? ' if close else ''
    raise UserError(
      f'{where}: expected one of the 31 actions, got {action!r}.'
      f' {hint}{RESTORE_NAME}'
    )
  clip_name = ClipName(clip, action, int(subject), int(camera))
  check_ranges(clip_name, _MAX, where)
  return clip_name


def assign_splits(name: ClipName) -> tuple[str, ...]:
  """Returns a clip's splits: one of CS, and up to two of CV1 and CV2.

  UNIK's script picks the training clips of CV2 by subject instead of by camera,
  so it trains on test clips. Here cameras pick them, as the dataset's paper
  defines.
  """
  splits = ['cs_train' if name.subject in CS_TRAIN_SUBJECTS else 'cs_test']
  if name.action in CLASSES_19:
    if name.camera in CV1_TRAIN_CAMERAS:
      splits.append('cv1_train')
    if name.camera in CV2_TRAIN_CAMERAS:
      splits.append('cv2_train')
    if name.camera == CV_TEST_CAMERA:
      splits += ['cv1_test', 'cv2_test']
  return tuple(splits)
