"""Tables of a user's own: .csv, a row for each frame (of each person)."""

import csv
import io
import re

import numpy as np

from unik_jax.data.formats.user import people
from unik_jax.data.formats.user.people import Found
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
) -> Found:
  """A clip from a table.

  With a header, columns are JOINT_x, JOINT_y and, for all joints or none,
  JOINT_z and JOINT_confidence (or another of _CONFIDENCES), in small letters or
  capitals, with _, a point or a space between. `frame` (a whole number) and
  `person` (any text) may be there too; others are not read and noted. Without a
  header, a row has x y [z] [confidence] of one joint after the other. An empty
  cell, or one of _MISSING, is missing.

  Args:
    content: of the file.
    where: the file, to be named in errors.
    layout: its joints; None to find it by the header.
    persons: how many are kept, as in `people.tracks`.
    confidence: without a header, whether the last channel is one; None to
      take the fourth of four channels for it.

  Raises:
    UserError: not such a table, with line and column.
  """
  header, lines, rows = _read(content, where)
  if header is None:
    return _without_header(rows, lines, where, layout, confidence)
  names = [_plain(name) for name in header]
  column = {name: c for c, name in enumerate(names)}
  if twice := [name for name in names if name and names.count(name) > 1]:
    raise UserError(f'{where}, header: column {twice[0]!r} occurs twice')
  layout = layout or _layout_of(column, where)
  axes = _axes(column, layout)
  wanted = [
    f'{_plain(joint)}_{axis}' for joint in layout.joints for axis in axes
  ]
  if absent := [name for name in wanted if name not in column]:
    raise UserError(
      f'{where}, header: no column {absent[0]!r}, which layout {layout.name!r}'
      f' needs; there are: {", ".join(header)}'
    )
  notes = _unused(header, {*wanted, 'frame', 'person', ''}, layout, where)
  poses = _floats(rows, [column[n] for n in wanted], lines, header, where)
  frames, ids = _frames(rows, column, lines, where)
  confidence = axes[-1] in _CONFIDENCES
  clip = people.tracks(
    poses.reshape(len(rows), layout.num_joints, len(axes)),
    frames,
    ids,
    length=int(frames.max()) + 1,
    persons=persons,
    confidence=confidence,
  )
  return Found(clip, confidence, layout.name, notes=notes)


def decode(content: bytes, where: str) -> str:
  """A table's text; a UserError where it is not UTF-8, as Excel may write."""
  try:
    text = content.decode('utf-8-sig')
    at = text.find('\0')
  except UnicodeDecodeError as error:
    at = error.start
  if at >= 0:
    raise UserError(
      f'{where}: byte {at} is not UTF-8 text; save it as "CSV UTF-8"'
    )
  return text


def delimiter(text: str) -> str:
  """A tab or semicolon, where the first line has one, and else a comma.

  With those, commas may be decimal ones.
  """
  line = text.partition('\n')[0]
  return next((mark for mark in '\t;' if mark in line), ',')


def _plain(name):
  """A name of a column in small letters, with _ for points and spaces."""
  name = re.sub('[. ]+', '_', name.strip().lower())
  # MediaPipe's two joints whose side is a suffix.
  return re.sub('^mouth_(left|right)', r'\1_mouth', name)


def _axes(column, layout):
  """The coordinates that columns are there for, of one joint or all."""
  joints = list(map(_plain, layout.joints))
  extra = [
    next((a for a in axes if any(f'{j}_{a}' in column for j in joints)), None)
    for axes in (('z',), _CONFIDENCES)
  ]
  return ('x', 'y', *filter(None, extra))


def _unused(header, used, layout, where):
  """Notes on columns that are not read; a joint's are an error."""
  joints = tuple(f'{_plain(joint)}_' for joint in layout.joints)
  other = [name for name in header if _plain(name) not in used]
  for name in other:
    if _plain(name).startswith(joints):
      raise UserError(
        f'{where}, header: column {name!r} is of a joint of layout'
        f' {layout.name!r}, but not read; of each, x, y, z and one of'
        f' {", ".join(_CONFIDENCES)} are: rename or remove the column'
      )
  return tuple(f'column {name!r}, as in {where}, is not read' for name in other)


def _without_header(rows, lines, where, layout, confidence):
  if layout is None:
    raise UserError(
      f'{where}: without a header, the joints are not known; write `layout:'
      ' NAME` into layout.yaml'
    )
  poses = _floats(rows, range(len(rows[0])), lines, None, where)
  channels, odd = divmod(len(rows[0]), layout.num_joints)
  if odd:
    raise UserError(
      f'{where}, line {lines[0]}: {len(rows[0])} values are not as many for'
      f' each of the {layout.num_joints} joints of layout {layout.name!r}'
    )
  confidence = people.check_channels(channels, confidence, where)
  clip = poses.reshape(1, len(rows), layout.num_joints, channels)
  return Found(clip, confidence, layout.name, is_open=True)


