"""Locks between processes, which end with the process that holds them."""

import contextlib
import errno
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from absl import logging

from unik_jax.errors import UserError

# What a file system without locks answers, such as some network mounts.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def hold_lock(path: pathlib.Path, *, wait: bool = True) -> Iterator[bool]:
  """Holds an exclusive lock on a file, which stays when the lock is released.

  The kernel releases the lock at the process's end, however it ends. Linux
  extends it over NFS. On a file system without locks, a warning is logged and
  nothing is locked.

  Args:
    path: the file. Its folder is created if missing.
    wait: wait for a process that holds the lock.

  Yields:
    True; without `wait`, False if another process holds the lock.
    `read_holder` then names it.

  Raises:
    UserError: the file cannot be written.
  """
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open('ab', buffering=0)
  except OSError as error:
    reason = error.strerror or error
    raise UserError(
      f'{path.parent}: cannot be written to ({reason})'
    ) from error
  with file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
      yield False
      return
    except OSError as error:
      if error.errno not in _NO_LOCKS:
        raise
      logging.warning(
        '%s: this file system has no locks. Do not start two processes that'
        ' write to this folder.',
        path.parent,
      )
    with contextlib.suppress(OSError):  # a full disk
      file.truncate(0)
      file.write(f'process {os.getpid()} on {socket.gethostname()}'.encode())
    yield True


def read_holder(path: pathlib.Path) -> str:
  """Returns the process that holds a lock, as 'process 12 on HOST'."""
  try:
    return path.read_text(encoding='utf-8') or 'another process'
  except (OSError, ValueError):
    return 'another process'
