"""An ordered pool of worker processes."""

import collections
import concurrent.futures
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar('Item')

_AHEAD = 8  # items per worker that are submitted before the first is awaited
_KILLED = (
  'a worker process was killed, perhaps because memory ran out; use fewer'
  ' processes, as with --workers=1'
)


def ordered_map(
  function: Callable[[Item], Any],
  items: Iterable[Item],
  *,
  count: int,
  min_items: int,
  workers: int | None = None,
) -> Generator[tuple[Item, Callable[[], Any]], None, None]:
  """Applies a function to items in worker processes, in the order of the items.

  Starting the processes takes time too, so `min_items` depends on how long one
  item takes.

  Args:
    function: picklable, of one picklable item.
    items: read lazily, a few per worker ahead.
    count: number of items.
    min_items: fewer items than this run in the calling process.
    workers: number of processes (default: one per core).

  Yields:
    Each item, and a function that returns its result or raises its error.

  Raises:
    ChildProcessError: a worker process was killed. It is not a UserError,
      since no item is at fault and none must be skipped.
  """
  workers = workers or os.cpu_count() or 1
  if workers == 1 or count < min_items:
    for item in items:
      yield item, functools.partial(function, item)
    return
  # Spawned: a forked child of a program with threads, such as JAX, may hang.
  pool = concurrent.futures.ProcessPoolExecutor(
    workers, multiprocessing.get_context('spawn'), _start_worker
  )
  pending: collections.deque = collections.deque()
  try:
    for item in items:
      pending.append((item, pool.submit(function, item)))
      if len(pending) >= _AHEAD * workers:
        item, future = pending.popleft()
        yield item, functools.partial(_result, future)
    while pending:
      item, future = pending.popleft()
      yield item, functools.partial(_result, future)
  except BrokenProcessPool:  # from submit
    raise ChildProcessError(_KILLED) from None
  finally:
    pool.shutdown(cancel_futures=True)


def _result(future):
  try:
    return future.result()
  except BrokenProcessPool:
    raise ChildProcessError(_KILLED) from None


def _start_worker():
  """Exits with its parent; ignores SIGINT.

  Ctrl-C reaches all processes, and work that has begun is finished. A parent
  that is killed sends no signal, so a thread waits for its end.
  """
  signal.signal(signal.SIGINT, signal.SIG_IGN)

  def exit_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)

  threading.Thread(target=exit_with_parent, daemon=True).start()
