"""Runs of one network on several datasets of a few synthetic clips."""

import json
import os
import re
import signal

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.several import make_config, make_two
from helpers.synthetic_run import newest_checkpoint, read_metrics

from unik_jax import training, transfer
from unik_jax.errors import UserError
from unik_jax.export.exported_run import export_run
from unik_jax.loops import steps
from unik_jax.predictor.predictor import load_predictor
from unik_jax.report.contents import read_contents
from unik_jax.run import restore, scores
from unik_jax.run.progress import Progress
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.slow
def test_one_dataset_is_trained_as_by_itself(synthetic_dir, tmp_path):
  plain = synthetic_run.make_training_config(synthetic_dir)
  plain.update(ema=0.9, mixup=0.4, epochs=1)
  expected = training.run(plain, tmp_path / 'plain')
  config = make_config(synthetic_dir, only={})
  config.update(ema=0.9, mixup=0.4, epochs=1)
  summary = training.run(config, tmp_path / 'shared')
  assert summary['datasets']['only']['test'] == expected['test']
  assert summary['test']['top1'] == expected['test']['top1']
  _, want = newest_checkpoint(tmp_path / 'plain')
  _, got = newest_checkpoint(tmp_path / 'shared')
  jax.tree.map(np.testing.assert_array_equal, got['params'], want['params'])
  jax.tree.map(
    np.testing.assert_array_equal,
    got['batch_stats']['only'],
    want['batch_stats'],
  )
  own = tmp_path / 'shared' / 'datasets' / 'only'
  before, after = map(restore.load_run, (tmp_path / 'plain', own))
  assert before.config == after.config and before.classes == after.classes
  jax.tree.map(np.testing.assert_array_equal, after.params, before.params)


def stop_at(monkeypatch, step):
  """Sends this process SIGTERM when the metrics of `step` are written."""
  record = Progress.record

  def spy(self, at, numbers):
    record(self, at, numbers)
    if at == step and 'loss' in numbers:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(Progress, 'record', spy)


@pytest.fixture(scope='module')
def trained(synthetic_dir, tmp_path_factory):
  """A run on two datasets, and its summary."""
  folder = tmp_path_factory.mktemp('several') / 'run'
  return folder, training.run(make_two(synthetic_dir), folder)


@pytest.mark.slow
def test_clips_in_device_memory_train_the_same(
  trained, synthetic_dir, tmp_path
):
  folder, _ = trained
  config = make_two(synthetic_dir)
  for name in config.datasets:
    config.datasets[name].on_device = 'float32'
  training.run(config, tmp_path)
  first, want = (
    [row['loss'] for row in read_metrics(run) if 'lr' in row]
    for run in (tmp_path, folder)
  )
  np.testing.assert_allclose(first, want, rtol=1e-3)


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit(
  trained, synthetic_dir, tmp_path, monkeypatch, capsys
):
  folder, summary = trained
  config = make_two(synthetic_dir)
  with monkeypatch.context() as patch:
    stop_at(patch, 3)
    patch.setattr(steps, '_WARM_STEPS', 1)
    patch.setattr(steps, '_TIMED_STEPS', 1)
    with pytest.raises(SystemExit):
      training.run(config, tmp_path)
  # Some clips of both datasets were evaluated for the estimate.
  assert re.search('About .* of 2 evaluations', capsys.readouterr().out)
  assert newest_checkpoint(tmp_path)[0] == 4 < summary['step']
  resumed = training.run(config, tmp_path)
  assert resumed['datasets'] == summary['datasets']
  jax.tree.map(
    np.testing.assert_array_equal,
    newest_checkpoint(tmp_path),
    newest_checkpoint(folder),
  )

  def losses(run):
    return [line['loss'] for line in read_metrics(run) if 'loss' in line]

  assert losses(tmp_path) == losses(folder)
  assert len(losses(folder)) == summary['step']
  # Another weight is another experiment.
  config.datasets.pairs.weight = 2.0
  with pytest.raises(UserError, match=r'datasets\.pairs\.weight: 0\.0 there'):
    training.run(config, tmp_path)


