"""Maps from one joint layout to another, by joint name.

Every target joint is a weighted mean of source joints: the joint itself if the
source has it, else a recipe of `_RECIPES`. This covers the maps of the paper:
NTU's 25 joints to the 17 main ones, and 17 to 25, where hands and feet are
linearly extrapolated.
"""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

# Recipes of a joint: source joints with their weights. The first recipe counts
# whose joints the source has, or can derive by other recipes.
_RECIPES: dict[str, list[dict[str, float]]] = {
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
  'chest': [
    {'spine_mid': 1},
    {'spine': 1},
    {'torso': 1},
    {'mid_hip': 0.5, 'neck': 0.5},
  ],
  'spine_mid': [{'chest': 1}],
  'spine': [{'chest': 1}],
  'head': [{'left_ear': 0.5, 'right_ear': 0.5}, {'nose': 1}],
  'nose': [{'head': 0.5, 'neck': 0.5}],
}
for _side in ('left_', 'right_'):
  # On the line from elbow to wrist (knee to ankle), beyond it by a share of its
  # length. The hands of MSR-Action3D are at 0.21 (deviation 0.02); the paper
  # does not print its shares.
  for _end, _limb, _share in (
    ('hand', 'wrist elbow', 0.2),
    ('thumb', 'wrist elbow', 0.3),
    ('hand_tip', 'wrist elbow', 0.4),
    ('foot', 'ankle knee', 0.2),
  ):
    _near, _far = _limb.split()
    _RECIPES[_side + _end] = [
      {_side + _near: 1 + _share, _side + _far: -_share}
    ]
  # OpenNI has no wrists and ankles; its hands and feet are the ends of limbs.
  _RECIPES[_side + 'wrist'] = [{_side + 'hand': 1}]
  _RECIPES[_side + 'ankle'] = [{_side + 'foot': 1}]

# Names of the same place, in the order of preference.
_SYNONYMS = (
  ('mid_hip', 'spine_base', 'hip_center'),
  ('chest', 'spine_mid', 'spine', 'torso'),
  ('spine_shoulder', 'shoulder_center', 'neck'),
)
# Joints with the same name at different places: the spine of the 17 joints is
# matched to that of the 25 joint by joint, from the head down.
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
  """Finds the source joint at the place of each target joint.

  Args:
    source: layout to search.
    target: layout whose joints are searched for.

  Returns:
    For each target joint, the index of the source joint with the same name, or
    with another name for the same place; None if there is none.
  """
  renamed = _RENAMED.get((source.name, target.name), {})
  names = [
    _find_name(renamed.get(joint, joint), source.joints)
    for joint in target.joints
  ]
  return [None if n is None else source.joints.index(n) for n in names]


def _find_name(joint, names):
  """Returns which of the names is that of a joint's place, or None."""
  synonyms = [name for group in _SYNONYMS if joint in group for name in group]
  known = [name for name in (joint, *synonyms) if name in names]
  return known[0] if known else None


def unite_layouts(layouts: Sequence[Layout]) -> Layout:
  """Returns a layout with all joints of some layouts, each place once.

  `find_counterparts(united, layout)` then finds a joint of its own for each
  joint of a layout. Names alone count: joints that have one name at different
  places in two layouts (the necks of `unik_17` and `ntu_25`) are one joint.

  Args:
    layouts: at least one layout.

  Returns:
    One of the layouts, if it has all joints. Else a layout named after its
    joints, whose bones lead from each joint to its centre and mean nothing.
  """
  names: list[str] = []
  count = -1
  while count != len(names):  # a new name can be that of an earlier joint
    count = len(names)
    for layout in layouts:
      names += _unmatched_joints(layout, names)
  for layout in layouts:
    if layout.joints == tuple(names):
      return layout
  center = layouts[0].center
  bones = tuple((name, center) for name in names if name != center)
  digest = hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]
  name = f'united_{len(names)}_{digest}'
  return Layout(name, tuple(names), bones, center)


