"""The floor beside a run's result, as its report shows it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.floor.comparison import Comparison, compare_run, keep_unseen
from unik_jax.floor.measure import measure_floor
from unik_jax.run.scores import Scores


class Floor(NamedTuple):
  """The floor of a run's test clips.

  Attributes:
    figures: (classifier, `metrics.compute_metrics`) of each row.
    comparison: of the run with the best row.
    unseen: the same on the test clips that are not in training; None if no clip
      is in training, or all are.
  """

  figures: tuple[tuple[str, dict[str, Any]], ...]
  comparison: Comparison
  unseen: 'Floor | None' = None


def measure_run_floor(
  config: ConfigDict,
  headline: str,
  scores: Scores,
  names: Sequence[str] | None,
  log: Callable[[str], None],
) -> Floor | None:
  """Returns the floor with the run's seed; None without a row.

  Args:
    config: settings of the run.
    headline: metric to compare by, from `metrics.HEADLINES`.
    scores: of its test clips.
    names: as in `measure_floor`.
    log: as in `measure_floor`.

  Raises:
    UserError: the dataset is not prepared, or is not the one of the scores.
  """
  rows = measure_floor(config.data, (config.seed,), names, log=log)
  if not rows:
    return None
  floor = _compare(scores, rows, headline)
  if unseen := keep_unseen(scores, rows):
    floor = floor._replace(unseen=_compare(*unseen, headline))
  return floor


def _compare(scores, rows, headline):
  figures = tuple(
    (row.label, metrics.compute_metrics(s.logits, s.labels))
    for row in rows
    for s in row.scores
  )
  return Floor(figures, compare_run(scores, rows, headline))
