"""Several experts' poses of one person, made one.

`sst_a` is the published selective spatio-temporal aggregation, `robust` an
improved form of it.
"""

import itertools

import numpy as np

from unik_jax.curate import reference, swaps
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

GAMMA = 0.06  # of the authors' tool
# From the shoulders down; the tool takes COCO's last twelve.
COMPARED = tuple(
  f'{side}_{joint}'
  for joint in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
  for side in ('left', 'right')
)
# Of the body's size, about 10 cm: how far apart experts who agree may be.
_NEAR = 0.06
_WEIGHT_OF_TIME = 0.5  # of the neighbouring frames, where an expert has 1
_ROUNDS = 4  # of reweighting
_ALONE = 3.0  # times `_NEAR`, from what was before and after


def sst_a(
  poses: np.ndarray, layout: Layout, gamma: float = GAMMA
) -> tuple[np.ndarray, np.ndarray]:
  """The aggregation as its authors' tool does it.

  In the first frame, of the two experts that agree best about a joint, one is
  kept: of experts 1, 2, 3 it is the second where the pair has it, and else the
  third. In each later frame, the expert is kept that is nearest to the
  aggregate of the frame before. Missing joints count as any other, at (0, 0),
  and the last frame is never written. From Yang et al., WACV 2021, and
  github.com/YangDi666/SSTA-PRS, tools/ssta.py.

  Args:
    poses: (3, T, V, 2) or (3, T, V, 3), zeros where missing.
    layout: of the joints.
    gamma: below it, a frame's confidence is set to 0.

  Returns:
    (T, V, 2), the last frame zeros, and (T,) the frames' confidence as of
    `frame_confidence`, 0 for the last.

  Raises:
    UserError: other than three experts, or a layout without the joints that
      confidence is measured by.
  """
  if len(poses) != 3:
    raise UserError(
      f'SST-A as published is of three experts, not of {len(poses)}; use'
      ' --method=robust'
    )
  points = poses[..., :2]
  first, second, third = points
  length = points.shape[1]
  made = np.zeros(points.shape[1:])
  joints = np.arange(points.shape[2])
  for t in range(length - 1):
    # In the tool, of equal distances the one that is written down last counts.
    if t == 0:
      pairs = ((first, third), (second, first), (second, third))
      apart = np.stack([np.linalg.norm(a[0] - b[0], axis=-1) for a, b in pairs])
      choice = np.stack([third[0], second[0], second[0]])
    else:
      choice = np.stack([first[t], third[t], second[t]])
      apart = np.linalg.norm(choice - made[t - 1], axis=-1)
    made[t] = choice[apart.argmin(0), joints]
  confidence = frame_confidence(points, made, layout)
  confidence[-1:] = 0
  return made, np.where(confidence < gamma, 0, confidence)


def frame_confidence(
  points: np.ndarray, made: np.ndarray, layout: Layout
) -> np.ndarray:
  """How well the experts agree with the aggregate, frame by frame.

    exp(-d),  d = mean over experts and 12 joints of |expert - aggregate|
                  / (|left shoulder - right shoulder| + 1e-8)

  with the shoulders of the aggregate; the joints are those from the shoulders
  down.

  Args:
    points: (N, T, V, 2); joints that are NaN are left out.
    made: (T, V, 2) the aggregate.
    layout: of the joints.

  Returns:
    (T,) from 0 to 1; 0 where nothing can be compared.

  Raises:
    UserError: the layout has no such joints.
  """
  joints = [layout.index(name) for name in COMPARED]
  apart = np.linalg.norm(points[:, :, joints] - made[:, joints], axis=-1)
  apart = apart.swapaxes(0, 1).reshape(points.shape[1], -1)
  known = np.isfinite(apart)
  count = known.sum(-1)
  mean = np.where(known, apart, 0).sum(-1) / np.maximum(count, 1)
  left, right = (made[:, layout.index(name)] for name in COMPARED[:2])
  width = np.linalg.norm(left - right, axis=-1)
  there = (count > 0) & np.isfinite(width)
  # Of a tiny width, the quotient is huge and the confidence 0.
  return np.where(there, np.exp(-mean / (width + 1e-8)), 0.0)


