"""NTU RGB+D's files: Kinect v2 skeletons of 25 joints, and their names.

Shahroudy, Liu, Ng and Wang, "NTU RGB+D: A Large Scale Dataset for 3D Human
Activity Analysis", CVPR 2016; Liu et al., "NTU RGB+D 120", TPAMI 2019. A clip
is `SsssCcccPpppRrrrAaaa.skeleton` (setup, camera, performer, replication,
action), a text of these lines:

  frames
  then for each frame:  bodies
    for each body:      bodyID and 9 values of the tracker
                        25
                        25 lines of x y z (metres, from the camera) and 9 more

Only the body IDs and x y z are read.
"""

import re
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.energy import sort_by_energy
from unik_jax.data.formats import ntu_tracks
from unik_jax.errors import UserError

JOINTS = 25

_NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})', re.ASCII)
_MOST = {'setup': 32, 'camera': 3, 'subject': 106, 'action': 120}
_SLOTS = 4  # that the published scripts have room for
_BODY = [10, 1] + JOINTS * [12]  # values in the lines of a body
_REMEDY = 'extract or download it again'


class ClipName(NamedTuple):
  """What a file's name says; all count from 1."""

  setup: int
  camera: int
  subject: int
  replication: int
  action: int


class Bodies(NamedTuple):
  """Every body of every frame of a file, in file order; K in all.

  Attributes:
    num_frames: T.
    frames: (K,) the frame that a body is in.
    slots: (K,) its place among the bodies of that frame.
    ids: (K,) who it is: the bodyIDs of the file, numbered as they first occur.
    joints: (K, 25, 3) float32 metres.
  """

  num_frames: int
  frames: np.ndarray
  slots: np.ndarray
  ids: np.ndarray
  joints: np.ndarray


def parse_clip_name(name: str, where: str) -> ClipName:
  """Reads a name such as S001C002P003R002A013, with or without .skeleton.

  Raises:
    UserError: of another form, or a number that the dataset does not have.
  """
  match = _NAME.fullmatch(name.removesuffix('.skeleton'))
  if not match:
    raise UserError(
      f'{where}: name is not of the form SsssCcccPpppRrrrAaaa (setup, camera,'
      ' performer, replication, action); give it its name again, or remove it'
    )
  parts = ClipName(*map(int, match.groups()))
  for what, most in _MOST.items():
    value = getattr(parts, what)
    if not 1 <= value <= most:
      raise UserError(
        f'{where}: {what} {value}, but they go from 1 to {most}; give the file'
        ' its name again, or remove it'
      )
  return parts


def parse_missing_list(text: str, where: str) -> set[str]:
  """The clips that a list of the authors says to ignore.

  Args:
    text: of the list: some lines of prose, then a name a line.
    where: the file, to be named in errors.

  Raises:
    UserError: a name is cut short, or there is none at all.
  """
  names = set()
  for number, line in enumerate(text.splitlines(), 1):
    name = line.strip().removesuffix('.skeleton')
    if re.match(r'S\d', name):
      parse_clip_name(name, f'{where}, line {number}')
      names.add(name)
  if not names:
    raise UserError(
      f'{where}: no names of clips (SsssCcccPpppRrrrAaaa) in it; get it again'
    )
  return names


def read_skeletons(
  source: raw_files.RawFile, *, tracking: str = 'body'
) -> np.ndarray:
  """One clip, for the builder.

  Args:
    source: the .skeleton file.
    tracking: 'body' or 'slot', for `track_by_body` or `track_by_slot`.

  Returns:
    (2, T, 25, 3) float32 metres.

  Raises:
    UserError: as `parse_bodies`, or nobody is seen in any frame.
  """
  bodies = parse_bodies(source.read_bytes(), str(source))
  if not len(bodies.joints):
    raise UserError(
      f'{source}: no body in any of its {bodies.num_frames} frames; such clips'
      " are among those that the authors' list of missing skeletons names"
      ' (NTU_RGBD120_samples_with_missing_skeletons.txt): put it into the'
      ' manual folder, or remove the file'
    )
  return {'body': track_by_body, 'slot': track_by_slot}[tracking](bodies)


