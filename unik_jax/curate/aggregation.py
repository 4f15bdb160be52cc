"""Aggregation: several estimators' poses of one person become one pose.

`aggregate_sst_a` is the published selective spatio-temporal aggregation (SST-A)
of SSTA-PRS: Yang, Dai, Wang, Mallick, Minciullo, Francesca and Bremond,
"Selective Spatio-Temporal Aggregation Based Pose Refinement System: Towards
Understanding Human Activities in Real-World Videos", WACV 2021.
`aggregate_robust` is an improved form.

Shape legend: N estimators, T frames, V joints.
"""

import itertools

import numpy as np

from unik_jax.curate import pose_statistics, swaps
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

GAMMA = 0.06  # lowest frame confidence in the authors' tool
# The joints from the shoulders down: the last twelve of COCO, as in the tool.
COMPARED = tuple(
  f'{side}_{joint}'
  for joint in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
  for side in ('left', 'right')
)
# Distance at which two estimators still agree, in body sizes: about 10 cm.
_NEAR = 0.06
_TIME_WEIGHT = 0.5  # of the neighbouring frames; an estimator has up to 1
_ROUNDS = 4  # of reweighting
_ISOLATED = 3.0  # distance from the local median, in units of `_NEAR`


def aggregate_sst_a(
  poses: np.ndarray, layout: Layout, gamma: float = GAMMA
) -> tuple[np.ndarray, np.ndarray]:
  """Selects, for each joint and frame, one of three estimators (SST-A).

  Follows the authors' tool, github.com/YangDi666/SSTA-PRS, tools/ssta.py, with
  its quirks:

  - In the first frame, the pair of estimators that agree best about a joint is
    found, and one of the two is taken: the second estimator if it is in the
    pair, else the third.
  - In each later frame, the estimator is taken that is nearest to the aggregate
    of the frame before.
  - A missing joint is treated as a joint at (0, 0).
  - The last frame is never written.

  Args:
    poses: (3, T, V, 2) or (3, T, V, 3), zeros where missing.
    layout: joint layout.
    gamma: a lower frame confidence is set to 0.

  Returns:
    (T, V, 2), zeros in the last frame, and (T,), the confidence of each frame
    as in `frame_confidence`, 0 for the last one.

  Raises:
    UserError: there are not three estimators, or the layout lacks a joint of
      `COMPARED`.
  """
  if len(poses) != 3:
    raise UserError(
      f'SST-A: expected three estimators, got {len(poses)}. Use --method=robust'
    )
  points = poses[..., :2]
  first, second, third = points
  length = points.shape[1]
  aggregate = np.zeros(points.shape[1:])
  joints = np.arange(points.shape[2])
  for t in range(length - 1):
    # The order of the candidates breaks ties. The tool keys a dict by distance,
    # so of equal distances its last entry wins. argmin takes the first, and the
    # candidates stand in reverse.
    if t == 0:
      pairs = ((first, third), (second, first), (second, third))
      distance = np.stack(
        [np.linalg.norm(a[0] - b[0], axis=-1) for a, b in pairs]
      )
      candidates = np.stack([third[0], second[0], second[0]])
    else:
      candidates = np.stack([first[t], third[t], second[t]])
      distance = np.linalg.norm(candidates - aggregate[t - 1], axis=-1)
    aggregate[t] = candidates[distance.argmin(0), joints]
  confidence = frame_confidence(points, aggregate, layout)
  confidence[-1:] = 0
  return aggregate, np.where(confidence < gamma, 0, confidence)


def frame_confidence(
  points: np.ndarray, aggregate: np.ndarray, layout: Layout
) -> np.ndarray:
  """Returns how well the estimators agree with the aggregate in each frame.

    exp(-d),  d = mean over estimators and joints of |estimator - aggregate|
                  / (|left shoulder - right shoulder| + 1e-8)

  The joints are the twelve of `COMPARED`, the shoulders the aggregate's. From
  SSTA-PRS, tools/ssta.py.

  Args:
    points: (N, T, V, 2); NaN joints are left out of the mean.
    aggregate: (T, V, 2).
    layout: joint layout.

  Returns:
    (T,) from 0 to 1; 0 where nothing can be compared.

  Raises:
    UserError: the layout lacks a joint of `COMPARED`.
  """
  joints = [layout.index(name) for name in COMPARED]
  distance = np.linalg.norm(
    points[:, :, joints] - aggregate[:, joints], axis=-1
  )
  distance = distance.swapaxes(0, 1).reshape(points.shape[1], -1)
  known = np.isfinite(distance)
  count = known.sum(-1)
  mean = np.where(known, distance, 0).sum(-1) / np.maximum(count, 1)
  left, right = (aggregate[:, layout.index(name)] for name in COMPARED[:2])
  width = np.linalg.norm(left - right, axis=-1)
  comparable = (count > 0) & np.isfinite(width)
  # Shoulders that coincide give a huge quotient, and so a confidence of 0.
  return np.where(comparable, np.exp(-mean / (width + 1e-8)), 0.0)


