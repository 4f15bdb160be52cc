"""Numbers of a pose estimator's JSON file, checked."""

from typing import Any

import numpy as np

from unik_jax.data.raw_files import FETCH_AGAIN, parse_json
from unik_jax.errors import UserError

_FLOAT32_MAX = np.finfo(np.float32).max


def parse_floats(content: bytes, where: str) -> Any:
  """Parses JSON with every number as a float.

  So there is one number type to check, and no integer of thousands of digits.

  Args:
    content: the file's bytes.
    where: the file, for errors.

  Raises:
    UserError: as in `raw_files.parse_json`.
  """
  return parse_json(content, where, parse_int=float)


def get_numbers(body: Any, field: str, size: int, place: str) -> list[float]:
  """Returns a body's list of numbers.

  Args:
    body: from a file that `parse_floats` parsed.
    field: key of the list.
    size: expected number of values.
    place: file, frame and person, for errors.

  Raises:
    UserError: there is no such list, or it has another number of values, or a
      value that is not a number.
  """
  values = body.get(field) if isinstance(body, dict) else None
  if not isinstance(values, list):
    raise UserError(f'{place}: no list {field!r}. {FETCH_AGAIN}')
  if len(values) != size:
    raise UserError(
      f'{place}: {field}: expected {size} values, got {len(values)}. Check that'
      ' the file is of this pose estimator'
    )
  if set(map(type, values)) != {float}:
    other = next(value for value in values if type(value) is not float)
    raise UserError(
      f'{place}: {field}: expected numbers, got {str(other)[:40]!r}. Correct'
      ' it, or remove this body from its frame'
    )
  return values


def find_not_finite(values: np.ndarray) -> tuple[int, ...] | None:
  """Returns the index of the first value that is not finite in float32.

  Args:
    values: float64, so that numbers beyond float32 can still be told from
      infinity and rejected alike.

  Returns:
    One integer per axis, or None if all values are finite.
  """
  bad = np.argwhere(~(np.abs(values) <= _FLOAT32_MAX))
  return tuple(bad[0].tolist()) if len(bad) else None
