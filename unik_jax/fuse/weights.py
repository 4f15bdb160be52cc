"""Weights of the runs in a fusion: given by the user, or tuned on clips."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.special

from unik_jax import metrics
from unik_jax.errors import UserError, check_choice


def normalize_weights(
  weights: Sequence[float], runs: int, method: str
) -> list[float]:
  """Checks the weights that a user gave, and scales them.

  Args:
    weights: one for each run, in the runs' order.
    runs: number of runs.
    method: one of `fusion.METHODS`. Weights of softmax scores are scaled to
      sum to 1; weights of logits stay unchanged.

  Raises:
    UserError: the count or a value is wrong, or the method tunes weights.
  """
  if method == 'tuned':
    raise UserError(
      'weights: expected none with the method tuned, got'
      f' {_join(weights)}. Leave out the weights or the method'
    )
  if len(weights) != runs:
    raise UserError(
      f'weights: expected one for each of the {runs} runs, got {len(weights)}'
    )
  if not (np.isfinite(weights).all() and min(weights) >= 0 < max(weights)):
    raise UserError(
      'weights: expected finite numbers of at least 0, one of them positive;'
      f' got {_join(weights)}'
    )
  total = 1.0 if method == 'logits' else sum(weights)
  return [float(weight) / total for weight in weights]


def tune_weights(
  logits: Sequence[np.ndarray], labels: np.ndarray, headline: str
) -> list[float]:
  """Returns the best weights of softmax scores, from a grid of tenths.

  The best weights have the highest headline metric. Ties go to the lower
  loss, then to the weights that give less to the first runs.

  Args:
    logits: (N, K) of each run, for clips that no run was trained on.
    labels: (N,) classes of the clips.
    headline: one of `metrics.HEADLINES`.

  Returns:
    One weight for each run; they sum to 1.

  Raises:
    UserError: the headline is unknown.
  """
  check_choice('headline', headline, metrics.HEADLINES)
  stacked_rnk = np.stack(logits).astype(np.float64)
  log_probs_rnk = scipy.special.log_softmax(stacked_rnk, axis=-1)
  label_log_probs_rn = log_probs_rnk[:, np.arange(len(labels)), labels]
  probs_rnk = np.exp(log_probs_rnk)
  class_counts = np.bincount(labels)
  present = class_counts > 0
  best_score, best_weights = (-1.0, -np.inf), []
  for tenths in split_tenths(len(logits)):
    weights = np.float64(tenths) / 10
    fused_nk = np.tensordot(weights, probs_rnk, 1)
    top_k = 5 if headline == 'top5' else 1
    hits = metrics.top_k_hits(fused_nk, labels, top_k)
    metric = hits.mean()
    if headline == 'mean_class':
      class_hits = np.bincount(labels, hits)
      metric = (class_hits[present] / class_counts[present]).mean()
    log_likelihood = scipy.special.logsumexp(
      label_log_probs_rn, axis=0, b=weights[:, None]
    ).mean()
    # Rounded, so that rounding errors of equal results decide nothing.
    score = (round(float(metric), 12), round(float(log_likelihood), 12))
    if score > best_score:
      best_score, best_weights = score, weights.tolist()
  return best_weights


def split_tenths(runs: int) -> Iterator[tuple[int, ...]]:
  """Yields all ways to split ten tenths among runs, one tuple each.

  Stars and bars: of 9 + `runs` places in a row, `runs` - 1 hold a bar, and the
  stars between two bars are the tenths of one run.
  """
  for bars in itertools.combinations(range(9 + runs), runs - 1):
    edges = (-1, *bars, 9 + runs)
    yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def _join(weights):
  return ', '.join(map(str, weights))
