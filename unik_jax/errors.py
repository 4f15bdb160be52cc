"""What a user can mend, and is told without a traceback."""


class UserError(ValueError):
  """Bad input. The message names the file, the place in it and the remedy."""


def no_such_key(error: Exception) -> str:
  """What ml_collections says of a setting that a config does not have."""
  while error.args and isinstance(error.args[0], Exception):
    error = error.args[0]
  return f'the config has no key {" ".join(str(error.args[0]).split())}'


def first_line(error: Exception) -> str:
  """Returns an error's type and the start of its first line, to quote it."""
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:200]}'
