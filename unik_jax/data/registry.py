"""Datasets by name: prepared once by their builders, then opened.

A name is TFDS's: `msr_action3d`, or `synthetic_skeletons/unik_17_2d` with a
builder config. `unik_jax.datasets` has the builders. A prepared dataset is
opened from its folder, without its builder.
"""

import os
import pathlib
import shutil

import tensorflow_datasets as tfds
from absl import logging

from unik_jax.data.builder import ClipBuilder
from unik_jax.errors import UserError
from unik_jax.runtime.json_files import write_json_table
from unik_jax.runtime.locks import hold_lock
from unik_jax.skeletons import layouts

_INFO = 'dataset_info.json'
_PART = '.incomplete'  # a dataset while it is written
_LOCK = '.lock'


def default_data_dir() -> pathlib.Path:
  """Returns TFDS_DATA_DIR, or ~/tensorflow_datasets."""
  folder = os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  return pathlib.Path(folder).expanduser()


def dataset_names() -> list[str]:
  """Lists the datasets that have builders."""
  from unik_jax import datasets  # imports every builder: not for --help

  return list(datasets.BUILDERS)


def get_builder_class(name: str) -> type[ClipBuilder]:
  """Returns a dataset's builder class.

  Args:
    name: dataset, or dataset/config.

  Raises:
    UserError: the dataset is unknown.
  """
  from unik_jax import datasets

  name = name.partition('/')[0]
  if name not in datasets.BUILDERS:
    raise UserError(
      f'unknown dataset {name!r}; known: {", ".join(datasets.BUILDERS)}'
    )
  return datasets.BUILDERS[name]


def prepare_dataset(
  name: str,
  data_dir: str | os.PathLike | None = None,
  manual_dir: str | os.PathLike | None = None,
  *,
  skip_bad: bool = False,
  overwrite: bool = False,
  workers: int | None = None,
) -> tfds.core.DatasetBuilder:
  """Prepares a dataset, unless it is prepared already.

  Args:
    name: dataset, or dataset/config (default: the first config).
    data_dir: folder of prepared datasets (default: `default_data_dir()`).
    manual_dir: folder of the raw files (default:
      DATA_DIR/downloads/manual/NAME).
    skip_bad: skip clips that cannot be used, and list them in report.json
      beside the dataset.
    overwrite: prepare the dataset again; the old one is kept until then.
    workers: processes that read clips (default: one per core).

  Returns:
    A builder of the prepared dataset.

  Raises:
    UserError: the dataset is unknown; files are missing (names them, their
      source and their folder); or a file cannot be used.
  """
  cls = get_builder_class(name)
  data_dir = pathlib.Path(data_dir or default_data_dir()).expanduser()
  base, _, config_name = name.partition('/')
  manual_dir = pathlib.Path(
    manual_dir or data_dir / 'downloads' / 'manual' / base
  ).expanduser()
  has_files = not cls.MANUAL_DOWNLOAD_INSTRUCTIONS or (
    manual_dir.is_dir() and any(manual_dir.iterdir())
  )
  # Looked up by its path first, since `configure` can take long.
  folder = data_dir / _full_name(cls, name) / str(cls.VERSION)
  _remove_unfinished(data_dir)
  if not overwrite and (builder := _reopen(cls, folder, manual_dir)):
    return builder
  config = None
  if has_files or not cls.configs_from_files:
    config = cls.configure(config_name, manual_dir)
  if not has_files:
    raise UserError(
      f'dataset {name!r} is not prepared, and its files are not in'
      f' {manual_dir}.\n{cls.MANUAL_DOWNLOAD_INSTRUCTIONS}\nThen run:\n'
      f'  python -m unik_jax.prepare {name} --manual_dir={manual_dir}'
      f' --data_dir={data_dir}'
    )
  # Again, since `configure` may have taken the config's name from the files.
  full_name = f'{base}/{config.name}' if config else base
  folder = data_dir / full_name / str(cls.VERSION)
  if not data_dir.exists():
    logging.warning('%s: created, since this data_dir did not exist', data_dir)
  with hold_lock(folder.parent / _LOCK):
    # Another process may have prepared it while this one waited.
    if not overwrite and (builder := _reopen(cls, folder, manual_dir)):
      return builder
    _write(cls, config, folder, manual_dir, skip_bad, workers)
  return tfds.builder_from_directory(folder)


