"""Prepared datasets, opened and checked against a config.

Between the builder, which wrote them, and the loader, which batches them.
"""

import functools
import hashlib
import pathlib
from collections.abc import Sequence

import ml_collections
import tensorflow_datasets as tfds

from unik_jax.data import raw_files, registry
from unik_jax.data.identical import read_groups
from unik_jax.errors import UserError


class PreparedSplit:
  """A split of a prepared dataset: records by index, read on demand.

  Args:
    config: the `data` part of a config.
    split: a TFDS split, such as 'train' or 'train[:50%]'.
    subjects: keep the clips of these subjects; empty for all.
    repeats: number of times an epoch has the clips of each class; empty for
      once.
    per_class: keep at most so many clips of each class; 0 for all.
    draw: number of the random draw of these clips. A larger `per_class` of the
      same draw has them too.

  Attributes:
    info: the DatasetInfo of TFDS.
    class_names: names of the classes, in label order.
    split: name of the split.
    rows: the row in the dataset of each clip, repeated as `repeats` says.

  Raises:
    UserError: the dataset is not prepared, lacks the split, or does not match
      the config; or no clip is left.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    split: str,
    subjects: Sequence[int] = (),
    repeats: Sequence[int] = (),
    *,
    per_class: int = 0,
    draw: int = 0,
  ):
    builder = open_dataset(config)
    info = self.info = builder.info
    names = info.features['label'].names
    self.class_names = list(config.classes or names)
    if unknown := sorted(set(self.class_names) - set(names)):
      raise UserError(
        f'config.data.classes: dataset {config.name!r} has no classes'
        f' {", ".join(unknown)}; it has: {", ".join(names)}'
      )
    _check_features(config, builder, len(self.class_names))
    self.split = split
    self._folder = pathlib.Path(builder.data_path)
    self._where = f'{self._folder}, split {split!r}'
    try:
      self._source = builder.as_data_source(split)
    except (ValueError, KeyError) as error:
      raise UserError(
        f'dataset {config.name!r} has no split {split!r}'
        f' ({str(error).splitlines()[0]}); it has: ' + ', '.join(info.splits)
      ) from error
    # Maps the dataset's labels to the config's; -1 for other classes.
    self._labels = [
      self.class_names.index(n) if n in self.class_names else -1 for n in names
    ]
    self.rows = range(len(self._source))
    if subjects or config.classes or repeats or per_class:
      self._select_rows(subjects, repeats, per_class, draw)
    if not self.rows:
      raise UserError(
        f'{self._where}: expected at least one clip, got none. Choose another'
        ' split or other subjects'
      )

  def _select_rows(self, subjects, repeats, per_class, draw):
    """Keeps the rows of some classes and subjects, and repeats classes."""
    records = map(self._read, range(len(self._source)))
    notes = [
      (self._labels[record['label']], record['subject'], record['id'])
      for record in records
    ]
    known = {subject for _, subject, _ in notes}
    if missing := sorted(set(subjects) - known, key=str):
      raise UserError(f'{self._where} has no clip of subjects {missing}')
    if repeats and len(repeats) != len(self.class_names):
      raise UserError(
        f'config.data.repeats: expected {len(self.class_names)} numbers, one'
        f' per class, got {len(repeats)}'
      )
    by_class = {}
    for row, (label, subject, _) in enumerate(notes):
      if label >= 0 and (not subjects or subject in subjects):
        by_class.setdefault(label, []).append(row)
    if per_class:
      by_class = {
        label: _draw_rows(
          rows, [notes[row][2] for row in rows], draw, per_class
        )
        for label, rows in by_class.items()
      }
    self.rows = sorted(
      row
      for label, rows in by_class.items()
      for row in rows * (repeats[label] if repeats else 1)
    )

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, index: int) -> dict:
    record = self._read(self.rows[index])
    return {**record, 'label': self._labels[record['label']]}

  def fingerprint(self) -> str:
    """Returns a hash of the dataset's files: their names, sizes and times."""
    files = (path for path in self._folder.iterdir() if path.is_file())
    return raw_files.fingerprint_files(self._folder, files)

  def ids(self) -> list[str]:
    """Returns the ids of all clips, in their order.

    The first call reads all records.

    Raises:
      UserError: a record is damaged.
    """
    return list(self._ids)

  def groups(self) -> list[list[str]]:
    """Returns the ids of each group of identical clips, of the whole dataset.

    Raises:
      UserError: the dataset's report is broken.
    """
    return read_groups(self._folder)

  @functools.cached_property
  def _ids(self):
    return [self._read(row)['id'].decode() for row in self.rows]

  def _read(self, row):
    try:
      return self._source[row]
    except Exception as error:  # array_record's reader raises several kinds
      raise UserError(
        f'{self._where}: clip {row} cannot be read ({error}). Remove the'
        ' folder and prepare the dataset again'
      ) from error


