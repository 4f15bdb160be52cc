"""Projects recorded coordinates to a flat picture.

Shape legend: M persons, T frames, V joints, D coordinates.
"""

import numpy as np

from unik_jax.skeletons.layouts import Layout

_TURN = np.radians(25)  # of the camera, so that a step forward shows


def project_poses(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """Returns recorded coordinates as they are drawn.

  2-D coordinates come from images, where y points down; they are flipped. 3-D
  coordinates are seen from the front, turned by 25 degrees. The first person
  decides which axis is up and which way is the front.

  Args:
    poses: (M, T, V, D) of 2 or 3 coordinates; zeros are missing.
    layout: joint layout.

  Returns:
    (M, T, V, 2) with y up; NaN where a joint is missing.
  """
  seen = poses.any(-1, keepdims=True)
  if poses.shape[-1] == 2:
    return np.where(seen, poses * [1, -1], np.nan)

  first = poses[seen.any((1, 2, 3)).argmax()]
  up = _up_axis(_directions(first, layout, layout.up))
  left = _left_axis(_directions(first, layout, layout.across), up)
  # Seen from the front, the performer's left is at the right of the picture.
  x = np.cos(_TURN) * left - np.sin(_TURN) * np.cross(left, up)
  return np.where(seen, poses @ np.stack([x, up], -1), np.nan)


def name_up_axis(poses: np.ndarray, layout: Layout) -> str:
  """Returns which axis of 3-D poses is drawn upwards, such as '-y'.

  Args:
    poses: (M, T, V, 3); zeros are missing.
    layout: joint layout.
  """
  first = poses[poses.any((1, 2, 3)).argmax()]
  up = _up_axis(_directions(first, layout, layout.up))
  axis = int(np.abs(up).argmax())
  return f'{"+" if up[axis] > 0 else "-"}{"xyz"[axis]}'


def _directions(person, layout, ends):
  """Returns (N, 3) from one joint to the other, for frames that have both.

  Args:
    person: (T, V, 3).
    layout: joint layout.
    ends: two joint names; None gives zeros.
  """
  a, b = (
    person[:, layout.index(joint)] for joint in ends or layout.joints[:1] * 2
  )
  return (b - a)[a.any(-1) & b.any(-1)]


def _up_axis(trunk):
  """Returns the coordinate axis (3,) that points up.

  Args:
    trunk: (N, 3) directions from the lower to the upper end of the trunk.
  """
  trunk = trunk.sum(0)
  if not trunk.any():
    return np.array([0.0, -1.0, 0.0])  # y points down in camera axes
  # The axis nearest to the trunk, not the trunk itself: when a body bends, the
  # room must not tilt.
  axis = np.abs(trunk).argmax()
  return np.sign(trunk[axis]) * np.eye(3)[axis]


def _left_axis(across, up):
  """Returns the horizontal direction (3,) to the performer's left.

  Args:
    across: (N, 3) directions from the left to the right shoulder or hip.
    up: (3,).
  """
  level = across - np.outer(across @ up, up)
  length = np.linalg.norm(level, axis=-1)
  # Skips frames in which the ends coincide, or lie one above the other.
  usable = length > 0.1 * np.linalg.norm(across, axis=-1)
  if usable.any():
    return -level[usable][0] / length[usable][0]
  return up[[2, 0, 1]]  # any horizontal axis
