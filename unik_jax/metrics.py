"""What a split's answers are worth: accuracies, their spread, calibration.

Plain functions of logits (N, K) and labels (N,), in numpy; each of the N clips
counts once.
"""

from typing import Any

import numpy as np
import scipy.special

HEADLINES = ('top1', 'mean_class', 'top5')


def compute_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
  """Metrics of a split.

  Args:
    logits: (N, K).
    labels: (N,).

  Returns:
    `clips`, mean `loss`, and as fractions `top1`, `top5`, `mean_class` (mean
    of the accuracies of the classes that occur) and `per_class` (None where a
    class does not occur); `confusion` (true class, predicted class) as nested
    lists.
  """
  confusion = confusion_matrix(logits, labels)
  totals = confusion.sum(1)
  per_class = [
    float(hits / total) if total else None
    for hits, total in zip(confusion.diagonal(), totals, strict=True)
  ]
  log_probs = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
  return {
    'clips': len(labels),
    'loss': float(-log_probs[np.arange(len(labels)), labels].mean()),
    'top1': float(top_k_hits(logits, labels, 1).mean()),
    'top5': float(top_k_hits(logits, labels, 5).mean()),
    'mean_class': float(np.mean([a for a in per_class if a is not None])),
    'per_class': per_class,
    'confusion': confusion.tolist(),
  }


def top_k_hits(logits: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
  """(N,) whether the label is among the k best; of equals, the first are."""
  best = np.argsort(-logits, axis=1, kind='stable')[:, :k]
  return (best == labels[:, None]).any(1)


def confusion_matrix(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """(K, K) counts, by true class and predicted class."""
  classes = logits.shape[1]
  pairs = labels * classes + logits.argmax(1)
  return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def bootstrap_interval(
  hits: np.ndarray,
  labels: np.ndarray,
  *,
  mean_class: bool = False,
  level: float = 0.95,
  rounds: int = 1000,
  seed: int = 0,
) -> list[float]:
  """The bootstrap interval of an accuracy, over clips.

  Clips are drawn with replacement, as many as there are; the interval holds
  the middle `level` of the accuracies that this gives. It tells what other
  test clips of the same kind would change, and nothing of other seeds or other
  people.

  Args:
    hits: (N,) whether a clip was right.
    labels: (N,).
    mean_class: whether the mean of the classes' accuracies is meant.
    level: share of the accuracies.
    rounds: how many times clips are drawn.
    seed: of the draws.

  Returns:
    [low, high], as fractions.
  """
  rng = np.random.default_rng(seed)
  figures = []
  for _ in range(rounds):
    drawn = rng.integers(len(hits), size=len(hits))
    if not mean_class:
      figures.append(hits[drawn].mean())
      continue
    totals = np.bincount(labels[drawn])
    right = np.bincount(labels[drawn], hits[drawn], minlength=len(totals))
    figures.append((right[totals > 0] / totals[totals > 0]).mean())
  low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
  return [float(low), float(high)]


def bootstrap_intervals(
  logits: np.ndarray, labels: np.ndarray
) -> dict[str, list[float]]:
  """`interval` of each of HEADLINES."""
  ones, fives = (top_k_hits(logits, labels, k) for k in (1, 5))
  return {
    'top1': bootstrap_interval(ones, labels),
    'mean_class': bootstrap_interval(ones, labels, mean_class=True),
    'top5': bootstrap_interval(fives, labels),
  }


def calibration(
  logits: np.ndarray, labels: np.ndarray, bins: int = 15
) -> dict[str, Any]:
  """How far the probability of an answer is from how often it is right.

    ECE = sum over bins of share of clips * |accuracy - mean confidence|

  with clips in bins of equal width by the probability of the answer (Guo et
  al., "On Calibration of Modern Neural Networks", ICML 2017).

  Args:
    logits: (N, K).
    labels: (N,).
    bins: how many.

  Returns:
    `ece`, and for each bin that has clips: `confidence`, `accuracy`, `clips`.
  """
  probs = scipy.special.softmax(logits.astype(np.float64), axis=1)
  sure, right = probs.max(1), probs.argmax(1) == labels
  place = np.minimum((sure * bins).astype(int), bins - 1)
  clips = np.bincount(place, minlength=bins)
  used = clips > 0
  confidence = np.bincount(place, sure, bins)[used] / clips[used]
  accuracy = np.bincount(place, right, bins)[used] / clips[used]
  gaps = np.abs(accuracy - confidence) * clips[used]
  return {
    'ece': float(gaps.sum() / len(labels)),
    'confidence': confidence.tolist(),
    'accuracy': accuracy.tolist(),
    'clips': clips[used].tolist(),
  }