def _draw_rows(rows, ids, draw, count):
  """Returns the rows of the `count` ids with the lowest hashes.

  A hash, since it is the same for every version of numpy, for every order of
  the clips, and for a clip whether or not others are there.
  """
  hashes = [hashlib.sha256(b'%d/%s' % (draw, name)).digest() for name in ids]
  return [row for _, row in sorted(zip(hashes, rows, strict=True))[:count]]


def _check_features(config, builder, num_classes):
  """Checks that a dataset's layout, classes and channels match the config."""
  info = builder.info
  expected = {'layout': info.metadata['layout'], 'num_classes': num_classes}
  for key, value in expected.items():
    if config[key] != value:
      raise UserError(
        f'config.data.{key}: expected {value}, as in dataset {config.name!r},'
        f' got {config[key]}. Set --config.data.{key}={value}'
      )
  channels = info.features['keypoints'].shape[-1]
  if config.channels > channels:
    raise UserError(
      f'config.data.channels: expected at most {channels}, the channels of'
      f' dataset {config.name!r}, got {config.channels}'
    )
  if 'image_size' not in info.features:
    raise UserError(
      f'{builder.data_path}: written by an older version. Remove the folder and'
      ' prepare the dataset again'
    )
  confidence = info.metadata['confidence'] and config.channels == channels
  if bool(config.confidence) != confidence:
    raise UserError(
      f'config.data.confidence: expected {confidence} for'
      f' {config.channels} of the {channels} channels of dataset'
      f' {config.name!r}, got {config.confidence}'
    )


def open_dataset(
  config: ml_collections.ConfigDict,
) -> tfds.core.DatasetBuilder:
  """Opens the prepared dataset of a `data` config.

  Raises:
    UserError: the dataset is not prepared.
  """
  builder = registry.open_prepared(config.name, config.data_dir)
  if builder is None:
    raise UserError(
      f'dataset {config.name!r} is not prepared. Run: python -m'
      f' unik_jax.prepare {config.name}'
    )
  return builder


def fill_data_config(config: ml_collections.ConfigDict) -> None:
  """Fills the open settings of a `data` config from the prepared dataset.

  Open settings are an empty `layout`, and 0 for `num_classes`, `persons` and
  `channels`. `confidence` is set together with `channels`; rotations are then
  set to 0 if the data are not 3-D. A `val_split` of 'auto' becomes 'val' if the
  dataset has that split, or else ''.

  Args:
    config: the `data` part of a config; changed in place.

  Raises:
    UserError: the dataset is not prepared.
  """
  info = open_dataset(config).info
  persons, _, _, channels = info.features['keypoints'].shape
  config.layout = config.layout or info.metadata['layout']
  if not config.num_classes:
    # By name, so that a run is not resumed with data whose labels changed.
    config.classes = config.classes or tuple(info.features['label'].names)
    config.num_classes = len(config.classes)
  config.persons = config.persons or persons
  if not config.channels:
    config.channels = channels
    config.confidence = info.metadata['confidence']
    if channels - bool(config.confidence) != 3:
      config.update(rotate=0.0, rotate_x=0.0, rotate_z=0.0)
  if config.val_split == 'auto':
    config.val_split = 'val' if 'val' in info.splits else ''
