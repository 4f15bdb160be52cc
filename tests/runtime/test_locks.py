"""Locks, held by real processes."""

import subprocess
import sys

from unik_jax.runtime.locks import hold_lock, read_holder

HOLD = """
import pathlib, sys, time
from unik_jax.runtime.locks import hold_lock

with hold_lock(pathlib.Path(sys.argv[1]), wait=False) as held:
  print(held, flush=True)
  time.sleep(100)
"""


def test_a_killed_process_leaves_no_lock(tmp_path):
  file = tmp_path / 'folder' / '.lock'
  other = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(file)], stdout=subprocess.PIPE, text=True
  )
  assert other.stdout.readline() == 'True\n'
  with hold_lock(file, wait=False) as held:
    assert not held
  assert read_holder(file).startswith(f'process {other.pid} on ')
  other.kill()
  other.communicate()
  for _ in range(2):
    with hold_lock(file, wait=False) as held:
      assert held
      with hold_lock(file, wait=False) as again:
        assert not again
