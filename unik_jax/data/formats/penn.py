"""Penn Action: hand-drawn joints (.mat), and the label table of UNIK's poses.

Published by Zhang, Zhu and Derpanis, "From Actemes to Action: A
Strongly-Supervised Representation for Detailed Action Understanding", ICCV
2013: https://dreamdragon.github.io/PennAction/ (its README documents the
fields). Each of 2,326 videos has a file `labels/NNNN.mat` with 13 joints per
frame, drawn by hand: x, y in pixels and visibility, layout 'penn_13'.

UNIK's authors publish LCR-Net's poses of the same videos as `NNNN.json` (read
by `lcrnet`), with a table `pennaction_complete.csv`:
https://github.com/YangDi666/UNIK.
"""

import csv
import io
import math
import re

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import Recording
from unik_jax.data.formats.clip_names import RESTORE_NAME
from unik_jax.data.formats.matlab import read_mat_fields
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# In label order: alphabetical, and spelled as in the .mat files (the dataset's
# README has longer words for some).
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
_COLUMNS = ('video', 'category_code', 'train')
# Share of the joints that may be outside the image. Four files of 2,326 have
# more: 0979, 1021, 1024 and 1032.
_MOST_OUTSIDE = 0.05
_SPLITS = {1: 'train', -1: 'test'}


def parse_video_number(file: raw_files.RawFile) -> int:
  """Returns the video's number in the name of NNNN.json or NNNN.mat.

  Raises:
    UserError: the name is not a number.
  """
  if not re.fullmatch('[0-9]+', file.stem):
    raise UserError(
      f'{file}: expected a name that is the number of a video, such as 0001,'
      f' got {file.stem!r}. {RESTORE_NAME}'
    )
  return int(file.stem)


def read_split_table(file: raw_files.RawFile) -> dict[int, tuple[int, str]]:
  """Returns (label, split) of each video number, from UNIK's table.

  `category_code` is taken as an index into `CLASSES`, from 0. UNIK trains 15
  classes on these codes, and pandas, which reads the table, numbers categories
  alphabetically. The table has no class names to check this by. `train` is 1
  for training and -1 for testing, as in the .mat files.

  Args:
    file: a CSV file with columns video, category_code and train.

  Raises:
    UserError: the file is not CSV, a column is missing or occurs twice, a value
      is not an integer or out of range, or a video has two rows.
  """
  reader = csv.DictReader(io.StringIO(raw_files.read_text(file)))
  try:
    names = list(reader.fieldnames or ())
    rows = [(reader.line_num, row) for row in reader]
  except csv.Error as error:
    raise UserError(
      f'{file}, line {reader.line_num}: not CSV ({error}). {FETCH_AGAIN}'
    ) from None
  for column in _COLUMNS:
    if names.count(column) != 1:
      raise UserError(
        f'{file}, line 1: expected one column {column!r}, got'
        f' {names.count(column)}. {FETCH_AGAIN}'
      )
  table = {}
  for line, row in rows:
    where = f'{file}, line {line}'
    try:
      video, label, train = (_parse_integer(row[name]) for name in _COLUMNS)
    except (TypeError, ValueError):  # a field is None if its line is too short
      raise UserError(
        f'{where}: {", ".join(_COLUMNS)}: expected integers, got'
        f' {[row[name] for name in _COLUMNS]}. {FETCH_AGAIN}'
      ) from None
    if not 0 <= label < len(CLASSES):
      raise UserError(
        f'{where}: category_code: expected 0 ({CLASSES[0]}) to'
        f' {len(CLASSES) - 1} ({CLASSES[-1]}), got {label}. If yours start at'
        ' 1, subtract 1'
      )
    if video in table:
      raise UserError(f'{where}: a second row of video {video}. Remove one')
    table[video] = label, _get_split(train, where)
  return table


