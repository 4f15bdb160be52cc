"""Simulated pose estimators."""

import numpy as np
import pytest

from unik_jax.curate import comparison, simulation


def test_errors_have_the_rates_of_their_model():
  rng = np.random.default_rng(0)
  truth = np.stack(
    [simulation.generate_motion(rng, frames=300) for _ in range(10)]
  )
  model = simulation.ErrorModel(0, 0.05, 0.02, 2.0, 0.04, 0.05, 0.03, 0.8)
  poses = np.stack(
    [simulation.simulate_estimator(t, model, rng) for t in truth]
  )
  missing = ~poses.any(-1)
  rate = 1 - (1 - 0.05) * (1 - 0.03)
  assert missing.mean() == pytest.approx(rate, rel=0.15)
  assert missing.all(-1).mean() == pytest.approx(0.03, rel=0.35)
  confidence = poses[..., 2][~missing]
  assert 0.05 <= confidence.min() and confidence.max() <= 1
  exact = simulation.simulate_estimator(
    truth[0], simulation.ErrorModel(0, 0, 0, 1, 0, 0, 0, 0.8), rng
  )
  np.testing.assert_allclose(exact[..., :2], truth[0])
  difficulty = simulation.draw_difficulty(100_000, rng)
  assert difficulty.mean() == pytest.approx(1, rel=0.05)


def test_aggregates_are_nearer_than_the_best_estimator():
  seeds = [comparison.compare_aggregates(seed, clips=12) for seed in (0, 1)]
  for errors in seeds:
    for figure in ('error', 'common'):
      best = min(errors[f'estimator {n}'][figure] for n in (1, 2, 3))
      robust = errors[comparison.ROBUST][figure]
      assert errors[comparison.SST_A][figure] < best
      assert robust < 0.9 * errors[comparison.SST_A][figure]
      assert errors[comparison.SMOOTHED][figure] < robust
    assert errors[comparison.ROBUST]['pck'] > errors[comparison.SST_A]['pck']
    assert 0.9 < errors['estimator 1']['given'] < 0.98
  again = comparison.compare_aggregates(1, clips=12)
  assert again == seeds[1] != seeds[0]
