"""From prepared clips to batches: sample, normalise, augment, derive, batch.

A batch is a dict of numpy arrays: `x` (N, M, T, V, C) float32, `label` (N,)
int32, `mask` (N,) float32, 0 where a row only fills up the last batch.

Everything follows from the seed and the batch's index, so a run resumes at
any step by asking for the batches from there on.
"""

from collections.abc import Callable, Iterator, Sequence

import grain
import ml_collections
import numpy as np
import tensorflow_datasets as tfds

from unik_jax import joint_maps
from unik_jax.data import augment, gaps, registry
from unik_jax.data.normalize import get_preset
from unik_jax.data.padding import repeat_tracks
from unik_jax.data.sampling import check_views, get_sampler, window
from unik_jax.data.streams import get_stream
from unik_jax.errors import UserError
from unik_jax.skeletons import get_layout


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
    self._rows = range(len(self._source))
    if subjects or config.classes or repeats:
      self._select(subjects, repeats)
    if not self._rows:
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
    self._rows = []
    for row, (label, subject) in enumerate(notes):
      label = self._labels[label]
      if label >= 0 and (not subjects or subject in subjects):
        self._rows += [row] * (repeats[label] if repeats else 1)

  def __len__(self) -> int:
    return len(self._rows)

  def __getitem__(self, index: int) -> dict:
    record = self._read(self._rows[index])
    return {**record, 'label': self._labels[record['label']]}

  def ids(self) -> list[str]:
    """The clips' names, in their order; reads all records."""
    return [self._read(row)['id'].decode() for row in self._rows]

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


def make_transform(
  config: ml_collections.ConfigDict, *, train: bool
) -> Callable[[dict, np.random.Generator | None], dict]:
  """What happens to each clip, in this order.

  Channels are cut to `channels`, persons cut or zero-padded to `persons`,
  joints mapped to another layout (`joints`), frames at both ends in which
  nobody is seen dropped (`trim`), each person's track repeated to `pad`
  frames, coordinates normalised and divided by `scale`, frames sampled, the
  clip augmented (training only), and the stream made. A confidence channel is
  cut, mapped, padded and sampled with the coordinates, and otherwise left
  alone.

  Args:
    config: the `data` part of a config.
    train: whether random choices are made.

  Returns:
    A function of a record, a random generator, and the index of one of
    `test_crops`, to `x` and `label`.

  Raises:
    UserError: an unknown name, settings that are at odds, or a layout that
      cannot be mapped to the other.
  """
  source = get_layout(config.layout)
  layout = get_layout(config.joints or config.layout)
  if source != layout:
    joint_maps.weights(source, layout)  # refuses those that do not fit
  normalize = get_preset(config.normalize)
  sample = get_sampler(config.sampling)
  check_views(config.sampling, config.test_clips, config.test_crops)
  stream = get_stream(config.stream)
  coordinates = config.channels - bool(config.confidence)
  if config.rotate and coordinates != 3:
    raise UserError('config.data.rotate needs 3-D data')
  frames = config.frames if train else config.test_frames or config.frames
  crops = 1 if train else config.test_crops

  def transform(record, rng=None, crop=0):
    clip = record['keypoints'][: config.persons, ..., : config.channels]
    absent = config.persons - clip.shape[0]
    clip = np.pad(clip, ((0, absent), (0, 0), (0, 0), (0, 0)))
    clip = joint_maps.convert(
      clip, source, layout, confidence=config.confidence
    )
    if config.trim:
      clip = clip[:, gaps.seen_frames(clip[..., :coordinates])]
    if config.pad:
      clip = repeat_tracks(clip, config.pad)
    clip, confidence = np.split(clip, [coordinates], -1)
    clip = normalize(clip, layout, record['image_size'])
    clip = np.concatenate([clip / np.float32(config.scale), confidence], -1)
    clip = sample(window(clip, frames, crop, crops), frames, rng)
    clip, confidence = np.split(clip, [coordinates], -1)
    if train:
      if config.random_move:
        clip = augment.random_move(clip, rng)
      if config.rotate:
        clip = augment.rotate(clip, rng, config.rotate)
      if config.rescale:
        clip = augment.rescale(clip, rng, *config.rescale)
    x = np.concatenate([stream(clip, layout), confidence], -1)
    return {'x': np.float32(x), 'label': np.int32(record['label'])}

  return transform


def steps_per_epoch(clips: Sequence[dict], batch_size: int) -> int:
  """Whole batches in an epoch; a UserError where there is not even one."""
  if len(clips) < batch_size:
    raise UserError(
      f'{len(clips)} training clips do not fill one batch of {batch_size}; set'
      ' a smaller one, as with --config.batch_size=8'
    )
  return len(clips) // batch_size


def train_batches(
  clips: Sequence[dict],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  seed: int,
  start: int = 0,
  process: tuple[int, int] = (0, 1),
) -> Iterator[dict]:
  """Shuffled, augmented batches without end; an epoch's odd rest is dropped.

  Args:
    clips: records by index.
    config: the `data` part of a config.
    batch_size: of all processes together.
    seed: of order and augmentation.
    start: index of the first batch.
    process: (index, count); each gets its part of every batch.

  Returns:
    An iterator over this process's part of batch `start`, `start + 1`, ...

  Raises:
    UserError: fewer clips than a batch holds.
  """
  steps = steps_per_epoch(clips, batch_size)
  index, count = process
  transform = make_transform(config, train=True)
  batches = (
    grain.MapDataset.source(clips)
    .seed(seed)
    .shuffle()
    # Whole batches only, before the split, so that all processes agree on
    # where an epoch ends.
    .random_map(transform)[: steps * batch_size][index::count]
    .batch(batch_size // count, drop_remainder=True)
    .repeat()[start:]
    .to_iter_dataset(
      grain.ReadOptions(
        num_threads=config.threads, prefetch_buffer_size=config.prefetch
      )
    )
  )
  # Not a generator of its own, so that errors come with the call.
  return (
    {**batch, 'mask': np.ones(len(batch['label']), np.float32)}
    for batch in batches
  )


def eval_batches(
  clips: Sequence[dict],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  process: tuple[int, int] = (0, 1),
) -> Iterator[dict]:
  """Every clip once, in order; rows that fill up a batch have mask 0.

  Args:
    clips: records by index.
    config: the `data` part of a config.
    batch_size: of all processes together.
    process: (index, count); each gets its part of every batch.

  Yields:
    This process's part of each batch; all processes get as many. Where
    `test_clips` or `test_crops` is K > 1, `x` is (N, K, M, T, V, C), for the
    answers to be averaged; random samplings are the same each time.
  """
  index, count = process
  transform = make_transform(config, train=False)
  rows = batch_size // count
  views = max(config.test_clips, config.test_crops)

  def make(i):
    record = clips[i]
    if views == 1:
      return transform(record)
    rng = np.random.default_rng(i) if config.test_clips > 1 else None
    several = [transform(record, rng, view) for view in range(views)]
    return {**several[0], 'x': np.stack([item['x'] for item in several])}

  fill = make(0)
  for start in range(0, len(clips), batch_size):
    mine = range(start + index * rows, start + (index + 1) * rows)
    items = [make(i) if i < len(clips) else fill for i in mine]
    yield {
      'x': np.stack([item['x'] for item in items]),
      'label': np.stack([item['label'] for item in items]),
      'mask': np.array([i < len(clips) for i in mine], np.float32),
    }
