"""Errors caused by input, shown without a traceback."""

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

_MAX_MESSAGE = 2000  # characters


class UserError(ValueError):
  """Bad input. The message names the file, the place in it and the fix.

  Messages quote input, so control characters are escaped, and a message of over
  2,000 characters is cut in its middle.
  """

  def __init__(self, message: object):
    text = ''.join(
      c if c.isprintable() or c == '\n' else ascii(c)[1:-1]
      for c in str(message)
    )
    if len(text) > _MAX_MESSAGE:
      half = _MAX_MESSAGE // 2
      text = f'{text[:half]} [...] {text[-half:]}'
    super().__init__(text)


def check_choice(key: str, value: Any, choices: Collection[str]) -> None:
  """Raises a UserError unless a setting or flag has one of its values.

  Args:
    key: name of the setting or flag.
    value: its value.
    choices: the allowed values, in the order in which the error lists them.
  """
  if value not in choices:
    raise UserError(
      f'{key}: expected one of {", ".join(choices)}, got {value!r}'
    )


@contextlib.contextmanager
def name_dataset(name: str) -> Iterator[None]:
  """Names the settings of one of `config.datasets` in errors."""
  try:
    yield
  except UserError as error:
    text = str(error).replace('config.data.', f'config.datasets.{name}.')
    raise UserError(text) from error


def describe_missing_key(error: Exception) -> str:
  """Returns ml_collections' text about a key that a config does not have."""
  while error.args and isinstance(error.args[0], Exception):
    error = error.args[0]
  return f'the config has no key {" ".join(str(error.args[0]).split())}'


def first_line(error: Exception) -> str:
  """Returns an error's type and the start of its first line, to quote it."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:200]}'
