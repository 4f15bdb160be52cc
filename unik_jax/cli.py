"""Shared by all commands: quiet logs, and errors without a traceback.

Imports nothing heavy, so that `--help` answers at once.
"""

import contextlib
import sys
from collections.abc import Iterator

from absl import logging

from unik_jax.errors import UserError

INTERRUPTED = 130  # the shell's exit status of a command ended by Ctrl-C


@contextlib.contextmanager
def command(
  interrupted: int | str = INTERRUPTED,
  errors: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
  """Runs a command's body and reports expected errors in one line.

  Logs show warnings and errors only. Orbax's are hidden: it logs a failed
  write many times, and the command reports it once.

  Args:
    interrupted: exit status after Ctrl-C, or a message (exit status 1).
    errors: exceptions to report besides UserError and OSError.

  Raises:
    SystemExit: for such an error (exit status 1) or Ctrl-C.
  """
  logging.set_verbosity(logging.WARNING)
  logging.get_absl_handler().addFilter(_is_not_from_orbax)
  try:
    yield
  except (UserError, OSError, *errors) as error:
    sys.exit(f'error: {error}')
  except KeyboardInterrupt:
    sys.exit(interrupted)


def refuse_arguments(argv: list[str]) -> None:
  """Exits if a command that takes flags only got another argument."""
  if len(argv) > 1:
    sys.exit(f'error: unknown argument {argv[1]!r}; options start with --')


def _is_not_from_orbax(record):
  return 'orbax' not in record.pathname
