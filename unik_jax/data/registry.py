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
from unik_jax.skeletons import layouts

_CHECKOUT = pathlib.Path(__file__).parents[2]
_PACKAGE = 'unik_datasets'
_INFO = 'dataset_info.json'


def default_data_dir() -> pathlib.Path:
  """TFDS_DATA_DIR, or ~/tensorflow_datasets."""
  place = os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  return pathlib.Path(place).expanduser()


def dataset_names() -> list[str]:
  """The datasets that this checkout has builders for."""
  pattern = 'datasets/*/*_dataset_builder.py'
  return sorted(path.parent.name for path in _CHECKOUT.glob(pattern))


def get_builder_class(name: str) -> type[tfds.core.DatasetBuilder]:
  """The builder of a dataset, loaded from its file in the checkout.

  Raises:
    UserError: no such dataset, or no checkout.
  """
  name = name.partition('/')[0]
  if not dataset_names():
    raise UserError(
      'the dataset builders are not part of the installed package; get them'
      ' with: git clone URL-of-unik_jax && cd unik_jax && pip install -e .'
    )
  if name not in dataset_names():
    raise UserError(
      f'unknown dataset {name!r}; known: {", ".join(dataset_names())}'
    )
  if _PACKAGE not in sys.modules:
    # Under a name of our own: `datasets` is Hugging Face's package.
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [str(_CHECKOUT / 'datasets')]
    package.__file__ = str(_CHECKOUT / 'datasets' / '__init__.py')
    sys.modules[_PACKAGE] = package
  module = importlib.import_module(f'{_PACKAGE}.{name}.{name}_dataset_builder')
  return module.Builder


def prepare_dataset(
  name: str,
  data_dir: str | os.PathLike | None = None,
  manual_dir: str | os.PathLike | None = None,
  *,
  skip_bad: bool = False,
  overwrite: bool = False,
  workers: int | None = None,
) -> tfds.core.DatasetBuilder:
  """Writes a dataset, unless it is already there.

  Args:
    name: dataset, or dataset/config; without a config, the first.
    data_dir: where prepared datasets live; default `default_data_dir()`.
    manual_dir: the files that you got from the dataset's authors; default
      DATA_DIR/downloads/manual/NAME.
    skip_bad: go on without clips that cannot be used, and list them in
      report.json beside the dataset.
    overwrite: write it anew; what is there stays until that is done.
    workers: processes that read clips; default as many as there are cores.

  Returns:
    A builder of the prepared dataset.

  Raises:
    UserError: unknown name, files missing (with what to get, where, and
      where to put it), or a file that cannot be used.
  """
  cls = get_builder_class(name)
  data_dir = pathlib.Path(data_dir or default_data_dir()).expanduser()
  base, _, config_name = name.partition('/')
  manual_dir = pathlib.Path(
    manual_dir or data_dir / 'downloads' / 'manual' / base
  ).expanduser()
  ready = not cls.MANUAL_DOWNLOAD_INSTRUCTIONS or (
    manual_dir.is_dir() and any(manual_dir.iterdir())
  )
  # By its path first, since `configure` may take long.
  written = data_dir / _full_name(cls, name) / str(cls.VERSION)
  if not overwrite and (builder := _reopen(cls, written, manual_dir)):
    return builder
  config = None
  if ready or not cls.configs_from_files:
    config = cls.configure(config_name, manual_dir)
  if not ready:
    raise UserError(
      f'dataset {name!r} is not prepared, and its files are not in'
      f' {manual_dir}.\n{cls.MANUAL_DOWNLOAD_INSTRUCTIONS}\nThen run:\n'
      f'  python -m unik_jax.prepare {name} --manual_dir={manual_dir}'
      f' --data_dir={data_dir}'
    )
  # Only now is a name known that the files have given.
  full_name = f'{base}/{config.name}' if config else base
  written = data_dir / full_name / str(cls.VERSION)
  with _lock(written.parent):
    # Another process may have made it meanwhile.
    if not overwrite and (builder := _reopen(cls, written, manual_dir)):
      return builder
    _write(cls, config, written, manual_dir, skip_bad, workers)
  return tfds.builder_from_directory(written)


def _reopen(cls, path, manual_dir):
  """The dataset in a folder, if there is one, and it is still of the files."""
  if not (path / _INFO).exists():
    return None
  builder = tfds.builder_from_directory(path)
  if cls.configs_from_files and manual_dir.is_dir():
    now = cls.fingerprint(path.parent.name, manual_dir)
    if now and builder.info.metadata.get('fingerprint') != now:
      raise UserError(
        f'{path} was prepared from other files, or they have changed since;'
        ' prepare it anew with python -m unik_jax.prepare --overwrite, or under'
        ' another name'
      )
  return builder


def _write(cls, config, written, manual_dir, skip_bad, workers):
  """Makes the folder `written`, replacing what is there when all is done."""
  part = written.parent / '.incomplete'
  if part.exists():
    shutil.rmtree(part)  # of a preparation that was killed
  builder = cls(data_dir=part, config=config, file_format='array_record')
  builder.skip_bad, builder.workers = skip_bad, workers
  if cls.configs_from_files:
    print_of = cls.fingerprint(config.name, manual_dir)
    builder.info.metadata['fingerprint'] = print_of
  try:
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=str(manual_dir))
    )
    if written.exists():
      shutil.rmtree(written)
    pathlib.Path(builder.data_path).rename(written)
  finally:
    shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder):
  """Lets one process at a time write below a folder."""
  try:
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / '.lock', 'w')  # noqa: SIM115
  except OSError as error:
    raise UserError(f'{folder} cannot be written to: {error}') from error
  with file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


def open_prepared(
  name: str, data_dir: str | os.PathLike | None = None
) -> tfds.core.DatasetBuilder | None:
  """The newest prepared version of a dataset, or None if there is none.

  A joint layout of the user's own, kept with the dataset, becomes known.
  """
  data_dir = pathlib.Path(data_dir or default_data_dir()).expanduser()
  if name in dataset_names():
    name = _full_name(get_builder_class(name), name)
  newest = _newest(data_dir / name)
  if newest is None:
    return None
  try:
    builder = tfds.builder_from_directory(newest)
    layout = builder.info.metadata.get('joint_layout')
  except Exception as error:  # a parser's, for a file that is cut short
    raise UserError(
      f'{newest}: cannot be opened ({error}); remove the folder and prepare'
      ' the dataset again'
    ) from error
  if layout:
    layouts.register_layout(layouts.layout_from_dict(layout, str(newest)))
  return builder


def _full_name(cls, name):
  """Dataset/config, with the default config where none is named."""
  if '/' in name or not cls.BUILDER_CONFIGS:
    return name
  return f'{name}/{cls.BUILDER_CONFIGS[0].name}'


def _newest(folder):
  """The newest version below a dataset's (config's) folder, or None."""
  versions = [
    path.parent
    for path in folder.glob(f'*/{_INFO}')
    if tfds.core.Version.is_valid(path.parent.name)
  ]
  return max(
    versions, key=lambda path: tfds.core.Version(path.name), default=None
  )
