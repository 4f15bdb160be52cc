"""UTD-MHAD: MATLAB skeletons of 20 Kinect v1 joints.

Chen, Jafari and Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action
Recognition Utilizing a Depth Camera and a Wearable Inertial Sensor", ICIP 2015:
https://personal.utdallas.edu/~kehtar/UTD-MHAD.html. A clip is
`aA_sS_tT_skeleton.mat` (action, subject, trial) with `d_skel` (20, 3, T): x, y,
z in metres, y up. Layout 'utd_20'.
"""

import re
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.clip_names import RESTORE_NAME, check_ranges
from unik_jax.data.formats.matlab import read_mat_fields
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

# Class names, in label order. Action N of a file's name is label N - 1.
LABELS = [
  'swipe left',
  'swipe right',
  'wave',
  'clap',
  'throw',
  'cross arms in the chest',
  'basketball shoot',
  'draw x',
  'draw circle clockwise',
  'draw circle counter-clockwise',
  'draw triangle',
  'bowling',
  'boxing',
  'baseball swing',
  'tennis swing',
  'arm curl',
  'tennis serve',
  'push',
  'knock on door',
  'catch',
  'pick up and throw',
  'jog',
  'walk',
  'sit to stand',
  'stand to sit',
  'lunge',
  'squat',
]
SUFFIX = '_skeleton.mat'
_JOINTS = 20
_NAME = re.compile(r'a(\d{1,2})_s(\d{1,2})_t(\d{1,2})' + re.escape(SUFFIX))
_MAXIMA = {'action': len(LABELS), 'subject': 8, 'trial': 4}


class ClipName(NamedTuple):
  """The numbers in a clip's name, all from 1."""

  action: int
  subject: int
  trial: int


def parse_clip_name(file: raw_files.RawFile) -> ClipName:
  """Returns the numbers of a name such as a1_s1_t1_skeleton.mat.

  Raises:
    UserError: the name has another form, or a number that the dataset does not
      have.
  """
  match = _NAME.fullmatch(file.name)
  if not match:
    raise UserError(
      f'{file}: expected a name of the form aA_sS_tT{SUFFIX}, got'
      f' {file.name!r}. {RESTORE_NAME}'
    )
  name = ClipName(*map(int, match.groups()))
  check_ranges(name, _MAXIMA, str(file))
  return name


def read_skeleton(file: raw_files.RawFile) -> np.ndarray:
  """Returns (1, T, 20, 3) of a clip: x, y, z in metres.

  Raises:
    UserError: the file cannot be read, or `d_skel` is missing or has another
      shape or type.
  """
  fields = read_mat_fields(file.read_bytes(), str(file), ['d_skel'])
  skeleton = fields['d_skel']
  if skeleton.dtype.kind not in 'iuf' or (
    skeleton.ndim != 3 or skeleton.shape[:2] != (_JOINTS, 3)
  ):
    raise UserError(
      f'{file}: d_skel: expected numbers of shape ({_JOINTS}, 3, frames), got'
      f' {skeleton.dtype} of {skeleton.shape}. {FETCH_AGAIN}'
    )
  return skeleton.transpose(2, 0, 1)[None].astype(float)
