"""Prepared datasets, opened as a config describes them."""

from collections.abc import Sequence

import ml_collections
import tensorflow_datasets as tfds

from unik_jax.data import registry
from unik_jax.errors import UserError


class PreparedSplit:
  """One split of a prepared dataset, as a random-access source of records.

  Args:
    config: the `data` part of a config.
    split: a TFDS split, such as 'train' or 'train[:50%]'.
    subjects: keep the clips of these subjects; empty for all.
    repeats: how often an epoch has each class's clips; empty for once.

  Attributes:
    info: the prepared dataset's, of TFDS.
    class_names: in label order.
    split: as given.
    rows: of the split, one for each clip; an epoch may have some repeatedly.

  Raises:
    UserError: not prepared, no such split, no clip left, or the data does not
      fit the config.
  """

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    split: str,
    subjects: Sequence[int] = (),
    repeats: Sequence[int] = (),
  ):
    builder = open_dataset(config)
    info = self.info = builder.info
    names = info.features['label'].names
    self.class_names = list(config.classes or names)
    if unknown := sorted(set(self.class_names) - set(names)):
      raise UserError(
        f'dataset {config.name!r} has no classes {", ".join(unknown)}; it has:'
        f' {", ".join(names)}'
      )
    stated = (config.layout, config.num_classes)
    found = (info.metadata['layout'], len(self.class_names))
    if stated != found:
      raise UserError(
        f'the config says layout {stated[0]} with {stated[1]} classes, but'
        f' dataset {config.name!r} has layout {found[0]} with {found[1]}; set'
        ' config.data.layout and config.data.num_classes'
      )
    channels = info.features['keypoints'].shape[-1]
    if config.channels > channels:
      raise UserError(
        f'config.data.channels is {config.channels}, but dataset'
        f' {config.name!r} has {channels}'
      )
    if 'image_size' not in info.features:
      raise UserError(
        f'{builder.data_path} is of an older form; remove it, and prepare the'
        ' dataset again'
      )
    scored = info.metadata['confidence'] and config.channels == channels
    if bool(config.confidence) != scored:
      raise UserError(
        f'config.data.confidence is {config.confidence}, but the last of the'
        f' {config.channels} channels of {config.name!r} is'
        f' {"" if scored else "not "}one'
      )
    self.split = split
    self._where = f'{builder.data_path}, split {split!r}'
    try:
      self._source = builder.as_data_source(split)
    except (ValueError, KeyError) as error:
      raise UserError(
        f'dataset {config.name!r} has no split {split!r}'
        f' ({str(error).splitlines()[0]}); it has: ' + ', '.join(info.splits)
      ) from error
    self._labels = [
      self.class_names.index(n) if n in self.class_names else -1 for n in names
    ]
    self.rows = range(len(self._source))
    if subjects or config.classes or repeats:
      self._select(subjects, repeats)
    if not self.rows:
      raise UserError(f'{self._where} has no clip')

  def _select(self, subjects, repeats):
    """Keeps, or repeats, rows by what their records say."""
    records = map(self._read, range(len(self._source)))
    notes = [(record['label'], record['subject']) for record in records]
    found = {subject for _, subject in notes}
    if missing := sorted(set(subjects) - found, key=str):
      raise UserError(f'{self._where} has no clip of subjects {missing}')
    if repeats and len(repeats) != len(self.class_names):
      raise UserError(
        f'config.data.repeats has {len(repeats)} numbers for'
        f' {len(self.class_names)} classes'
      )
    self.rows = []
    for row, (label, subject) in enumerate(notes):
      label = self._labels[label]
      if label >= 0 and (not subjects or subject in subjects):
        self.rows += [row] * (repeats[label] if repeats else 1)

  def __len__(self) -> int:
    return len(self.rows)

  def __getitem__(self, index: int) -> dict:
    record = self._read(self.rows[index])
    return {**record, 'label': self._labels[record['label']]}

  def ids(self) -> list[str]:
    """The clips' names, in their order; reads all records."""
    return [self._read(row)['id'].decode() for row in self.rows]

  def _read(self, row):
    try:
      return self._source[row]
    except Exception as error:  # array_record's reader raises several kinds
      raise UserError(
        f'{self._where}: clip {row} cannot be read ({error}); remove the'
        ' folder and prepare the dataset again'
      ) from error


def open_dataset(
  config: ml_collections.ConfigDict,
) -> tfds.core.DatasetBuilder:
  """The prepared dataset of a config's `data`; a UserError if there is none."""
  builder = registry.open_prepared(config.name, config.data_dir)
  if builder is None:
    raise UserError(
      f'dataset {config.name!r} is not prepared; run: python -m'
      f' unik_jax.prepare {config.name}'
    )
  return builder


def fill_data_config(config: ml_collections.ConfigDict) -> None:
  """Takes from the prepared dataset what a config leaves open.

  That is each of layout (''), num_classes, persons and channels (0); with
  the channels goes `confidence`.

  Args:
    config: the `data` part of a config; changed in place.

  Raises:
    UserError: not prepared.
  """
  info = open_dataset(config).info
  persons, _, _, channels = info.features['keypoints'].shape
  config.layout = config.layout or info.metadata['layout']
  if not config.num_classes:
    # By name, so that a run does not go on with data whose labels changed.
    config.classes = config.classes or tuple(info.features['label'].names)
    config.num_classes = len(config.classes)
  config.persons = config.persons or persons
  if not config.channels:
    config.channels = channels
    config.confidence = info.metadata['confidence']
