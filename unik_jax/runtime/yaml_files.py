"""YAML files, read without the parts of YAML that can harm."""

from importlib.resources.abc import Traversable
from typing import Any

import yaml

from unik_jax.errors import UserError


class _Loader(yaml.SafeLoader):
  """Refuses aliases: ten lines of them can stand for billions of values."""

  def compose_node(self, parent, index):
    if self.check_event(yaml.AliasEvent):
      raise yaml.YAMLError('it has an alias (*NAME), which is not read')
    return super().compose_node(parent, index)


def read_yaml(file: Traversable, where: str) -> Any:
  """Returns the value in a YAML file.

  Args:
    file: the file: a `pathlib.Path`, or a file within a package.
    where: the file, for errors.

  Raises:
    UserError: the file cannot be read, is not YAML, or has an alias.
  """
  try:
    return yaml.load(file.read_text(encoding='utf-8'), _Loader)
  except Exception as error:  # PyYAML raises many kinds for a broken value
    reason = ' '.join(str(error).split()) or type(error).__name__
    raise UserError(
      f'{where}: cannot be read as YAML ({reason:.300}). Correct it'
    ) from None
