"""Joint layouts as data: names, bones, centre and sides.

UNIK needs no graph, so a layout never enters a model. It serves the data
side: bone streams, centring, plots, and maps between datasets by joint name.
The built-in ones are in `layouts.yaml`; a user's own has the same form.
"""

import dataclasses
import functools
import pathlib
from typing import Any

import yaml

from unik_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Layout:
  """One way of placing joints on a body.

  Attributes:
    name: the key in `LAYOUTS`.
    joints: joint names, in the order of the data's joint axis; sides are a
      prefix `left_` or `right_`.
    bones: (child, parent) joint names; a tree with one root.
    center: the joint that normalisation subtracts.
    up: two joints, the lower first, or None. Presets turn a 3-D body so that
      the direction from the first to the second is +z.
    across: two joints, the left one first, or None. Likewise for +x.
    root_keeps_position: whether the bone stream holds the root's own
      coordinates at the root's place rather than zeros. True for the 17
      joints of UNIK, whose published script leaves joint 1 untouched.

  Raises:
    UserError: the parts do not fit together.
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
      return 'it has no joints'
    if twice := sorted({j for j in joints if joints.count(j) > 1}):
      return f'joint {twice[0]!r} is listed twice'
    used = [joint for bone in self.bones for joint in bone]
    used += [self.center, *(self.up or ()), *(self.across or ())]
    if unknown := [joint for joint in used if joint not in joints]:
      return f'{unknown[0]!r} is not among its joints: {", ".join(joints)}'
    parent = dict(self.bones)
    if len(parent) != len(self.bones):
      return 'a joint is the child of two bones'
    roots = [joint for joint in joints if joint not in parent]
    if len(roots) != 1:
      return (
        f"{len(roots)} joints are nobody's child ({', '.join(roots)}), where"
        ' a tree has one root'
      )
    for joint in joints:
      for _ in joints:
        joint = parent.get(joint, joint)
      if joint != roots[0]:
        return f'its bones run in a circle through {joint!r}'
    for joint in joints:
      if joint.startswith('left_'):
        other = 'right_' + joint.removeprefix('left_')
        if other not in joints:
          return f'it has {joint!r}, but no {other!r}'
    return None

  def index(self, joint: str) -> int:
    """The place of `joint` on the joint axis; a UserError if it has none."""
    try:
      return self.joints.index(joint)
    except ValueError:
      raise UserError(
        f'layout {self.name!r} has no joint {joint!r}; it has: '
        + ', '.join(self.joints)
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
    """Each joint's parent by index; the root is its own."""
    parents = list(range(self.num_joints))
    for child, parent in self.bone_indices:
      parents[child] = parent
    return tuple(parents)

  @property
  def root(self) -> int:
    """The index of the joint that is nobody's child."""
    return next(j for j, p in enumerate(self.parents) if j == p)

  @functools.cached_property
  def left_right(self) -> tuple[tuple[int, int], ...]:
    """Pairs of indices (left, right) of joints that mirror each other."""
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
    """As `layout_from_dict` reads it, in types that JSON has."""
    out = {
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
  """A layout from the form that it has in `layouts.yaml`, with its `name`.

  Args:
    table: `name`, `joints`, `bones`, `center`, and optionally `up`, `across`
      and `root_keeps_position`. Lists may be given as such, or as words.
    where: the file, to be named in errors.

  Raises:
    UserError: a part is missing, unknown or malformed.
  """
  known = [field.name for field in dataclasses.fields(Layout)]
  needed = ('name', 'joints', 'bones', 'center')
  for key in needed:
    if key not in table:
      raise UserError(
        f'{where}: a joint layout needs {key!r}; see'
        ' unik_jax/skeletons/layouts.yaml'
      )
  if unknown := sorted(set(map(str, table)) - set(known)):
    raise UserError(
      f'{where}: unknown key {unknown[0]!r}; a joint layout has '
      + ', '.join(known)
    )
  table = dict(table)
  for key in ('name', 'center'):
    if not isinstance(table[key], str):
      raise UserError(f'{where}, {key}: a name is due, not {table[key]!r}')
  for key in ('joints', 'bones', 'up', 'across'):
    table[key] = _words(table.get(key) or (), f'{where}, {key}')
  table['bones'] = tuple(tuple(bone.split('<')) for bone in table['bones'])
  for bone in table['bones']:
    if len(bone) != 2:
      raise UserError(
        f'{where}, bones: {"<".join(bone)!r} is not of the form child<parent'
      )
  for key in ('up', 'across'):
    if len(table[key]) not in (0, 2):
      raise UserError(f'{where}, {key}: two joints are due')
    table[key] = table[key] or None
  try:
    return Layout(**table)
  except UserError as error:
    raise UserError(f'{where}: {error}') from None


def _words(value, where):
  """A list of strings, given as one or as words with spaces between."""
  if isinstance(value, str):
    return tuple(value.split())
  if _is_list(value):
    # A bone may be a pair of its own: [child, parent].
    words = [word for v in value for word in (v if _is_list(v) else [v])]
    if all(isinstance(word, str) for word in words):
      return tuple('<'.join(v) if _is_list(v) else v for v in value)
  raise UserError(f'{where}: names of joints are due, not {value!r}')


def _is_list(value):
  return isinstance(value, list | tuple)


def _built_in():
  path = pathlib.Path(__file__).with_name('layouts.yaml')
  tables = yaml.safe_load(path.read_text())
  return {
    name: layout_from_dict({'name': name, **table}, str(path))
    for name, table in tables.items()
  }


LAYOUTS: dict[str, Layout] = _built_in()
BUILT_IN = frozenset(LAYOUTS)


def get_layout(name: str) -> Layout:
  """The layout of that name; a UserError names the known ones."""
  if name not in LAYOUTS:
    raise UserError(
      f'unknown joint layout {name!r}; known: {", ".join(sorted(LAYOUTS))}'
    )
  return LAYOUTS[name]


def register_layout(layout: Layout) -> None:
  """Makes a layout known by its name for the rest of the process.

  Raises:
    UserError: the name is taken by another layout.
  """
  if LAYOUTS.setdefault(layout.name, layout) != layout:
    kind = 'built in' if layout.name in BUILT_IN else 'in use already'
    raise UserError(
      f'a different joint layout named {layout.name!r} is {kind}; give yours'
      ' another name'
    )
