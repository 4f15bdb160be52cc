"""What the runs of a table came to, and which rows differ."""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unik_jax import metrics
from unik_jax.fuse import fusion
from unik_jax.run import scores
from unik_jax.tables.paper import ROWS, Table
from unik_jax.tables.plan import Plan
from unik_jax.tables.runner import is_done


class Outcome(NamedTuple):
  """A row's figures.

  Attributes:
    figures: of each seed that has ended, in percent.
    hits: (N,) how often a test clip was right: the share of seeds.
    labels: (N,).
    seconds: training took on a machine that did `jobs` such at once, without
      compilation and evaluation: the median of seeds, all streams together.
    device: of the runs.
    commit: likewise; several where they are of several.
  """

  figures: tuple[float, ...]
  hits: np.ndarray
  labels: np.ndarray
  seconds: float
  device: str
  commit: str


class Pair(NamedTuple):
  """Two rows compared.

  Attributes:
    first: the row that is better here.
    second: the other.
    difference: of their figures, in percent.
    interval: of it, 95%: a bootstrap over test clips, paired, all seeds
      together.
    paper: the differences in the paper's columns.
  """

  first: str
  second: str
  difference: float
  interval: tuple[float, float]
  paper: tuple[float, ...]

  @property
  def separable(self) -> bool:
    return self.interval[0] > 0


def read(plan: Plan, headline: str) -> dict[str, Outcome]:
  """Outcomes of the rows that have one.

  Args:
    plan: the runs; some may not have ended.
    headline: 'top1' or 'mean_class', the metric that figures are of.

  Raises:
    UserError: scores cannot be read, or are of different clips.
  """
  found, names, owners = [], [], []
  for row, seeds in plan.rows.items():
    for streams in seeds:
      if not all(map(is_done, streams)):
        continue
      folders = [training.folder for training in streams]
      if len(folders) == 1:
        found.append(scores.read_scores(folders[0] / 'scores' / 'test.npz'))
      else:  # softmax scores summed, as in the paper
        found.append(fusion.fuse_runs(folders).scores)
      names.append(str(folders[0]))
      owners.append((row, folders))
  if not found:
    return {}
  rows: dict[str, list] = {}
  aligned = scores.align_scores(found, names, 'run one of them again')
  for (row, folders), answers in zip(owners, aligned, strict=True):
    rows.setdefault(row, []).append((answers, folders))
  return {row: _outcome(seeds, headline) for row, seeds in rows.items()}


def pairs(
  table: Table, outcomes: Mapping[str, Outcome], headline: str
) -> list[Pair]:
  """All pairs of rows that the table compares.

  Those of a section, and each pre-trained row with its like from scratch.

  Args:
    table: of the paper.
    outcomes: of its rows; others are left out.
    headline: as in `read`.
  """
  named = dict.fromkeys(
    pair
    for section in table.sections
    for pair in itertools.combinations(section.rows, 2)
  )
  for row in outcomes:
    if (scratch := ROWS[row].pretrained) in outcomes:
      named[row, scratch] = None
  return [
    _pair(table, outcomes, headline, *pair)
    for pair in named
    if set(pair) <= outcomes.keys()
  ]


def _outcome(seeds, headline):
  hits = np.stack(
    [metrics.hits_in_top(s.logits, s.labels, 1) for s, _ in seeds]
  )
  summaries = [metrics.summarize(s.logits, s.labels) for s, _ in seeds]
  folders = [folder for _, streams in seeds for folder in streams]
  about = [json.loads((f / 'summary.json').read_text()) for f in folders]
  return Outcome(
    figures=tuple(100 * summary[headline] for summary in summaries),
    hits=hits.mean(0),
    labels=seeds[0][0].labels,
    seconds=statistics.median(
      sum(map(_seconds, streams)) for _, streams in seeds
    ),
    device=_several(a['device'] for a in about),
    commit=_several(a['commit'] or 'unknown' for a in about),
  )


def _pair(table, outcomes, headline, first, second):
  ours = {row: np.mean(outcomes[row].figures) for row in (first, second)}
  if ours[first] < ours[second]:
    first, second = second, first
  better, worse = outcomes[first], outcomes[second]
  low, high = metrics.interval(
    better.hits - worse.hits,
    better.labels,
    mean_class=headline == 'mean_class',
    rounds=10000,
  )
  none = (None,) * len(table.columns)
  theirs = (table.figures.get(row, none) for row in (first, second))
  return Pair(
    first,
    second,
    float(ours[first] - ours[second]),
    (100 * low, 100 * high),
    tuple(
      round(a - b, 1)
      for a, b in zip(*theirs, strict=True)
      if a is not None and b is not None
    ),
  )


def _seconds(folder) -> float:
  """That the steps of a run took, from the speeds it recorded."""
  total, last = 0.0, 0
  config = json.loads((folder / 'config.json').read_text())
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  unmeasured = 0
  for line in map(json.loads, lines):
    if 'lr' not in line:
      continue
    steps = line['step'] - last
    last = line['step']
    if 'clips_per_s' in line:
      total += steps * config['batch_size'] / line['clips_per_s']
    else:
      unmeasured += steps
  measured = last - unmeasured
  return total * last / measured if measured else float('nan')


def _several(values: Sequence[str]) -> str:
  return ', '.join(dict.fromkeys(values))
