"""Comparison of aggregates with simulated estimators, on known true poses.

Each seed draws clips of synthetic persons and the errors of three estimators
(`simulation`). Estimators and aggregates are compared with the true poses.
"""

import dataclasses

import numpy as np

from unik_jax.curate import (
  accuracy,
  aggregation,
  pose_statistics,
  simulation,
  smoothing,
)
from unik_jax.curate.simulation import ErrorModel
from unik_jax.skeletons.layouts import get_layout

MEDIAN, SST_A = 'median', 'SST-A'
ROBUST, SMOOTHED = 'robust', 'robust, smoothed'
_RATES = ('outliers', 'swaps', 'lost_joints', 'lost_frames')


def candidate_poses(poses: np.ndarray) -> dict[str, np.ndarray]:
  """Maps names to poses (T, V, 2 or 3): each estimator and each aggregate.

  Args:
    poses: (N, T, V, 3) of the estimators, zeros where missing.
  """
  layout = get_layout(simulation.LAYOUT)
  candidates = {f'estimator {n + 1}': each for n, each in enumerate(poses)}
  points = np.moveaxis(pose_statistics.visible_points(poses), 0, -1)
  candidates[MEDIAN] = np.nan_to_num(pose_statistics.nan_median(points))
  if len(poses) == 3:
    candidates[SST_A] = aggregation.aggregate_sst_a(poses, layout)[0]
  robust = aggregation.aggregate_robust(poses, layout)
  candidates[ROBUST] = robust
  filled = smoothing.fill_short_gaps(robust[None])
  candidates[SMOOTHED] = smoothing.smooth_clip(filled)[0]
  return candidates


def error_variants() -> dict[str, tuple[ErrorModel, ...]]:
  """Maps names to three estimators each, with other error rates.

  Rates are the default, halved, doubled, all zero, or zero but for one kind.
  """

  def scale_rates(**factors):
    return tuple(
      dataclasses.replace(
        model, **{k: getattr(model, k) * v for k, v in factors.items()}
      )
      for model in simulation.ESTIMATORS
    )

  variants = {
    'as above': simulation.ESTIMATORS,
    'rates halved': scale_rates(**dict.fromkeys(_RATES, 0.5)),
    'rates doubled': scale_rates(**dict.fromkeys(_RATES, 2)),
    'bias and jitter alone': scale_rates(**dict.fromkeys(_RATES, 0)),
  }
  kinds = {
    'outliers': ['outliers'],
    'swaps': ['swaps'],
    'drop-outs': ['lost_joints', 'lost_frames'],
  }
  for kind, rates in kinds.items():
    others = [rate for rate in _RATES if rate not in rates]
    variants[f'and {kind}'] = scale_rates(**dict.fromkeys(others, 0))
  return variants


def compare_aggregates(
  seed: int,
  clips: int = 100,
  estimators: tuple[ErrorModel, ...] = simulation.ESTIMATORS,
) -> dict[str, dict[str, float]]:
  """Returns the errors of all candidates over the joints of all clips.

  The last frame of each clip, which SST-A never writes, is left out for all.

  Args:
    seed: seed of the clips and errors.
    clips: number of clips.
    estimators: their errors.

  Returns:
    For each name of `candidate_poses`:
      `error`: MPJPE in torso lengths, over the joints that it gives.
      `common`: same, over the joints that all candidates give.
      `pck`: PCK at 0.2 torso lengths, as a fraction; a missing joint is wrong.
      `given`: share of joints that it gives.
  """
  rng = np.random.default_rng((seed, 2021))
  layout = get_layout(simulation.LAYOUT)
  distances = {}
  for _ in range(clips):
    truth = simulation.generate_motion(rng)
    poses = simulation.simulate_estimators(truth, rng, estimators)
    torso = np.median(accuracy.segment_lengths(truth, layout))
    for name, candidate in candidate_poses(poses).items():
      distance = accuracy.joint_distances(candidate, truth)[:-1] / torso
      distances.setdefault(name, []).append(distance.ravel())
  distances = {name: np.concatenate(d) for name, d in distances.items()}
  given_by_all = np.all([np.isfinite(d) for d in distances.values()], 0)
  return {
    name: {
      'error': float(np.nanmean(distance)),
      'common': float(distance[given_by_all].mean()),
      'pck': float((distance <= 0.2).mean()),
      'given': float(np.isfinite(distance).mean()),
    }
    for name, distance in distances.items()
  }
