"""Reader of keypoint tables: .csv files, one row per frame and person."""

import csv
import io
import re

import numpy as np

from unik_jax.data.formats.user.frame_names import FramePlaces, place_frames
from unik_jax.data.formats.user.keypoints import (
  NobodySeenError,
  ParsedClip,
  check_channels,
)
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, Layout

_CONFIDENCES = (
  'confidence',
  'visibility',
  'conf',
  'score',
  'likelihood',
  'c',
)
_MISSING = ('na', 'n/a', '#n/a', 'nan', 'null', 'none')
_DECIMAL_COMMA = re.compile(r'[-+]?[0-9]*,[0-9]+(e[-+]?[0-9]+)?', re.IGNORECASE)


def parse_csv(
  content: bytes,
  where: str,
  layout: Layout | None,
  *,
  persons: int = 2,
  confidence: bool | None = None,
) -> ParsedClip:
  """Returns the clip in a table.

  With a header, the columns are JOINT_x and JOINT_y, and optionally JOINT_z and
  JOINT_confidence (or another of _CONFIDENCES) for all joints. Case is ignored;
  the separator is an underscore, a point or a space. The columns `frame` (a
  whole number) and `person` (any text) are optional. Other columns are skipped
  with a note. Without a header, a row lists `x y [z] [confidence]` of each
  joint. An empty cell, or one of _MISSING, is a missing value. A row of empty
  cells is a frame without a person, unless other columns place rows in time.

  Args:
    content: bytes of the file.
    where: the file, for errors.
    layout: joint layout; None to infer it from the header.
    persons: maximum number of persons.
    confidence: without a header, whether the last channel is a confidence;
      None means that the fourth of four channels is.

  Raises:
    UserError: the table is invalid (names the line and the column), or nobody
      is seen in it.
  """
  header, lines, rows = _read_rows(content, where)
  if header is None:
    return _parse_without_header(rows, lines, where, layout, confidence)
  names = [_normalize_name(name) for name in header]
  column = {name: c for c, name in enumerate(names)}
  if repeated := [name for name in names if name and names.count(name) > 1]:
    raise UserError(
      f'{where}, header: expected each column once, got {repeated[0]!r} twice.'
      ' Rename one of them'
    )
  layout = layout or _infer_layout(column, where)
  axes = _detect_axes(column, layout)
  expected = [
    f'{_normalize_name(joint)}_{axis}'
    for joint in layout.joints
    for axis in axes
  ]
  if absent := [name for name in expected if name not in column]:
    raise UserError(
      f'{where}, header: expected a column {absent[0]!r}, as in layout'
      f' {layout.name!r}, got {", ".join(header)}'
    )
  used = {*expected, 'frame', 'person', ''}
  notes = _note_unused(header, used, layout, where)
  lines, rows = _drop_unplaced(lines, rows, column)
  poses = _parse_floats(
    rows, [column[n] for n in expected], lines, header, where
  )
  places, ids = _parse_frames(rows, column, lines, where)
  confidence = axes[-1] in _CONFIDENCES
  clip = track_persons(
    poses.reshape(len(rows), layout.num_joints, len(axes)),
    places.indices,
    ids,
    length=int(places.indices.max()) + 1,
    persons=persons,
    confidence=confidence,
  )
  notes += places.notes
  return ParsedClip(clip, confidence, layout.name, notes=notes)


def decode_text(content: bytes, where: str) -> str:
  """Returns a table's text without a byte-order mark.

  Raises:
    UserError: the text is not UTF-8. Excel saves other encodings by default.
  """
  try:
    text = content.decode('utf-8-sig')
    at = text.find('\0')
  except UnicodeDecodeError as error:
    text, at = '', error.start
  if at >= 0:
    raise UserError(
      f'{where}: byte {at} is not UTF-8 text. Save the table as "CSV UTF-8"'
    )
  return text


def detect_delimiter(text: str) -> str:
  """Returns a table's delimiter: a tab, semicolon or comma.

  A comma counts last, because it may be a decimal comma.
  """
  line = text.partition('\n')[0]
  return next((mark for mark in '\t;' if mark in line), ',')


def _normalize_name(name):
  """Returns a column's name in lower case, with _ for points and spaces."""
  name = re.sub('[. ]+', '_', name.strip().lower())
  # MediaPipe's names of these two joints have the side as a suffix.
  return re.sub('^mouth_(left|right)', r'\1_mouth', name)


