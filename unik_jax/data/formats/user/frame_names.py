"""Frames' numbers, found in their names, and their places in a clip.

A name may hold other numbers than the frame's: 12_cam0.jpg, frame12_1080p.png.
The frame's number is the one that varies from frame to frame.
"""

import collections
import itertools
import math
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError

_NUMBER = re.compile('([0-9]{1,18})')
# Between the parts of a time, as in 12-30-59 or 12m30s. Other text between two
# numbers that vary, such as _cam, tells of other things than time.
_BETWEEN_TIMES = re.compile('[-._:hms]')


class FramePlaces(NamedTuple):
  """The places of frames in a clip.

  Attributes:
    indices: (N,) the index of each frame, from 0.
    notes: sentences to show to the user.
  """

  indices: np.ndarray
  notes: tuple[str, ...] = ()


def split_numbers(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
  """Returns the texts of a name, and the numbers between them."""
  parts = _NUMBER.split(name)
  return tuple(parts[::2]), tuple(parts[1::2])


def find_numbers(names: Sequence[str], where: str) -> list[int] | None:
  """Returns the frame's number in each name; None if only their order counts.

  Of several numbers in a name, it is the one that differs in all names, and of
  several of those the one with the fewest gaps, or the last. Without such a
  number, the parts of a time may differ together (minutes and seconds): names
  then have an order, but no numbers.

  Args:
    names: file names of one video's frames; may be repeated.
    where: the file, for errors.

  Raises:
    UserError: the names are of several videos: they lie in several folders, or
      two numbers differ that are not parts of a time, such as frame and camera.
  """
  folders = sorted({os.path.dirname(n.replace('\\', '/')) for n in names})
  if len(folders) > 1:
    raise UserError(
      f'{where}: expected the frames of one video, got frames from several'
      f' folders ({folders[0]!r}, {folders[1]!r}). Write one file per video'
    )
  parts = {name: split_numbers(name) for name in names}
  # Names may differ in their texts, and have more numbers in front.
  count = min(len(numbers) for _, numbers in parts.values())
  rows = {
    name: [int(number) for number in numbers[len(numbers) - count :]]
    for name, (_, numbers) in parts.items()
  }
  varying = [c for c in range(count) if len({r[c] for r in rows.values()}) > 1]
  rows = {name: tuple(row[c] for c in varying) for name, row in rows.items()}
  distinct = [
    c
    for c in range(len(varying))
    if len({r[c] for r in rows.values()}) == len(rows)
  ]
  between = {
    texts[c - count - 1] for texts, _ in parts.values() for c in varying[1:]
  }
  is_time = all(map(_BETWEEN_TIMES.fullmatch, between))
  if distinct:
    column = min(
      reversed(distinct), key=lambda c: _span(r[c] for r in rows.values())
    )
    if not (is_time and _wraps(rows.values(), column)):
      return [rows[name][column] for name in names]
  elif varying and len({*rows.values()}) == len(rows):
    starts = {min(group) for group in _group(rows.values(), -1).values()}
    # A time's first group may begin anywhere: 12:30:45, ..., 12:31:00.
    if not is_time or (len(starts) == 1 and between != {'.'}):
      first, second = sorted(rows, key=rows.__getitem__)[:2]
      raise UserError(
        f'{where}: expected the frames of one video, got names in which several'
        f' numbers vary, such as {first!r} and {second!r}. Write one file per'
        ' video, or number its frames'
      )
  return None


def place_frames(names: Sequence[str | int], where: str) -> FramePlaces:
  """Returns the places of frames, given the name or number of each.

  Estimators do not name a frame without a person, so such a frame leaves a gap.
  If every second or third frame was used, that step is divided out. If more
  than 9 of 10 frames would be gaps, the numbers are times or dates: then only
  their order counts. Names without numbers are in alphabetical order.

  Args:
    names: the name or number of each frame; may be repeated.
    where: the file, for errors.

  Raises:
    UserError: the names are of several videos.
  """
  if isinstance(names[0], str):
    texts = list(map(str, names))
    numbers = find_numbers(texts, where)
    if numbers is None:
      order = {n: i for i, n in enumerate(sorted(set(texts), key=_natural_key))}
      return FramePlaces(np.array([order[name] for name in texts]))
  else:
    numbers = [int(number) for number in names]
  known = sorted(set(numbers))
  step = _step(known)
  frames = {number: (number - known[0]) // step for number in known}
  if frames[known[-1]] >= 10 * len(known):
    frames = {number: frame for frame, number in enumerate(known)}
    note = (
      'frame numbers have gaps as long as those of times; frames are taken as'
      ' consecutive, in their order'
    )
  elif step > 1:
    note = f'frames are numbered in steps of {step}, and taken as consecutive'
  else:
    note = ''
  indices = np.array([frames[number] for number in numbers])
  return FramePlaces(indices, (note,) if note else ())


def _natural_key(name):
  """Returns a key that sorts numbers in names by value."""
  return [
    (int(part), '') if n % 2 else (0, part)
    for n, part in enumerate(_NUMBER.split(name))
  ]


def _step(known):
  """Returns the largest step that leads to all numbers, sorted and unique."""
  return math.gcd(*(b - a for a, b in itertools.pairwise(known))) or 1


def _span(numbers):
  """Returns the number of steps from the first to the last number."""
  known = sorted(set(numbers))
  return (known[-1] - known[0]) // _step(known)


def _group(rows, column):
  """Maps the numbers before a column to the numbers in that column."""
  groups = collections.defaultdict(list)
  for row in rows:
    groups[row[:column]].append(row[column])
  return groups


def _wraps(rows, column):
  """Returns whether numbers begin anew within a longer time.

  12:59, 13:00, 13:01 are such: each minute has a range of seconds of its own,
  but the ranges are not in the order of the minutes.
  """
  groups = _group(rows, column)
  ranges = [(min(g), max(g)) for _, g in sorted(groups.items())]
  is_apart = all(a[1] < b[0] for a, b in itertools.pairwise(sorted(ranges)))
  return 1 < len(groups) < len(rows) and is_apart and ranges != sorted(ranges)
