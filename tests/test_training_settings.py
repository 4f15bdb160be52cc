"""Settings of a training: defaults from the dataset, refused values."""

import json
import re

import jax
import pytest
from helpers import synthetic_run

from unik_jax import training
from unik_jax.config import default_config
from unik_jax.data import synthetic
from unik_jax.errors import UserError
from unik_jax.run import scores
from unik_jax.run.changed_settings import check_same_experiment
from unik_jax.run.wording import describe_experiment

pytestmark = pytest.mark.slow


@pytest.fixture
def config(synthetic_dir):
  return synthetic_run.make_training_config(synthetic_dir)


def test_unset_settings_come_from_the_dataset(config, tmp_path):
  stated = training.run(config, tmp_path / 'stated')
  config.data.update(layout='', num_classes=0, persons=0, channels=0)
  assert training.run(config, tmp_path / 'unset')['test'] == stated['test']
  written = json.loads((tmp_path / 'unset' / 'config.json').read_text())
  assert written['data']['layout'] == 'unik_17'
  assert written['data']['num_classes'] == 20
  assert written['data']['classes'] == list(synthetic.LABELS)
  assert config.data.layout == ''  # the caller's config is not changed
  training.run(config, tmp_path / 'unset')  # the same experiment, resumed


def test_settings_may_change_until_training_begins(config, tmp_path):
  config.batch_size = 64
  with pytest.raises(UserError, match='batch_size.*or less'):
    training.run(config, tmp_path)
  config.update(batch_size=8, epochs=1)
  training.run(config, tmp_path)
  config.batch_size = 16
  with pytest.raises(UserError, match='another experiment'):
    training.run(config, tmp_path)


def test_settings_that_differ_are_listed_shortly():
  """Eight of them, each value in at most 60 characters."""
  before, config = default_config().to_dict(), default_config()
  config.data.classes = tuple(f'class {n}' for n in range(60))
  with pytest.raises(UserError) as error:
    check_same_experiment(config, before, 'config.json')
  value = re.search(r'\(\) there, (.*) here', str(error.value))[1]
  assert value == repr(config.data.classes)[:57] + '...'
  config.update(seed=1, epochs=1, batch_size=8, ema=0.5)
  config.optim.update(lr=1.0, momentum=0.5)
  config.data.update(frames=16, stream='bone', persons=1, scale=2.0)
  with pytest.raises(UserError) as error:
    check_same_experiment(config, before, 'config.json')
  lines = str(error.value).splitlines()
  assert len(lines) == 11 and lines[9] == '  and 3 more'
  assert lines[1] == '  batch_size: 64 there, 8 here'


def test_an_experiment_is_described_in_a_line():
  config = default_config()
  config.data.name = 'penn_action'
  start = 'model unik, dataset penn_action, stream '
  assert describe_experiment(config) == start + 'joint; default settings'
  config.data.update(stream='bone', rescale=(0.9, 1.1), frames=32)
  config.optim.lr = 0.05
  config.mesh = [-1, 1]  # as read from a file
  words = describe_experiment(config).removeprefix(start + 'bone; ').split(' ')
  assert words == [
    *('data.frames=32', 'data.rescale=(0.9,', '1.1)', 'optim.lr=0.05')
  ]


def test_scores_name_the_number_of_views(config, tmp_path):
  config.update(epochs=1)
  config.data.test_clips = 3
  assert training.run(config, tmp_path)['test']['clips'] == 21
  assert scores.read_scores(tmp_path / 'scores' / 'test.npz').views == 3


def test_validation_clips_must_not_be_training_clips(config, tmp_path):
  config.data.val_split = 'train[40:60]'
  words = '8 of 20 validation clips are training clips too, such as .*val_split'
  with pytest.raises(UserError, match=words):
    training.run(config, tmp_path)
  assert {path.name for path in tmp_path.iterdir()} == {'config.json', '.lock'}


