"""Runs of several processes: joining them at the start, leaving on an error."""

import os
import sys
import threading
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from unik_jax.errors import UserError

# Until the processes of a run are told to be missing.
_REMINDER_SECONDS = 30


def connect_processes() -> None:
  """Joins the processes of a run. Call it before any other use of JAX.

  On Cloud TPU and under Slurm, JAX finds the other processes by itself.
  Elsewhere the environment describes them: JAX_COORDINATOR_ADDRESS (HOST:PORT
  of process 0), JAX_NUM_PROCESSES and JAX_PROCESS_ID.

  Raises:
    UserError: the other processes are not described or cannot be reached.
  """
  try:
    count, index = (
      int(os.environ[name]) if name in os.environ else None
      for name in ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID')
    )
    reminder = threading.Timer(
      _REMINDER_SECONDS, _print_missing, (count, index)
    )
    reminder.daemon = True
    reminder.start()
    try:
      jax.distributed.initialize(num_processes=count, process_id=index)
    finally:
      reminder.cancel()
  except (RuntimeError, ValueError) as error:
    raise UserError(
      f'--multihost: {str(error).splitlines()[0]} Set JAX_COORDINATOR_ADDRESS'
      ' (such as 10.0.0.1:8476), JAX_NUM_PROCESSES and JAX_PROCESS_ID for each'
      ' process, or omit --multihost to run on this machine alone.'
    ) from error


def _print_missing(count, index):
  """Prints that other processes are missing, which JAX waits for silently."""
  known = '' if index is None else f' as process {index} of {count}'
  address = os.environ.get('JAX_COORDINATOR_ADDRESS')
  print(
    f'--multihost: waiting{known} for the other processes of the run'
    f'{f", coordinator {address}" if address else ""}. Start the same command'
    ' on every machine, and check that each reaches the port of process 0. JAX'
    ' gives up after five minutes.',
    file=sys.stderr,
    flush=True,
  )


def holds_on_all(condition: bool) -> bool:
  """Whether a condition holds on every process, which all must ask at once."""
  if jax.process_count() == 1:
    return condition
  return bool(multihost_utils.process_allgather(np.array(condition)).all())


def abandon_run(error: Exception) -> NoReturn:
  """Prints an error of JAX and ends this process of several at once."""
  print(
    f'\nerror: {error}\nIf another process of the run has ended, see what it'
    ' printed. Start all processes again: the same command resumes from the'
    ' newest checkpoint.',
    file=sys.stderr,
    flush=True,
  )
  # A normal exit waits minutes for the other processes (JAX's shutdown
  # barrier).
  os._exit(1)
