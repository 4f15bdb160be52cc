"""Where joints are drawn: from recorded coordinates to a flat picture.

Shape legend: M persons, T frames, V joints, D coordinates.
"""

import numpy as np

from unik_jax.data import synthetic_body
from unik_jax.data.synthetic_actions import ANGLES
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import Layout


def to_screen(poses: np.ndarray, layout: Layout) -> np.ndarray:
  """Recorded coordinates as they are drawn.

  Those of images have their y downwards. Those in space are seen from the
  front and 25 degrees to the side, so that a step forwards shows too; which
  axis is up and which way the body faces is taken from the first person.

  Args:
    poses: (M, T, V, D) of 2 or 3 coordinates; zeros are missing.
    layout: of the joints.

  Returns:
    (M, T, V, 2) y upwards; NaN where a joint is missing.
  """
  seen = poses.any(-1, keepdims=True)
  if poses.shape[-1] == 2:
    return np.where(seen, poses * [1, -1], np.nan)

  first = poses[seen.any((1, 2, 3)).argmax()]

  def directions(ends):
    """From one joint to the other, (N, 3), of the frames that have both."""
    a, b = (
      first[:, layout.index(joint)] for joint in ends or layout.joints[:1] * 2
    )
    return (b - a)[a.any(-1) & b.any(-1)]

  lean, across = directions(layout.up), directions(layout.across)
  lean = lean.sum(0)
  up = np.array([0.0, -1.0, 0.0])  # y downwards, where nothing is known
  if lean.any():
    # The axis nearest to the trunk: a body that bends must not tilt the room.
    axis = np.abs(lean).argmax()
    up = np.sign(lean[axis]) * np.eye(3)[axis]
  level = across - np.outer(across @ up, up)
  length = np.linalg.norm(level, axis=-1)
  # Not where the two ends coincide, or lie one above the other.
  tells = length > 0.1 * np.linalg.norm(across, axis=-1)
  left = up[[2, 0, 1]]
  if tells.any():
    left = -level[tells][0] / length[tells][0]
  turn = np.radians(25)
  aside = np.cos(turn) * left - np.sin(turn) * np.cross(left, up)
  return np.where(seen, poses @ np.stack([aside, up], -1), np.nan)


def standing(layout: Layout) -> np.ndarray | None:
  """A neutral pose, (V, 2) y upwards; None for joints that we cannot place."""
  body = Layout(
    name='synthetic_body',
    joints=synthetic_body.JOINTS,
    bones=tuple(
      (joint, parent)
      for joint, (parent, *_) in synthetic_body.SKELETON.items()
      if parent
    ),
    center='spine_mid',
  )
  try:
    shares = joint_maps.map_weights(body, layout)
  except UserError:
    return None
  bones = {j: place for j, (*_, place) in synthetic_body.SKELETON.items()}
  subject = synthetic_body.Subject(bones, 1.0, 1.0, 1.0, {}, 0.0)
  angles = {name: np.zeros(1) for name in ANGLES}
  for side in ('left', 'right'):
    angles |= {
      f'{side}_arm.raise': np.array([38.0]),
      f'{side}_arm.plane': np.array([90.0]),
      f'{side}_leg.raise': np.array([9.0]),
      f'{side}_leg.plane': np.array([90.0]),
    }
  (points,) = synthetic_body.forward_kinematics(angles, subject)
  return (shares @ points)[:, :2]


def clearest(points: np.ndarray) -> np.ndarray:
  """The pose (V, 2) of a clip (M, T, V, 2) with most joints and most spread."""
  flat = points.reshape(-1, *points.shape[2:])
  seen = np.isfinite(flat).all(-1).sum(-1)
  full = flat[seen == seen.max()]
  return full[np.nanstd(full, 1).sum(-1).argmax()]
