"""Joint layouts as data: names, bones, centre and sides.

A layout defines bone streams, normalisation, plots, maps between datasets by
joint name, and the graphs of graph networks. UNIK uses no graph, so its model
needs no layout. `layouts.yaml` and `whole_body.yaml` have the built-in layouts;
a user's layout has the same form.
"""

import dataclasses
import functools
import pathlib
from typing import Any

import yaml

from unik_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Layout:
  """A joint layout: the joints of a skeleton, in the order of the data.

  Attributes:
    name: the key in `LAYOUTS`.
    joints: joint names in the order of the data's joint axis. The prefix
      `left_` or `right_` marks a side.
    bones: (child, parent) joint names; a tree with one root.
    center: the joint that normalisation subtracts.
    up: two joints, the lower one first, or None. Normalisation rotates a 3-D
      body so that the direction from the first to the second is +z.
    across: two joints, the left one first, or None. The same for +x.
    root_keeps_position: whether the bone stream holds the root's coordinates
      at the root instead of zeros. True for UNIK's 17 joints: the published
      script leaves joint 1 unchanged.

  Raises:
    UserError: the bones are no tree of the joints, a name is unknown or
      repeated, or a left joint has no right counterpart.
  """

  name: str
  joints: tuple[str, ...]
  bones: tuple[tuple[str, str], ...]
  center: str
  up: tuple[str, str] | None = None
  across: tuple[str, str] | None = None
  root_keeps_position: bool = False

  def __post_init__(self):
    problem = self._problem()
    if problem:
      raise UserError(f'joint layout {self.name!r}: {problem}')

  def _problem(self):
    joints = self.joints
    if not joints:
      return 'joints: expected at least one, got none'
    if twice := sorted({j for j in joints if joints.count(j) > 1}):
      return f'joints: expected each name once, got {twice[0]!r} twice'
    names_by_key = {
      'bones': [joint for bone in self.bones for joint in bone],
      'center': [self.center],
      'up': self.up or (),
      'across': self.across or (),
    }
    for key, names in names_by_key.items():
      if unknown := [joint for joint in names if joint not in joints]:
        return (
          f'{key}: expected joints of the layout ({", ".join(joints)}), got'
          f' {unknown[0]!r}'
        )
    parent = dict(self.bones)
    if len(parent) != len(self.bones):
      children = [child for child, _ in self.bones]
      joint = next(j for j in children if children.count(j) > 1)
      return f'bones: expected one parent for each joint, got two for {joint!r}'
    roots = [joint for joint in joints if joint not in parent]
    if len(roots) != 1:
      return (
        'bones: expected a tree with one root, got'
        f' {len(roots)} joints without a parent ({", ".join(roots)})'
      )
    # From any joint, V steps to the parent lead to the root, unless the bones
    # form a cycle.
    for joint in joints:
      for _ in joints:
        joint = parent.get(joint, joint)
      if joint != roots[0]:
        return f'bones: expected a tree, got a cycle through {joint!r}'
    for joint in joints:
      if joint.startswith('left_'):
        other = 'right_' + joint.removeprefix('left_')
        if other not in joints:
          return f'joints: expected {other!r} to match {joint!r}, got none'
    return None

  def index(self, joint: str) -> int:
    """Returns the index of a joint.

    Raises:
      UserError: the layout has no such joint.
    """
    try:
      return self.joints.index(joint)
    except ValueError:
      raise UserError(
        f'joint layout {self.name!r}: expected one of its joints'
        f' ({", ".join(self.joints)}), got {joint!r}'
      ) from None

  @property
  def num_joints(self) -> int:
    return len(self.joints)

  @functools.cached_property
  def bone_indices(self) -> tuple[tuple[int, int], ...]:
    """Bones as (child, parent) indices."""
    return tuple((self.index(c), self.index(p)) for c, p in self.bones)

  @functools.cached_property
  def parents(self) -> tuple[int, ...]:
    """The index of each joint's parent; the root is its own parent."""
    parents = list(range(self.num_joints))
    for child, parent in self.bone_indices:
      parents[child] = parent
    return tuple(parents)

  @property
  def root(self) -> int:
    """The index of the joint without a parent."""
    return next(j for j, p in enumerate(self.parents) if j == p)

  @functools.cached_property
  def left_right(self) -> tuple[tuple[int, int], ...]:
    """(left, right) index pairs of joints that mirror each other."""
    return tuple(
      (j, self.index('right_' + name.removeprefix('left_')))
      for j, name in enumerate(self.joints)
      if name.startswith('left_')
    )

  @functools.cached_property
  def sides(self) -> tuple[int, ...]:
    """Each joint's side: -1 for left, 1 for right, 0 for neither."""
    sides = [0] * self.num_joints
    for left, right in self.left_right:
      sides[left], sides[right] = -1, 1
    return tuple(sides)

  def to_dict(self) -> dict[str, Any]:
    """Returns a JSON table that `layout_from_dict` reads."""
    out: dict[str, Any] = {
      'name': self.name,
      'joints': ' '.join(self.joints),
      'bones': ' '.join('<'.join(bone) for bone in self.bones),
      'center': self.center,
    }
    if self.up:
      out['up'] = ' '.join(self.up)
    if self.across:
      out['across'] = ' '.join(self.across)
    if self.root_keeps_position:
      out['root_keeps_position'] = True
    return out