def track_by_slot(bodies: Bodies) -> np.ndarray:
  """Persons as the published scripts take them: by place in the frame.

  Who comes first of four in each frame makes the first person, and so on,
  whatever the bodyIDs say. The two of most energy are kept, the most first.

  Returns:
    (2, T, 25, 3) float32; zeros where nobody is.
  """
  clip = np.zeros((_SLOTS, bodies.num_frames, JOINTS, 3), np.float32)
  kept = bodies.slots < _SLOTS
  clip[bodies.slots[kept], bodies.frames[kept]] = bodies.joints[kept]
  return sort_by_energy(clip)[:2]


def track_by_body(bodies: Bodies) -> np.ndarray:
  """Persons by bodyID, put together where the tracker lost and found them.

  A bodyID is one person, whatever the slot; where a frame has it twice, the
  first counts. In this order, by the constants of `ntu_tracks`:

  1. IDs whose bones are too long for anybody are dropped.
  2. The other IDs, in the order they start, carry on the nearest person who is
     not there in their frames, if there is one whom they may be: lost or found
     no more than `JOIN_FRAMES` away, and so far from there as one gets in
     that time (`JOIN_DISTANCE` and `JOIN_SPEED`). In up to `OVERLAP_FRAMES`
     both may be there, if they coincide.
  3. Persons of `SHORTEST` frames or fewer are dropped, then those who are too
     wide for their height, such as tables and seats. Both are pyskl's rules.
  4. The two of most energy are kept, the most first.

  No step drops the last that there is: if none passes, all stay. What is not
  noticed: IDs that two people exchange as they cross; and noise near to where
  somebody was lost, of a person's size, carries that person on.

  Returns:
    (2, T, 25, 3) float32; zeros where nobody is.
  """
  clip = np.zeros((2, bodies.num_frames, JOINTS, 3), np.float32)
  frames, ids, joints = bodies.frames, bodies.ids, bodies.joints
  persons = ntu_tracks.find_persons(frames, ids, joints)
  for person, kept in zip(clip, persons, strict=False):
    person[frames[kept]] = joints[kept]
  return clip


def parse_bodies(content: bytes, where: str) -> Bodies:
  """All bodies of a .skeleton file.

  Args:
    content: of the file.
    where: the file, to be named in errors.

  Raises:
    UserError: with the line: no frames, cut short, more lines than it
      announces, another number of joints or of values in a line, a value that
      is no number, or a coordinate that is not finite.
  """
  content = content.rstrip() + b'\n'
  try:
    return _parse(_Lines(content, where))
  except UserError:
    # Perhaps it is just not one space that stands between the values.
    lines = content.split(b'\n')[:-1]
    tidy = b''.join(b' '.join(line.split()) + b'\n' for line in lines)
    return _parse(_Lines(tidy, where))


class _Lines:
  """Where the lines of a text are, and the values in them.

  A file has 30,000 values, of which a quarter are wanted: numpy finds their
  places in a third of the time that it takes to split the text.

  Attributes:
    text: its bytes.
    starts: of the lines.
    spaces: all there are.
    first_space: of each line, as a place in `spaces`.
    counts: of the values in each line.
  """

  def __init__(self, content, where):
    self._content = content
    self._where = where
    self.text = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(self.text == ord('\n'))
    self.starts = np.append(0, ends[:-1] + 1)
    self.spaces = np.flatnonzero(self.text == ord(' '))
    places = np.searchsorted(self.spaces, ends)
    self.first_space = np.append(0, places[:-1])
    self.counts = (places - self.first_space + 1).tolist()
    self._ends = ends.tolist()

  def __getitem__(self, line):
    if line >= len(self._ends):
      return b''
    start = self._ends[line - 1] + 1 if line else 0
    return self._content[start : self._ends[line]].rstrip()

  def number(self, line, due, *names):
    """The count that makes up a line."""
    text = self[line]
    if not text.isdigit() or len(text) > 9:
      self.refuse(line, due, *names)
    return int(text)

  def refuse(self, line, due, *names):
    """Says what stands in a line (or past the end) where something is due."""
    shown = repr(self[line][:40].decode('ascii', 'replace'))
    raise UserError(
      f'{self._where}, line {line + 1}:'
      f' {shown if line < len(self.counts) else "the file ends"} where'
      f' {due.format(*names)} is due; {_REMEDY}'
    )


