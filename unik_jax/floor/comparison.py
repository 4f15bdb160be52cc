"""Whether a network's accuracy is above the floor."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from unik_jax import metrics
from unik_jax.floor.measure import NAMES, FloorRow
from unik_jax.run.scores import Scores, align_scores, drop_clips


class Comparison(NamedTuple):
  """A network beside the best row of the floor.

  Attributes:
    best: key of the row with the highest accuracy, which is compared.
    difference: network minus floor, in percent.
    interval: 95% interval of the difference, from `metrics.paired_difference`.
  """

  best: str
  difference: float
  interval: tuple[float, float]

  @property
  def verdict(self) -> str:
    """Whether the network is above the floor."""
    low, high = self.interval
    return 'yes' if low > 0 else 'no' if high < 0 else 'not separable'

  def __str__(self):
    low, high = self.interval
    return (
      f'{self.verdict} ({self.difference:+.1f} [{low:.1f}, {high:.1f}] to'
      f' {NAMES[self.best]})'
    )


def compare_with_floor(
  hits: np.ndarray,
  labels: np.ndarray,
  floor_hits: Mapping[str, np.ndarray],
  headline: str,
) -> Comparison:
  """Compares a network with the best row of the floor, clip by clip.

  Args:
    hits: (N,) share of the network's seeds that are right.
    labels: (N,) class indices.
    floor_hits: the same shares of each row of the floor; at least one row.
    headline: metric of the accuracies, from `metrics.HEADLINES`.
  """
  mean_class = headline == 'mean_class'
  best = max(
    floor_hits,
    key=lambda name: metrics.mean_hits(floor_hits[name], labels, mean_class),
  )
  difference, interval = metrics.paired_difference(
    hits, floor_hits[best], labels, mean_class=mean_class
  )
  low, high = interval
  return Comparison(best, 100 * difference, (100 * low, 100 * high))


def compare_run(
  scores: Scores, rows: Sequence[FloorRow], headline: str
) -> Comparison:
  """Compares one run's test scores with the floor.

  Args:
    scores: of the run.
    rows: the floor; at least one row.
    headline: as in `compare_with_floor`.

  Raises:
    UserError: the floor has other clips or classes than the run.
  """
  floor_hits = {}
  for row in rows:
    names = ['scores', *[f'floor {row.name}'] * len(row.scores)]
    _, *aligned = align_scores([scores, *row.scores], names)
    floor_hits[row.name] = np.mean(
      [metrics.headline_hits(s.logits, s.labels, headline) for s in aligned], 0
    )
  hits = metrics.headline_hits(scores.logits, scores.labels, headline)
  return compare_with_floor(hits, scores.labels, floor_hits, headline)


def describe_run(
  scores: Scores, rows: Sequence[FloorRow], headline: str
) -> str:
  """Returns a sentence on the floor, and whether a run is above it.

  Args:
    scores: of the run.
    rows: the floor; at least one row.
    headline: as in `compare_with_floor`.

  Raises:
    UserError: as in `compare_run`.
  """
  text = f'floor, {headline} on the same clips: '
  text += _describe_rows(scores, rows, headline)
  if unseen := keep_unseen(scores, rows):
    text += '; on those that are not in training: '
    text += _describe_rows(*unseen, headline)
  return text


def advise_run(scores: Scores, rows: Sequence[FloorRow], headline: str) -> str:
  """Returns what to do about a run that is not above the floor; '' if it is.

  Judged by the test clips that are not in training, if some are: anything
  recognises training clips.

  Args:
    scores: of the run.
    rows: the floor; at least one row.
    headline: as in `compare_with_floor`.

  Raises:
    UserError: as in `compare_run`.
  """
  scores, rows = keep_unseen(scores, rows) or (scores, rows)
  found = compare_run(scores, rows, headline)
  if found.verdict == 'yes':
    return ''
  low, high = found.interval
  name = NAMES[found.best]
  (seconds,) = (row.seconds for row in rows if row.name == found.best)
  if found.verdict == 'no':
    text = f'This network is worse than {name}'
  else:
    text = f'This network is not shown to be better than {name}'
  text += (
    f': on {len(scores.ids)} test clips, its accuracy minus that of {name} is'
    f' {low:+.1f} to {high:+.1f} points (95% interval). '
  )
  if found.best == 'nearest':
    return text + (
      'The nearest mean pose sees no motion. Check the labels and the data, or'
      ' train for longer or on more clips'
    )
  return text + (
    f'{name} was fitted in {seconds:.0f} s. To keep it as your model, give the'
    f' same command with --config.model.name={found.best} and another'
    ' --workdir. For a better network, train on more clips, or start from a'
    ' pre-trained one (--config.init_from)'
  )


def keep_unseen(
  scores: Scores, rows: Sequence[FloorRow]
) -> tuple[Scores, list[FloorRow]] | None:
  """Returns a run and the floor on the test clips that are not in training.

  None if no clip is in training, or all are.

  Args:
    scores: of the run.
    rows: the floor.
  """
  if scores.seen is None or scores.seen.all():
    return None
  seen = scores.ids[scores.seen]
  return drop_clips(scores, seen), [
    row._replace(scores=tuple(drop_clips(s, seen) for s in row.scores))
    for row in rows
  ]


def _describe_rows(scores, rows, headline):
  """The accuracy of each row, and the comparison with the best."""
  figures = ', '.join(
    f'{row.label} {100 * np.mean(accuracies):.2f}%'
    for row in rows
    for accuracies in [
      [
        metrics.compute_metrics(s.logits, s.labels)[headline]
        for s in row.scores
      ]
    ]
  )
  return f'{figures}; above the floor: {compare_run(scores, rows, headline)}'