def aggregate_robust(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """Returns a weighted mean of the estimators that agree.

  Takes any number of estimators. Each frame is aggregated without the result of
  the frame before, so an error does not spread as in SST-A. Frames nearby only
  help to choose between estimators.

  1. Swapped limbs are swapped back (`swaps.undo_swaps`).
  2. For each joint, the estimator with most support is the first estimate:

       support = sum over estimators of confidence / (1 + (distance / near)^2)^2

     The median over a few frames supports with a weight of 0.5.
  3. The mean is weighted by confidence, by the estimator's reliability in this
     clip, and by agreement with the current estimate, as in step 2. Four rounds
     of this leave an outlier almost no weight (iteratively reweighted least
     squares with the Geman-McClure weight).
  4. A joint is set missing if a single estimator supports it, far from the
     local median.

  Args:
    poses: (N, T, V, 3): x, y, confidence; zeros where missing. Missing joints
      have no weight.
    layout: joint layout.

  Returns:
    (T, V, 3), zeros where missing. The confidence is the mean over the
    estimators of confidence times agreement, 0 for those without the joint.
  """
  poses = swaps.undo_swaps(poses, layout)
  points = pose_statistics.visible_points(poses)
  visible = np.isfinite(points[..., 0])
  confidence = np.where(visible, np.clip(poses[..., 2], 0, 1), 0)
  # In body sizes, so that the result does not depend on the image's scale.
  near = _NEAR * pose_statistics.body_size(points)
  samples = pose_statistics.window_samples(points)
  local_median = pose_statistics.nan_median(samples)

  estimate = _most_supported(points, confidence, local_median, near)
  weights = confidence * _reliability(points)[:, None, None]
  aggregate = _reweighted_mean(points, weights, estimate, near)

  agreement = np.where(
    visible, _agreement(_distance(points, aggregate), near), 0
  )
  # A fast joint is often far from its median: the spread within the window
  # raises the threshold.
  spread = pose_statistics.nan_median(
    np.linalg.norm(samples - local_median[..., None], axis=-2)
  )
  is_far = _distance(aggregate, local_median) > _ISOLATED * np.maximum(
    near, spread
  )
  has_one_supporter = (agreement > 0.1).sum(0) < 2
  missing = ~visible.any(0) | (has_one_supporter & is_far)
  out = np.concatenate(
    [aggregate, (confidence * agreement).mean(0)[..., None]], -1
  )
  return np.where(missing[..., None], 0, out)


def _distance(a, b):
  return np.linalg.norm(a - b, axis=-1)


def _agreement(distance, near):
  """Geman-McClure weight: 1 at distance 0, 1/4 at `near`, 1/25 at twice it."""
  return 1 / np.square(1 + np.square(distance / near))


def _most_supported(points, confidence, local_median, near):
  """Returns (T, V, 2): each joint of the estimator with most support.

  The mean is no good start: it lies between an outlier and the others, where
  reweighting may stay.
  """
  support = np.stack(
    [
      np.nansum(confidence * _agreement(_distance(points, one), near), 0)
      # Twice as wide: the joint moves within the window.
      + _TIME_WEIGHT
      * np.nan_to_num(_agreement(_distance(one, local_median), 2 * near))
      for one in points
    ]
  )
  support = np.where(np.isfinite(points[..., 0]), support, -1)
  best = support.argmax(0)[None, ..., None]
  return np.take_along_axis(points, best, 0)[0]


def _reweighted_mean(points, weights, estimate, near):
  """Returns (T, V, 2): the mean, reweighted by agreement with itself."""
  filled = np.nan_to_num(points)
  for _ in range(_ROUNDS):
    agreement = np.nan_to_num(_agreement(_distance(points, estimate), near))
    scaled = weights * agreement
    total = scaled.sum(0)
    mean = np.einsum('ntv,ntvc->tvc', scaled, filled)
    # Far from all estimators the weights vanish: keep the estimate.
    known = (total > 1e-9)[..., None]
    estimate = np.where(
      known, mean / np.maximum(total, 1e-9)[..., None], estimate
    )
  return estimate


def _reliability(points):
  """Returns (N,) inverse variances of the estimators, with mean 1.

  If errors are independent, the squared distance d_nm^2 of two estimators is on
  average the sum of their variances. For three or more estimators, the pairs'
  distances therefore give the variances s_n^2: with S their sum,

    sum over m of d_nm^2 = (N - 2) s_n^2 + S,   sum over pairs = (N - 1) S

  The squared distance of a pair is its median over joints and frames, which
  outliers do not move. All estimators count the same if there are fewer than
  three, or if two are never visible together.
  """
  count = len(points)
  if count < 3:
    return np.ones(count)
  pairs = np.zeros((count, count))
  for a, b in itertools.combinations(range(count), 2):
    squared = np.square(_distance(points[a], points[b])).ravel()
    pairs[a, b] = pairs[b, a] = pose_statistics.nan_median(squared)
  if not np.isfinite(pairs).all() or not pairs.any():
    return np.ones(count)
  total = pairs.sum() / 2 / (count - 1)
  variance = (pairs.sum(0) - total) / (count - 2)
  # The floor keeps one estimator from taking all weight: the difference above
  # can be tiny, or below zero.
  reliability = 1 / np.maximum(variance, 0.2 * total / count)
  return reliability / reliability.mean()
