"""The model card against the run that it is of."""

import pytest

from unik_jax import card
from unik_jax.config import default


def make(tmp_path, **changes):
  config = default()
  config.data.update(
    name='skeleton_folder/moves', train_subjects=(1, 3), normalize='clean'
  )
  config.seed = 7
  options = dict(
    dataset='skeleton_folder/moves/1.0.0',
    classes=['sit_down', 'a|b', '<b>wave</b>'],
    params=12345,
    step=20,
    steps=40,
  )
  card.write(tmp_path, config, **options | changes)
  return (tmp_path / card.NAME).read_text()


def test_what_it_says(tmp_path):
  text = make(tmp_path)
  for words in (
    'Not evaluated yet',
    '12,345 parameters',
    'subjects 1, 3',
    '| Seed | 7 |',
    '20 of 40: training is not over',
    'preset clean',
    'lr 0.1, momentum 0.9',
    card.commit(),
  ):
    assert words in text
  assert not list(tmp_path.glob('*.part'))


def test_figures(tmp_path):
  figures = {
    'clips': 1234,
    'top1': 0.5,
    'mean_class': 0.25,
    'top5': 1.0,
    'intervals': {'top1': [0.4, 0.6]},
  }
  text = make(tmp_path, step=40, results={'test': figures})
  assert (
    '| test | 1,234 | **50.00% (40.0 to 60.0)** | 25.00% | 100.00% |' in text
  )
  assert '| Step | 40 |' in text


def test_names_do_not_become_markup(tmp_path):
  text = make(tmp_path)
  assert 'sit\\_down, a\\|b, \\<b\\>wave\\</b\\>' in text


def test_a_card_that_cannot_be_written_leaves_the_old_one(tmp_path):
  old = make(tmp_path)
  (tmp_path / (card.NAME + '.part')).mkdir()
  with pytest.raises(OSError):
    make(tmp_path, step=40)
  assert (tmp_path / card.NAME).read_text() == old


def test_the_commit_is_that_of_the_checkout(monkeypatch):
  import subprocess

  card.commit.cache_clear()

  def fail(*arguments, **options):
    raise FileNotFoundError('git')

  with monkeypatch.context() as patch:
    patch.setattr(subprocess, 'run', fail)
    assert card.commit() == 'unknown'
  card.commit.cache_clear()
