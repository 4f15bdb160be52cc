"""Northwestern-UCLA: JSON skeletons of 20 Kinect v1 joints.

Wang, Nie, Xia, Wu and Zhu, "Cross-view Action Modeling, Learning and
Recognition", CVPR 2014. The field uses the copy that CTR-GCN's authors
distribute (https://github.com/Uason-Chen/CTR-GCN): a clip is
`aAA_sSS_eEE_vVV.json` (action, subject, execution, view) with `skeletons`,
frames of 20 joints of x, y, z in metres, and `label`, which counts the actions
from 1. y points up and z away from the camera. Layout 'kinect_20'.
"""

import hashlib
import re
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.clip_names import RESTORE_NAME
from unik_jax.data.formats.json_numbers import parse_floats
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

# Number of an action in the files' names to its class name, in label order.
ACTIONS = {
  1: 'pick up with one hand',
  2: 'pick up with two hands',
  3: 'drop trash',
  4: 'walk around',
  5: 'sit down',
  6: 'stand up',
  8: 'donning',
  9: 'doffing',
  11: 'throw',
  12: 'carry',
}
VIEWS = (1, 2, 3)
_JOINTS = 20
_NAME = re.compile(r'a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)')


class ClipName(NamedTuple):
  """The parts of a clip's name.

  Attributes:
    label: index in `ACTIONS`.
    subject: number of the person, from 1.
    view: number of the camera, 1 to 3.
  """

  label: int
  subject: int
  view: int


def parse_clip_name(file: raw_files.RawFile) -> ClipName:
  """Returns the parts of a name such as a01_s01_e00_v01.json.

  Raises:
    UserError: the name has another form, or an action or view that the dataset
      does not have.
  """
  match = _NAME.fullmatch(file.stem)
  if not match:
    raise UserError(
      f'{file}: expected a name of the form aAA_sSS_eEE_vVV.json, got'
      f' {file.name!r}. {RESTORE_NAME}'
    )
  action, subject, _, view = map(int, match.groups())
  if action not in ACTIONS or view not in VIEWS:
    raise UserError(
      f'{file}: expected an action of {", ".join(map(str, ACTIONS))} and a view'
      f' from 1 to {VIEWS[-1]}, got {action} and {view}. {RESTORE_NAME}'
    )
  return ClipName(list(ACTIONS).index(action), subject, view)


def read_skeletons(file: raw_files.RawFile) -> np.ndarray:
  """Returns (1, T, 20, 3) float32 of a clip: x, y, z in metres.

  Raises:
    UserError: not JSON, no frames, a frame of other than 20 joints of three
      numbers, or a label that is not the one of the file's name.
  """
  content = parse_floats(file.read_bytes(), str(file))
  frames = content.get('skeletons') if isinstance(content, dict) else None
  if not isinstance(frames, list) or not frames:
    raise UserError(f'{file}: skeletons: expected frames. {FETCH_AGAIN}')
  label = parse_clip_name(file).label + 1
  if content.get('label') != label:
    raise UserError(
      f'{file}: label: expected {label}, the class of its name, got'
      f' {str(content.get("label"))[:40]}. {RESTORE_NAME}'
    )
  for number, frame in enumerate(frames):
    _check_frame(frame, f'{file}: skeletons, frame {number}')
  with np.errstate(over='ignore'):  # `check_clip` refuses infinite values
    return np.asarray(frames, np.float32)[None]


def hash_skeletons(file: raw_files.RawFile) -> str:
  """Returns a hash of a clip's coordinates.

  Args:
    file: the clip.

  Raises:
    UserError: as `read_skeletons`.
  """
  return hashlib.sha256(read_skeletons(file).tobytes()).hexdigest()


def _check_frame(frame, where):
  joints = frame if isinstance(frame, list) else []
  if len(joints) != _JOINTS:
    raise UserError(
      f'{where}: expected {_JOINTS} joints, got {len(joints)}. {FETCH_AGAIN}'
    )
  for number, joint in enumerate(joints):
    values = joint if isinstance(joint, list) else [joint]
    if len(values) != 3 or set(map(type, values)) != {float}:
      raise UserError(
        f'{where}, joint {number}: expected x, y, z, got {str(joint)[:40]}.'
        f' {FETCH_AGAIN}'
      )
