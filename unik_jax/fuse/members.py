"""The runs of a fusion, and which of their clips may tune its weights."""

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
    name: its folder or its file of scores, as the user named it.
    stream: of its data; '' for a file of scores.
    headline: its headline metric; '' for a file of scores.
    test: its predictions for the test split.
    val: its predictions for the validation split; None if not needed.
  """

  name: str
  stream: str
  headline: str
  test: Scores
  val: Scores | None


def read_member(name: str, *, needs_val: bool) -> Member:
  """Reads the predictions of a run.

  Args:
    name: a run's folder, or a file of scores (.npz).
    needs_val: read those for the validation split too.

  Raises:
    UserError: a file is missing or broken, or the run held out no clips.
  """
  path = pathlib.Path(name).expanduser()
  if path.suffix == '.npz':
    if needs_val:
      raise UserError(
        f'{name}: expected the folder of a run, got a file of scores, which has'
        ' no validation split to tune weights on. Name folders of runs, or use'
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
      f' {len(shared)}, such as {shared[0]!s}; they would tune the weights on'
      ' the test split. Train with another --config.data.val_split, or use'
      ' --method=softmax'
    )


def describe_views(members: Sequence[Member]) -> list[str]:
  """Returns a note on each difference in how many views were averaged."""
  notes, tests = [], {m.name: m.test.views for m in members if m.test.views}
  if len(set(tests.values())) > 1:
    counts = ', '.join(f'{name} {count}' for name, count in tests.items())
    notes.append(f'the runs average different numbers of views: {counts}')
  for member in members:
    val, test = member.val and member.val.views, member.test.views
    if val and test and val != test:
      notes.append(
        f'{member.name} averages {test} views of a test clip, but the weights'
        f' were tuned on {val} of a validation clip'
      )
  return notes


def _check_held_out(data: Any, name: str) -> None:
  """Refuses a run that trained on its validation clips, or that has none.

  A run's settings show it only where both splits are one split of the dataset,
  or are cut by subject.
  """
  if not data.val_split:
    raise UserError(
      f'{name}: config.data.val_split: expected clips held out of training to'
      ' tune weights on, got none. Train each run with'
      ' --config.data.val_split=train --config.data.val_subjects=1,2'
      ' --config.data.train_subjects=3,4,5 (the other subjects; never test'
      ' clips), or use --method=softmax'
    )
  trained, held_out = set(data.train_subjects), set(data.val_subjects)
  disjoint = trained and held_out and not trained & held_out
  if data.val_split == data.train_split and not disjoint:
    raise UserError(
      f'{name}: expected validation clips that it was not trained on, got the'
      f' split {data.val_split!r} for both. Set --config.data.train_subjects'
      ' and --config.data.val_subjects to different subjects, and train again'
    )