def _unmatched_joints(layout, names):
  """Returns the joints without a name, or whose name another joint takes."""
  order = [name for group in _SYNONYMS for name in group]

  def precedence(joint):
    return joint not in names, joint in order and order.index(joint)

  taken, unmatched = set(), set()
  for joint in sorted(layout.joints, key=precedence):
    name = _find_name(joint, names)
    if name is None or name in taken:
      unmatched.add(joint)
    taken.add(name)
  return [joint for joint in layout.joints if joint in unmatched]


def find_nearest(source: Layout, target: Layout) -> list[int]:
  """Finds the source joint nearest to each target joint.

  That is its counterpart (`find_counterparts`). If it has none, it is the
  counterpart of the target joint fewest bones away; the first one if several
  are equally near.

  Args:
    source: layout to search.
    target: layout whose joints are searched for, and whose bones are counted.

  Returns:
    The index of a source joint for each target joint.

  Raises:
    UserError: the layouts have no joint in common.
  """
  counterparts = find_counterparts(source, target)
  if all(joint is None for joint in counterparts):
    raise UserError(
      f'layouts {source.name!r} and {target.name!r} have no joint in common.'
      ' Use --config.init_joints=fresh'
    )
  neighbours = [[] for _ in counterparts]
  for child, parent in target.bone_indices:
    neighbours[child].append(parent)
    neighbours[parent].append(child)
  nearest = []
  for joint in range(len(counterparts)):
    # Breadth-first search, one ring of joints at a time.
    ring, seen = [joint], {joint}
    while all(counterparts[j] is None for j in ring):
      ring = sorted({n for j in ring for n in neighbours[j]} - seen)
      seen |= set(ring)
    nearest.append(next(c for j in ring if (c := counterparts[j]) is not None))
  return nearest


@functools.cache
def map_weights(
  source: Layout, target: Layout, *, partial: bool = False
) -> np.ndarray:
  """Returns the weight of each source joint in each target joint.

  Args:
    source: layout of the data.
    target: layout to map to.
    partial: whether target joints that cannot be derived are left missing.

  Returns:
    (V', V) float32. Rows sum to 1; rows of missing joints are zeros.

  Raises:
    UserError: a target joint cannot be derived, or none with `partial`.
  """
  renamed = _RENAMED.get((source.name, target.name), {})
  rows = [_weights(renamed.get(j, j), source.joints) for j in target.joints]
  missing = [j for j, r in zip(target.joints, rows, strict=True) if r is None]
  if partial and len(missing) < len(rows):
    zeros = np.zeros(source.num_joints)
    rows = [zeros if row is None else row for row in rows]
  elif missing:
    raise UserError(
      f'layout {source.name!r} cannot be mapped to {target.name!r}: it has no'
      f' joints to derive {", ".join(missing)} from'
    )
  return np.float32(rows)


def _weights(joint, joints, pending=()):
  """Returns the weights of `joints` in a joint, or None.

  `pending` are the joints whose recipes led here. Recipes refer to each other
  (nose to head, head to nose), so these are not tried again.
  """
  if joint in joints:
    return np.eye(len(joints))[joints.index(joint)]
  if joint in pending:
    return None
  for recipe in _RECIPES.get(joint, ()):
    parts = [_weights(part, joints, (*pending, joint)) for part in recipe]
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
  """Maps a clip to another layout.

  Args:
    clip: (M, T, V, C) of layout `source`.
    source: layout of the clip.
    target: layout to map to.
    confidence: whether the last channel is a confidence. A joint gets the
      lowest confidence of the joints it is derived from.
    partial: see `map_weights`.

  Returns:
    (M, T, V', C). A joint is missing (all zeros) if one that it is derived from
    is missing.

  Raises:
    UserError: see `map_weights`.
  """
  if source == target:
    return clip
  weights = map_weights(source, target, partial=partial)
  points, scores = np.split(clip, [clip.shape[-1] - confidence], -1)
  missing = ~points.any(-1, keepdims=True)
  incomplete = np.float32(weights != 0) @ np.float32(missing) > 0
  mapped = np.where(incomplete, 0, weights @ points)
  if not confidence:
    return mapped
  parts = np.where((weights != 0)[..., None], scores[..., None, :, :], np.inf)
  lowest = parts.min(-2)
  lowest = np.where(np.isinf(lowest), 0, lowest)  # of joints left missing
  return np.concatenate([mapped, lowest], -1)
