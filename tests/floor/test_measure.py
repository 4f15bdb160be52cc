"""The floor of a dataset: fitted once, and kept with what it depends on."""

import json
import pathlib
import shutil
import threading

import numpy as np
import pytest
from helpers import finished_run

from unik_jax import metrics
from unik_jax.data.prepared_split import PreparedSplit, open_dataset
from unik_jax.errors import UserError
from unik_jax.floor import measure, series
from unik_jax.models import rocket

pytestmark = pytest.mark.slow


@pytest.fixture
def data(synthetic_dir, tmp_path):
  """The `data` settings on a copy of the clips, without a floor."""
  name = 'synthetic_skeletons/unik_17_2d'
  shutil.copytree(
    pathlib.Path(synthetic_dir) / name,
    tmp_path / name,
    ignore=shutil.ignore_patterns('floor'),
  )
  return finished_run.make_config(
    tmp_path, train_split='train[:80]', test_split='test[:40]'
  ).data


@pytest.fixture
def fits(monkeypatch):
  """The (name, seed, training clips) of each fit, none of which is aeon's.

  A fit predicts class `seed` for every clip.
  """
  done = []

  def fit_rocket(name, series, labels, num_classes, seed):
    assert series.dtype == np.float32 and len(series) == len(labels)
    done.append((name, seed, len(series)))
    return lambda tested: np.eye(num_classes)[np.full(len(tested), seed)]

  monkeypatch.setattr(rocket, 'fit_rocket', fit_rocket)
  monkeypatch.setattr(rocket, 'installed_version', lambda: '1.6.0')
  return done


def test_rows_are_fitted_once(data, fits):
  rows = measure.measure_floor(data, range(2))
  assert [(row.name, len(row.scores)) for row in rows] == [
    ('nearest', 1),
    ('minirocket', 2),
    ('multirocket', 2),
  ]
  expected = [('minirocket', 0), ('minirocket', 1)]
  expected += [('multirocket', 0), ('multirocket', 1)]
  assert fits == [(*fit, 80) for fit in expected]
  clips = PreparedSplit(data, 'test[:40]')
  for row in rows:
    assert (row.fitted, row.train) == (80, 80)
    for scores in row.scores:
      assert scores.ids.tolist() == clips.ids()
      labels = [clips[i]['label'] for i in range(40)]
      assert scores.labels.tolist() == labels
  assert (rows[1].scores[1].logits.argmax(1) == 1).all()
  # The same clips again, with another stream and one more seed.
  data.stream = 'bone'
  again = measure.measure_floor(data, range(3), ['minirocket'])
  assert fits[4:] == [('minirocket', 2, 80)]
  for old, new in zip(rows[1].scores, again[0].scores, strict=False):
    np.testing.assert_array_equal(old.logits, new.logits)
  assert [row.name for row in measure.read_floor(data, (0,))] == [
    *measure.NAMES
  ]
  # No other seed is fitted where only what is kept is asked for.
  assert [row.name for row in measure.read_floor(data, (7,))] == ['nearest']
  assert len(fits) == 5


@pytest.mark.parametrize(
  'change',
  [
    {'train_split': 'train[:60]'},
    {'test_split': 'test[:30]'},
    {'persons': 2},
    {'joints': 'penn_13'},
    'aeon',
    'broken',
  ],
)
def test_what_the_scores_depend_on_is_fitted_again(
  data, fits, change, monkeypatch
):
  measure.measure_floor(data, (0,), ['minirocket'])
  if change == 'aeon':
    monkeypatch.setattr(rocket, 'installed_version', lambda: '1.6.1')
  elif change == 'broken':
    folder = pathlib.Path(open_dataset(data).data_path) / 'floor'
    (path,) = folder.glob('minirocket-0-*.npz')
    path.write_bytes(path.read_bytes()[:100])
  else:
    data.update(change)
  measure.measure_floor(data, (0,), ['minirocket'])
  assert len(fits) == 2


def test_a_kept_file_names_its_settings(data, fits):
  measure.measure_floor(data, (3,), ['minirocket'])
  folder = pathlib.Path(open_dataset(data).data_path) / 'floor'
  (path,) = folder.glob('*.json')
  note = json.loads(path.read_text())
  assert note['row'] == 'minirocket' and note['seed'] == 3
  assert note['train_split'] == 'train[:80]' and note['aeon'] == '1.6.0'


def test_two_at_once_fit_once(data, fits):
  threads = [
    threading.Thread(
      target=measure.measure_floor, args=(data, (0,), ['minirocket'])
    )
    for _ in range(2)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert len(fits) == 1


def test_many_clips_are_thinned_out(data, fits, monkeypatch):
  monkeypatch.setattr(series, 'MAX_TRAINING_CLIPS', 60)
  (row,) = measure.measure_floor(data, (0,), ['minirocket'])
  assert fits == [('minirocket', 0, 60)]
  assert row.label == 'MiniRocket, 60 of 80 training clips'


def test_without_aeon_one_line_says_how_to_install_it(data, monkeypatch):
  monkeypatch.setattr(rocket, 'installed_version', lambda: '')
  lines = []
  rows = measure.measure_floor(data, range(3), log=lines.append)
  assert [row.name for row in rows] == ['nearest']
  (line,) = lines
  assert 'MiniRocket, MultiRocket' in line
  assert "pip install 'unik_jax[baseline]'" in line


def test_a_read_only_dataset_has_a_floor(data, fits, monkeypatch):
  monkeypatch.setattr(measure.os, 'access', lambda *_: False)
  lines = []
  (row,) = measure.measure_floor(data, (0,), ['nearest'], log=lines.append)
  assert len(row.scores[0].ids) == 40
  folder = pathlib.Path(open_dataset(data).data_path)
  assert not (folder / 'floor').exists()
  assert 'read-only' in lines[0] and str(folder) in lines[0]


def test_classes_and_subjects_are_the_networks(data, fits):
  names = PreparedSplit(data, 'train').class_names
  data.update(
    classes=tuple(names[5:2:-1]),
    num_classes=3,
    train_split='train',
    test_split='test',
  )
  (row,) = measure.measure_floor(data, (0,), ['nearest'])
  (scores,) = row.scores
  clips = PreparedSplit(data, 'test')
  assert scores.classes.tolist() == names[5:2:-1]
  assert scores.ids.tolist() == clips.ids() and len(clips) < 1000
  assert metrics.compute_metrics(scores.logits, scores.labels)['top1'] > 1 / 3


def test_an_unknown_row_is_refused(data):
  with pytest.raises(UserError, match='--floor.*hydra'):
    measure.measure_floor(data, (0,), ['hydra'])