def read_label(source: raw_files.RawFile) -> tuple[int, str]:
  """Returns (label, split) of a .mat file, from its fields action and train.

  Raises:
    UserError: the file cannot be read, or a field is missing or has another
      value.
  """
  content = source.read_bytes()
  fields = read_mat_fields(content, str(source), ('action', 'train'))
  action = str(_get_scalar(fields, 'action', source)).strip()
  if action not in CLASSES:
    raise UserError(
      f'{source}: action: expected one of {", ".join(CLASSES)}; got'
      f' {action!r}. {FETCH_AGAIN}'
    )
  _check_numbers(fields, 'train', source)
  train = _get_scalar(fields, 'train', source)
  return CLASSES.index(action), _get_split(train, str(source))


def read_annotations(source: raw_files.RawFile) -> Recording:
  """Returns one video's hand-drawn joints, and its size.

  Args:
    source: NNNN.mat, with x, y and visibility (T, 13) and dimensions
      [height, width, T].

  Returns:
    Keypoints (1, T, 13, 3) float64 of layout 'penn_13': x, y in pixels, also
    where the joint is not visible, and visibility, 0 or 1. If they do not fit
    in the stated size, as in four of the authors' files, a larger one.

  Raises:
    UserError: the file cannot be read, a field is missing or has another shape,
      or `dimensions` does not match the number of frames.
  """
  names = ('x', 'y', 'visibility', 'dimensions')
  fields = read_mat_fields(source.read_bytes(), str(source), names)
  for name in names:
    _check_numbers(fields, name, source)
  joints = get_layout('penn_13').num_joints
  tracks = [fields[name] for name in ('x', 'y', 'visibility')]
  shapes = [track.shape for track in tracks]
  if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][1] != joints:
    raise UserError(
      f'{source}: x, y and visibility: expected shapes (frames, {joints}), got'
      f' {", ".join(map(str, shapes))}. {FETCH_AGAIN}'
    )
  size = fields['dimensions'].ravel().astype(float)
  frames = len(tracks[0])
  is_size = (size >= 1) & (size < 1e6) & (size == np.floor(size))
  if len(size) != 3 or not is_size.all() or size[2] != frames:
    raise UserError(
      f'{source}: dimensions: expected height, width and {frames} frames, got'
      f' {size.tolist()}. {FETCH_AGAIN}'
    )
  height, width, _ = map(int, size)
  # Some files have 16-bit integers, in which arithmetic would overflow.
  keypoints = np.stack(tracks, -1).astype(float)[None]
  points = keypoints[..., :2]
  outside = (points > (width, height)).any(-1).mean()
  if outside <= _MOST_OUTSIDE:
    return Recording(keypoints, (width, height))
  larger = (points / (width, height)).max()
  drawn = math.ceil(width * larger), math.ceil(height * larger)
  note = (
    f'dimensions: {outside:.0%} of the joints are outside {width} x {height}.'
    ' They were drawn on a larger image, taken as {} x {}, the smallest of this'
    ' shape that has them all'.format(*drawn)
  )
  return Recording(keypoints, drawn, notes=(note,))


def _parse_integer(text):
  """Parses an integer, also one that pandas wrote as 3.0."""
  value = float(text)
  if not value.is_integer():
    raise ValueError(text)
  return int(value)


def _get_split(train, where):
  if train not in _SPLITS:
    raise UserError(
      f'{where}: train: expected 1 (training) or -1 (test), got {train}.'
      f' {FETCH_AGAIN}'
    )
  return _SPLITS[train]


def _get_scalar(fields, name, source):
  array = fields[name]
  if array.size != 1:
    raise UserError(
      f'{source}: {name}: expected one value, got {array.size}. {FETCH_AGAIN}'
    )
  return array.item()


def _check_numbers(fields, name, source):
  if fields[name].dtype.kind not in 'biuf':
    raise UserError(
      f'{source}: {name}: expected real numbers, got dtype'
      f' {fields[name].dtype}. {FETCH_AGAIN}'
    )