@pytest.mark.slow
def test_each_dataset_has_results_and_a_run_of_its_own(trained, synthetic_dir):
  folder, summary = trained
  results = summary['datasets']
  assert results['bodies']['test']['clips'] == 21
  assert results['bodies']['val']['clips'] == 11
  assert len(results['pairs']['test']['per_class']) == 10
  assert summary == json.loads((folder / 'summary.json').read_text())
  for key in ('loss', 'top1', 'mean_class'):
    mean = np.mean([results[name]['test'][key] for name in results])
    np.testing.assert_allclose(summary['test'][key], mean)
  lines = read_metrics(folder)
  kinds = {key.rpartition('/')[0] for line in lines for key in line}
  assert {'test', 'val/bodies', 'test/pairs', 'final test'} <= kinds
  text = (folder / 'model_card.md').read_text()
  assert 'test of bodies' in text and 'test of pairs' in text
  for name, persons, joints in (('bodies', 1, 17), ('pairs', 2, 13)):
    own = folder / 'datasets' / name
    found = json.loads((own / 'summary.json').read_text())
    assert found['test'] == results[name]['test']
    model = load_predictor(own)
    assert model.run.net.abstract.input_shape == (persons, None, joints, 2)
    saved = scores.read_scores(own / 'scores' / 'test.npz')
    assert saved.classes.tolist() == model.run.classes
    # The run predicts what was evaluated.
    config = model.run.config
    config.eval_only = True
    again = training.run(config, own)
    assert again['test'] == results[name]['test']
  with pytest.raises(UserError, match='one on 2.*datasets/bodies.*start'):
    load_predictor(folder)
  with pytest.raises(UserError, match='got one on several.*datasets'):
    read_contents(folder)


@pytest.mark.slow
def test_another_layout_starts_from_the_shared_weights(
  trained, synthetic_dir, tmp_path, capsys
):
  folder, summary = trained
  config = synthetic_run.make_config(
    data_dir=str(synthetic_dir),
    train_split='train[:16]',
    test_split='test[:8]',
    joints='human36m_17',
    normalize='body',
  )
  config.update(epochs=1, init_from=str(folder), tune='head')
  source = transfer.read_weights(config)
  assert source.layout.joints == get_layout('unik_17').joints
  assert len(source.classes) == 30 and source.classes[20].startswith('pairs/')
  training.run(config, tmp_path / 'probe')
  out = capsys.readouterr().out
  assert f'{folder}/checkpoints/{summary["step"]}' in out
  assert 'new: the classifier, of 20 classes' in out
  # A probe changes the classifier alone, so the rest is what was loaded.
  start = transfer.adapt_weights(source, config, head=False)
  # So does one that starts from the weights without the optimizer.
  small = export_run(
    restore.load_run(folder, shared=True), tmp_path / 'small', address='small'
  )
  config.init_from = str(small)
  again = transfer.adapt_weights(
    transfer.read_weights(config), config, head=False
  )
  jax.tree.map(np.testing.assert_array_equal, again[:2], start[:2])
  assert 'unik_jax.load' not in (small / 'README.md').read_text()
  assert str(synthetic_dir) not in (small / 'config.json').read_text()
  with pytest.raises(UserError, match='small: .*To predict, start from it'):
    load_predictor(small)
  got = restore.load_run(tmp_path / 'probe')
  for part in got.params.keys() - {'head'}:
    jax.tree.map(
      np.testing.assert_array_equal, got.params[part], start.params[part]
    )
  jax.tree.map(
    np.testing.assert_array_equal, got.batch_stats, start.batch_stats
  )
  # The joints that both have keep their matrices.
  new, old = get_layout('human36m_17').joints, source.layout.joints
  common = [j for j in new if j in old]
  rows, old_rows = ([names.index(j) for j in common] for names in (new, old))
  matrix = got.params['blocks'][0]['spatial']['dependency']
  want = source.values['params']['blocks'][0]['spatial']['dependency']
  arms = [i for i, j in enumerate(common) if 'elbow' in j or 'wrist' in j]
  for i in arms:
    for j in arms:
      np.testing.assert_array_equal(
        matrix[:, rows[i], rows[j]], want[:, old_rows[i], old_rows[j]]
      )
