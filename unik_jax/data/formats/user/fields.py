"""Parsers of fields that several pose estimators' files have."""

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
