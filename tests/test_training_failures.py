"""Training through damage, a full disk, kills and a second training."""

import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.damage_bytes import flip_bit
from helpers.synthetic_run import newest_checkpoint, read_metrics

from unik_jax import training
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import UserError
from unik_jax.run.workdir import claim_workdir

pytestmark = pytest.mark.slow


@pytest.fixture
def config(synthetic_dir):
  return synthetic_run.make_training_config(synthetic_dir)


def damage(checkpoint):
  """Cuts every data file of a checkpoint short."""
  for path in checkpoint.rglob('*'):
    if path.is_file() and path.stat().st_size > 100:
      os.truncate(path, path.stat().st_size // 3)


def test_damaged_checkpoints(config, tmp_path, caplog):
  summary = training.run(config, tmp_path)
  damage(tmp_path / 'checkpoints' / '12')
  again = training.run(config, tmp_path)  # resumes from step 6
  assert '12 cannot be read' in caplog.text
  assert 'Checkpoint 6 is used' in caplog.text
  assert (tmp_path / 'unreadable-checkpoints-12').is_dir()
  assert again['test'] == summary['test']

  damage(tmp_path / 'checkpoints' / '6')
  damage(tmp_path / 'checkpoints' / '12')
  with pytest.raises(UserError, match='12: cannot be .* can 1 older'):
    training.run(config, tmp_path)
  names = {p.name for p in (tmp_path / 'checkpoints').iterdir()}
  assert {'6', '12'} <= names  # moved only if another one replaces it


def test_nan_stops_and_keeps_the_last_good_checkpoint(config, tmp_path):
  config.optim.update(decay_epochs=(1,), decay_rate=1e30)
  with pytest.raises(UserError, match='NaN or infinite'):
    training.run(config, tmp_path)
  step, state = newest_checkpoint(tmp_path)
  assert step == 6
  assert all(np.isfinite(a).all() for a in jax.tree.leaves(state['params']))


_FULL_DISK = """
import pickle, resource, sys
from absl import app
from unik_jax import cli, training
from unik_jax.run import checkpoints

limits = resource.getrlimit(resource.RLIMIT_FSIZE)
save = checkpoints.Checkpoints.save

def full(self, step, state, *, wait=False, **notes):
  if step != 12:
    return save(self, step, state, wait=wait, **notes)
  resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
  try:
    return save(self, step, state, wait=True, **notes)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)

checkpoints.Checkpoints.save = full

def main(argv):
  with open(argv[1], 'rb') as file, cli.command():
    training.run(pickle.load(file), argv[2])

app.run(main)
"""


def test_full_disk_at_checkpoint_time(config, tmp_path):
  """A limit on file size makes writes fail as on a full disk.

  It runs in another process, since Orbax leaves failed futures behind.
  """
  config.epochs = 3
  (tmp_path / 'config').write_bytes(pickle.dumps(config))
  run = tmp_path / 'run'
  done = subprocess.run(
    [sys.executable, '-c', _FULL_DISK, str(tmp_path / 'config'), str(run)],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parents[1],
  )
  assert done.returncode == 0, done.stderr
  assert 'could not be written' in done.stderr
  assert len(done.stderr.splitlines()) == 1, done.stderr
  assert json.loads((run / 'summary.json').read_text())['step'] == 18
  names = {p.name for p in (run / 'checkpoints').iterdir()}
  assert {name for name in names if name.isdigit()} == {'6', '18'}


_KILLED = """
import os, pickle, signal, sys
from unik_jax import training
from unik_jax.run.progress import Progress

record = Progress.record

def killed(self, step, numbers):
  if 'val/top1' in numbers and step == int(sys.argv[3]):
    os.kill(os.getpid(), signal.SIGKILL)
  record(self, step, numbers)

Progress.record = killed
with open(sys.argv[1], 'rb') as file:
  training.run(pickle.load(file), sys.argv[2])
"""


def test_a_kill_between_the_best_state_and_its_line(config, tmp_path):
  """The resumed run reports the same best, and each line once."""
  config.epochs = 3
  config.data.val_split = 'validation[:40]'
  expected = training.run(config, tmp_path / 'straight')
  (tmp_path / 'config').write_bytes(pickle.dumps(config))
  run = tmp_path / 'run'
  for step in (6, expected['best_step']):
    arguments = [str(tmp_path / 'config'), str(run), str(step)]
    done = subprocess.run(
      [sys.executable, '-c', _KILLED, *arguments],
      cwd=pathlib.Path(__file__).parents[1],
    )
    assert done.returncode in (0, -signal.SIGKILL)
  for _ in range(2):  # a finished run may be repeated
    summary = training.run(config, run)
    for key in ('best_step', 'test', 'val', 'test_of_best'):
      assert summary[key] == expected[key]
    keys = [
      (x['step'], next((k.split('/')[0] for k in x if '/' in k), ''))
      for x in read_metrics(run)
    ]
    assert len(keys) == len(set(keys))
    lines = [x for x in read_metrics(tmp_path / 'straight') if 'lr' not in x]
    assert [x for x in read_metrics(run) if 'lr' not in x] == lines


def test_a_damaged_best_state_is_an_error(config, tmp_path):
  """The results of the last state are written, and none for another best."""
  config.data.val_split = 'validation[:40]'
  expected = training.run(config, tmp_path)
  (best,) = (tmp_path / 'best').iterdir()
  intact = tmp_path / 'copy'
  shutil.copytree(best, intact)
  damage(best)  # of equal accuracy, the first is the best
  words = f'best: .*damaged.* of the last state, step {expected["step"]}'
  with pytest.raises(UserError, match=words):
    training.run(config, tmp_path)
  summary = json.loads((tmp_path / 'summary.json').read_text())
  assert summary['test'] == expected['test']
  assert not {'best_step', 'test_of_best'} & summary.keys()

  shutil.rmtree(best)
  intact.rename(best)
  assert (
    training.run(config, tmp_path)['test_of_best'] == expected['test_of_best']
  )


def test_bodies_are_described_once_while_the_data_stay(
  config, synthetic_dir, tmp_path, monkeypatch
):
  config.data.data_dir = str(shutil.copytree(synthetic_dir, tmp_path / 'data'))
  config.epochs = 1
  described = []

  def describe(*arguments):
    described.append(arguments)
    return describe_clips(*arguments)

  monkeypatch.setattr(training, 'describe_clips', describe)
  run = tmp_path / 'run'
  file = run / 'familiarity.npz'

  def starts():
    """Starts the run; returns whether it described its clips."""
    described.clear()
    training.run(config, run)
    return bool(described)

  assert starts() and not starts()
  content = file.read_bytes()
  file.write_bytes(content[:-100])
  assert starts() and file.read_bytes() == content
  file.unlink()
  assert starts() and file.read_bytes() == content
  (run / 'data.json').write_text('{}')
  assert starts() and not starts()
  (shard,) = (tmp_path / 'data').rglob('*-train.array_record*')
  os.utime(shard, (1, 1))  # as if it was prepared again
  assert starts() and not starts()


def test_a_second_training_in_the_same_folder_is_refused(config, tmp_path):
  run = tmp_path / 'run'
  with claim_workdir(run, config):
    before = {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
    with pytest.raises(UserError, match=rf'another .* {os.getpid()} on'):
      training.run(config, run)
    assert before == {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
  config.epochs = 1
  assert training.run(config, tmp_path / 'other')['step'] == 6


def test_damaged_test_clips_are_found_before_training(
  config, synthetic_dir, tmp_path
):
  data = shutil.copytree(synthetic_dir, tmp_path / 'data')
  (shard,) = data.rglob('*-test.array_record*')
  flip_bit(shard, shard.stat().st_size // 400)
  config.data.data_dir = str(data)
  config.data.test_split = 'test'
  with pytest.raises(UserError, match="split 'test': clip .* cannot be read"):
    training.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run' / 'checkpoints').exists()
