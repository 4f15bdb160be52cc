"""SBU Kinect Interaction: text skeletons of two persons.

Yun, Honorio, Chattopadhyay, Berg and Samaras, "Two-person Interaction Detection
Using Body-Pose Features and Multiple Instance Learning", CVPRW 2012:
https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/. A clip is
`sXXsYY/AA/NNN/skeleton_pos.txt` (acting and other person, action, repetition).
A row is a frame: its number, then x, y, z of 15 joints of the first person and
of the second. Layout 'sbu_15'.

The file has each axis normalised by itself: x and y from the image, z by
another constant. Bones only keep their lengths in millimetres, which are
1280 - 2560 x, 960 - 1920 y and 1280 z.
"""

import pathlib
import re
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.clip_names import RESTORE_NAME, check_ranges
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

# Class names, in label order. Action N of a file's path is label N - 1.
LABELS = [
  'approaching',
  'departing',
  'kicking',
  'pushing',
  'shaking hands',
  'hugging',
  'exchanging object',
  'punching',
]
# Pairs of persons that each of the authors' five folds tests.
FOLDS = (
  ('s01s02', 's03s04', 's05s02', 's06s04'),
  ('s02s03', 's02s07', 's03s05', 's05s03'),
  ('s01s03', 's01s07', 's07s01', 's07s03'),
  ('s02s01', 's02s06', 's03s02', 's03s06'),
  ('s04s02', 's04s03', 's04s06', 's06s02', 's06s03'),
)
FILE = 'skeleton_pos.txt'
_PERSONS, _JOINTS = 2, 15
_ROW = 1 + _PERSONS * _JOINTS * 3
_PATH = re.compile(r's(\d\d)s(\d\d)/(\d\d)/(\d\d\d)')
_OFFSET, _SCALE = np.array([1280, 960, 0]), np.array([-2560, -1920, 1280])


class ClipName(NamedTuple):
  """The parts of a clip's path.

  Attributes:
    pair: such as s01s02; the first person acts.
    action: number from 1.
    repetition: such as 001.
  """

  pair: str
  action: int
  repetition: str

  @property
  def id(self) -> str:
    """Name of the clip, such as s01s02_01_001."""
    return f'{self.pair}_{self.action:02}_{self.repetition}'

  @property
  def fold(self) -> int:
    """Number of the fold that tests this clip, from 1."""
    return next(i for i, pairs in enumerate(FOLDS, 1) if self.pair in pairs)


def parse_clip_path(file: raw_files.RawFile) -> ClipName:
  """Returns the parts of a path such as s01s02/01/001/skeleton_pos.txt.

  Raises:
    UserError: the folders have other names, or a pair or action that the
      dataset does not have.
  """
  path = pathlib.Path(file.path)
  if file.member:  # an archive that starts below its pair has the pair's name
    path = path.with_suffix('') / file.member
  folder = path.parent
  match = _PATH.fullmatch('/'.join(folder.parts[-3:]))
  if not match:
    raise UserError(
      f'{file}: expected a path of the form sXXsYY/AA/NNN/{FILE}.'
      f' {RESTORE_NAME}'
    )
  name = ClipName(folder.parts[-3], int(match[3]), match[4])
  check_ranges(name, {'action': len(LABELS)}, str(file))
  if not any(name.pair in pairs for pairs in FOLDS):
    raise UserError(
      f'{file}: expected a pair of persons of the dataset, such as s01s02, got'
      f' {name.pair}. {RESTORE_NAME}'
    )
  return name


def read_skeletons(file: raw_files.RawFile) -> np.ndarray:
  """Returns (2, T, 15, 3) of a clip: x, y, z in millimetres.

  Raises:
    UserError: not text, empty, or a row that is not 91 numbers.
  """
  rows = []
  for number, line in enumerate(raw_files.read_text(file).splitlines(), 1):
    fields = [field for field in line.split(',') if field.strip()]
    if not fields:
      continue
    where = f'{file}, line {number}'
    try:
      row = [float(field) for field in fields]
    except ValueError:
      raise UserError(
        f'{where}: expected numbers, got {line.strip()[:40]!r}. {FETCH_AGAIN}'
      ) from None
    if len(row) != _ROW:
      raise UserError(
        f'{where}: expected {_ROW} values (the frame, and x, y, z of'
        f' {_PERSONS} x {_JOINTS} joints), got {len(row)}. {FETCH_AGAIN}'
      )
    rows.append(row)
  if not rows:
    raise UserError(f'{file}: the file is empty. {FETCH_AGAIN}')
  frames = np.asarray(rows)[:, 1:].reshape(-1, _PERSONS, _JOINTS, 3)
  return (_OFFSET + _SCALE * frames).transpose(1, 0, 2, 3)
