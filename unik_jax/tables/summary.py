"""Results of a table's runs, and which rows differ significantly."""

import itertools
import json
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unik_jax import metrics
from unik_jax.floor.comparison import Comparison, compare_with_floor
from unik_jax.floor.measure import NAMES, FloorRow
from unik_jax.run.paths import CONFIG, METRICS, SUMMARY, scores_path
from unik_jax.run.score_fusion import fuse_logits, read_finite_scores
from unik_jax.run.scores import (
  align_scores,
  join_seen,
  pool_scores,
  read_scores,
)
from unik_jax.runtime.json_files import read_json_table
from unik_jax.tables.paper import ROWS, Table
from unik_jax.tables.plan import Plan
from unik_jax.tables.runner import is_finished

_REMEDY = 'remove the folder, and give the same command again'


class Outcome(NamedTuple):
  """Results of a row, of networks or of the floor.

  Attributes:
    accuracies: accuracy of each finished seed, in percent.
    hits: (N,) share of the seeds that predict a test clip's class.
    labels: (N,) classes of the test clips.
    is_unseen: (N,) whether a test clip is not in training.
    unseen: accuracy of each finished seed on those clips, in percent; empty if
      all clips are unseen, or none.
    folds: accuracy of each fold, mean of the seeds, in percent; empty if the
      dataset has no folds.
    seconds: training time of all streams and folds together, without
      compilation and evaluation; median of the seeds. Runs may have shared the
      machine.
    device: devices of the runs, each once; '' for the floor.
    commit: commits of the runs, each once; '' for the floor.
  """

  accuracies: tuple[float, ...]
  hits: np.ndarray
  labels: np.ndarray
  is_unseen: np.ndarray
  unseen: tuple[float, ...]
  folds: tuple[float, ...]
  seconds: float
  device: str
  commit: str


class Pair(NamedTuple):
  """A comparison of two rows.

  Attributes:
    first: the row with the higher accuracy here.
    second: the other row.
    difference: difference of the mean accuracies, in percent.
    interval: 95% interval of the difference, by a paired bootstrap over test
      clips with all seeds together.
    paper: first minus second in each of the paper's columns that has both.
  """

  first: str
  second: str
  difference: float
  interval: tuple[float, float]
  paper: tuple[float, ...]

  @property
  def separable(self) -> bool:
    """Whether the interval excludes zero."""
    return self.interval[0] > 0


def read_outcomes(
  plan: Plan,
  headline: str,
  floor: Sequence[FloorRow] = (),
  seen: Collection[str] | None = None,
) -> dict[str, Outcome]:
  """Returns the outcome of each row that has a finished seed, and of the floor.

  Args:
    plan: the runs; some may be unfinished.
    headline: metric of the accuracies, 'top1' or 'mean_class'.
    floor: the cheap classifiers on the same clips.
    seen: ids of the test clips that are in training, where the training clips
      of the runs differ (default: those that each run's scores name).

  Raises:
    UserError: files cannot be read, or runs tested different clips.
  """
  finished, row_names, fold_of = [], [], {}
  for row, seeds in plan.rows.items():
    for trainings in seeds:
      folders = [training.folder for training in trainings]
      if all(map(is_finished, folders)):
        folds = _read_seed(trainings)
        for split, fold_scores in folds.items():
          fold_of.update(dict.fromkeys(fold_scores.ids, split))
        finished.append((folders, pool_scores(list(folds.values()))))
        row_names.append(row)
  for row in floor:
    finished += [((), seed_scores) for seed_scores in row.scores]
    row_names += [row.name] * len(row.scores)
  if not finished:
    return {}
  # Rows are compared clip by clip, so that all must have the same order.
  aligned = align_scores(
    [seed_scores for _, seed_scores in finished],
    [
      str(folders[0]) if folders else f'floor {row}'
      for row, (folders, _) in zip(row_names, finished, strict=True)
    ],
    'run one of them again',
  )
  if seen is not None:
    is_seen = np.array([clip in seen for clip in aligned[0].ids])
    is_seen = is_seen if is_seen.any() else None
    aligned = [scores._replace(seen=is_seen) for scores in aligned]
  folds = np.array([fold_of.get(clip, '') for clip in aligned[0].ids])
  by_row: dict[str, list] = {}
  for row, (folders, _), seed_scores in zip(
    row_names, finished, aligned, strict=True
  ):
    by_row.setdefault(row, []).append((folders, seed_scores))
  outcomes = {
    row: _summarize(seeds, folds, headline) for row, seeds in by_row.items()
  }
  for row in floor:
    outcomes[row.name] = outcomes[row.name]._replace(seconds=row.seconds)
  return outcomes


def compare_rows(
  table: Table, outcomes: Mapping[str, Outcome], headline: str
) -> list[Pair]:
  """Compares the rows of each section, and pre-trained rows with from scratch.

  Args:
    table: the paper's table.
    outcomes: results by row; rows without one are left out.
    headline: as in `read_outcomes`.
  """
  names = dict.fromkeys(
    pair
    for section in table.sections
    for pair in itertools.combinations(section.rows, 2)
  )
  for row in outcomes:
    if row in ROWS and (scratch := ROWS[row].pretrained) in outcomes:
      names[row, scratch] = None
  return [
    _compare(table, outcomes, headline, *pair)
    for pair in names
    if set(pair) <= outcomes.keys()
  ]


