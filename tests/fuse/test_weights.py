"""Weights of a fusion, and the weighted sums."""

import itertools
import math

import hypothesis
import numpy as np
import pytest
from helpers.numpy_layers import softmax
from helpers.random_scores import write_two_runs
from hypothesis import strategies as st

from unik_jax import metrics
from unik_jax.errors import UserError
from unik_jax.fuse import fusion, weights
from unik_jax.run.score_fusion import fuse_logits


def make_logits(runs, clips, classes, seed):
  """Random logits (N, K) of each run and labels (N,); run 0 is the best."""
  rng = np.random.default_rng(seed)
  labels = rng.integers(classes, size=clips)
  logits = rng.normal(size=(runs, clips, classes))
  gains = rng.uniform(0, 3, size=runs)
  logits[:, np.arange(clips), labels] += np.sort(gains)[::-1, None]
  return list(logits), labels


PROBLEMS = st.builds(
  make_logits,
  runs=st.integers(1, 4),
  clips=st.integers(1, 30),
  classes=st.integers(2, 8),
  seed=st.integers(0, 2**31),
)
HEADLINES = st.sampled_from(metrics.HEADLINES)
PROPERTY = hypothesis.settings(max_examples=50, deadline=None, derandomize=True)


# Sums


def test_logits_and_softmax_differ_if_one_run_has_large_logits():
  large, small = np.float32([[9, 0, 0]]), np.float32([[0, 5, 0]])
  summed = fuse_logits([large, small, small], [1, 1, 1], softmax=False)
  assert summed.argmax() == 1 and summed.tolist() == [[9, 10, 0]]
  fused = fuse_logits([large, small], [0.5, 0.5])
  assert fused.argmax() == 0
  np.testing.assert_allclose(np.exp(fused).sum(), 1, rtol=1e-12)


