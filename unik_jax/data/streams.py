"""The four streams of skeleton data, each made from joints (M, T, V, C).

Arrays may be numpy's or JAX's; a stream is of the same kind.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

Array = Any


def joint(joints: Array, layout: Layout) -> Array:
  """The coordinates themselves."""
  del layout
  return joints


def bone(joints: Array, layout: Layout) -> Array:
  """Each joint minus its parent (Sec. 3.1).

  Args:
    joints: (M, T, V, C).
    layout: its bones are (child, parent).

  Returns:
    (M, T, V, C); a bone stands at its child's place. At the root's there are
    zeros, or its coordinates where the layout says so.
  """
  bones = joints - joints[:, :, np.array(layout.parents)]
  if not layout.root_keeps_position:
    return bones
  xp = joints.__array_namespace__()
  root = np.arange(layout.num_joints)[:, None] == layout.root
  return xp.where(root, joints, bones)


def motion(x: Array) -> Array:
  """x[t + 1] - x[t] along the frames of (M, T, V, C); zeros in the last."""
  return x.__array_namespace__().diff(x, axis=1, append=x[:, -1:])


def joint_motion(joints: Array, layout: Layout) -> Array:
  """The motion of the joints."""
  del layout
  return motion(joints)


def bone_motion(joints: Array, layout: Layout) -> Array:
  """The motion of the bones."""
  return motion(bone(joints, layout))


STREAMS: dict[str, Callable[[Array, Layout], Array]] = {
  'joint': joint,
  'bone': bone,
  'joint_motion': joint_motion,
  'bone_motion': bone_motion,
}


def get_stream(name: str) -> Callable[[Array, Layout], Array]:
  """The stream of that name; a UserError names the known ones."""
  if name not in STREAMS:
    raise UserError(f'data.stream is {name!r}; use one of {", ".join(STREAMS)}')
  return STREAMS[name]
