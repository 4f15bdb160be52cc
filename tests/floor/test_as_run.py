"""MiniRocket as a run like any other: kept, predicted with, fused, reported."""

import json

import numpy as np
import pytest
from helpers import synthetic_run

from unik_jax import training
from unik_jax.data import splits
from unik_jax.enroll import actions
from unik_jax.errors import UserError
from unik_jax.floor import as_run
from unik_jax.floor.measure import measure_floor
from unik_jax.fuse import fusion
from unik_jax.models import rocket
from unik_jax.predictor.clip_flags import Clips
from unik_jax.predictor.predictor import load_predictor
from unik_jax.report import robustness
from unik_jax.report.build import write_report
from unik_jax.run import paths, restore
from unik_jax.run.metrics_file import read_metrics
from unik_jax.run.scores import read_scores

needs_aeon = pytest.mark.skipif(
  not rocket.installed_version(), reason=f'needs aeon: {rocket.INSTALL}'
)


def make_config(data_dir):
  config = synthetic_run.make_training_config(data_dir)
  config.model.name = 'minirocket'
  config.data.update(
    train_split='train[:60]',
    val_split='validation[:15]',
    normalize='clean',
    persons=2,
  )
  config.update(seed=3, floor=True)
  return config


@pytest.fixture(scope='module')
def finished(synthetic_dir, tmp_path_factory):
  """(settings, folder, summary) of a run."""
  config = make_config(synthetic_dir)
  folder = tmp_path_factory.mktemp('runs') / 'mini'
  return config, folder, training.run(config, folder)


@needs_aeon
@pytest.mark.slow
def test_a_run_has_the_floors_predictions(finished):
  config, folder, summary = finished
  (row,) = measure_floor(config.data, (3,), ['minirocket'])
  kept = read_scores(paths.scores_path(folder, 'test'))
  assert kept.ids.tolist() == row.scores[0].ids.tolist()
  predictions = kept.logits.argmax(1)
  np.testing.assert_array_equal(predictions, row.scores[0].logits.argmax(1))
  top1 = (predictions == kept.labels).mean()
  assert summary['test']['top1'] == pytest.approx(top1) and top1 > 0.2
  assert len(read_scores(paths.scores_path(folder, 'val')).ids) == 15
  stored = restore.read_config(folder)
  assert stored.data.normalize == 'center_first' and stored.data.frames == 64
  assert (stored.data.rescale, stored.model.widths) == ((), ())
  card = (folder / 'model_card.md').read_text()
  assert '`minirocket`' in card and 'ridge classifier' in card
  assert 'epochs' not in card and 'Floor, top1' in card


@needs_aeon
@pytest.mark.slow
def test_a_finished_run_is_evaluated_again(finished, capsys):
  config, folder, summary = finished
  time = (folder / 'rocket.npz').stat().st_mtime_ns
  again = training.run(config, folder)
  assert 'Already fitted' in capsys.readouterr().out
  assert again['test'] == summary['test']
  assert (folder / 'rocket.npz').stat().st_mtime_ns == time
  lines = [line for line in read_metrics(folder) if 'final test/top1' in line]
  assert len(lines) == 1
  config = config.copy_and_resolve_references()
  config.eval_only = True
  evaluation = training.run(config, folder)
  assert evaluation['test'] == summary['test']
  config.data.test_split = 'test[21:30]'
  other = training.run(config, folder)
  assert other['test']['clips'] == 9
  assert len(read_scores(paths.scores_path(folder, 'test')).ids) == 21
  assert len(read_scores(paths.scores_path(folder, 'evaluation')).ids) == 9
  config.seed = 4
  with pytest.raises(UserError, match='another experiment.*\n.*seed'):
    training.run(config, folder)


@needs_aeon
@pytest.mark.slow
def test_predictions_are_those_of_the_test(finished):
  config, folder, _ = finished
  model = load_predictor(folder)
  clips = splits.open_split(config.data, 'test')
  kept = read_scores(paths.scores_path(folder, 'test'))
  keypoints = [record['keypoints'] for record in clips]
  sizes = [record['image_size'] for record in clips]
  found = model.predict(keypoints, image_size=sizes, units='pixels')
  np.testing.assert_allclose([p.logits for p in found], kept.logits, atol=1e-4)
  assert found[0].probability == pytest.approx(found[0].probabilities.max())
  assert found[0].features.shape == (0,)


@needs_aeon
@pytest.mark.slow
def test_it_is_fused_and_reported(finished, tmp_path):
  config, folder, summary = finished
  config = config.copy_and_resolve_references()
  config.seed = 4
  training.run(config, tmp_path / 'other')
  table = fusion.fuse_runs([str(folder), str(tmp_path / 'other')]).table
  assert table['runs'][0]['top1'] == pytest.approx(summary['test']['top1'])
  tuned = fusion.fuse_runs(
    [str(folder), str(tmp_path / 'other')], method='tuned'
  )
  assert tuned.table['chosen_on']['clips'] == 15
  report = write_report(folder, tmp_path / 'report.html', floor=['nearest'])
  text = report.path.read_text()
  assert 'minirocket' in text and 'nearest mean pose' in text
  assert 'fitted at once' in text and 'Validation' in text
  clips = splits.open_split(config.data, 'test')
  table = robustness.measure_clips(
    restore.load_run(folder, networks_only=False),
    clips,
    strengths={'joints': (0.5,)},
  )
  undamaged, _ = table['curves']['joints']
  assert undamaged['top1'] == pytest.approx(summary['test']['top1'])


@needs_aeon
@pytest.mark.slow
def test_a_changed_dataset_is_fitted_again(synthetic_dir, tmp_path):
  config = make_config(synthetic_dir)
  training.run(config, tmp_path)
  data = json.loads((tmp_path / 'data.json').read_text())
  data['fingerprint'] = 'of other files'
  (tmp_path / 'data.json').write_text(json.dumps(data))
  arrays = (tmp_path / 'rocket.npz').read_bytes()
  (tmp_path / 'rocket.npz').write_bytes(arrays[:-100])
  with pytest.raises(UserError, match='rocket.npz'):
    load_predictor(tmp_path)
  training.run(config, tmp_path)
  assert load_predictor(tmp_path).classes


@needs_aeon
@pytest.mark.slow
def test_what_needs_a_network_is_refused(finished, tmp_path):
  config, folder, _ = finished
  with pytest.raises(UserError, match='mini.*network.*minirocket.*export'):
    restore.load_run(folder)
  model = load_predictor(folder)
  with pytest.raises(UserError, match='mini.*network.*features'):
    actions.enroll(Clips(model, [], None, []), 'salute')
  config = synthetic_run.make_training_config(config.data.data_dir)
  config.init_from = str(folder)
  with pytest.raises(UserError, match='network.*minirocket.*start from'):
    training.run(config, tmp_path)


@pytest.mark.parametrize(
  'key, value',
  [
    ('init_from', 'runs/other'),
    ('save_official', 'weights.pt'),
    ('data.stream', 'bone'),
  ],
)
def test_settings_without_effect_are_refused(key, value):
  config = synthetic_run.make_config()
  config.model.name = 'multirocket'
  config.update_from_flattened_dict({key: value})
  with pytest.raises(UserError, match=f'config.{key}.*multirocket.*{value}'):
    as_run.make_config(config)


def test_aeon_is_needed(synthetic_dir, tmp_path, monkeypatch):
  monkeypatch.setattr(rocket, 'installed_version', lambda: '')
  with pytest.raises(UserError, match='model.name=minirocket.*aeon.*baseline'):
    training.run(make_config(synthetic_dir), tmp_path)
