"""Lists the configs with their variants, and finds a config by its name.

  unik-jax configs [NAME]

A config is `NAME`, `NAME:VARIANT`, or the path of a file instead of NAME.
"""

import difflib
import importlib.util
import os
import pathlib
import re
import sys
import types

from absl import app
from ml_collections import ConfigDict

from unik_jax import cli
from unik_jax.errors import UserError

# As in datasets.py: beside this file in the wheel, at the top of a checkout.
_INSTALLED = pathlib.Path(__file__).with_suffix('')
FOLDER = (
  _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / 'configs'
)
# Makes the config files submodules of this module.
__path__ = [str(FOLDER)]


def list_names() -> list[str]:
  """Returns the names of all configs that come with the library."""
  return sorted(path.stem for path in FOLDER.glob('*.py'))


def resolve_config(config: str, key: str = '--config') -> str:
  """Returns PATH or PATH:VARIANT of a config.

  Args:
    config: NAME, NAME:VARIANT, PATH or PATH:VARIANT.
    key: the flag or argument that has it, for errors.

  Raises:
    UserError: there is no config and no file of this name; names near ones.
  """
  name, colon, variant = config.partition(':')
  known = list_names()
  if name in known:
    return f'{FOLDER / name}.py{colon}{variant}'
  if os.path.isfile(name):
    return config
  near = difflib.get_close_matches(pathlib.Path(name).stem, known)
  hint = f' Did you mean {" or ".join(near)}?' if near else ''
  raise UserError(
    f'{key}: expected the name or file of a config, got {name!r}.{hint}'
    ' `unik-jax configs` lists the names'
  )


def resolve_flag(argv: list[str], flag: str = 'config') -> list[str]:
  """Returns command-line arguments with a flag's config as PATH[:VARIANT].

  Raises:
    UserError: as in `resolve_config`.
  """
  argv = list(argv)
  for n, argument in enumerate(argv):
    if argument == '--':
      break
    if match := re.match(rf'(--?{flag}=)(.*)', argument, re.DOTALL):
      argv[n] = match[1] + resolve_config(match[2])
    elif argument.lstrip('-') == flag and argv[n + 1 :]:
      argv[n + 1] = resolve_config(argv[n + 1])
  return argv


def load_config(config: str) -> ConfigDict:
  """Returns a config that can be changed before training.

  Args:
    config: as in `resolve_config`, such as 'synthetic' or 'posetics:bone'.

  Raises:
    UserError: the config or its variant is unknown.
  """
  path, _, variant = resolve_config(config, 'config').partition(':')
  return load_config_file(path).get_config(*[variant] if variant else [])


def load_config_file(path: str | os.PathLike) -> types.ModuleType:
  """Returns a config file as a module."""
  name = f'{__name__}.{pathlib.Path(path).stem}'
  spec = importlib.util.spec_from_file_location(name, path)
  if spec is None or spec.loader is None:
    raise UserError(f'{path}: expected a Python file (.py) with get_config')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def describe_variants(module: types.ModuleType) -> list[str]:
  """Returns a line for each group of words of which a variant has at most one.

  Args:
    module: a config file, with its words in `VARIANTS` or by group in `GROUPS`,
      the default first; or with a placeholder for any word in `VARIANTS`.
  """
  groups = getattr(module, 'GROUPS', None)
  if groups is None:
    groups = {'variant': module.VARIANTS}
  return [f'{key}: {", ".join(words)}' for key, words in groups.items()]


def main(argv):
  with cli.command():
    names = argv[1:] or list_names()
    for name in names:
      path, _, _ = resolve_config(name, 'NAME').partition(':')
      module = load_config_file(path)
      if argv[1:]:
        print((module.__doc__ or '').strip(), end='\n\n')
      else:
        print(f'{name}: {(module.__doc__ or "").partition(chr(10))[0]}')
      print(*(f'  {line}' for line in describe_variants(module)), sep='\n')
    if not argv[1:]:
      print(
        '\nThe first word of each group is the default. Use a config as'
        '\n  unik-jax train --config=NAME[:WORD[,WORD ...]] --workdir=DIR',
        file=sys.stderr,
      )


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
