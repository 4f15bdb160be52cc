"""JSON files that hold one object, read and written."""

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from unik_jax.errors import UserError
from unik_jax.runtime.atomic_files import ROOM, as_sentence, atomic_write

# Over several lines, which no string of a JSON file is.
_NUMBERS = re.compile(r'\[\n([\s\d.,eE+-]+)\]')


def read_json_table(path: pathlib.Path, remedy: str) -> dict[str, Any]:
  """Reads a JSON file that holds one object.

  Args:
    path: the file.
    remedy: the fix, for the error if the file is missing or broken.

  Raises:
    UserError: the file is missing, is not JSON, or holds no object.
  """
  fix = as_sentence(remedy)
  try:
    table = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise UserError(f'{path}: no such file. {fix}') from None
  except OSError as error:
    reason = error.strerror or error
    raise UserError(f'{path}: cannot be read ({reason}). {fix}') from None
  except ValueError as error:  # not JSON, or not UTF-8
    raise UserError(f'{path}: not JSON ({error}). {fix}') from None
  if not isinstance(table, dict):
    raise UserError(
      f'{path}: expected a JSON object, got {type(table).__name__}. {fix}'
    )
  return table


def write_json_table(
  path: pathlib.Path, table: Mapping[str, Any], remedy: str = ROOM
) -> None:
  """Writes a JSON file atomically.

  Args:
    path: the file.
    table: the object, of values that JSON can hold.
    remedy: the fix, for the error if the file cannot be written.

  Raises:
    UserError: the file cannot be written.
  """
  with atomic_write(path, remedy) as part:
    text = json.dumps(table, indent=1)
    # A list of numbers is a line, such as a row of a confusion matrix.
    text = _NUMBERS.sub(lambda match: f'[{" ".join(match[1].split())}]', text)
    part.write_text(text + '\n', encoding='utf-8')