def _detect_axes(column, layout):
  """Returns the channels for which any joint has a column."""
  joints = list(map(_normalize_name, layout.joints))
  extra = [
    next((a for a in axes if any(f'{j}_{a}' in column for j in joints)), None)
    for axes in (('z',), _CONFIDENCES)
  ]
  return ('x', 'y', *filter(None, extra))


def _note_unused(header, used, layout, where):
  """Returns a note on each skipped column.

  Raises:
    UserError: a skipped column has a joint's name and an unknown channel.
  """
  joints = tuple(f'{_normalize_name(joint)}_' for joint in layout.joints)
  others = [name for name in header if _normalize_name(name) not in used]
  for name in others:
    if _normalize_name(name).startswith(joints):
      raise UserError(
        f'{where}, header: column {name!r}: expected x, y, z or one of'
        f' {", ".join(_CONFIDENCES)} after the name of a joint of layout'
        f' {layout.name!r}. Rename or remove the column'
      )
  return tuple(f'column {name!r} is skipped' for name in others)


def _parse_without_header(rows, lines, where, layout, confidence):
  if layout is None:
    raise UserError(
      f'{where}: expected a joint layout for a table without a header, got'
      ' none. Write `layout: NAME` into layout.yaml'
    )
  poses = _parse_floats(rows, range(len(rows[0])), lines, None, where)
  channels, rest = divmod(len(rows[0]), layout.num_joints)
  if rest:
    raise UserError(
      f'{where}, line {lines[0]}: expected a multiple of {layout.num_joints}'
      f' values, the number of joints in layout {layout.name!r}, got'
      f' {len(rows[0])}'
    )
  confidence = check_channels(channels, confidence, where)
  clip = poses.reshape(1, len(rows), layout.num_joints, channels)
  return ParsedClip(clip, confidence, layout.name, is_open=True)


def _read_rows(content, where):
  """Returns the header or None, each row's line number, and rows of strings."""
  text = decode_text(content, where)
  mark = detect_delimiter(text)
  reader = csv.reader(io.StringIO(text), delimiter=mark)
  lines, rows = [], []
  try:
    for row in reader:
      # A blank line is no row; a row of empty cells is one.
      if any(map(str.strip, row)) or len(row) > 1:
        lines.append(reader.line_num)
        rows.append([_clean_cell(cell.strip(), mark) for cell in row])
  except csv.Error as error:
    raise UserError(
      f'{where}, line {reader.line_num}: expected a table, got {error}. Export'
      ' the file again'
    ) from None
  if rows and not any(rows[-1]):
    rows, lines = rows[:-1], lines[:-1]  # Excel may end a table with one
  header = None
  first = next((n for n, row in enumerate(rows) if any(row)), 0)
  if rows and not all(cell == '' or _is_number(cell) for cell in rows[first]):
    header, rows, lines = rows[first], rows[first + 1 :], lines[first + 1 :]
  elif rows:
    _refuse_column_numbers(rows[first], lines[first], where)
  if not rows:
    raise UserError(
      f'{where}: expected at least one frame, got no frames. Remove the file,'
      ' or record it again'
    )
  if not any(map(any, rows)):
    raise NobodySeenError.in_file(where, len(rows))
  width = len(header or rows[0])
  for line, row in zip(lines, rows, strict=True):
    if len(row) != width:
      raise UserError(
        f'{where}, line {line}: expected {width} values, as in earlier lines,'
        f' got {len(row)}. Check for missing delimiters or a truncated file'
      )
  return header, lines, rows


def _refuse_column_numbers(row, line, where):
  """Raises a UserError if the first row has pandas' names of columns: 0, 1, ...

  The column of its index has no name.
  """
  numbers = list(filter(None, row))
  if len(numbers) > 1 and numbers == [str(n) for n in range(len(numbers))]:
    raise UserError(
      f'{where}, line {line}: expected a frame, got column numbers'
      f' {numbers[0]}, {numbers[1]}, .... Write the table with header=False'
    )


def _clean_cell(text, mark):
  """Returns a cell with a decimal point, and '' for a missing value."""
  if text.lower() in _MISSING:
    return ''
  if mark != ',' and _DECIMAL_COMMA.fullmatch(text):
    return text.replace(',', '.')
  return text


