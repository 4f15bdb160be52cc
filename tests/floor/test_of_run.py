"""The floor beside a run: before its training, and at its end."""

import io

import numpy as np
import pytest
from helpers import finished_run, synthetic_run

from unik_jax import metrics, training
from unik_jax.config import default_config
from unik_jax.data import splits
from unik_jax.errors import UserError
from unik_jax.floor import measure, of_run
from unik_jax.models import rocket
from unik_jax.run.progress import Progress


@pytest.fixture
def fits(monkeypatch):
  """The (name, seed) of each fit, which always predicts class 3."""
  done = []

  def fit_rocket(name, series, labels, num_classes, seed):
    done.append((name, seed))
    return lambda tested: np.eye(num_classes)[np.full(len(tested), 3)]

  monkeypatch.setattr(rocket, 'fit_rocket', fit_rocket)
  monkeypatch.setattr(rocket, 'installed_version', lambda: 'of_run')
  monkeypatch.setattr(measure.os, 'access', lambda *_: False)  # keep nothing
  return done


@pytest.fixture
def progress(tmp_path):
  return Progress(
    tmp_path, total=1, batch_size=1, record=False, stream=io.StringIO()
  )


def test_the_floor_is_printed_before_a_training(synthetic_dir, fits, progress):
  config = finished_run.make_config(synthetic_dir, train_split='train[:80]')
  config.update(floor=True, seed=4, headline='mean_class')
  of_run.measure_first(progress, config)
  assert fits == [('minirocket', 4), ('multirocket', 4)]
  text = progress._stream.getvalue()
  assert 'floor: MiniRocket, mean_class 5.00% of ' in text
  (row,) = measure.measure_floor(config.data, (4,), ['nearest'])
  (scores,) = row.scores
  result = metrics.compute_metrics(scores.logits, scores.labels)
  expected = f'nearest mean pose, mean_class {100 * result["mean_class"]:.2f}%'
  assert expected in text
  config.floor = False
  of_run.measure_first(progress, config)
  assert progress._stream.getvalue() == text


def test_a_floor_that_cannot_be_measured_stops_nothing(
  synthetic_dir, progress, monkeypatch
):
  def fail(*arguments, **options):
    raise UserError('one class')

  monkeypatch.setattr(of_run, 'measure_floor', fail)
  config = finished_run.make_config(synthetic_dir)
  config.floor = True
  of_run.measure_first(progress, config)
  assert progress._stream.getvalue() == 'floor: not known (one class)\n'


def test_the_end_has_the_advice(synthetic_dir, fits, progress):
  config = finished_run.make_config(
    synthetic_dir, train_split='train[:200]', test_split='test[:40]'
  )
  clips = {'test': splits.open_split(config.data, 'test')}
  labels = np.array([record['label'] for record in clips['test']])
  for shift, is_better in ((0, True), (1, False)):
    logits = np.eye(20)[(labels + shift) % 20]
    outputs = {'test': (logits, labels, None)}
    text = of_run.print_floor(progress, config, clips, outputs)
    assert ('This network is worse than' in text) != is_better
    assert text.count('. ') == 3 * (not is_better) or is_better
  assert progress._stream.getvalue().count('\n') == 3


@pytest.mark.slow
def test_own_recordings_have_the_floor_first(
  synthetic_dir, fits, tmp_path, capsys
):
  config = synthetic_run.make_training_config(synthetic_dir)
  config.update(floor=True, epochs=1)
  training.run(config, tmp_path)
  text = capsys.readouterr().out
  assert text.index('floor: MultiRocket') < text.index('Compiling...')
  config.floor = False  # may change: the same run
  training.run(config, tmp_path)
  assert 'Already complete' in capsys.readouterr().out
  assert not default_config().floor
