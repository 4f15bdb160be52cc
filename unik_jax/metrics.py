"""Metrics of a split: accuracies, bootstrap intervals, calibration.

Plain numpy functions of logits (N, K) and labels (N,). Each of the N clips
counts once.
"""

from typing import Any

import numpy as np
import scipy.special

HEADLINES = ('top1', 'mean_class', 'top5')


def compute_metrics(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
  """Computes the metrics of a split.

  Args:
    logits: (N, K).
    labels: (N,) class indices.

  Returns:
    A dict of `clips` (N), the mean cross-entropy `loss`, the fractions `top1`,
    `top5`, `mean_class` (mean accuracy over the classes present) and
    `per_class` (accuracy of each class; None if the class is absent), and
    `confusion` (true class, predicted class) as nested lists. Without clips,
    means are None.
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
    'loss': _mean(-log_probs[np.arange(len(labels)), labels]),
    'top1': _mean(top_k_hits(logits, labels, 1)),
    'top5': _mean(top_k_hits(logits, labels, 5)),
    'mean_class': _mean([a for a in per_class if a is not None]),
    'per_class': per_class,
    'confusion': confusion.tolist(),
  }


def _mean(values):
  return float(np.mean(values)) if len(values) else None


def measure(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
  """Returns `compute_metrics`, with `bootstrap_intervals` as `intervals`."""
  return {
    **compute_metrics(logits, labels),
    'intervals': bootstrap_intervals(logits, labels),
  }


def top_k_hits(logits: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
  """Returns (N,) whether each label is among the k highest logits.

  Ties go to the lower class index.
  """
  best = np.argsort(-logits, axis=1, kind='stable')[:, :k]
  return (best == labels[:, None]).any(1)


def confusion_matrix(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns (K, K) counts of clips by true class and predicted class."""
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
  """Returns the bootstrap interval of an accuracy over clips, [low, high].

  Each round draws N clips with replacement; for the mean class accuracy, as
  many of each class as there are, so that every round has all classes. The
  interval holds the middle `level` of the rounds' accuracies. It measures the
  spread over other test clips of the same kind, not over training seeds or over
  people. A class of one clip never varies: with rare classes, the interval of
  the mean class accuracy is too narrow.

  Args:
    hits: (N,) whether each clip's prediction is right.
    labels: (N,) class indices.
    mean_class: bootstrap the mean accuracy over classes, not over clips.
    level: fraction of the accuracies inside the interval.
    rounds: number of draws.
    seed: seed of the draws.
  """
  rng = np.random.default_rng(seed)
  if mean_class:
    of_class = [hits[labels == label] for label in np.unique(labels)]
    accuracies = np.mean(
      [
        clips[rng.integers(len(clips), size=(rounds, len(clips)))].mean(1)
        for clips in of_class
      ],
      axis=0,
    )
  else:
    accuracies = [
      hits[rng.integers(len(hits), size=len(hits))].mean()
      for _ in range(rounds)
    ]
  low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
  return [float(low), float(high)]


def headline_hits(
  logits: np.ndarray, labels: np.ndarray, headline: str
) -> np.ndarray:
  """Returns (N,) whether each clip counts as right for a headline metric."""
  return top_k_hits(logits, labels, 5 if headline == 'top5' else 1)


def mean_hits(hits: np.ndarray, labels: np.ndarray, mean_class: bool) -> float:
  """Returns the mean of (N,) hits over clips, or over classes of clips."""
  if not mean_class:
    return float(hits.mean())
  return float(np.mean([hits[labels == k].mean() for k in np.unique(labels)]))


def paired_difference(
  hits: np.ndarray,
  other_hits: np.ndarray,
  labels: np.ndarray,
  *,
  mean_class: bool = False,
  rounds: int = 10000,
) -> tuple[float, tuple[float, float]]:
  """Returns the difference of two accuracies and its 95% bootstrap interval.

  Paired: both predict the same clips, so that clips that are hard for both
  widen no interval. Two accuracies are separable if the interval excludes zero.

  Args:
    hits: (N,) share of the first's seeds that are right.
    other_hits: the same of the second.
    labels: (N,) class indices.
    mean_class: compare the mean accuracy over classes, not over clips.
    rounds: number of draws.
  """
  gaps = hits - np.asarray(other_hits, float)
  low, high = bootstrap_interval(
    gaps, labels, mean_class=mean_class, rounds=rounds
  )
  return mean_hits(gaps, labels, mean_class), (low, high)


def bootstrap_intervals(
  logits: np.ndarray, labels: np.ndarray
) -> dict[str, list[float]]:
  """Returns the `bootstrap_interval` of each metric in HEADLINES.

  Without clips, there are none.
  """
  if not len(labels):
    return {}
  top1, top5 = (top_k_hits(logits, labels, k) for k in (1, 5))
  return {
    'top1': bootstrap_interval(top1, labels),
    'mean_class': bootstrap_interval(top1, labels, mean_class=True),
    'top5': bootstrap_interval(top5, labels),
  }


def calibration(
  logits: np.ndarray, labels: np.ndarray, bins: int = 15
) -> dict[str, Any]:
  """Returns the expected calibration error and its bins.

    ECE = sum over bins of share of clips * |accuracy - mean confidence|

  A prediction's confidence is its probability. Bins have equal width (Guo et
  al., "On Calibration of Modern Neural Networks", ICML 2017).

  Args:
    logits: (N, K).
    labels: (N,) class indices.
    bins: number of bins over [0, 1].

  Returns:
    `ece`, and lists over the non-empty bins: `confidence`, `accuracy`, `clips`,
    and `intervals`, [low, high] of each accuracy from `wilson_interval`.
  """
  probs = scipy.special.softmax(logits.astype(np.float64), axis=1)
  confidences, hits = probs.max(1), probs.argmax(1) == labels
  # A confidence of exactly 1 belongs to the last bin.
  bin_of = np.minimum((confidences * bins).astype(int), bins - 1)
  clips = np.bincount(bin_of, minlength=bins)
  used = clips > 0
  confidence = np.bincount(bin_of, confidences, bins)[used] / clips[used]
  accuracy = np.bincount(bin_of, hits, bins)[used] / clips[used]
  gaps = np.abs(accuracy - confidence) * clips[used]
  return {
    'ece': float(gaps.sum() / len(labels)),
    'confidence': confidence.tolist(),
    'accuracy': accuracy.tolist(),
    'clips': clips[used].tolist(),
    'intervals': wilson_interval(accuracy, clips[used]).tolist(),
  }


def wilson_interval(share: np.ndarray, count: np.ndarray) -> np.ndarray:
  """Returns Wilson's 95% interval of a share, which holds for few clips too.

  Args:
    share: (B,) in [0, 1].
    count: (B,) of what each share is of; at least 1.

  Returns:
    (B, 2) low and high, within [0, 1].
  """
  z = 1.959964  # of a normal distribution, 95% lies within
  middle = share + z**2 / (2 * count)
  half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
  bounds = np.stack([middle - half, middle + half], -1)
  return np.clip(bounds / (1 + z**2 / count)[:, None], 0, 1)
