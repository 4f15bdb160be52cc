"""Single poses on which weights between joints are drawn.

Shape legend: M persons, T frames, V joints.
"""

import numpy as np

from unik_jax.data import synthetic_body
from unik_jax.data.synthetic_actions import ANGLES
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import Layout


def make_standing_pose(layout: Layout) -> np.ndarray | None:
  """Returns a neutral pose: the synthetic body, arms and legs slightly apart.

  Args:
    layout: joint layout.

  Returns:
    (V, 2) with y up, or None if the synthetic body lacks a joint of `layout`.
  """
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
    weights = joint_maps.map_weights(body, layout)
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
  return (weights @ points)[:, :2]


def select_clearest_pose(points: np.ndarray) -> np.ndarray:
  """Returns the pose of a clip with the most joints and the widest spread.

  Args:
    points: (M, T, V, 2), NaN where a joint is missing.

  Returns:
    (V, 2).
  """
  poses = points.reshape(-1, *points.shape[2:])
  joints_seen = np.isfinite(poses).all(-1).sum(-1)
  most_visible = poses[joints_seen == joints_seen.max()]
  return most_visible[np.nanstd(most_visible, 1).sum(-1).argmax()]
