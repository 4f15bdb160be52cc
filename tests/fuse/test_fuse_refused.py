"""Runs that cannot be fused, and clips that must not tune weights."""

import numpy as np
import pytest
from helpers.random_scores import (
  CLASSES,
  make_scores,
  write_run,
  write_two_runs,
)

from unik_jax.errors import UserError
from unik_jax.fuse import fusion
from unik_jax.run import scores


@pytest.fixture
def two_runs(tmp_path):
  return write_two_runs(tmp_path)


def misfits():
  """Scores that do not fit `make_scores()`, by the error they lead to."""
  good = make_scores()
  renamed = good.ids.copy()
  renamed[7] = 'clip 90'
  relabelled = good.labels.copy()
  relabelled[3] = 5
  repeated = good.ids.copy()
  repeated[1] = repeated[0]
  return {
    'clips.*50.*50.*clip 90.*clip 7': good._replace(ids=renamed),
    'clips.*49.*50.*clip 49': make_scores(49),
    'labels.*1.*clip 3.*class 5.*class 3': good._replace(labels=relabelled),
    'classes.*6.*6.*dance': (
      good._replace(classes=np.array([*CLASSES[:5], 'dance']))
    ),
    'classes.*6.*6.*order': good._replace(classes=np.array(CLASSES[::-1])),
    'clip 0.*twice': good._replace(ids=repeated),
    'NaN': good._replace(logits=good.logits * np.float32(np.nan)),
    '0 clips': scores.Scores(*(x[:0] for x in good[:3]), good.classes),
  }


@pytest.mark.parametrize('words, misfit', misfits().items())
def test_runs_over_different_clips_are_refused(tmp_path, words, misfit):
  one = write_run(tmp_path / 'one', make_scores())
  two = write_run(tmp_path / 'two', misfit)
  with pytest.raises(UserError, match=words) as error:
    fusion.fuse_runs([one, two])
  assert str(two) in str(error.value)


def test_runs_that_cannot_be_fused(two_runs, tmp_path):
  with pytest.raises(UserError, match='two, got 1'):
    fusion.fuse_runs(two_runs[:1])
  with pytest.raises(UserError, match='joint twice'):
    fusion.fuse_runs([*two_runs, two_runs[0] / '..' / 'joint'])
  with pytest.raises(UserError, match='method.*tuned.*median'):
    fusion.fuse_runs(two_runs, 'median')
  with pytest.raises(UserError, match='headline.*top9'):
    fusion.fuse_runs(two_runs, 'tuned', 'top9')
  with pytest.raises(UserError, match='nowhere'):
    fusion.fuse_runs([two_runs[0], tmp_path / 'nowhere'])
  (two_runs[1] / 'scores' / 'test.npz').unlink()
  with pytest.raises(UserError, match='test.npz: no such file'):
    fusion.fuse_runs(two_runs)


def test_tuned_weights_need_held_out_clips(two_runs, tmp_path):
  lost = write_run(tmp_path / 'lost', make_scores())
  with pytest.raises(UserError, match='val.npz: no such file.*command'):
    fusion.fuse_runs([two_runs[0], lost], 'tuned')
  bare = write_run(tmp_path / 'bare', make_scores(), val_split='')
  with pytest.raises(UserError, match='config.data.val_split.*val_subjects'):
    fusion.fuse_runs([two_runs[0], bare], 'tuned')
  with pytest.raises(
    UserError, match='test.npz.*validation split.*got a file of scores'
  ):
    fusion.fuse_runs(
      [two_runs[0], two_runs[1] / 'scores' / 'test.npz'], 'tuned'
    )
  other = write_run(
    tmp_path / 'other', make_scores(), make_scores(40, prefix='else')
  )
  with pytest.raises(
    UserError, match='other, validation.*clips.*Hold the same ones'
  ):
    fusion.fuse_runs([two_runs[0], other], 'tuned')


def test_test_clips_do_not_tune_weights(tmp_path):
  test = make_scores()
  val = make_scores(40, seed=3, prefix='held out')
  val.ids[11] = 'clip 4'
  runs = [write_run(tmp_path / name, test, val) for name in ('one', 'two')]
  with pytest.raises(UserError, match='validation clips.* 1, such as clip 4'):
    fusion.fuse_runs(runs, 'tuned')
  fusion.fuse_runs(runs)


@pytest.mark.parametrize(
  'train_subjects, val_subjects, allowed',
  [
    ((1, 2), (3,), True),
    ((1, 2), (2, 3), False),
    ((), (3,), False),
    ((1, 2), (), False),
    ((), (), False),
  ],
)
def test_training_clips_do_not_tune_weights(
  tmp_path, train_subjects, val_subjects, allowed
):
  val = make_scores(40, prefix='held out')
  runs = [
    write_run(
      tmp_path / name,
      make_scores(seed=seed),
      val,
      val_split='train',
      train_subjects=train_subjects,
      val_subjects=val_subjects,
    )
    for seed, name in enumerate(('one', 'two'))
  ]
  if allowed:
    fusion.fuse_runs(runs, 'tuned')
  else:
    with pytest.raises(UserError, match='train_subjects.*val_subjects'):
      fusion.fuse_runs(runs, 'tuned')