def _is_number(cell):
  try:
    float(cell)
  except ValueError:
    return False
  return True


def _parse_floats(rows, columns, lines, header, where):
  """Returns an array (rows, columns) of numbers, NaN for an empty cell."""
  try:
    return np.array([[float(row[c] or 'nan') for c in columns] for row in rows])
  except ValueError:
    line, c, cell = next(
      (line, c, row[c])
      for line, row in zip(lines, rows, strict=True)
      for c in columns
      if row[c] and not _is_number(row[c])
    )
  name = f' ({header[c]})' if header else ''
  raise UserError(
    f'{where}, line {line}, column {c + 1}{name}: expected a number, got'
    f' {cell[:40]!r}. Correct it, or leave the cell empty if the joint is'
    ' missing'
  )


def _infer_layout(columns, where):
  """Returns the built-in layout that has exactly the header's joints."""
  joints = [
    name.removesuffix('_x')
    for name in columns
    if name.endswith('_x') and f'{name[:-1]}y' in columns
  ]
  if not joints:
    raise UserError(
      f'{where}, header: expected columns JOINT_x, JOINT_y, ..., such as'
      f' nose_x, got: {", ".join(columns)[:200]}'
    )
  candidates = [
    LAYOUTS[name]
    for name in sorted(BUILT_IN)
    if set(LAYOUTS[name].joints) == set(joints)
  ]
  if not candidates:
    raise UserError(
      f'{where}, header: expected the joints of a built-in layout, got joints'
      f' {", ".join(joints)}{_describe_nearest(set(joints))}. Name them as in'
      ' unik_jax/skeletons/layouts.yaml, or describe your layout in layout.yaml'
    )
  # Two layouts may differ only in the order of their joints.
  return next(
    (each for each in candidates if each.joints == tuple(joints)),
    candidates[0],
  )


def _describe_nearest(joints):
  """Returns a sentence that compares the header with the nearest layout."""

  def similarity(layout):
    return len(joints & set(layout.joints)) / len(joints | set(layout.joints))

  layout = max((LAYOUTS[name] for name in sorted(BUILT_IN)), key=similarity)
  if not similarity(layout):
    return ''
  parts = [
    f'{word} {", ".join(sorted(names))}'
    for word, names in (
      ('lacks', set(layout.joints) - joints),
      ('also has', joints - set(layout.joints)),
    )
    if names
  ]
  return f'. The nearest is {layout.name!r}: the header {" and ".join(parts)}'


def _drop_unplaced(lines, rows, column):
  """Drops empty rows that have no place in time: no frame number or person."""
  if 'frame' not in column and len(_persons(rows, column)) == 1:
    return lines, rows
  kept = [n for n, row in enumerate(rows) if any(row)]
  return [lines[n] for n in kept], [rows[n] for n in kept]


def _persons(rows, column):
  """Returns the persons that rows name; {''} without such a column."""
  c = column.get('person')
  return {row[c] if c is not None else '' for row in rows if any(row)}


def _parse_frames(rows, column, lines, where):
  """Returns the place and the person of each row."""
  ids = [row[column['person']] if 'person' in column else '' for row in rows]
  if 'frame' in column:
    numbers = []
    for line, row in zip(lines, rows, strict=True):
      cell = row[column['frame']]
      if not _is_number(cell) or not float(cell).is_integer():
        raise UserError(
          f'{where}, line {line}, column frame: expected a whole number, got'
          f' {cell[:40]!r}. Number the frames, or rename a column of times'
        )
      numbers.append(int(float(cell)))
    places = place_frames(numbers, where)
  else:
    # Without frame numbers, each person's rows are in temporal order.
    if len(_persons(rows, column)) == 1:
      ids = [''] * len(rows)  # in frames without a person, too
    count = {}
    frames = np.zeros(len(rows), int)
    for i, person in enumerate(ids):
      frames[i] = count[person] = count.get(person, -1) + 1
    places = FramePlaces(frames)
  line_by_key = {}
  for line, *key in zip(lines, places.indices.tolist(), ids, strict=True):
    if (first := line_by_key.setdefault(tuple(key), line)) != line:
      raise UserError(
        f'{where}, line {line}: expected another frame or person, got the same'
        f' frame and person as line {first}. Add a column `person`'
      )
  return places, ids
