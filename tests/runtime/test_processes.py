"""Two processes through jax.distributed train as one does, and go on as one.

Real processes of `python -m unik_jax.main --multihost`, two devices each.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from unik_jax.errors import UserError
from unik_jax.run import restore, scores
from unik_jax.runtime.sharding import connect

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = {
  'model.widths': '(8, 8)',
  'model.strides': '(1, 2)',
  'data.train_split': 'train[:48]',
  'data.val_split': '',
  'data.test_split': 'test[:21]',
  'data.frames': '16',
  'batch_size': '8',
  'eval_batch_size': '8',
  'epochs': '2',
  'log_every': '1',
}


def start(workdir, data_dir, count, **more):
  """That many processes of a run; four devices in all."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    address = f'127.0.0.1:{free.getsockname()[1]}'
  command = [
    *(sys.executable, '-m', 'unik_jax.main', f'--workdir={workdir}'),
    '--config=configs/synthetic.py',
    f'--config.data.data_dir={data_dir}',
    *(f'--config.{key}={value}' for key, value in (SETTINGS | more).items()),
  ]
  devices = f'--xla_force_host_platform_device_count={4 // count}'
  environment = os.environ | {'XLA_FLAGS': devices}
  if count > 1:
    command.append('--multihost')
    environment |= {
      'JAX_COORDINATOR_ADDRESS': address,
      'JAX_NUM_PROCESSES': str(count),
    }
  return [
    subprocess.Popen(
      command,
      cwd=ROOT,
      env=environment | {'JAX_PROCESS_ID': str(i)},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for i in range(count)
  ]


def finish(processes):
  """Waits for all, and returns what each printed."""
  printed = [process.communicate(timeout=400)[0] for process in processes]
  assert [p.returncode for p in processes] == [0] * len(processes), printed
  return printed


def figures(workdir):
  """The losses of a run, and its answers to the test clips."""
  text = (workdir / 'metrics.jsonl').read_text()
  losses = [json.loads(x).get('loss') for x in text.splitlines()]
  return [x for x in losses if x], scores.read_scores(
    workdir / 'scores' / 'test.npz'
  )


@pytest.fixture(scope='module')
def two(synthetic_dir, tmp_path_factory):
  """The run of two processes that nothing interrupts."""
  workdir = tmp_path_factory.mktemp('processes') / 'two'
  first, second = finish(start(workdir, synthetic_dir, 2))
  assert 'on 4 cpu device(s)' in first
  assert 'step' not in second  # the first alone speaks, and writes
  return workdir


def test_two_are_as_one_and_go_on_from_it(two, synthetic_dir, tmp_path):
  workdir = tmp_path / 'one'

  def compare():
    (ours, answers), (theirs, expected) = figures(two), figures(workdir)
    assert len(ours) == 12
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert answers.ids.tolist() == expected.ids.tolist()
    assert len(set(answers.ids)) == 21  # each once, though batches are of 8
    np.testing.assert_array_equal(answers.labels, expected.labels)
    np.testing.assert_allclose(answers.logits, expected.logits, atol=1e-4)

  finish(start(workdir, synthetic_dir, 1))
  compare()
  shutil.rmtree(workdir / 'checkpoints' / '12')
  (workdir / 'summary.json').unlink()
  again, _ = finish(start(workdir, synthetic_dir, 2))
  assert 'Going on from step 6 of 12.' in again
  compare()


def test_one_killed_and_all_started_again(two, synthetic_dir, tmp_path):
  workdir = tmp_path / 'killed'
  first, second = start(workdir, synthetic_dir, 2)
  metrics = workdir / 'metrics.jsonl'
  while not metrics.exists() or metrics.read_text().count('\n') < 8:
    assert second.poll() is None, second.communicate()[0]
    time.sleep(0.01)
  second.kill()  # at the eighth step: epochs have six
  printed, _ = first.communicate(timeout=300)
  second.communicate()
  # Where one of its two devices has failed and the other waits for it, XLA
  # ends the process after a while, by itself.
  assert first.returncode in (1, -signal.SIGABRT), printed
  if first.returncode == 1:
    assert 'the same command goes on' in printed
  assert not (workdir / 'summary.json').exists()
  alone = shutil.copytree(workdir, tmp_path / 'alone')
  held = {'data.on_device': 'float32'}
  for folder, count, more in ((workdir, 2, {}), (alone, 1, held)):
    again, *_ = finish(start(folder, synthetic_dir, count, **more))
    assert 'Going on from step 6 of 12.' in again
  whole, mended = restore.load_run(two), restore.load_run(workdir)
  # What two processes saved, one goes on with, its clips on its devices.
  (ours, answers), (theirs, expected) = figures(alone), figures(two)
  np.testing.assert_allclose(ours, theirs, rtol=1e-5)
  np.testing.assert_allclose(answers.logits, expected.logits, atol=1e-4)
  for one, other in zip(
    jax.tree.leaves((whole.params, whole.batch_stats)),
    jax.tree.leaves((mended.params, mended.batch_stats)),
    strict=True,
  ):
    np.testing.assert_array_equal(one, other)


def test_others_that_are_not_described(monkeypatch):
  for name in ('COORDINATOR_ADDRESS', 'NUM_PROCESSES', 'PROCESS_ID'):
    monkeypatch.delenv(f'JAX_{name}', raising=False)
  with pytest.raises(UserError, match='Set JAX_COORDINATOR_ADDRESS'):
    connect()
