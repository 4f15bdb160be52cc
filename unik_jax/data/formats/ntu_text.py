"""Parser of NTU RGB+D's .skeleton texts.

The format, as the authors' Matlab/read_skeleton_file.m reads it
(https://github.com/shahroudy/NTURGB-D):

  number of frames
  for each frame:   number of bodies
    for each body:  bodyID and 9 values of the tracker
                    25
                    25 lines of x y z (metres) and 9 more values

Only the body IDs and x y z are read. Preparation time depends on this parser:
a file has about 30,000 values, of which a quarter are needed. So numpy locates
the values by their spaces, which takes a third of the time of splitting the
text, and decodes the decimals of all joints at once.
"""

from typing import NamedTuple

import numpy as np

from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

JOINTS = 25
_BODY = [10, 1] + JOINTS * [12]  # number of values in each line of a body


class Bodies(NamedTuple):
  """Every body of every frame of a file, in file order; K in total.

  Attributes:
    num_frames: T.
    frames: (K,) frame of each body.
    slots: (K,) place of each body in its frame.
    ids: (K,) identity of each body: the file's bodyIDs, numbered in the order
      of their first occurrence.
    joints: (K, 25, 3) float32 metres.
  """

  num_frames: int
  frames: np.ndarray
  slots: np.ndarray
  ids: np.ndarray
  joints: np.ndarray


def parse_bodies(content: bytes, where: str) -> Bodies:
  """Parses a .skeleton file.

  Args:
    content: the file's bytes.
    where: the file, for errors.

  Raises:
    UserError: there are no frames, fewer or more lines than announced, another
      number of joints or of values in a line, a value that is not a number, or
      a coordinate that is not finite; names the line.
  """
  content = content.rstrip() + b'\n'
  try:
    return _parse_lines(_Lines(content, where))
  except UserError:
    # The values may be separated by something else than one space.
    lines = content.split(b'\n')[:-1]
    normalized = b''.join(b' '.join(line.split()) + b'\n' for line in lines)
    return _parse_lines(_Lines(normalized, where))


class _Lines:
  """The lines of a text, and the places of their values.

  Attributes:
    text: (bytes,) uint8.
    starts: (lines,) offset of each line.
    spaces: (spaces,) offset of each space.
    first_space: (lines,) index into `spaces` of each line's first space.
    counts: number of values in each line.
  """

  def __init__(self, content, where):
    self._content = content
    self._where = where
    self.text = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(self.text == ord('\n'))
    self.starts = np.append(0, ends[:-1] + 1)
    self.spaces = np.flatnonzero(self.text == ord(' '))
    # How many spaces come before the end of each line.
    spaces_before = np.searchsorted(self.spaces, ends)
    self.first_space = np.append(0, spaces_before[:-1])
    self.counts = (spaces_before - self.first_space + 1).tolist()
    self._ends = ends.tolist()

  def __getitem__(self, line):
    """Returns the bytes of a line; none past the last line."""
    if line >= len(self._ends):
      return b''
    start = self._ends[line - 1] + 1 if line else 0
    return self._content[start : self._ends[line]].rstrip()

  def get_count(self, line, expected, *args):
    """Returns the integer in a line. See `refuse` for the other arguments."""
    text = self[line]
    if not text.isdigit() or len(text) > 9:
      self.refuse(line, expected, *args)
    return int(text)

  def refuse(self, line, expected, *args):
    """Raises a UserError about a line.

    Args:
      line: its index; past the last line, the text is cut short.
      expected: what the line should have, with {} for each of `args`. It is
        formatted only here, since most lines are right.
      *args: its values.
    """
    got = 'the end of the file'
    if line < len(self.counts):
      got = repr(self[line][:40].decode('ascii', 'replace'))
    raise UserError(
      f'{self._where}, line {line + 1}: expected {expected.format(*args)}, got'
      f' {got}. {FETCH_AGAIN}'
    )


