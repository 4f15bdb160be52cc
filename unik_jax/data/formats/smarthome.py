"""Toyota Smarthome's file names, classes and protocols.

Das et al., "Toyota Smarthome: Real-World Activities of Daily Living", ICCV
2019. A clip is `Action_pPP_rRR_vVV_cCC_pose3d.json` (subject, two numbers of
the recording, camera), in the form that `lcrnet.py` reads.
"""

import difflib
import re
from typing import NamedTuple

from unik_jax.errors import UserError

# In label order: of CS, and of the prepared set.
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
# How many clips the whole dataset has of each class of CV1 and CV2, in their
# published label order: tablet before telephone, unlike in CS.
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
# How often the published script repeats a training clip of CV1 and CV2.
CV_REPEATS = {
  name: round(1000 / clips) if clips < 1000 else 1
  for name, clips in _CV_CLIPS.items()
}
CS_TRAIN_SUBJECTS = frozenset({3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25})
CV1_TRAIN_CAMERAS = frozenset({1})
CV2_TRAIN_CAMERAS = frozenset({1, 3, 4, 6, 7})
CV_TEST_CAMERA = 2
# The 18 subjects are not numbered without gaps.
_MOST = {'subject': 25, 'camera': 7}

_NAME = re.compile(r'(([^_]+)_p(\d+)_r\d+_v\d+_c(\d+))(_.*)?\.json', re.ASCII)


class ClipName(NamedTuple):
  """What a file's name says; `clip` is the name without what follows `_c`."""

  clip: str
  action: str
  subject: int
  camera: int


def parse_clip_name(name: str, where: str) -> ClipName:
  """Reads a name such as Walk_p02_r01_v03_c02_pose3d.json.

  Raises:
    UserError: of another form, an action that is none of the 31, or a number
      that the dataset does not have.
  """
  match = _NAME.fullmatch(name)
  if not match:
    raise UserError(
      f'{where}: name is not of the form Action_pPP_rRR_vVV_cCC_*.json; give'
      ' it its name again, or remove it'
    )
  clip, action, subject, camera, _ = match.groups()
  if action not in CLASSES_31:
    known = {name.lower(): name for name in CLASSES_31}
    near = difflib.get_close_matches(action.lower(), known)
    guess = f' (is it {" or ".join(known[n] for n in near)}?)' if near else ''
    raise UserError(
      f'{where}: {action!r} is none of the 31 actions{guess}; give the file its'
      ' name again, or remove it'
    )
  parsed = ClipName(clip, action, int(subject), int(camera))
  for what, most in _MOST.items():
    value = getattr(parsed, what)
    if not 1 <= value <= most:
      raise UserError(
        f'{where}: {what} {value}, but they go from 1 to {most}; give the file'
        ' its name again, or remove it'
      )
  return parsed


def assign_splits(name: ClipName) -> tuple[str, ...]:
  """The splits that hold a clip: one of CS, and none to two of CV1 and CV2.

  The published script of UNIK picks CV2's training clips by subject where
  cameras are due, so that it trains on test clips. Here cameras pick them, as
  the dataset's authors lay down.
  """
  splits = [
    'cs_train' if name.subject in CS_TRAIN_SUBJECTS else 'cs_test',
  ]
  if name.action in CLASSES_19:
    if name.camera in CV1_TRAIN_CAMERAS:
      splits.append('cv1_train')
    if name.camera in CV2_TRAIN_CAMERAS:
      splits.append('cv2_train')
    if name.camera == CV_TEST_CAMERA:
      splits += ['cv1_test', 'cv2_test']
  return tuple(splits)
