"""Detects swapped left and right limbs, and swaps them back.

Seen from behind or from the side, estimators confuse left and right. The
confusion lasts from one frame to a second, and concerns one limb pair at a
time: arms, legs or face.
"""

import numpy as np

from unik_jax.curate import pose_statistics
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout

# How much nearer, per joint pair and in body sizes, the swapped limbs must be.
# Left and right that are closer than this are harmless either way.
_MARGIN = 0.03


def swap_sides(poses: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
  """Returns poses (..., V, C) with the two joints of each pair exchanged."""
  order = np.arange(poses.shape[-2])
  for left, right in pairs:
    order[[left, right]] = right, left
  return poses[..., order, :]


def undo_swaps(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """Swaps limbs back where that brings them nearer to the local median.

    sum of |right - L| + |left - R| + margin < sum of |left - L| + |right - R|

  L and R are the left and right joint in `pose_statistics.local_median`. The
  sums run over the joint pairs of one part of the body that the estimator has.

  Args:
    poses: (N, T, V, 3), zeros where missing.
    layout: joint layout.

  Returns:
    (N, T, V, 3) with those limbs swapped.
  """
  points = pose_statistics.visible_points(poses)
  margin = _MARGIN * pose_statistics.body_size(points)
  median = pose_statistics.local_median(points)
  poses = poses.copy()
  for pairs in pairs_by_part(layout):
    joints = np.array(pairs).ravel()
    target = median[:, joints]
    swapped_points = swap_sides(points, pairs)[..., joints, :]
    # nansum: a missing joint adds nothing to either side.
    unchanged, swapped = (
      np.nansum(np.linalg.norm(candidate - target, axis=-1), -1)
      for candidate in (points[..., joints, :], swapped_points)
    )
    is_swapped = swapped + margin * len(pairs) < unchanged
    poses[is_swapped] = swap_sides(poses[is_swapped], pairs)
  return poses