def _parse_lines(lines):
  num_frames = lines.get_count(0, 'the number of frames')
  if not num_frames:
    lines.refuse(0, 'a number of frames above 0')
  first_lines, frames, slots, ids = [], [], [], []
  id_numbers = {}
  line = 1
  for frame in range(num_frames):
    num_bodies = lines.get_count(
      line, 'the number of bodies in frame {}', frame
    )
    line += 1
    for slot in range(num_bodies):
      body_id = _check_body(lines, line, slot + 1, num_bodies, frame)
      first_lines.append(line)
      frames.append(frame)
      slots.append(slot)
      ids.append(id_numbers.setdefault(body_id, len(id_numbers)))
      line += len(_BODY)
  if line < len(lines.counts):
    lines.refuse(line, f'the end after the {num_frames} frames of line 1')
  return Bodies(
    num_frames,
    np.array(frames, int),
    np.array(slots, int),
    np.array(ids, int),
    _parse_joints(lines, np.array(first_lines, int)),
  )


def _check_body(lines, line, *args):
  """Returns the bodyID of the body whose first line this is.

  Args:
    lines: lines of the file.
    line: index of the line.
    *args: number of the body, bodies in the frame, and the frame, for errors.
  """
  body_id = lines[line].partition(b' ')[0]
  joints = lines[line + 1]
  counts = lines.counts[line : line + len(_BODY)]
  if counts == _BODY and body_id.isdigit() and joints == b'25':
    return body_id
  # The body is malformed: find the first bad line, for the error.
  body = 'body {} of {} in frame {}'
  if counts[:1] != _BODY[:1] or not body_id.isdigit():
    lines.refuse(line, f'{body} (bodyID and 9 values)', *args)
  if joints != b'25':
    lines.refuse(line + 1, f'25, the number of joints of {body}', *args)
  wrong = [i for i, n in enumerate(counts) if n != _BODY[i]] + [len(counts)]
  expected = f'joint {wrong[0] - 2} (12 values) of {body}'
  lines.refuse(line + wrong[0], expected, *args)


def _parse_joints(lines, first_lines):
  """Returns (K, 25, 3) float32, given the first line of each body."""
  rows = np.add.outer(first_lines, np.arange(2, len(_BODY))).ravel()
  # x, y and z end at the first three spaces of a line.
  ends = lines.spaces[np.add.outer(lines.first_space[rows], np.arange(3))]
  starts = np.column_stack([lines.starts[rows], ends[:, :2] + 1])
  values, is_plain = _decode_decimals(lines.text, starts.ravel(), ends.ravel())
  for i in np.flatnonzero(~is_plain):  # such as 1e-5: rare
    row = rows[i // 3]
    try:
      values[i] = float(lines[row].split(b' ')[i % 3])
    except ValueError:
      lines.refuse(row, 'a joint with x y z as numbers')
  # Compared in float64, so that numbers beyond float32 are rejected too.
  bad = np.flatnonzero(~(np.abs(values) <= np.finfo(np.float32).max))
  if len(bad):
    lines.refuse(rows[bad[0] // 3], 'a joint with finite x y z')
  return values.astype(np.float32).reshape(-1, JOINTS, 3)


def _decode_decimals(text, starts, ends):
  """Decodes numbers such as -0.1234567 to the value that `float` returns.

  Args:
    text: uint8.
    starts: (N,) offset of each number.
    ends: (N,) offset after each number.

  Returns:
    (N,) float64 values, and (N,) whether they are right: a number must have
    one digit before the point and up to 10 after it.
  """
  is_negative = text[starts] == ord('-')
  ones = starts + is_negative
  # In uint8, a character below '0' wraps around to more than 9.
  one = text[ones] - ord('0')
  is_plain = (one <= 9) & (text[ones + 1] == ord('.')) & (ends <= ones + 12)
  # Integers below 10 ** 11, and 10 ** 10, are exact in float64. So their
  # quotient is the nearest float64 to the decimal, as `float` returns.
  values = one.astype(np.float64)
  for offsets in ones + np.arange(2, 12)[:, None]:
    digit = text.take(offsets, mode='clip') - ord('0')
    digit *= offsets < ends  # zeros after the last digit
    is_plain &= digit <= 9
    values *= 10
    values += digit
  values /= 10.0**10
  return np.where(is_negative, -values, values), is_plain
