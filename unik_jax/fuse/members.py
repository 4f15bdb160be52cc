"""The runs of a fusion, and checks of the clips that tune its weights."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from unik_jax.errors import UserError
from unik_jax.run import restore
from unik_jax.run.paths import scores_path
from unik_jax.run.score_fusion import read_finite_scores
from unik_jax.run.scores import Scores


class Member(NamedTuple):
  """One run of a fusion.

  Attributes:
    name: the run's folder or file of scores, as the user named it.
    stream: stream of the run; '' for a file of scores.
    headline: headline metric of the run; '' for a file of scores.
    test: scores of the test split.
    val: scores of the validation split; None if not needed.
  """

  name: str
  stream: str
  headline: str
  test: Scores
  val: Scores | None


def read_member(name: str, *, needs_val: bool) -> Member:
  """Reads the scores of a run.

  Args:
    name: a run's folder, or a file of scores (.npz).
    needs_val: whether to read the scores of the validation split too.

  Raises:
    UserError: a file is missing or broken, or the run held out no clips.
  """
  path = pathlib.Path(name).expanduser()
  if path.suffix == '.npz':
    if needs_val:
      raise UserError(
        f'{name}: expected the folder of a run, whose validation split tunes'
        ' the weights, got a file of scores. Name folders of runs, or use'
        ' --method=softmax'
      )
    return Member(name, '', '', read_finite_scores(path), None)
  config = restore.read_config(path)
  val = None
  if needs_val:
    _check_held_out(config.data, name)
    val = read_finite_scores(scores_path(path, 'val'))
  return Member(
    name=name,
    stream=config.data.stream,
    headline=config.headline,
    test=read_finite_scores(scores_path(path, 'test')),
    val=val,
  )


def check_no_test_clips(val: Scores, test: Scores, name: str) -> None:
  """Raises a UserError if a run's validation clips include test clips."""
  shared = sorted(set(val.ids) & set(test.ids))
  if shared:
    raise UserError(
      f'{name}: expected no test clips among the validation clips, got'
      f' {len(shared)}, such as {shared[0]!s}. Train with another'
      ' --config.data.val_split, or use --method=softmax'
    )


def describe_views(members: Sequence[Member]) -> list[str]:
  """Returns notes on runs that average different numbers of views."""
  notes, tests = [], {m.name: m.test.views for m in members if m.test.views}
  if len(set(tests.values())) > 1:
    counts = ', '.join(f'{name} {count}' for name, count in tests.items())
    notes.append(f'the runs average different numbers of views: {counts}')
  for member in members:
    val, test = member.val and member.val.views, member.test.views
    if val and test and val != test:
      notes.append(
        f'{member.name} averages {test} views of a test clip, but {val} of each'
        ' validation clip that tunes the weights'
      )
  return notes


def _check_held_out(data: Any, name: str) -> None:
  """Raises a UserError if a run has no held-out validation clips.

  The settings show an overlap only if training and validation use the same
  split of the dataset.
  """
  if not data.val_split:
    raise UserError(
      f'{name}: config.data.val_split: expected a split that tunes the weights,'
      ' got none. Train each run with'
      ' --config.data.val_split=train --config.data.val_subjects=1,2'
      ' --config.data.train_subjects=3,4,5 (the other subjects; never test'
      ' clips), or use --method=softmax'
    )
  trained, held_out = set(data.train_subjects), set(data.val_subjects)
  disjoint = trained and held_out and not trained & held_out
  if data.val_split == data.train_split and not disjoint:
    raise UserError(
      f'{name}: expected validation clips outside the training clips, got the'
      f' split {data.val_split!r} for both. Set --config.data.train_subjects'
      ' and --config.data.val_subjects to different subjects, and train again'
    )
