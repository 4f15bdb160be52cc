"""Joint layouts of animals and other tracked things, from names in a file."""

import hashlib
import re
from collections.abc import Sequence

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import (
  BUILT_IN,
  Layout,
  get_layout,
  register_layout,
)

_PREFIX = 'points_'


def register_points(
  names: Sequence[str], edges: Sequence[tuple[int, int]], where: str
) -> Layout:
  """Returns the layout of named points, and registers it.

  Its name follows from its content, so that all files with the same points have
  the same layout. Bones are a tree of the edges; points without an edge are
  children of the root, which is the first point of the first edge, or else the
  first point.

  Args:
    names: names of the points, in the order of the data. Characters that
      layouts do not have become underscores.
    edges: pairs of indices, such as a tracker's skeleton; may be empty.
    where: the file, for errors.

  Raises:
    UserError: there are no points, two have one name, or an edge is out of
      range.
  """
  joints = _clean_names(names)
  if not joints or len(set(joints)) < len(joints):
    raise UserError(
      f'{where}: expected points with different names, got'
      f' {", ".join(map(repr, names)) or "none"}'
    )
  if any(not 0 <= point < len(joints) for edge in edges for point in edge):
    raise UserError(
      f'{where}: expected edges between {len(joints)} points, got'
      f' {[tuple(edge) for edge in edges]}'
    )
  root = edges[0][0] if edges else 0
  bones = [
    (joints[child], joints[parent])
    for child, parent in enumerate(_find_parents(len(joints), edges, root))
    if child != root
  ]
  content = ' '.join(joints) + '|' + ' '.join('<'.join(bone) for bone in bones)
  digest = hashlib.sha256(content.encode()).hexdigest()[:6]
  layout = Layout(
    name=f'{_PREFIX}{digest}_{len(joints)}',
    joints=tuple(joints),
    bones=tuple(bones),
    center=joints[root],
  )
  register_layout(layout)
  return layout


def is_named_points(name: str) -> bool:
  """Returns whether a layout was taken from a file, by `register_points`."""
  return name.startswith(_PREFIX)


def check_points(name: str, layout: Layout, origin: str, where: str) -> None:
  """Raises a UserError if a file has other named points than expected.

  Args:
    name: layout of the file, '' if its format has none.
    layout: the expected layout. One of the user's own may rename the points.
    origin: what states it, for errors.
    where: the file, for errors.
  """
  is_own = layout.name not in BUILT_IN and not is_named_points(layout.name)
  if not name or is_own:
    return
  found = get_layout(name)
  either_named = is_named_points(name) or is_named_points(layout.name)
  if either_named and found.joints != layout.joints:
    raise UserError(
      f'{where}: expected {_describe(layout)}, as in {origin}, got'
      f' {_describe(found)}. Use files with the same points'
    )


def _describe(layout):
  if is_named_points(layout.name):
    return f'the points {", ".join(layout.joints)}'
  return f'the joints of {layout.name!r}'


def _clean_names(names):
  """Returns names as layouts have them: words, and sides in pairs."""
  clean = [re.sub(r'[^\w.+-]+', '_', name.strip()) for name in names]
  for n, name in enumerate(clean):
    for side, other in (('left_', 'right_'), ('right_', 'left_')):
      rest = name.removeprefix(side)
      if name.startswith(side) and other + rest not in clean:
        clean[n] = f'{side[:-1]}-{rest}'  # a side without its counterpart
  return clean


def _find_parents(points, edges, root):
  """Returns the parent of each point, breadth first from the root."""
  neighbours = [[] for _ in range(points)]
  for a, b in edges:
    neighbours[a].append(b)
    neighbours[b].append(a)
  parents = [root] * points
  seen, ring = {root}, [root]
  while len(seen) < points:
    found = []
    for point in ring:
      for other in neighbours[point]:
        if other not in seen:
          seen.add(other)
          found.append(other)
          parents[other] = point
    if not found:  # the rest is not connected to the root
      found = [min(set(range(points)) - seen)]
      seen.add(found[0])
    ring = found
  return parents
