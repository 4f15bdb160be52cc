"""The errors that a user can mend: main prints them without a traceback."""


class UserError(ValueError):
  """Bad input. The message names the file, the place in it and the remedy."""
