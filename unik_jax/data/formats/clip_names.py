"""Checks of the parts of a clip's name, such as subject and camera."""

from collections.abc import Mapping
from typing import NamedTuple

from unik_jax.errors import UserError

RESTORE_NAME = 'Restore the original name, or remove the file'


def check_ranges(
  name: NamedTuple, maxima: Mapping[str, int], where: str
) -> None:
  """Checks that parts of a name are numbers that the dataset has.

  Args:
    name: has a field for each part.
    maxima: the highest number of each part. The lowest is 1.
    where: the file, for errors.

  Raises:
    UserError: a number is out of range.
  """
  for part, maximum in maxima.items():
    value = getattr(name, part)
    if not 1 <= value <= maximum:
      raise UserError(
        f'{where}: expected {part} from 1 to {maximum}, got {value}.'
        f' {RESTORE_NAME}'
      )