def layout_from_dict(table: dict[str, Any], where: str) -> Layout:
  """Returns the layout that a table describes.

  Args:
    table: `name`, `joints`, `bones`, `center`, and optionally `up`, `across`
      and `root_keeps_position`, as in `layouts.yaml`. A list of names may be
      one string of words.
    where: the file, named in errors.

  Raises:
    UserError: a key is missing, unknown or malformed.
  """
  known = [field.name for field in dataclasses.fields(Layout)]
  needed = ('name', 'joints', 'bones', 'center')
  for key in needed:
    if key not in table:
      raise UserError(
        f'{where}, {key}: expected a value, got none. See'
        ' unik_jax/skeletons/layouts.yaml for examples.'
      )
  if unknown := sorted(set(map(str, table)) - set(known)):
    raise UserError(
      f'{where}: expected the keys {", ".join(known)}, got {unknown[0]!r}.'
      ' Remove or rename it.'
    )
  table = dict(table)
  for key in ('name', 'center'):
    if not isinstance(table[key], str):
      raise UserError(f'{where}, {key}: expected a name, got {table[key]!r}')
  for key in ('joints', 'bones', 'up', 'across'):
    table[key] = _words(table.get(key) or (), f'{where}, {key}')
  table['bones'] = tuple(tuple(bone.split('<')) for bone in table['bones'])
  for bone in table['bones']:
    if len(bone) != 2:
      raise UserError(
        f'{where}, bones: expected child<parent, got {"<".join(bone)!r}'
      )
  for key in ('up', 'across'):
    if len(table[key]) not in (0, 2):
      raise UserError(
        f'{where}, {key}: expected 2 joints, got {len(table[key])}'
      )
    table[key] = table[key] or None
  try:
    return Layout(**table)
  except UserError as error:
    raise UserError(f'{where}: {error}') from None


def _words(value, where):
  """Returns the strings of a list, or the words of a string."""
  if isinstance(value, str):
    return tuple(value.split())
  if _is_list(value):
    # A bone can also be a list: [child, parent].
    words = [word for v in value for word in (v if _is_list(v) else [v])]
    if all(isinstance(word, str) for word in words):
      return tuple('<'.join(v) if _is_list(v) else v for v in value)
  raise UserError(f'{where}: expected joint names, got {value!r}')


def _is_list(value):
  return isinstance(value, list | tuple)


def _built_in():
  found = {}
  for file in ('layouts.yaml', 'whole_body.yaml'):
    path = pathlib.Path(__file__).with_name(file)
    for name, table in yaml.safe_load(path.read_text()).items():
      found[name] = layout_from_dict({'name': name, **table}, str(path))
  return found


LAYOUTS: dict[str, Layout] = _built_in()
BUILT_IN = frozenset(LAYOUTS)


def get_layout(name: str) -> Layout:
  """Returns the layout with this name.

  Raises:
    UserError: the name is unknown.
  """
  if name not in LAYOUTS:
    raise UserError(
      f'joint layout: expected one of {", ".join(sorted(LAYOUTS))}, got'
      f' {name!r}'
    )
  return LAYOUTS[name]


def register_layout(layout: Layout) -> None:
  """Adds a layout to `LAYOUTS` for the rest of the process.

  Raises:
    UserError: another layout has this name.
  """
  if LAYOUTS.setdefault(layout.name, layout) != layout:
    kind = 'a built-in layout' if layout.name in BUILT_IN else 'another layout'
    raise UserError(
      f'joint layout, name: expected a new name, got {layout.name!r}, the name'
      f' of {kind}. Choose another name.'
    )