@PROPERTY
@hypothesis.given(PROBLEMS, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_change_a_fusion(problem, softmax, random):
  logits, _ = problem
  shares = [random.random() + 0.1 for _ in logits]
  order = random.sample(range(len(logits)), len(logits))
  np.testing.assert_allclose(
    fuse_logits(
      [logits[i] for i in order], [shares[i] for i in order], softmax=softmax
    ),
    fuse_logits(logits, shares, softmax=softmax),
    rtol=1e-9,
    atol=1e-9,
  )


@PROPERTY
@hypothesis.given(PROBLEMS)
def test_fused_probabilities_sum_to_one_and_lie_between_the_runs(problem):
  logits, labels = problem
  chosen = weights.tune_weights(logits, labels, 'top1')
  fused = np.exp(fuse_logits(logits, chosen))
  np.testing.assert_allclose(fused.sum(-1), 1, rtol=1e-9)
  probs = [softmax(run) for run in logits]
  assert (fused <= np.max(probs, 0) + 1e-9).all()
  assert (fused >= np.min(probs, 0) - 1e-9).all()


# Tuned weights


@pytest.mark.parametrize('runs', [1, 2, 3, 4])
def test_split_tenths_yields_all_ways(runs):
  ways = list(weights.split_tenths(runs))
  expected = [
    way for way in itertools.product(range(11), repeat=runs) if sum(way) == 10
  ]
  assert sorted(ways) == expected and len(expected) == math.comb(9 + runs, 10)


def rate(logits, labels, chosen, headline):
  """Returns (headline metric, log likelihood) of a fusion, in plain numpy."""
  probs = sum(w * softmax(x) for w, x in zip(chosen, logits, strict=True))
  label_probs = probs[np.arange(len(labels)), labels]
  rank = (probs > label_probs[:, None]).sum(1)
  hits = rank < (5 if headline == 'top5' else 1)
  metric = hits.mean()
  if headline == 'mean_class':
    metric = np.mean([hits[labels == k].mean() for k in np.unique(labels)])
  return round(float(metric), 9), round(float(np.log(label_probs).mean()), 9)


@pytest.mark.parametrize('headline', ['top1', 'mean_class', 'top5'])
def test_no_other_weights_are_better(headline):
  rng = np.random.default_rng(0)
  labels = np.sort(rng.integers(0, 9, 70))
  logits = []
  for right in (2.0, 1.0, 0.5):
    logits.append(rng.normal(size=(70, 9)))
    logits[-1][np.arange(70), labels] += right
  chosen = weights.tune_weights(logits, labels, headline)
  assert sum(chosen) == pytest.approx(1)
  grid = [
    (a / 10, b / 10, (10 - a - b) / 10)
    for a in range(11)
    for b in range(11 - a)
  ]
  assert rate(logits, labels, chosen, headline) == max(
    rate(logits, labels, other, headline) for other in grid
  )


@pytest.mark.slow
@PROPERTY
@hypothesis.given(PROBLEMS, HEADLINES)
def test_tuned_weights_are_shares(problem, headline):
  chosen = weights.tune_weights(*problem, headline)
  assert len(chosen) == len(problem[0])
  assert min(chosen) >= 0
  assert sum(chosen) == pytest.approx(1)


@pytest.mark.slow
@PROPERTY
@hypothesis.given(PROBLEMS, HEADLINES)
def test_tuned_weights_are_no_worse_than_any_single_run(problem, headline):
  logits, labels = problem
  chosen = weights.tune_weights(logits, labels, headline)
  tuned, _ = rate(logits, labels, chosen, headline)
  for single in np.eye(len(logits)):
    assert tuned >= rate(logits, labels, single, headline)[0] - 1e-9


@pytest.mark.slow
@PROPERTY
@hypothesis.given(
  # Equal weights of these numbers of runs are on the grid of tenths.
  st.builds(
    make_logits,
    runs=st.sampled_from((1, 2, 5)),
    clips=st.integers(1, 30),
    classes=st.integers(2, 8),
    seed=st.integers(0, 2**31),
  ),
  HEADLINES,
)
def test_tuned_weights_are_no_worse_than_equal_weights(problem, headline):
  logits, labels = problem
  chosen = weights.tune_weights(logits, labels, headline)
  equal = [1 / len(logits)] * len(logits)
  tuned = rate(logits, labels, chosen, headline)
  assert tuned >= rate(logits, labels, equal, headline)


@pytest.mark.slow
@PROPERTY
@hypothesis.given(PROBLEMS, HEADLINES, st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_change_how_good_tuned_weights_are(
  problem, headline, random
):
  logits, labels = problem
  shuffled = random.sample(logits, len(logits))
  assert rate(
    logits, labels, weights.tune_weights(logits, labels, headline), headline
  ) == rate(
    shuffled, labels, weights.tune_weights(shuffled, labels, headline), headline
  )


def test_ties_go_to_the_lower_loss():
  """Both runs are always right, and the confident one gets all the weight."""
  labels = np.arange(6)
  confident, unsure = 9 * np.eye(6), np.eye(6)
  assert weights.tune_weights([unsure, confident], labels, 'top1') == [0, 1]
  assert weights.tune_weights([confident, unsure], labels, 'top1') == [1, 0]
  # Equal in both: the first run gets less, so that the result is determined.
  assert weights.tune_weights([confident, confident], labels, 'top1') == [0, 1]


# Given weights


@PROPERTY
@hypothesis.given(
  st.lists(st.just(0.0) | st.floats(1e-3, 1e6), min_size=1, max_size=6).filter(
    any
  )
)
def test_stated_weights_of_softmax_scores_become_shares(stated):
  shares = weights.normalize_weights(stated, len(stated), 'softmax')
  assert min(shares) >= 0 and sum(shares) == pytest.approx(1)
  np.testing.assert_allclose(np.multiply(shares, sum(stated)), stated)
  assert weights.normalize_weights(stated, len(stated), 'logits') == stated


@pytest.mark.parametrize(
  'stated, method, words',
  [
    ([1, 0.5], 'tuned', 'weights: .*tuned.*1, 0.5'),
    ([1], 'softmax', 'weights: .*2 runs, got 1'),
    ([1, 2, 3], 'softmax', 'weights: .*2 runs, got 3'),
    ([1, -0.5], 'softmax', 'weights: .*got 1, -0.5'),
    ([0, 0], 'logits', 'weights: .*got 0, 0'),
    ([1, float('nan')], 'softmax', 'weights: .*got 1, nan'),
  ],
)
def test_weights_that_do_not_fit(tmp_path, stated, method, words):
  with pytest.raises(UserError, match=words):
    fusion.fuse_runs(write_two_runs(tmp_path), method, weights=stated)
