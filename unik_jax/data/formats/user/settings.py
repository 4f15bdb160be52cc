"""layout.yaml: a user's settings for a folder of recordings.

  layout: coco_17           a built-in layout, or the path of a YAML file with
                            one; or, for your own layout, name,
                            joints, bones, center, up and across, as in
                            unik_jax/skeletons/layouts.yaml
  units: pixels             units of the coordinates
  persons: 1                maximum number of persons in a clip
  confidence: true          whether the last channel is a confidence
  image_size: [1920, 1080]  width and height in pixels, of files that do not
                            state them; or unknown, to use no file's

Every key is optional.
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from unik_jax.data.formats.user.fields import parse_image_size
from unik_jax.errors import UserError
from unik_jax.runtime.yaml_files import read_yaml
from unik_jax.skeletons.layouts import (
  Layout,
  get_layout,
  layout_from_dict,
)

FILE_NAME = 'layout.yaml'
_SIMILAR_NAMES = (
  'layout.yaml',
  'layout.yml',
  'layout.yaml.txt',
  'layout.yml.txt',
)


@dataclasses.dataclass(frozen=True)
class Settings:
  """The contents of layout.yaml; None or '' for an absent key.

  `uses_image_size` is False for `image_size: unknown`.
  """

  layout: Layout | None = None
  units: str = ''
  persons: int | None = None
  confidence: bool | None = None
  image_size: tuple[int, int] | None = None
  uses_image_size: bool = True


def read_settings(root: pathlib.Path) -> Settings:
  """Returns the settings of a folder; defaults if it has no layout.yaml.

  Raises:
    UserError: the file cannot be read or has an invalid value; or it is missing
      and a file in or below the folder has a similar name.
  """
  path = root / FILE_NAME
  if not path.exists():
    for folder, _, names in os.walk(root):
      if similar := [n for n in names if n.lower() in _SIMILAR_NAMES]:
        raise UserError(
          f'{os.path.join(folder, similar[0])}: expected the path {path}.'
          ' Rename or move it'
        )
    return Settings()
  return read_settings_file(path)


def read_settings_file(path: pathlib.Path) -> Settings:
  """Returns the settings in a file of any name.

  Raises:
    UserError: the file cannot be read, or has an invalid value.
  """
  table = read_yaml(path, str(path))
  if not isinstance(table, dict):
    raise UserError(
      f'{path}: expected lines such as `layout: coco_17`, got {table!r}'
    )
  units = str(table.pop('units', ''))
  persons = table.pop('persons', None)
  if persons is not None and (type(persons) is not int or persons < 1):
    raise UserError(
      f'{path}, persons: expected a whole number of at least 1, got {persons!r}'
    )
  confidence = table.pop('confidence', None)
  if not isinstance(confidence, bool | None):
    raise UserError(
      f'{path}, confidence: expected true or false, got {confidence!r}'
    )
  size = table.pop('image_size', [])
  if not (uses_size := size != 'unknown'):
    size = []
  if not isinstance(size, list):
    raise UserError(
      f'{path}, image_size: expected [width, height] or unknown, got {size!r}'
    )
  return Settings(
    layout=_parse_layout(table, path),
    units=units,
    persons=persons,
    confidence=confidence,
    image_size=parse_image_size(size, str(path)),
    uses_image_size=uses_size,
  )


def is_yaml(name: str) -> bool:
  """Returns whether a layout's name is the path of a YAML file."""
  return name.lower().endswith(('.yaml', '.yml'))


def parse_image_size_flag(words: Sequence[str]) -> tuple[int, int] | None:
  """Returns (width, height) from the words of --image_size; None if empty.

  Raises:
    UserError: the words are not two positive whole numbers.
  """
  try:
    return parse_image_size([int(word) for word in words], '--image_size')
  except ValueError:  # from `int` or `parse_image_size`
    raise UserError(
      '--image_size: expected width and height in pixels, such as 1920,1080,'
      f' got {",".join(words)!r}'
    ) from None


def _parse_layout(table, path):
  """Returns the layout of the remaining keys, or None."""
  if not table:
    return None
  name = table.get('layout')
  if name is None:
    return layout_from_dict(table, str(path))
  if len(table) > 1:
    other = next(key for key in table if key != 'layout')
    raise UserError(
      f'{path}: expected no layout keys beside `layout`, got {other!r}. For'
      ' your own layout, write `name` instead of `layout`'
    )
  if is_yaml(str(name)):
    other = path.parent / pathlib.Path(str(name)).expanduser()
    table = read_yaml(other, str(other))
    if not isinstance(table, dict) or 'layout' in table:
      raise UserError(
        f'{other}: expected a layout: name, joints, bones, center'
      )
    return layout_from_dict(table, str(other))
  try:
    return get_layout(str(name))
  except UserError as error:
    raise UserError(f'{path}: {error}') from None
