"""Parsers of fields that several pose estimators' files have."""

import itertools
import math
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from unik_jax.errors import UserError


def parse_body(
  values: Any, where: str, expected: int | None = None
) -> np.ndarray:
  """Returns (V, 3) from a flat list [x, y, confidence, x, y, ...].

  Args:
    values: the list.
    where: the place in the file, for errors.
    expected: number of joints; None for any.

  Raises:
    UserError: the values are not a list of numbers, three per joint, or have
      another number of joints than expected.
  """
  try:
    array = np.asarray(values)
  except ValueError:  # nested lists of different lengths
    array = np.zeros(0, object)
  if (
    array.ndim != 1
    or array.dtype.kind not in 'iuf'
    or array.size % 3
    or not array.size
  ):
    raise UserError(
      f'{where}: expected a list of numbers: x, y, confidence for each joint.'
      ' Write the file again'
    )
  if expected is not None and array.size != 3 * expected:
    raise UserError(
      f'{where}: expected {3 * expected} values, as for the bodies before, got'
      f' {array.size}. Use one joint layout per clip'
    )
  return array.reshape(-1, 3).astype(np.float64)


def parse_image_size(
  values: Sequence[Any], where: str
) -> tuple[int, int] | None:
  """Returns (width, height), or None if neither is given.

  Raises:
    UserError: only one is given, or they are not positive whole numbers.
  """
  if all(value is None for value in values):
    return None
  if len(values) != 2 or not all(
    isinstance(value, int | float) and value >= 1 and value % 1 == 0
    for value in values
  ):
    raise UserError(
      f'{where}: image size: expected width and height in pixels, got'
      f' {list(values)}'
    )
  return int(values[0]), int(values[1])


def check_one_video(names: Sequence[str], where: str) -> None:
  """Raises a UserError if frames' file names are in several folders."""
  folders = sorted({os.path.dirname(n.replace('\\', '/')) for n in names})
  if len(folders) > 1:
    raise UserError(
      f'{where}: expected the frames of one video, got frames from several'
      f' folders ({folders[0]!r}, {folders[1]!r}). Write one file per video'
    )


def frame_indices(names: Sequence[str | int]) -> np.ndarray:
  """Returns (N,) frame indices, from 0, given the name or number of each frame.

  The index is the last number in a name. Estimators do not name a frame
  without a person, so such a frame leaves a gap. If every second or third frame
  was used, that step is divided out. If more than 9 of 10 frames would be gaps,
  the numbers are times or dates: then only their order counts. Names without
  distinct numbers are put in alphabetical order.
  """
  if isinstance(names[0], str):
    digits = {n: re.findall('[0-9]{1,18}', str(n))[-1:] for n in names}
    number_of = {name: int(last[0]) for name, last in digits.items() if last}
    if len(set(number_of.values())) < len(digits):
      return np.unique(names, return_inverse=True)[1]
    numbers = [number_of[name] for name in names]
  else:
    numbers = [int(number) for number in names]
  known = sorted(set(numbers))
  step = math.gcd(*(b - a for a, b in itertools.pairwise(known))) or 1
  frames = {number: (number - known[0]) // step for number in known}
  if frames[known[-1]] >= 10 * len(known):
    frames = {number: frame for frame, number in enumerate(known)}
  return np.array([frames[number] for number in numbers])
