"""Training, stopping, resuming and evaluating on a few synthetic clips."""

import contextlib
import json
import os
import re
import signal

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.random_values import random_values
from helpers.synthetic_run import newest_checkpoint, read_metrics

from unik_jax import metrics, training
from unik_jax.config import default_config
from unik_jax.data import synthetic
from unik_jax.errors import UserError
from unik_jax.evaluate import Evaluator
from unik_jax.loops import steps
from unik_jax.loops.evaluations import Evaluations
from unik_jax.models.network import network_from_config
from unik_jax.official import tensor_files
from unik_jax.official.convert import to_official
from unik_jax.run import scores
from unik_jax.run.progress import Progress
from unik_jax.runtime.profiler import StepProfiler

pytestmark = pytest.mark.slow


@pytest.fixture
def config(synthetic_dir):
  return synthetic_run.make_training_config(synthetic_dir)


class GuardedSteps(StepProfiler):
  """Fails if a step moves data between host and devices that was not placed."""

  @contextlib.contextmanager
  def step(self, number):
    with jax.transfer_guard('disallow'), super().step(number):
      yield


def test_the_guard_sees_arrays_of_the_host(tmp_path):
  guarded = GuardedSteps(tmp_path, 0, 0)
  with pytest.raises(jax.errors.JaxRuntimeError, match='host-to-device'):
    with guarded.step(0):
      jax.jit(jax.numpy.negative)(np.ones(3))


def count_traces(monkeypatch, owner, name):
  """Returns a list with an item for each trace of a jitted method."""
  method, traces = getattr(owner, name), []

  def spy(*args, **kwargs):
    traces.append(name)
    return method(*args, **kwargs)

  monkeypatch.setattr(owner, name, spy)
  return traces


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
  monkeypatch.setattr(steps, '_WARM_STEPS', 2)
  monkeypatch.setattr(steps, '_TIMED_STEPS', 3)
  monkeypatch.setattr(steps, 'StepProfiler', GuardedSteps)
  traces = count_traces(monkeypatch, Evaluator, 'step')

  # An uninterrupted run.
  summary = training.run(config, straight)
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
  # Two evaluations between epochs, and of the last and the best state at the
  # end; all in the program that the measurement compiled.
  (line,) = re.findall('About .*', out)
  assert re.fullmatch(
    r'About 0:\d\d: 0:\d\d of training, 0:\d\d of 4 evaluations\.', line
  )
  assert len(traces) == 1
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
  again = training.run(config, straight)
  assert again['test'] == summary['test']
  content = (straight / 'scores' / 'test.npz').read_bytes()
  config.data.test_split = 'validation[:11]'
  assert training.run(config, straight)['test']['clips'] == 11
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
        training.run(config, interrupted)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert newest_checkpoint(interrupted)[0] == stops
  # A killed process may leave a line of a later step, and half a line.
  with (interrupted / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 11, "loss": 0}\n{"st')
  capsys.readouterr()
  resumed = training.run(config, interrupted)
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
      training.run(config, straight)


@pytest.mark.parametrize('has_val', [False, True])
@pytest.mark.parametrize('epochs, every', [(1, 1), (7, 3), (6, 3), (2, 5)])
def test_evaluations_left(epochs, every, has_val):
  config = default_config()
  config.update(epochs=epochs, eval_every=every)
  clips = {'test': range(30)} | ({'val': range(20)} if has_val else {})
  evaluations = Evaluations(config, clips, None, None, None, 4)
  numbers = range(1, 4 * epochs + 1)
  for step in numbers:
    due = sum(map(evaluations.is_due, numbers[step - 1 :]))
    expected = (due + 2, 20 * due + 60) if has_val else (due, 30 * due)
    assert evaluations.count_left(step) == expected
  assert due == 1  # the last step


def test_official_weights_are_evaluated(config, tmp_path):
  config.eval_only = True
  with pytest.raises(UserError, match='no checkpoints there. Train this'):
    training.run(config, tmp_path / 'none')
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
  training.run(trained, run)
  before = {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}
  first = training.run(config, tmp_path / 'a')['test']
  assert first['clips'] == 21
  assert training.run(config, run)['test'] == first
  assert (
    before.items()
    <= {p: p.read_bytes() for p in run.rglob('*') if p.is_file()}.items()
  )

  # The official weights written are those that were evaluated.
  trained.update(save_official=str(tmp_path / 'written.npz'), eval_only=True)
  evaluated = training.run(trained, run)['test']
  config.init_from = trained.save_official
  assert training.run(config, tmp_path / 'b')['test'] == evaluated

  config.model.num_heads = 2
  with pytest.raises(UserError, match='not a state dict of this model'):
    training.run(config, tmp_path / 'c')


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
    training.run(config, tmp_path / 'with_head')
  config.init_head = 'new'
  config.optim.update(lr=0.0, weight_decay=0.0)
  result = training.run(config, tmp_path / 'headless')['test']
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
  assert training.run(config, tmp_path / 'headless')['test'] == result