def _reopen(cls, folder, manual_dir):
  """Opens a prepared dataset; returns None if there is none in the folder.

  Raises:
    UserError: the raw files have changed since.
  """
  if not (folder / _INFO).exists():
    return None
  builder = tfds.builder_from_directory(folder)
  if cls.configs_from_files and manual_dir.is_dir():
    fingerprint = cls.fingerprint(folder.parent.name, manual_dir)
    if fingerprint and builder.info.metadata.get('fingerprint') != fingerprint:
      raise UserError(
        f'{folder}: prepared from other files, or the files have changed'
        ' since. Prepare it again with python -m unik_jax.prepare --overwrite,'
        ' or under another name'
      )
  return builder


def _write(cls, config, folder, manual_dir, skip_bad, workers):
  """Prepares a dataset beside `folder`, and replaces `folder` at the end."""
  part = folder.parent / _PART
  if part.exists():
    shutil.rmtree(part)  # of a process that was killed
  builder = cls(data_dir=part, config=config)
  builder.skip_bad, builder.workers = skip_bad, workers
  if cls.configs_from_files:
    fingerprint = cls.fingerprint(config.name, manual_dir)
    builder.info.metadata['fingerprint'] = fingerprint
  try:
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=str(manual_dir))
    )
    if folder.exists():  # renamed, since deleting takes long
      folder.rename(part / 'replaced')
    pathlib.Path(builder.data_path).rename(folder)
    _note_default_config(cls, folder)
  finally:
    shutil.rmtree(part, ignore_errors=True)


def _remove_unfinished(data_dir):
  """Removes what killed processes have left, of all datasets and configs.

  What a running process writes stays: it holds the lock.
  """
  for pattern in (f'*/{_PART}', f'*/*/{_PART}'):
    for part in data_dir.glob(pattern):
      lock = part.with_name(_LOCK)
      if lock.exists():
        with hold_lock(lock, wait=False) as held:
          if held:
            shutil.rmtree(part, ignore_errors=True)


def _note_default_config(cls, folder):
  """Writes which config `tfds.data_source` opens if none is named.

  That is the default config, or the one in `folder` until that is prepared.
  """
  if not cls.BUILDER_CONFIGS:
    return
  dataset, default = folder.parents[1], cls.BUILDER_CONFIGS[0].name
  if not any(dataset.glob(f'{default}/*/{_INFO}')):
    default = folder.parent.name
  note = dataset / '.config' / 'metadata.json'
  note.parent.mkdir(exist_ok=True)
  write_json_table(note, {'default_config_name': default})


def open_prepared(
  name: str, data_dir: str | os.PathLike | None = None
) -> tfds.core.DatasetBuilder | None:
  """Opens the newest prepared version of a dataset.

  Registers the joint layout that is stored with the dataset, if it is not a
  built-in one.

  Args:
    name: dataset, or dataset/config.
    data_dir: folder of prepared datasets (default: `default_data_dir()`).

  Returns:
    The builder, or None if no version is prepared.

  Raises:
    UserError: the dataset's folder is damaged.
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
  except Exception as error:  # any parser's, if a file is cut short
    raise UserError(
      f'{newest}: cannot be opened ({error}). Remove the folder and prepare'
      ' the dataset again'
    ) from error
  if layout:
    layouts.register_layout(layouts.layout_from_dict(layout, str(newest)))
  return builder


def _full_name(cls, name):
  """Returns dataset/config, with the default config if none is named."""
  if '/' in name or not cls.BUILDER_CONFIGS:
    return name
  return f'{name}/{cls.BUILDER_CONFIGS[0].name}'


def _newest(folder):
  """Returns the folder of the newest version, or None."""
  versions = [
    path.parent
    for path in folder.glob(f'*/{_INFO}')
    if tfds.core.Version.is_valid(path.parent.name)
  ]
  return max(
    versions, key=lambda path: tfds.core.Version(path.name), default=None
  )
