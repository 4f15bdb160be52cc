"""Penn Action's own annotations, and the table that goes with its poses.

Zhang, Zhu and Derpanis, "From Actemes to Action: A Strongly-Supervised
Representation for Detailed Action Understanding", ICCV 2013. The dataset
comes with `labels/NNNN.mat` for each of 2,326 videos: 13 joints, drawn by
hand. UNIK's authors give out LCR-Net's poses of the same videos, as
`NNNN.json` (which `lcrnet.py` reads) with `pennaction_complete.csv`.
"""

import csv
import io
import re

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import Recording
from unik_jax.data.formats.matlab import read_mat_fields
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# As the .mat files spell them (the dataset's readme has longer words for some)
# and in alphabetical order.
CLASSES = (
  'baseball_pitch',
  'baseball_swing',
  'bench_press',
  'bowl',
  'clean_and_jerk',
  'golf_swing',
  'jump_rope',
  'jumping_jacks',
  'pullup',
  'pushup',
  'situp',
  'squat',
  'strum_guitar',
  'tennis_forehand',
  'tennis_serve',
)
TABLE = 'pennaction_complete.csv'
_SPLITS = {1: 'train', -1: 'test'}
_REMEDY = 'extract or download it again'


def parse_video_number(file: raw_files.RawFile) -> int:
  """The number in NNNN.json or NNNN.mat."""
  if not re.fullmatch('[0-9]+', file.stem):
    raise UserError(
      f'{file}: name is not the number of a video, such as 0001; give it its'
      ' name again, or remove it'
    )
  return int(file.stem)


def read_split_table(file: raw_files.RawFile) -> dict[int, tuple[int, str]]:
  """(label, split) by video, from the columns video, category_code and train.

  The codes are taken for places in `CLASSES`, from 0: UNIK trains 15 classes
  on them as they are, and pandas, which reads the table, numbers categories
  in alphabetical order. The table holds no names to check this by. The flag
  `train` is 1 for training and -1 for testing, as in the .mat files.

  Raises:
    UserError: no CSV, a column is missing or doubled, something is no whole
      number or out of range, or a video has two rows.
  """
  reader = csv.DictReader(io.StringIO(raw_files.read_text(file)))
  columns = ('video', 'category_code', 'train')
  try:
    names = list(reader.fieldnames or ())
    rows = [(reader.line_num, row) for row in reader]
  except csv.Error as error:
    raise UserError(
      f'{file}, line {reader.line_num}: not CSV ({error}); {_REMEDY}'
    ) from None
  for column in columns:
    if names.count(column) != 1:
      raise UserError(
        f'{file}, line 1: {names.count(column) or "no"} columns {column!r};'
        f' needed are {", ".join(columns)}, each once; {_REMEDY}'
      )
  table = {}
  for line, row in rows:
    where = f'{file}, line {line}'
    try:
      video, label, train = (_whole(row[column]) for column in columns)
    except (TypeError, ValueError):  # None where a line is too short
      raise UserError(
        f'{where}: {", ".join(columns)} are not whole numbers:'
        f' {[row[column] for column in columns]}; {_REMEDY}'
      ) from None
    if not 0 <= label < len(CLASSES):
      raise UserError(
        f'{where}: category_code is {label}, but codes go from 0'
        f' ({CLASSES[0]}) to {len(CLASSES) - 1} ({CLASSES[-1]}); if yours go'
        f' from 1 to {len(CLASSES)}, subtract 1'
      )
    if video in table:
      raise UserError(f'{where}: a second row of video {video}; remove one')
    table[video] = label, _split(train, where)
  return table


def read_label(source: raw_files.RawFile) -> tuple[int, str]:
  """(label, split) of an annotation file, from its fields action and train."""
  fields = read_mat_fields(
    source.read_bytes(), str(source), ('action', 'train')
  )
  action = str(_scalar(fields['action'], 'action', source)).strip()
  if action not in CLASSES:
    raise UserError(
      f'{source}: action is {action!r}, none of {", ".join(CLASSES)}; {_REMEDY}'
    )
  _check_numbers(fields['train'], 'train', source)
  train = _scalar(fields['train'], 'train', source)
  return CLASSES.index(action), _split(train, str(source))


def read_annotations(source: raw_files.RawFile) -> Recording:
  """One video's joints as drawn by hand, and its size.

  Args:
    source: NNNN.mat, with x, y and visibility (T, 13) and dimensions
      [height, width, T].

  Returns:
    (1, T, 13, 3) float64 of layout 'penn_13': x, y in pixels as they stand in
    the file, also where the joint cannot be seen, and visibility, 0 or 1.

  Raises:
    UserError: no MATLAB file, or a field is missing or of another shape, or
      `dimensions` do not say how many frames there are.
  """
  fields = read_mat_fields(
    source.read_bytes(), str(source), ('x', 'y', 'visibility', 'dimensions')
  )
  for name, array in fields.items():
    _check_numbers(array, name, source)
  joints = get_layout('penn_13').num_joints
  tracks = [fields[name] for name in ('x', 'y', 'visibility')]
  shapes = [track.shape for track in tracks]
  if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][1] != joints:
    raise UserError(
      f'{source}: x, y and visibility are of shapes'
      f' {", ".join(map(str, shapes))} where all should be (frames, {joints});'
      f' {_REMEDY}'
    )
  size = fields['dimensions'].ravel().astype(float)
  frames = len(tracks[0])
  is_size = (size >= 1) & (size < 1e6) & (size == np.floor(size))
  if len(size) != 3 or not is_size.all() or size[2] != frames:
    raise UserError(
      f'{source}: dimensions are {size.tolist()} where height, width and the'
      f' number of frames, {frames}, are due; {_REMEDY}'
    )
  height, width, _ = map(int, size)
  # Some files have coordinates of 16 bits, not to be calculated with.
  return Recording(np.stack(tracks, -1).astype(float)[None], (width, height))


def _whole(text):
  """An integer, which pandas may have written as 3.0."""
  value = float(text)
  if not value.is_integer():
    raise ValueError(text)
  return int(value)


def _split(train, where):
  if train not in _SPLITS:
    raise UserError(
      f'{where}: train is {train}, where 1 (training) or -1 (test) is due;'
      f' {_REMEDY}'
    )
  return _SPLITS[train]


def _scalar(array, name, source):
  if array.size != 1:
    raise UserError(
      f'{source}: {name} has {array.size} values where one is due; {_REMEDY}'
    )
  return array.item()


def _check_numbers(array, name, source):
  if array.dtype.kind not in 'biuf':
    raise UserError(f'{source}: {name} does not hold real numbers; {_REMEDY}')
