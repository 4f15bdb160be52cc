"""From one joint layout to another, by joint name.

Every target joint is a weighted mean of source joints: itself where the source
has it, else what the tables here say. That covers the maps of the paper: NTU's
25 joints to the 17 main ones, and 17 to 25, where it derives the hands and
feet by linear interpolation.
"""

import functools

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

# A joint's parts with their shares. Of several recipes the first counts whose
# parts the source has, or has what makes them.
_MADE_OF: dict[str, list[dict[str, float]]] = {
  'mid_hip': [
    {'spine_base': 1},
    {'hip_center': 1},
    {'left_hip': 0.5, 'right_hip': 0.5},
  ],
  'spine_base': [{'mid_hip': 1}],
  'hip_center': [{'mid_hip': 1}],
  'neck': [
    {'shoulder_center': 1},
    {'left_shoulder': 0.5, 'right_shoulder': 0.5},
  ],
  'spine_shoulder': [{'neck': 1}],
  'shoulder_center': [{'spine_shoulder': 1}, {'neck': 1}],
  'chest': [{'spine_mid': 1}, {'spine': 1}, {'mid_hip': 0.5, 'neck': 0.5}],
  'spine_mid': [{'chest': 1}],
  'spine': [{'chest': 1}],
  'head': [{'left_ear': 0.5, 'right_ear': 0.5}, {'nose': 1}],
  'nose': [{'head': 0.5, 'neck': 0.5}],
}
for _side in ('left_', 'right_'):
  # Beyond the wrist or ankle on the line of the limb, by a share of its length.
  # 0.2 is what the hands of MSR-Action3D measure (0.21, deviation 0.02); the
  # paper does not print its own shares.
  for _end, _limb, _share in (
    ('hand', 'wrist elbow', 0.2),
    ('thumb', 'wrist elbow', 0.3),
    ('hand_tip', 'wrist elbow', 0.4),
    ('foot', 'ankle knee', 0.2),
  ):
    _near, _far = _limb.split()
    _MADE_OF[_side + _end] = [
      {_side + _near: 1 + _share, _side + _far: -_share}
    ]

# Names of one place, in the order in which they are looked for.
_PLACES = (
  ('mid_hip', 'spine_base', 'hip_center'),
  ('chest', 'spine_mid', 'spine'),
  ('spine_shoulder', 'shoulder_center', 'neck'),
)
# Where a name means different places: the spine of the 17 joints, from the
# head down, stands for that of the 25 joint by joint.
_SPINES = (
  ('nose', 'neck'),
  ('neck', 'spine_shoulder'),
  ('chest', 'spine_mid'),
  ('mid_hip', 'spine_base'),
)
_RENAMED = {
  ('ntu_25', 'unik_17'): dict(_SPINES),
  ('unik_17', 'ntu_25'): {ntu: unik for unik, ntu in _SPINES},
}


def find_counterparts(source: Layout, target: Layout) -> list[int | None]:
  """For each joint of `target`, the one of `source` at the same place.

  It has the same name, or another name for that place; None where there is
  none.
  """
  renamed = _RENAMED.get((source.name, target.name), {})
  places = []
  for joint in target.joints:
    joint = renamed.get(joint, joint)
    others = [name for place in _PLACES if joint in place for name in place]
    found = [name for name in (joint, *others) if name in source.joints]
    places.append(source.joints.index(found[0]) if found else None)
  return places


def find_nearest(source: Layout, target: Layout) -> list[int]:
  """As `find_counterparts`, and elsewhere that of the fewest bones away.

  Bones are those of `target`; of several equally near, the first in its order.

  Raises:
    UserError: the layouts have no joint in common.
  """
  places = find_counterparts(source, target)
  if all(place is None for place in places):
    raise UserError(
      f'layouts {source.name!r} and {target.name!r} have no joint in common;'
      ' use --config.init_joints=fresh'
    )
  neighbours = [[] for _ in places]
  for child, parent in target.bone_indices:
    neighbours[child].append(parent)
    neighbours[parent].append(child)
  out = []
  for joint in range(len(places)):
    ring, seen = [joint], {joint}
    while all(places[j] is None for j in ring):
      ring = sorted({n for j in ring for n in neighbours[j]} - seen)
      seen |= set(ring)
    out.append(next(places[j] for j in ring if places[j] is not None))
  return out


@functools.cache
def map_weights(
  source: Layout, target: Layout, *, partial: bool = False
) -> np.ndarray:
  """The share of each source joint in each target joint.

  Args:
    source: layout of the data.
    target: layout that it is to have.
    partial: whether a joint may be left out that can be made of none.

  Returns:
    (V', V) float32; rows sum to 1, or are zeros of joints left out.

  Raises:
    UserError: a target joint can be made of none of the source's.
  """
  renamed = _RENAMED.get((source.name, target.name), {})
  rows = [_shares(renamed.get(j, j), source.joints) for j in target.joints]
  missing = [j for j, r in zip(target.joints, rows, strict=True) if r is None]
  if partial and len(missing) < len(rows):
    none = np.zeros(source.num_joints)
    rows = [none if row is None else row for row in rows]
  elif missing:
    raise UserError(
      f'layout {source.name!r} cannot be mapped to {target.name!r}: it has'
      f' nothing to make {", ".join(missing)} of'
    )
  return np.float32(rows)


def _shares(joint, joints, under_way=()):
  """Shares of each of `joints` in a joint, or None."""
  if joint in joints:
    return np.eye(len(joints))[joints.index(joint)]
  if joint in under_way:
    return None
  for recipe in _MADE_OF.get(joint, ()):
    parts = [_shares(part, joints, (*under_way, joint)) for part in recipe]
    if all(part is not None for part in parts):
      return sum(w * p for w, p in zip(recipe.values(), parts, strict=True))
  return None


def convert_clip(
  clip: np.ndarray,
  source: Layout,
  target: Layout,
  *,
  confidence: bool = False,
  partial: bool = False,
) -> np.ndarray:
  """A clip in another layout.

  Args:
    clip: (M, T, V, C) of layout `source`.
    source: layout of the clip.
    target: layout that it is to have.
    confidence: whether the last channel is one; the least of a joint's parts
      becomes its own.
    partial: as for `map_weights`; a joint that is left out is missing.

  Returns:
    (M, T, V', C). A joint that a missing one (all zeros) is part of is missing.

  Raises:
    UserError: as `map_weights`.
  """
  if source == target:
    return clip
  shares = map_weights(source, target, partial=partial)
  points, scores = np.split(clip, [clip.shape[-1] - confidence], -1)
  absent = ~points.any(-1, keepdims=True)
  broken = np.float32(shares != 0) @ np.float32(absent) > 0
  made = np.where(broken, 0, shares @ points)
  if not confidence:
    return made
  parts = np.where((shares != 0)[..., None], scores[..., None, :, :], np.inf)
  least = parts.min(-2)
  least = np.where(np.isinf(least), 0, least)
  return np.concatenate([made, least], -1)
