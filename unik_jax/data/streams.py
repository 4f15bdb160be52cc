"""The four streams of skeleton data, each derived from joints (M, T, V, C).

Functions take numpy or JAX arrays and return the same kind.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from unik_jax.errors import check_choice
from unik_jax.skeletons.layouts import Layout

Array = Any


def joint(joints: Array, layout: Layout) -> Array:
  """Returns the coordinates unchanged."""
  del layout
  return joints


def bone(joints: Array, layout: Layout) -> Array:
  """Returns each joint minus its parent joint (UNIK, Sec. 3.1).

  Args:
    joints: (M, T, V, C).
    layout: gives each joint's parent.

  Returns:
    (M, T, V, C), each bone at the index of its child joint. The root's entry is
    zero, or its coordinates if `layout.root_keeps_position`.
  """
  bones = joints - joints[:, :, np.array(layout.parents)]
  if not layout.root_keeps_position:
    return bones
  xp = joints.__array_namespace__()
  root = np.arange(layout.num_joints)[:, None] == layout.root
  return xp.where(root, joints, bones)


def motion(x: Array) -> Array:
  """Returns x[:, t + 1] - x[:, t] of (M, T, V, C); zeros in the last frame."""
  return x.__array_namespace__().diff(x, axis=1, append=x[:, -1:])


def joint_motion(joints: Array, layout: Layout) -> Array:
  """Returns the motion of the joints."""
  del layout
  return motion(joints)


def bone_motion(joints: Array, layout: Layout) -> Array:
  """Returns the motion of the bones."""
  return motion(bone(joints, layout))


STREAMS: dict[str, Callable[[Array, Layout], Array]] = {
  'joint': joint,
  'bone': bone,
  'joint_motion': joint_motion,
  'bone_motion': bone_motion,
}


def get_stream(name: str) -> Callable[[Array, Layout], Array]:
  """Returns the function that derives a stream.

  Raises:
    UserError: the name is unknown.
  """
  check_choice('config.data.stream', name, STREAMS)
  return STREAMS[name]
