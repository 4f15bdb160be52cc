"""Shared by all commands: quiet logs, and errors without a traceback.

Imports nothing heavy, so that `--help` answers at once.
"""

import contextlib
import functools
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from logging import WARNING, getLogger

from absl import flags, logging

from unik_jax.errors import UserError

INTERRUPTED = 130  # the shell's exit status of a command ended by Ctrl-C


@contextlib.contextmanager
def command(
  interrupted: int | str = INTERRUPTED,
  errors: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
  """Runs a command's body and reports expected errors in one line.

  Logs show warnings, as 'note: ...', and errors only. Those of Orbax and its
  event loops are hidden: it logs a failed read or write many times, and the
  command reports it once.

  Args:
    interrupted: exit status after Ctrl-C, or a message (exit status 1).
    errors: exceptions to report besides UserError and OSError.

  Raises:
    SystemExit: for such an error (exit status 1) or Ctrl-C.
  """
  logging.set_verbosity(logging.WARNING)
  logging.get_absl_handler().addFilter(_is_not_from_orbax)
  logging.get_absl_handler().setFormatter(_NoteFormatter())
  getLogger('asyncio').disabled = True
  warnings.filterwarnings('ignore', 'coroutine .* was never awaited')
  hook = functools.partial(_hide_closed_loop, sys.unraisablehook)
  sys.unraisablehook = hook
  try:
    yield
  except (UserError, OSError, *errors) as error:
    sys.exit(f'error: {error}')
  except (RuntimeError, AssertionError) as error:
    if not _is_from_start_of_jax(error):
      raise
    sys.exit(
      f'error: JAX_PLATFORMS={os.environ.get("JAX_PLATFORMS", "")}: no such'
      f' device can be used ({error or "its plugin is not installed"}). Install'
      " 'unik_jax[cuda]' or 'unik_jax[tpu]', or set JAX_PLATFORMS=cpu"
    )
  except KeyboardInterrupt:
    sys.exit(interrupted)


def parse_flags(argv: list[str]) -> list[str]:
  """Parses a command's flags, for `app.run`; returns the other arguments.

  Raises:
    SystemExit: a flag is wrong or missing, with a message in one line.
  """
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    sys.exit(f'error: {describe_flag_error(error)}')


def describe_flag_error(error: Exception) -> str:
  """Returns an error of absl's flags in the form of ours."""
  text = str(error).strip()
  if missing := re.findall(r'^flag --(\w+)=None: ', text, re.M):
    names = ', '.join(f'--{name}' for name in missing)
    return f'{names}: expected a value, got none. --help explains the flags'
  return text


def refuse_arguments(argv: list[str]) -> None:
  """Exits if a command that takes flags only got another argument."""
  if len(argv) > 1:
    sys.exit(f'error: unknown argument {argv[1]!r}; options start with --')


def _is_from_start_of_jax(error):
  """Whether JAX found no device; its errors for that are Python's own."""
  *_, last = traceback.walk_tb(error.__traceback__)
  return last[0].f_code.co_filename.endswith('xla_bridge.py')


class _NoteFormatter(logging.PythonFormatter):
  """Formats a warning as a note to the user, and the rest as absl does."""

  def format(self, record):
    if record.levelno == WARNING:
      return f'note: {record.getMessage()}'
    return super().format(record)


def _is_not_from_orbax(record):
  return 'orbax' not in record.pathname


def _hide_closed_loop(show, unraisable):
  """Shows an error that nobody can catch, unless a late write raised it.

  When one of Orbax's writes fails, Orbax closes their event loop at once. The
  other writes then cannot report their end to it.
  """
  if str(unraisable.exc_value) != 'Event loop is closed':
    show(unraisable)
