"""Aggregation of several estimators' poses: SST-A and the robust mean."""

import numpy as np
import pytest

from unik_jax.curate import aggregation, pose_statistics, simulation, swaps
from unik_jax.errors import UserError
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout, get_layout

COCO, UNIK = get_layout('coco_17'), get_layout('unik_17')


def published_sst_a(first, second, third, gamma):
  """Returns what the tool's loops do, in plain Python."""
  length = len(first)
  aggregate, confidence = np.zeros((length, 17, 2)), np.zeros(length)

  def distance(a, b):
    return np.sqrt(((a - b) ** 2).sum())

  for t in range(length - 1):
    for v in range(17):
      a, b, c = first[t, v], second[t, v], third[t, v]
      if t == 0:
        table = {distance(b, c): b, distance(b, a): b}
        table[distance(a, c)] = c
      else:
        table = {distance(b, aggregate[t - 1, v]): b}
        table[distance(c, aggregate[t - 1, v])] = c
        table[distance(a, aggregate[t - 1, v])] = a
      aggregate[t, v] = table[min(table)]
    width = distance(aggregate[t, 5], aggregate[t, 6]) + 1e-8
    distances = [
      sum(distance(e[t, v], aggregate[t, v]) for v in range(5, 17)) / 12 / width
      for e in (second, third, first)
    ]
    confidence[t] = np.exp(-sum(distances) / 3)
    if confidence[t] < gamma:
      confidence[t] = 0
  return aggregate, confidence


@pytest.mark.parametrize('gamma', [0.06, 0.7])
def test_sst_a_matches_the_published_tool(gamma):
  rng = np.random.default_rng(0)
  poses = np.cumsum(rng.normal(0, 3, (3, 20, 17, 2)), 1) + 200
  poses += rng.normal(0, 40, (1, 1, 17, 2))
  poses[rng.random((3, 20, 17)) < 0.1] = 0  # missing, also in two at once
  poses[:, 0, 4] = 0  # equal distances
  poses[1, :, 7] = poses[2, :, 7]
  aggregate, confidence = aggregation.aggregate_sst_a(poses, COCO, gamma)
  expected, expected_confidence = published_sst_a(*poses, gamma)
  np.testing.assert_array_equal(aggregate, expected)
  np.testing.assert_allclose(confidence, expected_confidence, rtol=1e-12)
  assert (expected_confidence > 0).any()
  assert not aggregate[-1].any() and confidence[-1] == 0
  if gamma == 0.7:
    assert (confidence[:-1] == 0).any()


def test_sst_a_needs_three_estimators_and_a_body():
  with pytest.raises(UserError, match='three.*got 2.*--method=robust'):
    aggregation.aggregate_sst_a(np.ones((2, 4, 17, 2)), COCO)
  joints = ('left_shoulder', 'right_shoulder', 'head')
  bust = Layout('bust', joints, (joints[::2], joints[1:]), 'head')
  with pytest.raises(UserError, match="'bust': .*got 'left_elbow'"):
    aggregation.aggregate_sst_a(np.ones((3, 4, 3, 2)), bust)


@pytest.fixture(scope='module')
def truth():
  return simulation.generate_motion(
    np.random.default_rng(5), 'jumping_jack', 60
  )


def simulate_agreement(truth, count, jitter=1.0):
  """Returns poses (count, T, 17, 3): the truth with independent jitter."""
  rng = np.random.default_rng(9)
  poses = truth + rng.normal(0, jitter, (count, *truth.shape))
  return np.concatenate([poses, np.full((*poses.shape[:-1], 1), 0.8)], -1)


@pytest.mark.parametrize('count', [1, 2, 3, 4, 6])
def test_any_number_of_estimators(truth, count):
  poses = simulate_agreement(truth, count)
  aggregate = aggregation.aggregate_robust(poses, UNIK)
  error = np.linalg.norm(aggregate[..., :2] - truth, axis=-1)
  # The error of one is Rayleigh distributed, the mean's is sqrt(N) less.
  expected = np.sqrt(np.pi / 2 / count)
  assert error.mean() == pytest.approx(expected, rel=0.12)
  assert aggregate[..., 2].min() > 0.7


