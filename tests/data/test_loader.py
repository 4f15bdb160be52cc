"""The loader: order, shapes and resuming of batches."""

import itertools

import numpy as np
import pytest
from helpers.msr_action3d import write_msr_files
from helpers.random_clips import RANDOM, make_config, make_records

from unik_jax.config import default_config
from unik_jax.data import loader, registry
from unik_jax.data.prepared_split import PreparedSplit, fill_data_config
from unik_jax.errors import UserError


def train(records, count, *, batch_size=4, seed=0, config=None, **options):
  """Returns the first `count` batches."""
  config = config or make_config(**RANDOM)
  batches = loader.train_batches(
    records, config, batch_size=batch_size, seed=seed, **options
  )
  return list(itertools.islice(batches, count))


def labels(batches):
  return [batch['label'].tolist() for batch in batches]


def assert_equal(batches, others):
  for batch, other in zip(batches, others, strict=True):
    assert batch.keys() == other.keys() == {'x', 'label'}
    for key in batch:
      np.testing.assert_array_equal(batch[key], other[key])


# Evaluation


@pytest.mark.parametrize('count', [1, 5, 12])
@pytest.mark.parametrize(
  'batch_size, processes', [(1, 1), (4, 1), (4, 2), (6, 3), (4, 4), (16, 2)]
)
def test_eval_visits_every_clip_once(count, batch_size, processes):
  records = make_records(count, frames=(6, 7))
  parts = [
    list(
      loader.eval_batches(
        records, make_config(), batch_size=batch_size, process=(p, processes)
      )
    )
    for p in range(processes)
  ]
  seen = []
  for batch in zip(*parts, strict=True):  # the same number in each process
    for part in batch:
      assert part['x'].shape == (batch_size // processes, 1, 6, 20, 3)
      assert part['label'].shape == part['clip'].shape == part['x'].shape[:1]
      for x, label, clip in zip(
        part['x'], part['label'], part['clip'], strict=True
      ):
        assert clip in (label, -1)
        if clip >= 0:
          np.testing.assert_array_equal(x, records[label]['keypoints'][..., :3])
          seen.append(int(label))
  assert seen == list(range(count))
  dtypes = {key: value.dtype for key, value in parts[0][0].items()}
  assert dtypes == {'x': np.float32, 'label': np.int32, 'clip': np.int32}


def test_eval_is_deterministic_for_any_batch_size():
  records = make_records(5)
  config = make_config(**RANDOM)
  single, fours = (
    list(loader.eval_batches(records, config, batch_size=n)) for n in (1, 4)
  )
  expected = np.concatenate([batch['x'] for batch in fours])
  np.testing.assert_array_equal(
    np.concatenate([batch['x'] for batch in single]), expected[:5]
  )


# Training


def test_train_batches_have_their_shapes():
  (batch,) = train(make_records(9), 1)
  assert batch['x'].shape == (4, 1, 6, 20, 3) and batch['x'].dtype == np.float32
  assert batch['label'].shape == (4,) and batch['label'].dtype == np.int32


def test_the_seed_decides():
  records = make_records(9)
  assert_equal(train(records, 6), train(records, 6))
  threads = make_config(**RANDOM, prefetch=7)
  threads.threads = 3
  assert_equal(train(records, 6), train(records, 6, config=threads))
  assert labels(train(records, 6)) != labels(train(records, 6, seed=1))


@pytest.mark.parametrize('count', [8, 11])
def test_each_epoch_visits_each_clip_at_most_once(count):
  batches = train(make_records(count), 12)
  epochs = [sum(labels(batches[i : i + 2]), []) for i in range(0, 12, 2)]
  for epoch in epochs:
    assert len(set(epoch)) == 8  # of 11, three do not fill a batch
    assert epoch != sorted(epoch)
  assert len({tuple(epoch) for epoch in epochs}) == 6
  # Each epoch drops other clips.
  assert set(sum(epochs, [])) == set(range(count))


def test_a_clip_is_augmented_differently_in_each_epoch():
  batches = train(make_records(8), 4)
  for label in range(8):
    first, second = (
      x for batch in batches for x in batch['x'][batch['label'] == label]
    )
    assert not np.allclose(first, second)
  # Two clips of a batch do not share their random numbers.
  equal_records = make_records(4)
  for record in equal_records:
    record['keypoints'] = np.ones((1, 6, 20, 3), np.float32)
  (batch,) = train(equal_records, 1)
  assert len({x.tobytes() for x in batch['x']}) == 4


@pytest.mark.parametrize('start', [1, 2, 3, 7])
def test_batches_resume_bit_for_bit(start):
  records = make_records(11)
  batches = train(records, start + 4)
  assert_equal(train(records, 4, start=start), batches[start:])


@pytest.mark.parametrize(
  'count, batch_size, processes',
  [(8, 4, 2), (10, 4, 2), (11, 4, 2), (11, 6, 3), (15, 8, 4)],
)
def test_processes_share_the_batches_of_one(count, batch_size, processes):
  records = make_records(count)
  batches = train(records, 7, batch_size=batch_size)
  parts = [
    train(records, 7, batch_size=batch_size, process=(p, processes))
    for p in range(processes)
  ]
  for batch, *shares in zip(batches, *parts, strict=True):
    # In the same order: mixup and dropout depend on a row's place.
    for key, expected in batch.items():
      joined = np.concatenate([share[key] for share in shares])
      np.testing.assert_array_equal(joined, expected)


def test_a_batch_larger_than_the_set():
  with pytest.raises(UserError, match='batch_size.*at most 3'):
    train(make_records(3), 1)
  train(make_records(4), 1)


def test_a_batch_larger_than_the_set_is_refused_at_once():
  """Or a loop of no steps would return an untrained model."""
  with pytest.raises(UserError, match='batch_size'):
    loader.train_batches(make_records(3), make_config(), batch_size=4, seed=0)


def test_training_ignores_test_crops():
  records = make_records(8, frames=(12, 20))
  plain, crops = make_config(), make_config(test_crops=3)
  assert_equal(train(records, 3, config=plain), train(records, 3, config=crops))


def test_the_record_is_not_changed():
  records = make_records(4)
  before = [record['keypoints'].copy() for record in records]
  train(records, 2)
  for record, keypoints in zip(records, before, strict=True):
    np.testing.assert_array_equal(record['keypoints'], keypoints)


# Clips of a prepared dataset


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  folder = tmp_path_factory.mktemp('msr')
  clips = write_msr_files(folder / 'manual')
  registry.prepare_dataset('msr_action3d', folder, folder / 'manual')
  return str(folder), clips


def open_clips(prepared, split='train', subjects=(), **settings):
  settings = {'name': 'msr_action3d', 'data_dir': prepared[0]} | settings
  return PreparedSplit(make_config(**settings), split, subjects)


def names_of(clips):
  return [clips[i]['id'].decode() for i in range(len(clips))]


def test_clips_of_a_split(prepared):
  expected = [name for name in prepared[1] if int(name[5:7]) % 2]
  clips = open_clips(prepared)
  assert names_of(clips) == expected
  assert len(clips.class_names) == 20
  for i, name in enumerate(expected):
    keypoints = clips[i]['keypoints']
    np.testing.assert_array_equal(keypoints, prepared[1][name][None])
  assert names_of(open_clips(prepared, 'train[:50%]')) == expected[:3]


def test_clips_of_some_subjects(prepared):
  names = names_of(open_clips(prepared, subjects=(3,)))
  assert names == ['a01_s03_e01', 'a07_s03_e01', 'a20_s03_e01']
  assert len(open_clips(prepared, subjects=(1, 3))) == 6
  with pytest.raises(UserError, match=r'no clip of subjects \[2\]'):
    open_clips(prepared, subjects=(2,))


def test_clips_of_some_classes_in_their_order(prepared):
  everything = open_clips(prepared, 'train')
  names = everything.class_names
  chosen = [names[19], names[0]]  # two of the fixture's three classes
  some = open_clips(prepared, 'train', classes=chosen, num_classes=2)
  assert some.class_names == chosen
  expected = [
    (record['id'], {19: 0, 0: 1}[record['label']])
    for record in everything
    if record['label'] in (0, 19)
  ]
  assert [(record['id'], record['label']) for record in some] == expected
  assert len(expected) > 2


def test_classes_are_repeated(prepared):
  config = make_config(
    name='msr_action3d', data_dir=prepared[0], classes=(), num_classes=20
  )
  once = PreparedSplit(config, 'train')
  repeats = [1] * 20
  repeats[6] = 3
  often = PreparedSplit(config, 'train', repeats=repeats)
  expected = [
    record['id']
    for record in once
    for _ in range(3 if record['label'] == 6 else 1)
  ]
  assert [record['id'] for record in often] == expected
  with pytest.raises(UserError, match=r'data.repeats.* 20 numbers.* got 2'):
    PreparedSplit(config, 'train', repeats=(1, 2))


def test_an_unknown_class_is_named(prepared):
  with pytest.raises(UserError, match='data.classes.*waltz.*high arm'):
    open_clips(prepared, 'train', classes=('waltz',), num_classes=1)


def test_open_settings_are_filled_in(prepared):
  config = default_config().data
  config.update(name='msr_action3d', data_dir=prepared[0])
  config.update(layout='', num_classes=0, persons=0, channels=0)
  fill_data_config(config)
  assert (config.layout, config.num_classes) == ('msr_20', 20)
  assert (config.persons, config.channels, config.confidence) == (1, 4, True)
  config.update(channels=3, confidence=False, persons=2)
  fill_data_config(config)  # what is set stays
  assert (config.persons, config.channels, config.confidence) == (2, 3, False)


def test_only_3d_data_are_rotated_if_channels_are_open(prepared, synthetic_dir):
  msr = {'name': 'msr_action3d', 'data_dir': prepared[0]}
  flat = {
    'name': 'synthetic_skeletons/unik_17_2d',
    'data_dir': str(synthetic_dir),
  }
  for dataset, expected in ((msr, (0.5, 0.3, 0.2)), (flat, (0, 0, 0))):
    config = default_config().data
    config.update(dataset, channels=0, rotate=0.5, rotate_x=0.3, rotate_z=0.2)
    fill_data_config(config)
    assert (config.rotate, config.rotate_x, config.rotate_z) == expected


def test_clips_make_batches(prepared):
  clips = open_clips(prepared)
  batches = loader.eval_batches(clips, make_config(), batch_size=4)
  classes = [int(name[1:3]) - 1 for name in names_of(clips)]
  assert sum(labels(batches), [])[:6] == classes
  assert sorted(labels(train(clips, 1, batch_size=6))[0]) == classes


@pytest.mark.parametrize(
  'settings, words',
  [
    ({'layout': 'ntu_25'}, 'data.layout.*msr_20.*ntu_25'),
    ({'num_classes': 19}, 'data.num_classes.*20.*got 19'),
    ({'channels': 5}, 'data.channels.* 4,.* got 5'),
    ({'name': 'msr_actions'}, 'msr_actions.*not prepared.*unik_jax.prepare'),
  ],
)
def test_data_that_does_not_fit_the_config(prepared, settings, words):
  with pytest.raises(UserError, match=words):
    open_clips(prepared, **settings)


@pytest.mark.parametrize('split', ['xsub', 'train[', 'train[:x%]', ''])
def test_an_unknown_split(prepared, split):
  with pytest.raises(UserError, match='no split.*train'):
    open_clips(prepared, split)


def test_an_empty_split(prepared):
  with pytest.raises(UserError, match=r'train\[:0%\]'):
    open_clips(prepared, 'train[:0%]')
