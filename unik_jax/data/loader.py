"""From prepared clips to batches.

A batch is a dict of numpy arrays: `x` (N, M, T, V, C) float32 and `label` (N,)
int32, and whatever else is made of each clip.

Everything follows from the seed and the batch's index, so a run resumes at
any step by asking for the batches from there on.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from unik_jax.data import registry
from unik_jax.data.transform import WHOLE, Transform
from unik_jax.errors import UserError

Make = Callable[..., dict[str, Any]]


class Clips:
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


def fill_in(config: ml_collections.ConfigDict) -> None:
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


def steps_per_epoch(clips: Sequence[dict], batch_size: int) -> int:
  """Whole batches in an epoch; a UserError where there is not even one."""
  if len(clips) < batch_size:
    raise UserError(
      f'{len(clips)} training clips do not fill one batch of {batch_size}; set'
      ' a smaller one, as with --config.batch_size=8'
    )
  return len(clips) // batch_size


def train_batches(
  clips: Sequence[Any],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  seed: int,
  start: int = 0,
  process: tuple[int, int] = (0, 1),
  make: Make | None = None,
) -> Iterator[dict]:
  """Shuffled, augmented batches without end; an epoch's odd rest is dropped.

  Args:
    clips: records by index, or whatever `make` takes.
    config: the `data` part of a config.
    batch_size: of all processes together.
    seed: of order and augmentation.
    start: index of the first batch.
    process: (index, count); each gets its part of every batch.
    make: of a clip and a random generator, its part of a batch; default a
      `Transform`.

  Returns:
    An iterator over this process's part of batch `start`, `start + 1`, ...

  Raises:
    UserError: fewer clips than a batch holds.
  """
  steps = steps_per_epoch(clips, batch_size)
  index, count = process
  batches = (
    grain.MapDataset.source(clips)
    .seed(seed)
    .shuffle()
    # Whole batches only, before the split, so that all processes agree on
    # where an epoch ends.
    .random_map(make or Transform(config, train=True))[: steps * batch_size][
      index::count
    ]
    .batch(batch_size // count, drop_remainder=True)
    .repeat()[start:]
  )
  return iter(batches.to_iter_dataset(_threads(config)))


def eval_batches(
  clips: Sequence[Any],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  process: tuple[int, int] = (0, 1),
  make: Make | None = None,
  lengths: Sequence[int] | None = None,
) -> Iterator[dict]:
  """Every clip once; the rest of a last batch is filled up.

  Clips come in their order, unless they keep their lengths (`test_frames` is
  -1): then those of one rounded length are together, the shortest first.

  Args:
    clips: records by index, or whatever `make` takes.
    config: the `data` part of a config.
    batch_size: of all processes together.
    process: (index, count); each gets its part of every batch.
    make: of a clip, a random generator and the number of a view, its part of
      a batch; default a `Transform`.
    lengths: frames of each clip, where that is known, before any are sampled.

  Returns:
    An iterator over this process's part of each batch; all processes get as
    many. Where `test_clips` or `test_crops` is K > 1, all but the label is
    (N, K, ...), for the answers to be averaged; random samplings are the same
    each time. `clip` (N,) is the index of the clip, -1 in rows that fill up.
  """
  transform = Transform(config, train=False)
  make = make or transform

  def row(entry):
    i, real = entry
    rng = np.random.default_rng(i) if config.test_clips > 1 else None
    views = [make(clips[i], rng, view) for view in range(transform.views)]
    label = views[0]['label']
    made = jax.tree.map(lambda *v: np.stack(v), *views)
    if transform.views == 1:
      made = views[0]
    return {**made, 'label': label, 'clip': np.int32(i if real else -1)}

  groups = [range(len(clips))]
  if transform.frames == WHOLE:
    if lengths is None:
      lengths = [transform.fixed(clip).shape[1] for clip in clips]
    kept = np.array([transform.length(n) for n in lengths])
    groups = [np.flatnonzero(kept == n).tolist() for n in np.unique(kept)]
  entries = []
  for group in groups:
    entries += [(i, True) for i in group]
    entries += [(group[0], False)] * (-len(group) % batch_size)
  index, count = process
  rows = batch_size // count
  mine = [
    entry
    for start in range(index * rows, len(entries), batch_size)
    for entry in entries[start : start + rows]
  ]
  batches = grain.MapDataset.source(mine).map(row).batch(rows)
  if len(batches) == 1:  # a single answer does not wait for threads to start
    return iter([batches[0]])
  return iter(batches.to_iter_dataset(_threads(config)))


def _threads(config):
  return grain.ReadOptions(
    num_threads=config.threads, prefetch_buffer_size=config.prefetch
  )
