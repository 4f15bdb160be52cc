"""Left and right: an expert's limbs that are swapped, put back.

From behind and from the side, estimators take left for right, for a frame or
for a second, limb by limb.
"""

import numpy as np

from unik_jax.curate import reference
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout

# Of the body's size: by so much, for each pair, must a swap be nearer. Where
# left and right are as close as that, nothing is lost by leaving them.
_MARGIN = 0.03


def swap(poses: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
  """(..., V, C) with the joints of each pair in each other's place."""
  order = np.arange(poses.shape[-2])
  for left, right in pairs:
    order[[left, right]] = right, left
  return poses[..., order, :]


def put_back(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """Limbs whose swap is nearer to what all experts say around the frame.

    sum of |right - L| + |left - R| + margin < sum of |left - L| + |right - R|

  with L and R of `reference.around` and the sums over the pairs of a limb, as
  far as an expert has their joints.

  Args:
    poses: (N, T, V, 3), zeros where missing.
    layout: of the joints.

  Returns:
    (N, T, V, 3) with those limbs swapped.
  """
  points = reference.points_of(poses)
  margin = _MARGIN * reference.body_size(points)
  around = reference.around(points)
  poses = poses.copy()
  for pairs in pairs_by_part(layout):
    joints = np.array(pairs).ravel()
    mirrored = swap(points, pairs)[..., joints, :]
    # A joint that is missing says nothing; seen ones are compared with both.
    as_is = np.linalg.norm(points[..., joints, :] - around[:, joints], axis=-1)
    other = np.linalg.norm(mirrored - around[:, joints], axis=-1)
    as_is, other = (np.nansum(d, -1) for d in (as_is, other))
    swapped = other + margin * len(pairs) < as_is
    poses[swapped] = swap(poses[swapped], pairs)
  return poses