def test_bad_workdirs(config, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written to'):
    training.run(config, tmp_path / 'file')
  # It may be another program's file, and is not overwritten.
  for text in ('{"seed": ', '{"hidden_size": 768}', '[]'):
    (tmp_path / 'config.json').write_text(text)
    with pytest.raises(UserError, match='config.json: .*use another --workdir'):
      training.run(config, tmp_path)
    assert (tmp_path / 'config.json').read_text() == text
  with pytest.raises(UserError, match='--workdir: '):
    training.run(config, '')


@pytest.mark.parametrize(
  'key, value, words',
  [
    ('data.stream', 'bones', 'joint, bone'),
    ('data.layout', 'unik17', 'unik_17'),
    ('data.sampling', 'middle', 'uniform'),
    ('data.normalize', 'center', 'center_first'),
    ('data.train_split', 'xsub_train', 'train'),
    ('data.train_subjects', (0, 999), '999'),
    ('data.frames', 0, 'data.frames'),
    ('data.scale', 0.0, 'scale'),
    ('data.rescale', (0.9,), 'low, high'),
    ('data.rescale', (1.1, 0.9), r'data.rescale.*low, high'),
    ('data.rescale', (0.0, 1.0), r'data.rescale.*above 0'),
    ('epochs', 0, 'epochs'),
    ('keep', 0, 'keep'),
    ('log_every', 0, 'log_every'),
    ('ema', 1.0, 'ema'),
    ('label_smoothing', 7.0, 'label_smoothing'),
    ('model.strides', (1, 0), 'strides'),
    ('data.name', 'synthetic_skeletons/2d', 'unik_17_2d'),
    ('data.name', 'ntu', 'msr_action3d'),
    ('data.num_classes', 21, 'num_classes'),
    ('data.channels', 3, 'channels'),
    ('data.rotate', 0.3, '3-D'),
    ('data.rotate_z', 0.3, '3-D'),
    ('data.rotate_x', -0.3, 'data.rotate_x.*at least 0'),
    ('data.window', 0.0, r'data.window.*\(0, 1\]'),
    ('data.flip', 1.5, r'data.flip.*\[0, 1\]'),
    ('data.drop_joints', 1.0, r'data.drop_joints.*\[0, 1\)'),
    ('data.drop_limb', -0.5, 'data.drop_limb'),
    ('data.stretch', -1.0, 'data.stretch'),
    ('mixup', -1.0, 'mixup'),
    ('batch_size', 12, 'batch_size.*got 12'),
    ('batch_size', 64, '--config.batch_size=.* or less'),
    ('eval_batch_size', 12, 'eval_batch_size'),
    ('mesh', (3, 2), r'mesh: .* 8, got \(3, 2\)'),
    ('model.dtype', 'float16', 'bfloat16'),
    ('optim.name', 'adam', 'adamw'),
    ('optim.schedule', 'linear', 'cosine'),
    ('headline', 'top2', 'mean_class'),
    ('init_from', 'weights.bin', 'no such run or file'),
  ],
)
def test_bad_settings_are_refused_before_any_work(
  config, tmp_path, key, value, words
):
  with config.unlocked():
    config.update_from_flattened_dict({key: value})
  with pytest.raises(UserError, match=words):
    training.run(config, tmp_path)
  assert not (tmp_path / 'checkpoints').exists() or not any(
    (tmp_path / 'checkpoints').iterdir()
  )


def test_a_profile_of_two_steps(config, tmp_path):
  config.epochs, config.profile = 1, 2
  training.run(config, tmp_path)
  (file,) = (tmp_path / 'profile').rglob('*.xplane.pb')
  planes = jax.profiler.ProfileData.from_file(str(file)).planes
  events = [e for plane in planes for line in plane.lines for e in line.events]
  steps = [dict(e.stats).get('step_num') for e in events if e.name == 'train']
  assert steps == [2, 3]  # counted from 0; the first two may compile
