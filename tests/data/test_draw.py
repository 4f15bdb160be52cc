"""A few training clips of each class: drawn once, and by everyone alike."""

import collections

import numpy as np
import pytest
from helpers import finished_run, synthetic_run

from unik_jax.config import check_config
from unik_jax.data import splits
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import UserError
from unik_jax.floor.measure import measure_floor
from unik_jax.run.wording import describe_config


@pytest.fixture
def config(synthetic_dir):
  return finished_run.make_config(
    synthetic_dir, train_split='train[:300]', test_split='test[:20]'
  )


def draw(config, per_class, number=0, **changes):
  data = config.data.copy_and_resolve_references()
  data.update(clips_per_class=per_class, draw=number, **changes)
  return splits.open_split(data, 'train')


def labels(clips):
  return [clips[i]['label'] for i in range(len(clips))]


def test_each_class_has_its_number_of_clips(config):
  everything = collections.Counter(labels(draw(config, 0)))
  assert min(everything.values()) < 15 < max(everything.values())
  for count in (1, 5, 15):
    drawn = collections.Counter(labels(draw(config, count)))
    assert drawn == {k: min(n, count) for k, n in everything.items()}


def test_a_draw_follows_from_its_number(config):
  ids = draw(config, 5).ids()
  assert ids == draw(config, 5).ids()
  assert set(ids) < set(draw(config, 10).ids()) < set(draw(config, 0).ids())
  # By sha256sum of '0/ID': another draw here would be another benchmark.
  assert [name for name in ids if name.startswith('a01')] == [
    *('a01_s02_e02', 'a01_s03_e02', 'a01_s04_e01', 'a01_s06_e02'),
    'a01_s07_e02',
  ]
  others = [set(draw(config, 5, number).ids()) for number in (1, 2, 3)]
  shared = np.mean([len(set(ids) & other) / len(ids) for other in others])
  assert shared == pytest.approx(5 / 15, abs=0.15)  # as of unrelated draws


def test_a_draw_is_of_the_classes_and_subjects(config):
  names = draw(config, 0).class_names
  some = draw(config, 5, classes=tuple(names[3:1:-1]), num_classes=2)
  assert collections.Counter(labels(some)) == {0: 5, 1: 5}
  expected = [
    name
    for name, label in zip(
      draw(config, 5).ids(), labels(draw(config, 5)), strict=True
    )
    if label in (2, 3)
  ]
  assert some.ids() == expected
  repeats = (1,) * 19 + (3,)
  assert len(draw(config, 5, repeats=repeats)) == 19 * 5 + 3 * 5


def test_only_training_clips_are_drawn(config):
  config.data.update(clips_per_class=1, val_split='validation')
  assert len(splits.open_split(config.data, 'test')) == 20
  assert len(splits.open_split(config.data, 'val')) > 20
  assert len(splits.open_split(config.data, 'train')) == 20


def test_the_floor_and_familiarity_are_of_the_drawn_clips(config):
  config.data.clips_per_class = 2
  (row,) = measure_floor(config.data, (0,), ['nearest'])
  assert (row.fitted, row.train) == (40, 40)
  config.data.draw = 1
  (other,) = measure_floor(config.data, (0,), ['nearest'])
  assert (row.scores[0].logits != other.scores[0].logits).any()
  clips = splits.open_split(config.data, 'train')
  means = [
    describe_clips(c, config.data).familiarity.mean
    for c in (clips, draw(config, 0))
  ]
  assert not np.allclose(*means)


def test_a_test_clip_that_was_not_drawn_is_unseen(config):
  config.data.test_split = config.data.train_split
  config.data.clips_per_class = 3
  tested = splits.open_split(config.data, 'test')
  seen = splits.find_seen(config.data, tested)
  drawn = set(splits.open_split(config.data, 'train').ids())
  assert seen.tolist() == [name in drawn for name in tested.ids()]
  assert seen.sum() == 60


def test_settings_are_checked_and_described(config):
  for key, value in (('clips_per_class', -1), ('draw', -1), ('draw', 2)):
    changed = synthetic_run.make_config(**{key: value})
    with pytest.raises(UserError, match=f'data.{key}.*{value}'):
      check_config(changed)
  config.data.update(clips_per_class=5, draw=2)
  check_config(config)
  words = describe_config(config)['Trained on']
  assert '5 clips of each class' in words and 'draw 2' in words
