"""Intervals and calibration against other ways to get them."""

import numpy as np
import pytest

from unik_jax import metrics


def answers(n=400, classes=4, seed=0):
  rng = np.random.default_rng(seed)
  labels = rng.integers(classes, size=n)
  logits = rng.normal(size=(n, classes)).astype(np.float32)
  logits[np.arange(n), labels] += 1.5
  return logits, labels


def test_of_equal_scores_the_first_class_counts():
  logits = np.zeros((1, 7))
  for label in range(7):
    got = metrics.compute_metrics(logits, np.array([label]))
    assert (got['top1'], got['top5']) == (label < 1, label < 5)


def test_the_interval_is_that_of_the_binomial():
  logits, labels = answers()
  hits = logits.argmax(1) == labels
  low, high = metrics.bootstrap_interval(hits, labels)
  p = hits.mean()
  spread = 1.96 * np.sqrt(p * (1 - p) / len(hits))
  assert low == pytest.approx(p - spread, abs=0.01)
  assert high == pytest.approx(p + spread, abs=0.01)
  assert metrics.bootstrap_interval(np.ones(9, bool), labels[:9]) == [1, 1]


def test_the_interval_of_the_mean_over_classes():
  """Classes of one accuracy each: the mean's variance is that of the means."""
  rng = np.random.default_rng(0)
  labels = np.repeat([0, 1], [40, 400])
  hits = rng.random(440) < np.where(labels, 0.9, 0.5)
  low, high = metrics.bootstrap_interval(hits, labels, mean_class=True)
  rates = [hits[labels == c].mean() for c in (0, 1)]
  variance = sum(p * (1 - p) / n for p, n in zip(rates, (40, 400), strict=True))
  spread = 1.96 * np.sqrt(variance) / 2
  assert low == pytest.approx(np.mean(rates) - spread, abs=0.02)
  assert high == pytest.approx(np.mean(rates) + spread, abs=0.02)


def test_intervals_hold_the_figures():
  logits, labels = answers(60, 9)
  figures = metrics.compute_metrics(logits, labels)
  for name, (low, high) in metrics.bootstrap_intervals(logits, labels).items():
    assert low < figures[name] < high


def test_calibration():
  """Bin by bin, in a loop."""
  logits, labels = answers()
  got = metrics.calibration(logits, labels, bins=10)
  wide = np.exp(np.float64(logits))
  probs = wide / wide.sum(1, keepdims=True)
  sure, right = probs.max(1), probs.argmax(1) == labels
  error, clips = 0.0, []
  for k in range(10):
    inside = (sure >= k / 10) & (sure < (k + 1) / 10)
    if inside.any():
      clips.append(int(inside.sum()))
      error += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
  assert got['ece'] == pytest.approx(error)
  assert got['clips'] == clips and sum(clips) == 400


def test_sure_and_right_is_calibrated():
  logits = np.eye(3) * 1000
  got = metrics.calibration(logits, np.arange(3))
  assert got == {
    'ece': 0.0,
    'confidence': [1.0],
    'accuracy': [1.0],
    'clips': [3],
  }