def _parse(lines):
  num_frames = lines.number(0, 'the number of frames')
  if not num_frames:
    lines.refuse(0, 'a number of frames above 0')
  heads, frames, slots, ids = [], [], [], []
  known_ids = {}
  line = 1
  for frame in range(num_frames):
    num_bodies = lines.number(line, 'the number of bodies in frame {}', frame)
    line += 1
    for slot in range(num_bodies):
      body_id = _check_body(lines, line, slot + 1, num_bodies, frame)
      heads.append(line)
      frames.append(frame)
      slots.append(slot)
      ids.append(known_ids.setdefault(body_id, len(known_ids)))
      line += len(_BODY)
  if line < len(lines.counts):
    lines.refuse(line, f'the end, after the {num_frames} frames of line 1,')
  return Bodies(
    num_frames,
    np.array(frames, int),
    np.array(slots, int),
    np.array(ids, int),
    _joints(lines, np.array(heads, int)),
  )


def _check_body(lines, line, *names):
  """The bodyID of the body that starts with that line."""
  body_id = lines[line].partition(b' ')[0]
  joints = lines[line + 1]
  counts = lines.counts[line : line + len(_BODY)]
  if counts == _BODY and body_id.isdigit() and joints == b'25':
    return body_id
  body = 'body {} of the {} in frame {}'
  if counts[:1] != _BODY[:1] or not body_id.isdigit():
    lines.refuse(line, f'{body} (bodyID and 9 values)', *names)
  if joints != b'25':
    lines.refuse(line + 1, f'25, the number of joints of {body},', *names)
  wrong = [i for i, n in enumerate(counts) if n != _BODY[i]] + [len(counts)]
  due = f'joint {wrong[0] - 2} (12 values) of {body}'
  lines.refuse(line + wrong[0], due, *names)


def _joints(lines, heads):
  """(K, 25, 3) float32, of the bodies that start with those lines."""
  rows = np.add.outer(heads, np.arange(2, len(_BODY))).ravel()
  ends = lines.spaces[np.add.outer(lines.first_space[rows], np.arange(3))]
  starts = np.column_stack([lines.starts[rows], ends[:, :2] + 1])
  values, is_plain = _decimals(lines.text, starts.ravel(), ends.ravel())
  for i in np.flatnonzero(~is_plain):
    row = rows[i // 3]
    try:
      values[i] = float(lines[row].split(b' ')[i % 3])
    except ValueError:
      lines.refuse(row, 'a joint, its x y z as numbers,')
  # Compared in float64: what float32 cannot hold is as bad as infinity.
  bad = np.flatnonzero(~(np.abs(values) <= np.finfo(np.float32).max))
  if len(bad):
    lines.refuse(rows[bad[0] // 3], 'a joint, its x y z finite,')
  return values.astype(np.float32).reshape(-1, JOINTS, 3)


def _decimals(text, starts, ends):
  """The values of numbers such as -0.1234567, exactly as `float` has them.

  Args:
    text: bytes.
    starts: (N,) where in the text the numbers start.
    ends: (N,) where they end.

  Returns:
    (N,) float64 values, and (N,) whether they are right: a number has one
    digit before the point, and up to 10 after it.
  """
  negative = text[starts] == ord('-')
  ones = starts + negative
  one = text[ones] - ord('0')
  is_plain = (one <= 9) & (text[ones + 1] == ord('.')) & (ends <= ones + 12)
  # Whole numbers below 10 ** 11 and that power of 10 are exact in float64, so
  # that their quotient is the nearest number, to which `float` rounds too.
  values = one.astype(np.float64)
  for at in ones + np.arange(2, 12)[:, None]:
    digit = text.take(at, mode='clip') - ord('0')
    digit *= at < ends
    is_plain &= digit <= 9
    values *= 10
    values += digit
  values /= 10.0**10
  return np.where(negative, -values, values), is_plain
