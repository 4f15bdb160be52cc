"""Whether aggregating helps: made-up experts, whose truth is known.

Each seed draws clips of synthetic persons and the errors of three experts, as
of `simulate`, and compares experts and aggregates with the truth.
"""

import dataclasses

import numpy as np

from unik_jax.curate import (
  accuracy,
  aggregation,
  reference,
  simulation,
  smoothing,
)
from unik_jax.skeletons.layouts import get_layout

MEDIAN, SST_A = 'median', 'SST-A'
ROBUST, SMOOTHED = 'robust', 'robust, smoothed'
_RATES = ('outliers', 'swaps', 'lost_joints', 'lost_frames')


def candidates(poses: np.ndarray) -> dict[str, np.ndarray]:
  """What there is to choose from: (T, V, 2 or 3) by name.

  Args:
    poses: (N, T, V, 3) of the experts, zeros where missing.
  """
  layout = get_layout(simulation.LAYOUT)
  found = {f'expert {n + 1}': one for n, one in enumerate(poses)}
  points = np.moveaxis(reference.points_of(poses), 0, -1)
  found[MEDIAN] = np.nan_to_num(reference.median(points))
  if len(poses) == 3:
    found[SST_A] = aggregation.sst_a(poses, layout)[0]
  found[ROBUST] = made = aggregation.robust(poses, layout)
  found[SMOOTHED] = smoothing.smooth(smoothing.fill_short(made[None]))[0]
  return found


def variants() -> dict[str, tuple[simulation.Expert, ...]]:
  """Three experts whose errors are as usual, fewer, more, or of one kind."""

  def change(**by):
    return tuple(
      dataclasses.replace(e, **{k: getattr(e, k) * v for k, v in by.items()})
      for e in simulation.EXPERTS
    )

  found = {
    'as above': simulation.EXPERTS,
    'rates halved': change(**dict.fromkeys(_RATES, 0.5)),
    'rates doubled': change(**dict.fromkeys(_RATES, 2)),
    'bias and jitter alone': change(**dict.fromkeys(_RATES, 0)),
  }
  kinds = {
    'outliers': ['outliers'],
    'swaps': ['swaps'],
    'drop-outs': _RATES[2:],
  }
  for kind, names in kinds.items():
    others = [rate for rate in _RATES if rate not in names]
    found[f'and {kind}'] = change(**dict.fromkeys(others, 0))
  return found


def measure(
  seed: int,
  clips: int = 100,
  experts: tuple[simulation.Expert, ...] = simulation.EXPERTS,
) -> dict[str, dict[str, float]]:
  """The figures of one seed, over all joints of all its clips.

  The last frame of a clip, which SST-A never writes, counts for nobody.

  Args:
    seed: of clips and errors.
    clips: how many.
    experts: their errors.

  Returns:
    For each candidate: `error`, its MPJPE in torso lengths, over the joints
    that it gives; `common`, the same over joints that every one of them gives;
    `pck`, at 0.2 torso lengths, joints that it misses being wrong; `given`, the
    share of joints that it gives.
  """
  rng = np.random.default_rng((seed, 2021))
  layout = get_layout(simulation.LAYOUT)
  errors = {}
  for _ in range(clips):
    truth = simulation.motion(rng)
    found = candidates(simulation.experts(truth, rng, experts))
    torso = np.median(accuracy.length(truth, layout))
    for name, poses in found.items():
      apart = accuracy.distances(poses, truth)[:-1] / torso
      errors.setdefault(name, []).append(apart.ravel())
  errors = {name: np.concatenate(parts) for name, parts in errors.items()}
  everywhere = np.all([np.isfinite(e) for e in errors.values()], 0)
  return {
    name: {
      'error': float(np.nanmean(apart)),
      'common': float(apart[everywhere].mean()),
      'pck': float((apart <= 0.2).mean()),
      'given': float(np.isfinite(apart).mean()),
    }
    for name, apart in errors.items()
  }
