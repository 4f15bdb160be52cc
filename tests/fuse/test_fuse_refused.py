"""Runs that cannot be fused, and clips that weights may not be chosen on."""

import numpy as np
import pytest
from helpers.made_scores import (
  CLASSES,
  make_scores,
  write_run,
  write_two,
)

from unik_jax.errors import UserError
from unik_jax.fuse import fusion
from unik_jax.run import scores


@pytest.fixture
def two(tmp_path):
  return write_two(tmp_path)


def others():
  good = make_scores()
  renamed = good.ids.copy()
  renamed[7] = 'clip 90'
  relabelled = good.labels.copy()
  relabelled[3] = 5
  twice = good.ids.copy()
  twice[1] = twice[0]
  part = make_scores(49)
  return {
    'over different clips: 50 and 50, 1 only in .*clip 90, 1 .*clip 7;': (
      good._replace(ids=renamed)
    ),
    'different clips: 49 and 50, 1 only in the latter, such as clip 49': part,
    'different labels for 1 clips; .*clip 3, is class 5 .* class 3': (
      good._replace(labels=relabelled)
    ),
    'different classes: 6 and 6, 1 only in the former, such as dance': (
      good._replace(classes=np.array([*CLASSES[:5], 'dance']))
    ),
    'different classes: 6 and 6, the same in another order': (
      good._replace(classes=np.array(CLASSES[::-1]))
    ),
    'clip clip 0 is there twice': good._replace(ids=twice),
    'NaN': good._replace(logits=good.logits * np.float32(np.nan)),
    'no clip in it': scores.Scores(*(x[:0] for x in good[:3]), good.classes),
  }


@pytest.mark.parametrize('words, other', others().items())
def test_runs_over_different_clips_are_refused(tmp_path, words, other):
  one = write_run(tmp_path / 'one', make_scores())
  two = write_run(tmp_path / 'two', other)
  with pytest.raises(UserError, match=words) as error:
    fusion.fuse_runs([one, two])
  assert str(two) in str(error.value)


def test_runs_that_cannot_be_fused(two, tmp_path):
  with pytest.raises(UserError, match='two runs or more'):
    fusion.fuse_runs(two[:1])
  with pytest.raises(UserError, match='is named twice'):
    fusion.fuse_runs([*two, two[0] / '..' / 'joint'])
  with pytest.raises(UserError, match='tuned'):
    fusion.fuse_runs(two, 'median')
  with pytest.raises(UserError, match='top9'):
    fusion.fuse_runs(two, 'tuned', 'top9')
  with pytest.raises(UserError, match='nowhere'):
    fusion.fuse_runs([two[0], tmp_path / 'nowhere'])
  (two[1] / 'scores' / 'test.npz').unlink()
  with pytest.raises(UserError, match='test.npz: no such file'):
    fusion.fuse_runs(two)


def test_weights_need_clips_that_were_held_out(two, tmp_path):
  lost = write_run(tmp_path / 'lost', make_scores())
  with pytest.raises(UserError, match='val.npz: no such file.*command'):
    fusion.fuse_runs([two[0], lost], 'tuned')
  bare = write_run(tmp_path / 'bare', make_scores(), val_split='')
  with pytest.raises(UserError, match='config.data.val_split.*val_subjects'):
    fusion.fuse_runs([two[0], bare], 'tuned')
  with pytest.raises(UserError, match='no validation split'):
    fusion.fuse_runs([two[0], two[1] / 'scores' / 'test.npz'], 'tuned')
  other = write_run(
    tmp_path / 'other', make_scores(), make_scores(40, prefix='else')
  )
  with pytest.raises(
    UserError, match='other, validation.*different clips.*hold the same ones'
  ):
    fusion.fuse_runs([two[0], other], 'tuned')


def test_weights_are_not_chosen_on_test_clips(tmp_path):
  test = make_scores()
  val = make_scores(40, seed=3, prefix='held out')
  val.ids[11] = 'clip 4'
  runs = [write_run(tmp_path / name, test, val) for name in ('one', 'two')]
  with pytest.raises(UserError, match='1 validation clips .* such as clip 4'):
    fusion.fuse_runs(runs, 'tuned')
  fusion.fuse_runs(runs)


@pytest.mark.parametrize(
  'trained, held_out, apart',
  [
    ((1, 2), (3,), True),
    ((1, 2), (2, 3), False),
    ((), (3,), False),
    ((1, 2), (), False),
    ((), (), False),
  ],
)
def test_nor_on_training_clips(tmp_path, trained, held_out, apart):
  val = make_scores(40, prefix='held out')
  runs = [
    write_run(
      tmp_path / name,
      make_scores(seed=seed),
      val,
      val_split='train',
      train_subjects=trained,
      val_subjects=held_out,
    )
    for seed, name in enumerate(('one', 'two'))
  ]
  if apart:
    fusion.fuse_runs(runs, 'tuned')
  else:
    with pytest.raises(UserError, match='trained on its validation clips'):
      fusion.fuse_runs(runs, 'tuned')
