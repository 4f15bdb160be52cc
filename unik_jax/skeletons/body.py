"""Parts of a body by joint name, and the bounding box of its joints."""

import numpy as np

from unik_jax.skeletons.layouts import Layout

# Words of joint names. The first part that matches counts, so legs come before
# arms: the big toe of MediaPipe's layout is `left_foot_index`.
_PART_WORDS = {
  'leg': 'hip thigh knee shin calf ankle foot heel toe leg',
  'arm': (
    'clavicle collar shoulder elbow forearm wrist hand palm thumb index middle'
    ' ring pinky finger fingers arm'
  ),
  'face': 'eye ear mouth face',
}

LIMBS = ('left_arm', 'right_arm', 'left_leg', 'right_leg')


def body_part(joint: str) -> str | None:
  """Returns 'leg', 'arm' or 'face' by the words of a joint's name, or None."""
  words = set(joint.split('_'))
  for part, part_words in _PART_WORDS.items():
    if words & set(part_words.split()):
      return part
  return None


def limb_joints(layout: Layout, limb: str) -> list[int]:
  """Returns the joint indices of a limb, including its shoulder or hip.

  Args:
    layout: the joint layout.
    limb: one of `LIMBS`.

  Returns:
    Joint indices; empty if the layout names no joint of the limb.
  """
  side, part = limb.split('_')
  return [
    index
    for index, joint in enumerate(layout.joints)
    if joint.startswith(f'{side}_') and body_part(joint) == part
  ]


def body_parts(layout: Layout) -> list[list[int]]:
  """Returns the joint indices of each of `LIMBS`, and of all other joints."""
  limbs = [limb_joints(layout, limb) for limb in LIMBS]
  others = set(range(layout.num_joints)).difference(*limbs)
  return [*limbs, sorted(others)]


def pairs_by_part(layout: Layout) -> list[list[tuple[int, int]]]:
  """Groups the (left, right) joint pairs of arms, legs and face.

  Pairs of any other joint count as a leg's.
  """
  groups = {}
  for left, right in layout.left_right:
    part = body_part(layout.joints[left]) or 'leg'
    groups.setdefault(part, []).append((left, right))
  return list(groups.values())


def bounding_box(
  points: np.ndarray, axis: int | tuple[int, ...] = -2
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the lowest and the highest coordinates of the present joints.

  Args:
    points: (..., V, D), NaN where a joint is missing.
    axis: axes to reduce (default: the joints).

  Returns:
    Two arrays of `points` without `axis`; NaN where no joint is present.
  """
  # Unlike np.nanmin, these do not warn if every joint is missing.
  return np.fmin.reduce(points, axis), np.fmax.reduce(points, axis)


def body_diagonals(points: np.ndarray) -> np.ndarray:
  """Returns the diagonal of each body's bounding box, a measure of its size.

  Args:
    points: (..., V, D), NaN where a joint is missing.

  Returns:
    (...) lengths in the units of `points`; 0 for an absent person.
  """
  low, high = bounding_box(points)
  return np.linalg.norm(np.where(np.isnan(low), 0, high - low), axis=-1)
