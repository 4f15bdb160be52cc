"""An ordered pool of worker processes."""

import collections
import concurrent.futures
import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar('Item')

# Starting a process takes as long as reading some hundred small files.
_WORTH_WORKERS = 64
_AHEAD = 8  # items per worker that are submitted before the first is awaited


def ordered_map(
  function: Callable[[Item], Any],
  items: Iterable[Item],
  *,
  count: int,
  workers: int | None = None,
  worth: int = _WORTH_WORKERS,
) -> Iterator[tuple[Item, Callable[[], Any]]]:
  """Applies a function to items in worker processes, in the order of the items.

  Args:
    function: picklable, of one picklable item.
    items: read lazily, a few per worker ahead.
    count: number of items. Up to `worth` of them run in this process.
    workers: number of processes (default: one per core).
    worth: fewest items for which processes are started.

  Yields:
    Each item, and a function that returns its result or raises its error.
    The latter raises a ChildProcessError if a worker process was killed.
  """
  workers = workers or os.cpu_count() or 1
  if workers == 1 or count <= worth:
    for item in items:
      yield item, functools.partial(function, item)
    return
  with contextlib.ExitStack() as stack:
    # Spawned: a forked child of a program with threads, such as JAX, may hang.
    pool = stack.enter_context(
      concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn'), _start_worker
      )
    )
    stack.callback(pool.shutdown, cancel_futures=True)
    pending: collections.deque = collections.deque()
    for item in items:
      pending.append((item, pool.submit(function, item)))
      if len(pending) >= _AHEAD * workers:
        item, future = pending.popleft()
        yield item, functools.partial(_result, future)
    while pending:
      item, future = pending.popleft()
      yield item, functools.partial(_result, future)


def _result(future):
  try:
    return future.result()
  except BrokenProcessPool:
    # Not a UserError: the item is not at fault, and must not be skipped.
    raise ChildProcessError(
      'a worker process was killed, perhaps because memory ran out; use fewer'
      ' --workers'
    ) from None


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
