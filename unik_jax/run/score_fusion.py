"""Weighted sums of the predictions of several runs for the same clips.

`python -m unik_jax.fuse` and the two-stream rows of `python -m unik_jax.tables`
use them. How weights are tuned is in `unik_jax/fuse/weights.py`.
"""

import os
from collections.abc import Sequence

import numpy as np
import scipy.special

from unik_jax.errors import UserError
from unik_jax.run.scores import Scores, read_scores


def fuse_logits(
  logits: Sequence[np.ndarray],
  weights: Sequence[float],
  *,
  softmax: bool = True,
) -> np.ndarray:
  """Returns the fused logits of several runs.

    softmax  log sum_r weights[r] softmax(logits[r])
    logits       sum_r weights[r] logits[r]

  The logarithm makes both results logits: with weights that sum to 1, the
  softmax of the first is the weighted mean of the runs' probabilities.

  Args:
    logits: (N, K) of each run, for the same clips in the same order.
    weights: one for each run.
    softmax: sum softmax probabilities instead of logits.

  Returns:
    (N, K) float64.
  """
  stacked_rnk = np.stack(logits).astype(np.float64)
  weights_r11 = np.float64(weights)[:, None, None]
  if not softmax:
    return (weights_r11 * stacked_rnk).sum(0)
  # In the log domain a class of probability 1e-400 keeps its rank.
  log_probs = scipy.special.log_softmax(stacked_rnk, axis=-1)
  return scipy.special.logsumexp(log_probs, axis=0, b=weights_r11)


def read_finite_scores(path: str | os.PathLike) -> Scores:
  """Reads the predictions of a run, which must be finite.

  Raises:
    UserError: the file is missing, broken or empty, or holds NaN or infinity.
  """
  loaded = read_scores(path)
  if not len(loaded.ids):
    raise UserError(
      f'{path}: expected predictions, got 0 clips. Name another file or run'
    )
  if not np.isfinite(loaded.logits).all():
    raise UserError(
      f'{path}: expected finite logits, got NaN or infinity. Leave out this run'
    )
  return loaded
