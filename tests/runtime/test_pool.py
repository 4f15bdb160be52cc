"""The ordered pool of worker processes."""

import os
import signal
import time

import pytest
from helpers import pool_functions

from unik_jax.errors import UserError
from unik_jax.runtime import pool


def results(function, items, **options):
  options = {'count': len(items), 'min_items': 1, 'workers': 2} | options
  return [
    (item, result())
    for item, result in pool.ordered_map(function, items, **options)
  ]


def test_results_come_in_the_order_of_the_items():
  items = [0.3, *[0.0] * 30]  # the first item takes longest
  pairs = results(pool_functions.sleep_then_pid, items)
  assert [item for item, _ in pairs] == items
  assert os.getpid() not in {pid for _, pid in pairs}


@pytest.mark.parametrize('options', [{'workers': 1}, {'min_items': 4}])
def test_few_items_or_one_worker_run_in_this_process(options):
  pairs = results(pool_functions.sleep_then_pid, [0.0] * 3, **options)
  assert {pid for _, pid in pairs} == {os.getpid()}


def test_enough_items_start_processes():
  pairs = results(pool_functions.sleep_then_pid, [0.0] * 3, min_items=3)
  assert os.getpid() not in {pid for _, pid in pairs}


@pytest.mark.parametrize('workers', [1, 2])
def test_an_error_belongs_to_its_item(workers):
  mapped = pool.ordered_map(
    pool_functions.refuse_odd, range(4), count=4, min_items=1, workers=workers
  )
  outcomes = []
  for item, result in mapped:
    if item % 2:
      with pytest.raises(UserError, match=f'item {item} is odd'):
        result()
    else:
      outcomes.append(result())
  assert outcomes == [0, 2]


@pytest.mark.parametrize('count', [3, 200])
def test_a_killed_worker_ends_the_map(count):
  items = [signal.SIGKILL, *[0] * (count - 1)]
  with pytest.raises(ChildProcessError, match='--workers=1'):
    results(pool_functions.send_signal, items)


@pytest.mark.parametrize('workers', [1, 2])
def test_items_are_read_lazily(workers):
  read = []

  def items():
    for item in range(1000):
      read.append(item)
      yield item

  mapped = pool.ordered_map(
    pool_functions.refuse_odd, items(), count=1000, min_items=1, workers=workers
  )
  next(mapped)
  assert 1 <= len(read) <= 32
  mapped.close()
  assert len(read) <= 32


def test_workers_ignore_ctrl_c():
  items = [signal.SIGINT] * 3
  assert len(results(pool_functions.send_signal, items)) == 3


def test_workers_exit_with_their_parent(tmp_path):
  """The parent is killed while its worker sleeps."""
  parent = pool_functions.start_parent(tmp_path / 'pid')
  deadline = time.monotonic() + 60
  while not (tmp_path / 'pid').exists():
    assert parent.poll() is None and time.monotonic() < deadline
    time.sleep(0.05)
  parent.kill()
  parent.wait()
  worker = int((tmp_path / 'pid').read_text())
  while pool_functions.is_running(worker):
    assert time.monotonic() < deadline
    time.sleep(0.05)