def _read(content, where):
  """(header or None, line number of each row, rows of strings)."""
  text = decode(content, where)
  mark = delimiter(text)
  reader = csv.reader(io.StringIO(text), delimiter=mark)
  lines, rows = [], []
  try:
    for row in reader:
      if any(map(str.strip, row)):
        lines.append(reader.line_num)
        rows.append([_cell(cell.strip(), mark) for cell in row])
  except csv.Error as error:
    raise UserError(
      f'{where}, line {reader.line_num}: not a table ({error}); write it again'
    ) from None
  header = None
  if rows and not all(cell == '' or _is_number(cell) for cell in rows[0]):
    header, lines = rows.pop(0), lines[1:]
  if header is None and rows:
    numbers = list(filter(None, rows[0]))  # an index has no name
    if len(numbers) > 1 and numbers == [str(n) for n in range(len(numbers))]:
      raise UserError(
        f'{where}, line {lines[0]}: {numbers[0]}, {numbers[1]}, ... are column'
        ' numbers, not a frame; write the table with header=False'
      )
  if not rows:
    raise UserError(f'{where}: no frames in it; remove it or record it again')
  width = len(header or rows[0])
  for line, row in zip(lines, rows, strict=True):
    if len(row) != width:
      raise UserError(
        f'{where}, line {line}: {len(row)} values, where the lines before have'
        f' {width}; the file is cut short, or delimiters are missing'
      )
  return header, lines, rows


def _cell(text, mark):
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


def _floats(rows, columns, lines, header, where):
  """(rows, columns) as numbers, NaN for an empty cell."""
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
    f'{where}, line {line}, column {c + 1}{name}: {cell[:40]!r} is no number;'
    ' correct it, or leave the cell empty where the joint is missing'
  )


def _layout_of(columns, where):
  """The built-in layout whose joints the header names."""
  joints = [
    name.removesuffix('_x')
    for name in columns
    if name.endswith('_x') and f'{name[:-1]}y' in columns
  ]
  if not joints:
    raise UserError(
      f'{where}, header: no columns JOINT_x, JOINT_y, ..., such as nose_x; it'
      f' has: {", ".join(columns)[:200]}'
    )
  same = [
    LAYOUTS[name]
    for name in sorted(BUILT_IN)
    if set(LAYOUTS[name].joints) == set(joints)
  ]
  if not same:
    near = _nearest(set(joints))
    raise UserError(
      f'{where}, header: no built-in layout has just the joints that the'
      f' header names ({", ".join(joints)}){near}; name them as'
      ' unik_jax/skeletons/layouts.yaml does, or describe yours in layout.yaml'
    )
  # Two layouts may differ in the order alone.
  return next((each for each in same if each.joints == tuple(joints)), same[0])


def _nearest(joints):
  """The layout that shares most with these joints, and what differs."""

  def shared(layout):
    return len(joints & set(layout.joints)) / len(joints | set(layout.joints))

  layout = max((LAYOUTS[name] for name in sorted(BUILT_IN)), key=shared)
  if not shared(layout):
    return ''
  parts = [
    f'{word} {", ".join(sorted(names))}'
    for word, names in (
      ('lacks', set(layout.joints) - joints),
      ('has also', joints - set(layout.joints)),
    )
    if names
  ]
  return f'. The nearest is {layout.name!r}: the header {" and ".join(parts)}'


def _frames(rows, column, lines, where):
  """(frame of each row, person of each row)."""
  ids = [row[column['person']] if 'person' in column else '' for row in rows]
  if 'frame' in column:
    numbers = []
    for line, row in zip(lines, rows, strict=True):
      cell = row[column['frame']]
      if not _is_number(cell) or not float(cell).is_integer():
        raise UserError(
          f'{where}, line {line}, column frame: {cell[:40]!r} is no whole'
          ' number; count frames there, and call times otherwise'
        )
      numbers.append(int(float(cell)))
    frames = people.places(numbers)
  else:
    # Each person's rows are in the order of time.
    count = {}
    frames = np.zeros(len(rows), int)
    for i, person in enumerate(ids):
      frames[i] = count[person] = count.get(person, -1) + 1
  first = {}
  for line, *key in zip(lines, frames.tolist(), ids, strict=True):
    if (same := first.setdefault(tuple(key), line)) != line:
      raise UserError(
        f'{where}, line {line}: the frame and person of line {same} again;'
        ' write persons apart by a column person'
      )
  return frames, ids
