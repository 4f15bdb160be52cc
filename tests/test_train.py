"""Training, stopping, resuming and evaluating on a few synthetic clips."""

import json
import os
import pathlib
import pickle
import re
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.damage_bytes import flip_bit
from helpers.random_values import random_values

from unik_jax import metrics, train
from unik_jax.data import synthetic
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.official import tensor_files
from unik_jax.official.convert import to_official
from unik_jax.run import scores
from unik_jax.run.progress import Progress
from unik_jax.run.workdir import claim_workdir

pytestmark = pytest.mark.slow


@pytest.fixture
def config(synthetic_dir):
  return synthetic_run.make_training_config(synthetic_dir)


def read_metrics(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def newest_checkpoint(workdir):
  """Returns the newest checkpoint's step and raw content."""
  import orbax.checkpoint as ocp

  with ocp.CheckpointManager(workdir / 'checkpoints') as manager:
    step = manager.latest_step()
    args = ocp.args.Composite(state=ocp.args.StandardRestore())
    return step, manager.restore(step, args=args).state


def kill_at(monkeypatch, step, number=signal.SIGTERM):
  """Sends this process a signal when the metrics of `step` are written."""
  record = Progress.record

  def spy(self, at, numbers):
    record(self, at, numbers)
    if at == step and 'loss' in numbers:
      os.kill(os.getpid(), number)

  monkeypatch.setattr(Progress, 'record', spy)


def test_train_evaluate_and_resume(config, tmp_path, monkeypatch, capsys):
  """One long test, since each run compiles again."""
  config.ema, config.mixup = 0.9, 0.4
  config.data.update(window=0.8, stretch=0.2, flip=0.5, drop_joints=0.1)
  config.data.val_split = 'validation[:11]'
  straight, interrupted = tmp_path / 'straight', tmp_path / 'interrupted'

  # An uninterrupted run.
  summary = train.run(config, straight)
  assert summary['step'] == 12
  assert summary['test']['clips'] == 21
  assert np.sum(summary['test']['confusion']) == 21
  assert json.loads((straight / 'summary.json').read_text()) == summary
  losses = [x['loss'] for x in read_metrics(straight) if 'loss' in x]
  assert len(losses) == 12 and np.isfinite(losses).all()
  val_clips = [
    x['val/clips'] for x in read_metrics(straight) if 'val/clips' in x
  ]
  assert val_clips == [11, 11]
  out = capsys.readouterr().out
  assert 'clips/s' in out
  assert out.count('Settings: model unik, dataset synthetic_skeletons/') == 1

  # The best state on validation is saved and tested.
  val_top1 = {
    x['step']: x['val/top1'] for x in read_metrics(straight) if 'val/top1' in x
  }
  first_best = max(val_top1, key=val_top1.get)
  assert [p.name for p in (straight / 'best').iterdir()] == [str(first_best)]
  assert summary['test_of_best']['clips'] == 21

  # The logits of each clip are saved.
  saved = scores.read_scores(straight / 'scores' / 'test.npz')
  saved_metrics = metrics.compute_metrics(saved.logits, saved.labels)
  assert saved_metrics['top1'] == summary['test']['top1']
  assert len(set(saved.ids)) == 21
  assert saved.classes.tolist() == [*synthetic.LABELS]
  assert saved[4:] == ('test[:21]', 1, None)
  assert len(scores.read_scores(straight / 'scores' / 'val.npz').ids) == 11
  text = (straight / 'model_card.md').read_text()
  assert f'{100 * summary["test"]["top1"]:.2f}%' in text
  assert 'training is not over' not in text
  assert re.search(r'Floor, .* nearest mean pose \d+\.\d\d%.*above', text)

  # Evaluating the checkpoint gives the same metrics. Evaluating other clips
  # leaves the scores of the test split unchanged.
  config.eval_only = True
  again = train.run(config, straight)
  assert again['test'] == summary['test']
  content = (straight / 'scores' / 'test.npz').read_bytes()
  config.data.test_split = 'validation[:11]'
  assert train.run(config, straight)['test']['clips'] == 11
  assert (straight / 'scores' / 'test.npz').read_bytes() == content
  assert (
    len(scores.read_scores(straight / 'scores' / 'evaluation.npz').ids) == 11
  )
  config.data.test_split = 'test[:21]'
  config.eval_only = False

  # A run stopped within an epoch, and again at the end of an epoch before its
  # evaluation, resumes to the same result bit for bit.
  for kill, stops in ((3, 4), (5, 6)):
    with monkeypatch.context() as patch:
      kill_at(patch, kill)
      with pytest.raises(SystemExit) as stopped:
        train.run(config, interrupted)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert newest_checkpoint(interrupted)[0] == stops
  # A killed process may leave a line of a later step, and half a line.
  with (interrupted / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 11, "loss": 0}\n{"st')
  capsys.readouterr()
  resumed = train.run(config, interrupted)
  assert 'Settings: ' not in capsys.readouterr().out
  assert resumed['test'] == summary['test']
  jax.tree.map(
    np.testing.assert_array_equal,
    newest_checkpoint(interrupted),
    newest_checkpoint(straight),
  )
  assert [x['loss'] for x in read_metrics(interrupted) if 'loss' in x] == losses
  assert {
    x['step']: x['val/top1']
    for x in read_metrics(interrupted)
    if 'val/top1' in x
  } == val_top1

  # Another experiment's workdir: the error names the settings that differ.
  config.optim.lr = 0.3
  for config.eval_only in (False, True):
    with pytest.raises(UserError, match=r'optim\.lr: 0\.1 there, 0\.3 here'):
      train.run(config, straight)


def damage(checkpoint):
  """Cuts every data file of a checkpoint short."""
  for path in checkpoint.rglob('*'):
    if path.is_file() and path.stat().st_size > 100:
      os.truncate(path, path.stat().st_size // 3)


def test_damaged_checkpoints(config, tmp_path, caplog):
  summary = train.run(config, tmp_path)
  damage(tmp_path / 'checkpoints' / '12')
  again = train.run(config, tmp_path)  # resumes from step 6
  assert '12 cannot be read' in caplog.text
  assert 'Checkpoint 6 is used' in caplog.text
  assert (tmp_path / 'unreadable-checkpoints-12').is_dir()
  assert again['test'] == summary['test']

  damage(tmp_path / 'checkpoints' / '6')
  damage(tmp_path / 'checkpoints' / '12')
  with pytest.raises(UserError, match='12: cannot be .* can 1 older'):
    train.run(config, tmp_path)
  names = {p.name for p in (tmp_path / 'checkpoints').iterdir()}
  assert {'6', '12'} <= names  # moved only if another one replaces it


def test_nan_stops_and_keeps_the_last_good_checkpoint(config, tmp_path):
  config.optim.update(decay_epochs=(1,), decay_rate=1e30)
  with pytest.raises(UserError, match='NaN or infinite'):
    train.run(config, tmp_path)
  step, state = newest_checkpoint(tmp_path)
  assert step == 6
  assert all(np.isfinite(a).all() for a in jax.tree.leaves(state['params']))


_FULL_DISK = """
import pickle, resource, sys
from absl import app
from unik_jax import cli, train
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
    train.run(pickle.load(file), argv[2])

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
from unik_jax import train
from unik_jax.run.progress import Progress

record = Progress.record

def killed(self, step, numbers):
  if 'val/top1' in numbers and step == int(sys.argv[3]):
    os.kill(os.getpid(), signal.SIGKILL)
  record(self, step, numbers)

Progress.record = killed
with open(sys.argv[1], 'rb') as file:
  train.run(pickle.load(file), sys.argv[2])
"""


def test_a_kill_between_the_best_state_and_its_line(config, tmp_path):
  """The resumed run reports the same best, and each line once."""
  config.epochs = 3
  config.data.val_split = 'validation[:40]'
  expected = train.run(config, tmp_path / 'straight')
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
    summary = train.run(config, run)
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
  expected = train.run(config, tmp_path)
  (best,) = (tmp_path / 'best').iterdir()
  intact = tmp_path / 'copy'
  shutil.copytree(best, intact)
  damage(best)  # of equal accuracy, the first is the best
  words = f'best: .*damaged.* of the last state, step {expected["step"]}'
  with pytest.raises(UserError, match=words):
    train.run(config, tmp_path)
  summary = json.loads((tmp_path / 'summary.json').read_text())
  assert summary['test'] == expected['test']
  assert not {'best_step', 'test_of_best'} & summary.keys()

  shutil.rmtree(best)
  intact.rename(best)
  assert train.run(config, tmp_path)['test_of_best'] == expected['test_of_best']


def test_bodies_are_described_once_while_the_data_stay(
  config, synthetic_dir, tmp_path, monkeypatch
):
  config.data.data_dir = str(shutil.copytree(synthetic_dir, tmp_path / 'data'))
  config.epochs = 1
  described = []

  def describe(*arguments):
    described.append(arguments)
    return describe_clips(*arguments)

  monkeypatch.setattr(train, 'describe_clips', describe)
  run = tmp_path / 'run'
  file = run / 'familiarity.npz'

  def starts():
    """Starts the run; returns whether it described its clips."""
    described.clear()
    train.run(config, run)
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
      train.run(config, run)
    assert before == {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
  config.epochs = 1
  assert train.run(config, tmp_path / 'other')['step'] == 6


def test_damaged_test_clips_are_found_before_training(
  config, synthetic_dir, tmp_path
):
  data = shutil.copytree(synthetic_dir, tmp_path / 'data')
  (shard,) = data.rglob('*-test.array_record*')
  flip_bit(shard, shard.stat().st_size // 400)
  config.data.data_dir = str(data)
  config.data.test_split = 'test'
  with pytest.raises(UserError, match="split 'test': clip .* cannot be read"):
    train.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run' / 'checkpoints').exists()


def test_official_weights_are_evaluated(config, tmp_path):
  config.eval_only = True
  with pytest.raises(UserError, match='no checkpoints there. Train this'):
    train.run(config, tmp_path / 'none')
  assert not (tmp_path / 'none').exists()
  net = network_from_config(config)
  state = random_values(net.shapes, dtype=np.float32)
  file = tmp_path / 'weights.safetensors'
  tensor_files.write_tensors(file, to_official(net.abstract, *state))
  config.init_from = str(file)
  # The file is evaluated even if the workdir's run has a checkpoint, and that
  # run's files stay unchanged.
  run = tmp_path / 'run'
  with config.unlocked():
    trained = config.copy_and_resolve_references()
  trained.update(eval_only=False, init_from='', epochs=1)
  train.run(trained, run)
  before = {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
  first = train.run(config, tmp_path / 'a')['test']
  assert first['clips'] == 21
  assert train.run(config, run)['test'] == first
  assert (
    before.items()
    <= {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}.items()
  )

  # The official weights written are those that were evaluated.
  trained.update(save_official=str(tmp_path / 'written.npz'), eval_only=True)
  evaluated = train.run(trained, run)['test']
  config.init_from = trained.save_official
  assert train.run(config, tmp_path / 'b')['test'] == evaluated

  config.model.num_heads = 2
  with pytest.raises(UserError, match='not a state dict of this model'):
    train.run(config, tmp_path / 'c')


def test_loaded_weights_get_a_new_head_for_other_classes(config, tmp_path):
  net = network_from_config(config)
  weights = jax.tree.map(np.array, net.init(jax.random.key(7)))
  loaded = to_official(net.abstract, *weights)
  tensor_files.write_tensors(tmp_path / 'loaded.npz', loaded)
  names = ('drink', 'sit_down', 'lunge')
  config.data.update(classes=names, num_classes=3, train_split='train[:320]')
  config.data.test_split = 'test[:160]'
  config.update(
    epochs=1,
    ema=0.9,
    init_from=str(tmp_path / 'loaded.npz'),
    save_official=str(tmp_path / 'saved.npz'),
  )
  config.init_head = 'load'
  with pytest.raises(UserError, match='head.*init_head=new'):
    train.run(config, tmp_path / 'with_head')
  config.init_head = 'new'
  config.optim.update(lr=0.0, weight_decay=0.0)
  result = train.run(config, tmp_path / 'headless')['test']
  assert len(result['per_class']) == 3
  saved = tensor_files.read_tensors(tmp_path / 'saved.npz')
  assert saved['fc.weight'].shape == (3, loaded['fc.weight'].shape[1])
  for name, value in loaded.items():
    if not name.startswith('fc.') and 'running' not in name:
      if 'num_batches' not in name:
        np.testing.assert_allclose(saved[name], value, rtol=1e-5, err_msg=name)
  # From then on the run evaluates its own checkpoint.
  (tmp_path / 'loaded.npz').unlink()
  config.update(eval_only=True, save_official='')
  assert train.run(config, tmp_path / 'headless')['test'] == result
