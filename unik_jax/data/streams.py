"""The four streams of skeleton data, each made from joints (M, T, V, C)."""

from collections.abc import Callable

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons import Layout


def joint(joints: np.ndarray, layout: Layout) -> np.ndarray:
  """The coordinates themselves."""
  del layout
  return joints


def bone(joints: np.ndarray, layout: Layout) -> np.ndarray:
  """Each joint minus its parent (Sec. 3.1).

  Args:
    joints: (M, T, V, C).
    layout: its bones are (child, parent).

  Returns:
    (M, T, V, C); a bone stands at its child's place. At the root's there are
    zeros, or its coordinates where the layout says so.
  """
  bones = joints - joints[:, :, list(layout.parents)]
  if layout.root_keeps_position:
    bones[:, :, layout.root] = joints[:, :, layout.root]
  return bones


def motion(x: np.ndarray) -> np.ndarray:
  """x[t + 1] - x[t] along the frames of (M, T, V, C); zeros in the last."""
  return np.diff(x, axis=1, append=x[:, -1:])


def joint_motion(joints: np.ndarray, layout: Layout) -> np.ndarray:
  """The motion of the joints."""
  del layout
  return motion(joints)


def bone_motion(joints: np.ndarray, layout: Layout) -> np.ndarray:
  """The motion of the bones."""
  return motion(bone(joints, layout))


STREAMS: dict[str, Callable[[np.ndarray, Layout], np.ndarray]] = {
  'joint': joint,
  'bone': bone,
  'joint_motion': joint_motion,
  'bone_motion': bone_motion,
}


def get_stream(name: str) -> Callable[[np.ndarray, Layout], np.ndarray]:
  """The stream of that name; a UserError names the known ones."""
  if name not in STREAMS:
    raise UserError(f'data.stream is {name!r}; use one of {", ".join(STREAMS)}')
  return STREAMS[name]