def test_missing_joints_never_win(truth):
  poses = simulate_agreement(truth, 3)
  lost = np.random.default_rng(1).random(poses.shape[:3]) < 0.4
  poses[lost] = 0
  aggregate = aggregation.aggregate_robust(poses, UNIK)
  lost_by_all = lost.all(0)
  assert lost_by_all.any()
  np.testing.assert_array_equal(aggregate[lost_by_all], 0)
  assert aggregate[~lost_by_all].any(-1).all()
  error = np.linalg.norm(aggregate[..., :2] - truth, axis=-1)[~lost_by_all]
  assert error.max() < 6
  # They win in SST-A: in the first frame two zeros agree best.
  poses[:2, 0, 3] = 0
  assert not aggregation.aggregate_sst_a(poses, UNIK)[0][0, 3].any()


def test_confidence_is_a_weight(truth):
  poses = simulate_agreement(truth, 2, jitter=0.0)
  poses[1, ..., :2] += (4, 0)
  poses[0, ..., 2], poses[1, ..., 2] = 0.9, 0.3
  aggregate = aggregation.aggregate_robust(poses, UNIK)
  off = aggregate[..., 0] - truth[..., 0]
  np.testing.assert_allclose(off, 1, atol=0.1)  # 4 pixels times 0.3 / 1.2


def test_an_outlier_has_no_effect(truth):
  poses = simulate_agreement(truth, 3)
  clean = aggregation.aggregate_robust(poses, UNIK)
  outlying = poses.copy()
  outlying[1, 20:24, 9, :2] += (300, -150)
  aggregate = aggregation.aggregate_robust(outlying, UNIK)
  error = np.linalg.norm(aggregate[..., :2] - truth, axis=-1)
  assert error.max() < 6
  unaffected = np.r_[:16, 28:60]
  np.testing.assert_allclose(
    aggregate[unaffected], clean[unaffected], atol=0.05
  )
  # An outlier is dropped even if no other estimator has the joint.
  outlying[1, 22:24] = poses[1, 22:24]
  outlying[[0, 2], 20:22, 9] = 0
  dropped = aggregation.aggregate_robust(outlying, UNIK)
  np.testing.assert_array_equal(dropped[20:22, 9], 0)


@pytest.mark.parametrize('count', [1, 3])
def test_swapped_limbs_are_swapped_back(truth, count):
  poses = simulate_agreement(truth, count)
  frames = slice(20, 22) if count == 1 else slice(20, 40)
  (arms, *_) = [g for g in pairs_by_part(UNIK) if (7, 8) in g]
  swapped = poses.copy()
  swapped[0, frames] = swaps.swap_sides(poses[0, frames], arms)
  np.testing.assert_array_equal(swaps.undo_swaps(swapped, UNIK), poses)
  np.testing.assert_allclose(
    aggregation.aggregate_robust(swapped, UNIK),
    aggregation.aggregate_robust(poses, UNIK),
  )


def test_noisier_estimators_count_less(truth):
  rng = np.random.default_rng(3)
  jitter = np.array([1, 3, 6.0])[:, None, None, None]
  poses = simulate_agreement(truth, 3, 0.0)
  poses[..., :2] += rng.normal(size=(3, *truth.shape)) * jitter
  aggregate = aggregation.aggregate_robust(poses, UNIK)
  error = np.linalg.norm(aggregate[..., :2] - truth, axis=-1).mean()
  plain_error = np.linalg.norm(poses[..., :2].mean(0) - truth, axis=-1).mean()
  assert error < 0.75 * plain_error


@pytest.mark.parametrize('seed', [0, 1])
def test_nan_median_is_numpys(seed):
  rng = np.random.default_rng(seed)
  values = rng.normal(size=(7, 6, 5))
  values[rng.random(values.shape) < 0.4] = np.nan
  values[..., 0] = 1  # so that numpy does not warn of empty slices
  np.testing.assert_allclose(
    pose_statistics.nan_median(values), np.nanmedian(values, -1)
  )
  assert np.isnan(pose_statistics.nan_median(np.full((2, 3), np.nan))).all()
