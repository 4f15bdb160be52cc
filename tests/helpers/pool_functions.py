"""Functions that the tests of the worker pool run in other processes."""

import os
import pathlib
import subprocess
import sys
import time

from unik_jax.errors import UserError
from unik_jax.runtime import pool


def sleep_then_pid(seconds):
  """Returns the process id after some seconds."""
  time.sleep(seconds)
  return os.getpid()


def refuse_odd(item):
  if item % 2:
    raise UserError(f'item {item} is odd')
  return item


def send_signal(number):
  """Sends this process a signal; 0 sends none."""
  if number:
    os.kill(os.getpid(), number)


def write_pid_and_sleep(path):
  """Writes this process's id to a file, then works for an hour."""
  part = pathlib.Path(f'{path}.part')
  part.write_text(str(os.getpid()))
  part.rename(path)
  time.sleep(3600)


def start_parent(path):
  """Starts a process whose worker runs `write_pid_and_sleep`."""
  folder = pathlib.Path(__file__).parent
  environment = os.environ | {
    'PYTHONPATH': os.pathsep.join([str(folder.parent), str(folder.parents[1])])
  }
  return subprocess.Popen(
    [sys.executable, '-m', 'helpers.pool_functions', str(path)],
    env=environment,
    stderr=subprocess.DEVNULL,
  )


def is_running(pid):
  """Whether a process exists and is not a zombie."""
  try:
    status = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return False
  return status.rpartition(')')[2].split()[0] != 'Z'


if __name__ == '__main__':
  from helpers import pool_functions  # picklable by that name

  for _, result in pool.ordered_map(
    pool_functions.write_pid_and_sleep,
    sys.argv[1:],
    count=1,
    min_items=1,
    workers=2,
  ):
    result()
