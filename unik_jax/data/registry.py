"""Datasets by name: found, prepared, and opened again by their folder.

A name is TFDS's: `msr_action3d`, or `synthetic_skeletons/unik_17_2d` with a
builder config. Builders are files in the checkout's `datasets/`; what they
have written is read without them.
"""

import contextlib
import fcntl
import importlib
import os
import pathlib
import shutil
import sys
import types

import tensorflow_datasets as tfds

from unik_jax.errors import UserError

_CHECKOUT = pathlib.Path(__file__).parents[2]
_PACKAGE = 'unik_datasets'


def default_data_dir() -> pathlib.Path:
  """TFDS_DATA_DIR, or ~/tensorflow_datasets."""
  place = os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  return pathlib.Path(place).expanduser()


def names() -> list[str]:
  """The datasets that this checkout has builders for."""
  pattern = 'datasets/*/*_dataset_builder.py'
  return sorted(path.parent.name for path in _CHECKOUT.glob(pattern))


def builder_class(name: str) -> type[tfds.core.DatasetBuilder]:
  """The builder of a dataset, loaded from its file in the checkout.

  Raises:
    UserError: no such dataset, or no checkout.
  """
  name = name.partition('/')[0]
  if not names():
    raise UserError(
      'the dataset builders are not part of the installed package; get them'
      ' with: git clone URL-of-unik_jax && cd unik_jax && pip install -e .'
    )
  if name not in names():
    raise UserError(f'unknown dataset {name!r}; known: {", ".join(names())}')
  if _PACKAGE not in sys.modules:
    # Under a name of our own: `datasets` is Hugging Face's package.
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [str(_CHECKOUT / 'datasets')]
    package.__file__ = str(_CHECKOUT / 'datasets' / '__init__.py')
    sys.modules[_PACKAGE] = package
  module = importlib.import_module(f'{_PACKAGE}.{name}.{name}_dataset_builder')
  return module.Builder


def prepare(
  name: str,
  data_dir: str | os.PathLike | None = None,
  manual_dir: str | os.PathLike | None = None,
) -> tfds.core.DatasetBuilder:
  """Writes a dataset, unless it is already there.

  Args:
    name: dataset, or dataset/config; without a config, the first.
    data_dir: where prepared datasets live; default `default_data_dir()`.
    manual_dir: the files that you got from the dataset's authors; default
      DATA_DIR/downloads/manual/NAME.

  Returns:
    The builder, prepared.

  Raises:
    UserError: unknown name, files missing (with what to get, where, and
      where to put it), or a file that cannot be used.
  """
  cls = builder_class(name)
  data_dir = pathlib.Path(data_dir or default_data_dir()).expanduser()
  base, _, config = name.partition('/')
  configs = [c.name for c in cls.BUILDER_CONFIGS]
  if config and config not in configs:
    raise UserError(
      f'dataset {base!r} has no config {config!r}; it has: '
      + (', '.join(configs) or 'none')
    )
  builder = cls(
    data_dir=data_dir, config=config or None, file_format='array_record'
  )
  # Not builder.is_prepared(), which warns of what is yet to be made.
  if (builder.data_path / 'dataset_info.json').exists():
    return builder
  manual_dir = pathlib.Path(
    manual_dir or data_dir / 'downloads' / 'manual' / base
  ).expanduser()
  instructions = cls.MANUAL_DOWNLOAD_INSTRUCTIONS
  if instructions and not (manual_dir.is_dir() and any(manual_dir.iterdir())):
    raise UserError(
      f'dataset {base!r} is not prepared, and its files are not in'
      f' {manual_dir}.\n{instructions}\nThen run:\n'
      f'  python -m unik_jax.prepare {name} --manual_dir={manual_dir}'
      f' --data_dir={data_dir}'
    )
  with _lock(builder.data_path.parent):
    if (builder.data_path / 'dataset_info.json').exists():
      return builder  # another process has made it meanwhile
    for stale in builder.data_path.parent.glob('incomplete.*'):
      shutil.rmtree(stale)
    builder.download_and_prepare(
      file_format='array_record',
      download_config=tfds.download.DownloadConfig(manual_dir=str(manual_dir)),
    )
  return builder


@contextlib.contextmanager
def _lock(folder):
  """Lets one process at a time write below a folder."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'w') as file:
      fcntl.flock(file, fcntl.LOCK_EX)
      yield
  except (NotADirectoryError, FileExistsError, PermissionError) as error:
    raise UserError(f'{folder} cannot be written to: {error}') from error


def open_prepared(
  name: str, data_dir: str | os.PathLike | None = None
) -> tfds.core.DatasetBuilder | None:
  """The newest prepared version of a dataset, or None if there is none."""
  data_dir = pathlib.Path(data_dir or default_data_dir()).expanduser()
  if name in names():
    configs = builder_class(name).BUILDER_CONFIGS
    name = f'{name}/{configs[0].name}' if configs else name
  versions = [
    path.parent
    for path in (data_dir / name).glob('*/dataset_info.json')
    if tfds.core.Version.is_valid(path.parent.name)
  ]
  if not versions:
    return None
  newest = max(versions, key=lambda path: tfds.core.Version(path.name))
  try:
    return tfds.builder_from_directory(newest)
  except Exception as error:  # a parser's, for a file that is cut short
    raise UserError(
      f'{newest}: cannot be opened ({error}); remove the folder and prepare'
      ' the dataset again'
    ) from error
