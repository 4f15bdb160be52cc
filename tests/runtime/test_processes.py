"""Two processes through jax.distributed train and resume like one.

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
from unik_jax.runtime.distributed import connect_processes

pytestmark = pytest.mark.slow

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


def start_processes(workdir, data_dir, count, **more):
  """Starts the processes of a run, which have four devices together."""
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


def finish_processes(processes):
  """Waits for all processes; returns what each printed."""
  printed = [process.communicate(timeout=400)[0] for process in processes]
  assert [p.returncode for p in processes] == [0] * len(processes), printed
  return printed


def read_results(workdir):
  """Returns the losses of a run, and its predictions for the test clips."""
  text = (workdir / 'metrics.jsonl').read_text()
  losses = [json.loads(x).get('loss') for x in text.splitlines()]
  return [x for x in losses if x], scores.read_scores(
    workdir / 'scores' / 'test.npz'
  )


@pytest.fixture(scope='module')
def two(synthetic_dir, tmp_path_factory):
  """The workdir of an uninterrupted run of two processes."""
  workdir = tmp_path_factory.mktemp('processes') / 'two'
  first, second = finish_processes(start_processes(workdir, synthetic_dir, 2))
  assert 'on 4 cpu device(s)' in first
  assert 'step' not in second  # only the first process prints and writes
  return workdir


def test_two_processes_train_and_resume_like_one(two, synthetic_dir, tmp_path):
  workdir = tmp_path / 'one'

  def compare():
    losses, predictions = read_results(two)
    expected_losses, expected = read_results(workdir)
    assert len(losses) == 12
    # Sums in another order: rounding that twelve steps make larger.
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    assert predictions.ids.tolist() == expected.ids.tolist()
    assert len(set(predictions.ids)) == 21  # each clip once, in batches of 8
    np.testing.assert_array_equal(predictions.labels, expected.labels)
    np.testing.assert_allclose(predictions.logits, expected.logits, atol=1e-3)

  finish_processes(start_processes(workdir, synthetic_dir, 1))
  compare()
  shutil.rmtree(workdir / 'checkpoints' / '12')
  (workdir / 'summary.json').unlink()
  again, _ = finish_processes(start_processes(workdir, synthetic_dir, 2))
  assert 'Resuming from step 6 of 12.' in again
  compare()


def test_a_run_resumes_after_one_process_was_killed(
  two, synthetic_dir, tmp_path
):
  workdir = tmp_path / 'killed'
  first, second = start_processes(workdir, synthetic_dir, 2)
  metrics = workdir / 'metrics.jsonl'
  while not metrics.exists() or metrics.read_text().count('\n') < 8:
    assert second.poll() is None, second.communicate()[0]
    time.sleep(0.01)
  second.kill()  # after the eighth step; an epoch has six
  printed, _ = first.communicate(timeout=300)
  second.communicate()
  # XLA aborts the process by itself if one of its devices has failed while the
  # other waits for it.
  assert first.returncode in (1, -signal.SIGABRT), printed
  if first.returncode == 1:
    assert 'the same command resumes' in printed
  assert not (workdir / 'summary.json').exists()
  single = shutil.copytree(workdir, tmp_path / 'single')
  on_device = {'data.on_device': 'float32'}
  for folder, count, more in ((workdir, 2, {}), (single, 1, on_device)):
    again, *_ = finish_processes(
      start_processes(folder, synthetic_dir, count, **more)
    )
    assert 'Resuming from step 6 of 12.' in again
  # One process resumes what two saved, with its clips in device memory.
  losses, predictions = read_results(single)
  expected_losses, expected = read_results(two)
  np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
  np.testing.assert_allclose(predictions.logits, expected.logits, atol=1e-4)
  # Two processes resume to the same parameters, bit for bit.
  uninterrupted, resumed = restore.load_run(two), restore.load_run(workdir)
  for one, other in zip(
    jax.tree.leaves((uninterrupted.params, uninterrupted.batch_stats)),
    jax.tree.leaves((resumed.params, resumed.batch_stats)),
    strict=True,
  ):
    np.testing.assert_array_equal(one, other)


def test_processes_that_are_not_described(monkeypatch):
  for name in ('COORDINATOR_ADDRESS', 'NUM_PROCESSES', 'PROCESS_ID'):
    monkeypatch.delenv(f'JAX_{name}', raising=False)
  with pytest.raises(UserError, match='Set JAX_COORDINATOR_ADDRESS'):
    connect_processes()