def compare_with_floors(
  outcomes: Mapping[str, Outcome], headline: str
) -> dict[str, Comparison]:
  """Compares each row of networks with the floor, if it was measured.

  Only on unseen clips, if there are any: anything recognises training clips.

  Args:
    outcomes: results by row, with those of the floor.
    headline: as in `read_outcomes`.
  """
  floor = {row: o.hits for row, o in outcomes.items() if row in NAMES}
  if not floor:
    return {}
  compared = {}
  for row, outcome in outcomes.items():
    if row not in floor:
      kept = outcome.is_unseen if outcome.unseen else slice(None)
      floor_hits = {name: hits[kept] for name, hits in floor.items()}
      compared[row] = compare_with_floor(
        outcome.hits[kept], outcome.labels[kept], floor_hits, headline
      )
  return compared


def _read_seed(trainings):
  """Test predictions of a seed by test split: one, or that of each fold."""
  folders_by_split = {}
  for training in trainings:
    folders = folders_by_split.setdefault(training.config.data.test_split, [])
    folders.append(training.folder)
  return {
    split: _fuse_streams(folders) for split, folders in folders_by_split.items()
  }


def _fuse_streams(folders):
  """Test predictions of streams; their softmax scores are averaged."""
  if len(folders) == 1:
    return read_scores(scores_path(folders[0], 'test'))
  streams = align_scores(
    [read_finite_scores(scores_path(folder, 'test')) for folder in folders],
    list(map(str, folders)),
  )
  equal = [1 / len(streams)] * len(streams)
  fused = fuse_logits([stream.logits for stream in streams], equal)
  return streams[0]._replace(logits=fused, seen=join_seen(streams))


def _summarize(seeds, folds, headline):
  """The outcome of a row from (folders, scores) of each seed.

  `folds` (N,) names the fold of each clip.
  """
  hits = [metrics.headline_hits(s.logits, s.labels, headline) for _, s in seeds]
  summaries = [metrics.compute_metrics(s.logits, s.labels) for _, s in seeds]
  unseen = [
    metrics.compute_metrics(s.logits[~s.seen], s.labels[~s.seen])[headline]
    for _, s in seeds
    if s.seen is not None and not s.seen.all()
  ]
  runs = [
    read_json_table(folder / SUMMARY, _REMEDY)
    for folders, _ in seeds
    for folder in folders
  ]
  mean_hits, labels = np.stack(hits).mean(0), seeds[0][1].labels
  seen = seeds[0][1].seen  # the same for all seeds
  masks = [folds == fold for fold in np.unique(folds)]
  return Outcome(
    accuracies=tuple(100 * summary[headline] for summary in summaries),
    hits=mean_hits,
    labels=labels,
    folds=tuple(
      100 * metrics.mean_hits(mean_hits[m], labels[m], headline == 'mean_class')
      for m in masks
      if len(masks) > 1
    ),
    is_unseen=np.ones(len(labels), bool) if seen is None else ~seen,
    unseen=tuple(100 * accuracy for accuracy in unseen),
    seconds=statistics.median(
      sum(map(_training_seconds, folders)) for folders, _ in seeds
    ),
    device=_join_unique(run['device'] for run in runs),
    commit=_join_unique(run['commit'] or 'unknown' for run in runs),
  )


def _compare(table, outcomes, headline, first, second):
  means = {row: np.mean(outcomes[row].accuracies) for row in (first, second)}
  if means[first] < means[second]:
    first, second = second, first
  better, worse = outcomes[first], outcomes[second]
  difference, (low, high) = metrics.paired_difference(
    better.hits,
    worse.hits,
    better.labels,
    mean_class=headline == 'mean_class',
  )
  unknown = (None,) * len(table.columns)
  published = (table.accuracies.get(row, unknown) for row in (first, second))
  return Pair(
    first,
    second,
    100 * difference,
    (100 * low, 100 * high),
    tuple(
      round(a - b, 1)
      for a, b in zip(*published, strict=True)
      if a is not None and b is not None
    ),
  )


def _training_seconds(folder) -> float:
  """Time of a run's training steps, from the speeds that it recorded.

  The line after compilation has no speed. Its steps count at the mean pace of
  the others.
  """
  batch_size = read_json_table(folder / CONFIG, _REMEDY)['batch_size']
  lines = (folder / METRICS).read_text().splitlines()
  seconds, last_step, steps_without_speed = 0.0, 0, 0
  for line in map(json.loads, lines):
    if 'lr' not in line:  # an evaluation
      continue
    steps = line['step'] - last_step
    last_step = line['step']
    if 'clips_per_s' in line:
      seconds += steps * batch_size / line['clips_per_s']
    else:
      steps_without_speed += steps
  measured = last_step - steps_without_speed
  return seconds * last_step / measured if measured else float('nan')


def _join_unique(values: Iterable[str]) -> str:
  return ', '.join(dict.fromkeys(values))
