"""layout.yaml: what a user says about a folder of recordings, once for all.

  layout: coco_17           a built-in layout; or, of one's own, name, joints,
                            bones, center, up and across; as in
                            unik_jax/skeletons/layouts.yaml
  units: pixels             of the coordinates
  persons: 1                to keep in a clip
  confidence: true          whether the last channel is one
  image_size: [1920, 1080]  width and height in pixels

Everything may be left out.
"""

import dataclasses
import os
import pathlib

import yaml

from unik_jax.data.formats.user.people import image_size
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import (
  Layout,
  get_layout,
  layout_from_dict,
)

NAME = 'layout.yaml'
_ALIKE = ('layout.yaml', 'layout.yml', 'layout.yaml.txt', 'layout.yml.txt')


@dataclasses.dataclass(frozen=True)
class Settings:
  """What layout.yaml says; None or '' where it says nothing."""

  layout: Layout | None = None
  units: str = ''
  persons: int | None = None
  confidence: bool | None = None
  image_size: tuple[int, int] | None = None


def read(root: pathlib.Path) -> Settings:
  """The settings in a folder, or the default ones where it has no layout.yaml.

  Raises:
    UserError: the file cannot be read, says something that makes no sense, or
      has another name or place.
  """
  path = root / NAME
  if not path.exists():
    for folder, _, names in os.walk(root):
      if found := [name for name in names if name.lower() in _ALIKE]:
        raise UserError(
          f'found {os.path.join(folder, found[0])}; it must be {path}'
        )
    return Settings()
  try:
    table = yaml.safe_load(path.read_text(encoding='utf-8'))
  except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
    raise UserError(f'{path}: cannot be read: {error}') from None
  if not isinstance(table, dict):
    raise UserError(f'{path}: write lines such as `layout: coco_17`')
  units = str(table.pop('units', ''))
  persons = table.pop('persons', None)
  if persons is not None and (type(persons) is not int or persons < 1):
    raise UserError(f'{path}: persons is {persons!r}; use a whole number')
  confidence = table.pop('confidence', None)
  if not isinstance(confidence, bool | None):
    raise UserError(f'{path}: confidence is {confidence!r}; use true or false')
  size = table.pop('image_size', [])
  if not isinstance(size, list):
    raise UserError(f'{path}: image_size is {size!r}; use [width, height]')
  return Settings(
    layout=_layout(table, path),
    units=units,
    persons=persons,
    confidence=confidence,
    image_size=image_size(size, str(path)),
  )


def _layout(table, path):
  if not table:
    return None
  name = table.get('layout')
  if name is None:
    return layout_from_dict(table, str(path))
  if len(table) > 1:
    other = next(key for key in table if key != 'layout')
    raise UserError(
      f'{path}: unknown key {other!r} beside layout; for joints of your own,'
      ' write name instead of layout'
    )
  try:
    return get_layout(str(name))
  except UserError as error:
    raise UserError(f'{path}: {error}') from None