def robust(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """A weighted mean of those experts who agree, any number of them.

  Each frame is aggregated by itself, with the frames around it as a witness, so
  that no error is handed on:

  1. Limbs that an expert has swapped are put back (`swaps.put_back`).
  2. For each joint, the expert is sought whom most others support, where

       support = sum over experts of confidence / (1 + (distance / near)^2)^2

     and the median over a few frames counts as half an expert.
  3. From there, the mean is weighted by confidence times how reliable the
     expert is in this clip, and by agreement as in 2., four times over. So an
     outlier has next to no weight, and of experts who agree the mean is taken.
  4. A joint that one expert alone supports, far from where it was shortly
     before and after, is missing.

  Args:
    poses: (N, T, V, 3): x, y, confidence; zeros where missing, which never
      count.
    layout: of the joints.

  Returns:
    (T, V, 3), zeros where missing. The confidence is the mean over the experts
    of their own times their agreement, 0 for those who miss the joint.
  """
  poses = swaps.put_back(poses, layout)
  points = reference.points_of(poses)
  seen = np.isfinite(points[..., 0])
  sure = np.where(seen, np.clip(poses[..., 2], 0, 1), 0)
  near = _NEAR * reference.body_size(points)
  window = reference.samples(points)
  around = reference.median(window)

  start = _most_supported(points, sure, around, near)
  weights = sure * _reliability(points)[:, None, None]
  made = _mean(points, weights, start, near)

  agreement = np.where(seen, _agreement(_apart(points, made), near), 0)
  spread = reference.median(np.linalg.norm(window - around[..., None], axis=-2))
  far = _apart(made, around) > _ALONE * np.maximum(near, spread)
  lonely = (agreement > 0.1).sum(0) < 2
  missing = ~seen.any(0) | (lonely & far)
  out = np.concatenate([made, (sure * agreement).mean(0)[..., None]], -1)
  return np.where(missing[..., None], 0, out)


def _apart(a, b):
  return np.linalg.norm(a - b, axis=-1)


def _agreement(apart, near):
  return 1 / np.square(1 + np.square(apart / near))


def _most_supported(points, sure, around, near):
  """(T, V, 2): for each joint, where the expert with most support has it."""
  support = np.stack(
    [
      np.nansum(sure * _agreement(_apart(points, one), near), 0)
      + _WEIGHT_OF_TIME
      * np.nan_to_num(_agreement(_apart(one, around), 2 * near))
      for one in points
    ]
  )
  support = np.where(np.isfinite(points[..., 0]), support, -1)
  best = support.argmax(0)[None, ..., None]
  return np.take_along_axis(points, best, 0)[0]


def _mean(points, weights, start, near):
  """(T, V, 2): the mean, reweighted by agreement with itself."""
  made, filled = start, np.nan_to_num(points)
  for _ in range(_ROUNDS):
    agreement = np.nan_to_num(_agreement(_apart(points, made), near))
    share = weights * agreement
    total = share.sum(0)
    mean = np.einsum('ntv,ntvc->tvc', share, filled)
    # Far from every one of them there is no mean to speak of.
    known = (total > 1e-9)[..., None]
    made = np.where(known, mean / np.maximum(total, 1e-9)[..., None], made)
  return made


def _reliability(points):
  """(N,) inverse variances of the experts, relative to their mean.

  The squared distance of two experts is, on average, the sum of their
  variances, so that of three or more the variances follow from the pairs'
  distances: with S their sum,

    sum over m of d_nm^2 = (N - 2) s_n^2 + S,   sum over pairs = (N - 1) S

  A pair's distance is its median over joints and frames, which outliers do not
  reach. Of one or two experts, or where a pair is never seen together, all
  count the same.
  """
  count = len(points)
  if count < 3:
    return np.ones(count)
  pairs = np.zeros((count, count))
  for a, b in itertools.combinations(range(count), 2):
    apart = np.square(_apart(points[a], points[b])).ravel()
    pairs[a, b] = pairs[b, a] = reference.median(apart)
  if not np.isfinite(pairs).all() or not pairs.any():
    return np.ones(count)
  total = pairs.sum() / 2 / (count - 1)
  variance = (pairs.sum(0) - total) / (count - 2)
  reliable = 1 / np.maximum(variance, 0.2 * total / count)
  return reliable / reliable.mean()
