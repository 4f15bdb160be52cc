"""Runs side by side: shares of the machine, failures, and the command."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers.table_plan import ROOT, make_plan

from unik_jax.errors import UserError
from unik_jax.tables import runner

pytestmark = pytest.mark.slow


def test_slots_share_no_core(monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  cores = os.sched_getaffinity(0)
  slots = runner.make_slots(len(cores))
  assert sorted(core for s in slots for core in s.cores) == sorted(cores)
  assert len(runner.make_slots(0)) == 1
  with pytest.raises(UserError, match='--jobs: .*1000'):
    runner.make_slots(1000)


def test_each_gpu_has_its_run(monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,6')
  gpus = [s.environment['CUDA_VISIBLE_DEVICES'] for s in runner.make_slots(0)]
  assert gpus == ['4', '6']


def test_a_failed_run_is_reported_with_its_last_line(tmp_path):
  (training,) = make_plan(rows=['unik'], folder=tmp_path, seeds=1).trainings
  bad = training._replace(
    arguments=('--config=nowhere.py',), folder=tmp_path / 'bad'
  )
  needs_bad = training._replace(required_run=bad.folder)
  lines = []
  failed = runner.run_all(
    [bad, needs_bad],
    runner.make_slots(1),
    environment=os.environ,
    report=lines.append,
  )
  assert failed == [bad, needs_bad]
  assert 'nowhere.py' in lines[-1] and str(bad.folder / 'log.txt') in lines[-1]


def command(folder, data_dir):
  return [
    sys.executable,
    '-m',
    'unik_jax.tables',
    '2',
    '--dataset=synthetic',
    '--rows=unik,agcn',
    '--seeds=1',
    f'--workdir={folder}',
    '--jobs=2',
    '--floor=nearest',
    '--',
    '--config.epochs=2',
    '--config.model.widths=(8,8)',
    '--config.model.strides=(2,2)',
    '--config.data.train_split=train[:96]',
    '--config.data.test_split=test[:60]',
    '--config.data.name=synthetic_skeletons/unik_17_2d',
    '--config.data.layout=unik_17',
    '--config.data.channels=2',
    f'--config.data.data_dir={data_dir}',
  ]


def test_interrupted_runs_resume_and_finished_runs_are_skipped(
  synthetic_dir, tmp_path
):
  """Kills the command while its runs train, then gives it twice more."""
  line = command(tmp_path, synthetic_dir)
  first = subprocess.Popen(
    line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
  )
  runs = tmp_path / 'synthetic'
  for _ in range(1200):
    if any(runs.glob('*/checkpoints/*')) or first.poll() is not None:
      break
    time.sleep(0.1)
  first.send_signal(signal.SIGTERM)
  text, _ = first.communicate(timeout=120)
  if first.returncode != 143:
    assert first.returncode == 0, text  # it finished before the signal
  again = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
  assert again.returncode == 0, again.stdout + again.stderr
  summaries = list(runs.glob('*/summary.json'))
  assert len(summaries) == 2
  times = [path.stat().st_mtime_ns for path in summaries]
  once_more = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
  assert '2 of 2 runs are finished.' in once_more.stdout
  assert [path.stat().st_mtime_ns for path in summaries] == times
  table = (runs / 'table2.md').read_text()
  assert 'a check of the code' in table and '| UNIK | ' in table
  assert '| nearest mean pose | ' in table and ' to nearest mean pose)' in table
  assert table.strip() in once_more.stdout
