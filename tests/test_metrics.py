"""Metrics against closed forms and loops."""

import numpy as np
import pytest
import scipy.stats

from unik_jax import metrics


def make_predictions(n=400, classes=4, seed=0):
  rng = np.random.default_rng(seed)
  labels = rng.integers(classes, size=n)
  logits = rng.normal(size=(n, classes)).astype(np.float32)
  logits[np.arange(n), labels] += 1.5
  return logits, labels


def test_ties_go_to_the_first_class():
  logits = np.zeros((1, 7))
  for label in range(7):
    got = metrics.compute_metrics(logits, np.array([label]))
    assert (got['top1'], got['top5']) == (label < 1, label < 5)


def test_an_interval_matches_the_binomial():
  logits, labels = make_predictions()
  hits = logits.argmax(1) == labels
  low, high = metrics.bootstrap_interval(hits, labels)
  p = hits.mean()
  spread = 1.96 * np.sqrt(p * (1 - p) / len(hits))
  assert low == pytest.approx(p - spread, abs=0.01)
  assert high == pytest.approx(p + spread, abs=0.01)
  assert metrics.bootstrap_interval(np.ones(9, bool), labels[:9]) == [1, 1]


def test_an_interval_of_the_mean_over_classes():
  """The deviation of the mean is half the root of the summed variances."""
  rng = np.random.default_rng(0)
  labels = np.repeat([0, 1], [40, 400])
  hits = rng.random(440) < np.where(labels, 0.9, 0.5)
  low, high = metrics.bootstrap_interval(hits, labels, mean_class=True)
  rates = [hits[labels == c].mean() for c in (0, 1)]
  variance = sum(p * (1 - p) / n for p, n in zip(rates, (40, 400), strict=True))
  spread = 1.96 * np.sqrt(variance) / 2
  assert low == pytest.approx(np.mean(rates) - spread, abs=0.02)
  assert high == pytest.approx(np.mean(rates) + spread, abs=0.02)


def test_every_round_of_the_mean_class_interval_has_rare_classes():
  labels = np.append(np.repeat([0, 1, 2], 10), 3)
  hits = labels < 3  # the only clip of class 3 is wrong
  interval = metrics.bootstrap_interval(hits, labels, mean_class=True)
  assert interval == [0.75, 0.75]


def test_intervals_contain_the_metrics():
  logits, labels = make_predictions(60, 9)
  figures = metrics.compute_metrics(logits, labels)
  for name, (low, high) in metrics.bootstrap_intervals(logits, labels).items():
    assert low < figures[name] < high


def test_calibration():
  """The figures equal those of a loop over the bins."""
  logits, labels = make_predictions()
  got = metrics.calibration(logits, labels, bins=10)
  exps = np.exp(np.float64(logits))
  probs = exps / exps.sum(1, keepdims=True)
  confidences, hits = probs.max(1), probs.argmax(1) == labels
  error, clips = 0.0, []
  for k in range(10):
    inside = (confidences >= k / 10) & (confidences < (k + 1) / 10)
    if inside.any():
      clips.append(int(inside.sum()))
      error += inside.mean() * abs(
        hits[inside].mean() - confidences[inside].mean()
      )
  assert got['ece'] == pytest.approx(error)
  assert got['clips'] == clips and sum(clips) == 400
  for accuracy, count, interval in zip(
    got['accuracy'], got['clips'], got['intervals'], strict=True
  ):
    hits = scipy.stats.binomtest(round(accuracy * count), count)
    assert interval == pytest.approx(
      hits.proportion_ci(method='wilson'), abs=1e-6
    )


def test_certain_and_right_predictions_are_calibrated():
  logits = np.eye(3) * 1000
  got = metrics.calibration(logits, np.arange(3))
  assert got == {
    'ece': 0.0,
    'confidence': [1.0],
    'accuracy': [1.0],
    'clips': [3],
    # 3 / (3 + 1.96 ** 2): the lower end of Wilson's interval of 3 of 3.
    'intervals': [[pytest.approx(0.43850, abs=1e-5), 1.0]],
  }
