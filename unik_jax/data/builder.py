"""Base class of the dataset builders in `datasets/`.

A subclass lists a dataset's clips and names the function that reads one. This
class reads them in worker processes, checks them, and writes each one once,
even if it belongs to several splits. The result is a prepared dataset, which
`registry` finds and `prepared_split` opens.
"""

import abc
import collections
import contextlib
import dataclasses
import functools
import itertools
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from absl import logging
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from unik_jax.data import raw_files
from unik_jax.data.clips import (
  ClipFile,
  LeftOut,
  Recording,
  parse_split,
  read_clip,
  summarize_notes,
)
from unik_jax.data.identical import REPORT, IdenticalClips
from unik_jax.data.one_scale import OneScale
from unik_jax.data.shard_writer import ShardWriter
from unik_jax.errors import UserError
from unik_jax.runtime.json_files import write_json_table
from unik_jax.runtime.pool import ordered_map
from unik_jax.skeletons.layouts import BUILT_IN, get_layout

# Fewer clips are read before worker processes have started.
_MIN_POOL_CLIPS = 201


class _Info(tfds.core.DatasetInfo):
  def initialize_from_bucket(self):
    """Does nothing: TFDS's bucket has no such dataset."""


class ClipBuilder(FileReaderBuilder, skip_registration=True):
  """A TFDS builder of skeleton clips; a subclass per dataset.

  Attributes:
    configs_from_files: whether `configure` needs the raw files.
    parallel: whether worker processes read clips. False if the clips' sources
      are arrays, which would have to be sent to them.
    compares_bodies: whether clips whose bodies are far larger than others'
      are refused (`OneScale`).
    skip_bad: whether a bad clip is listed in the report instead of an error.
    workers: processes that read clips; None for one per core.
  """

  configs_from_files = False
  parallel = True
  compares_bodies = False
  skip_bad = False
  workers: int | None = None

  def __init__(self, *, file_format=None, **options):
    # TFDS's own default is TFRecord, which takes TensorFlow to write.
    super().__init__(file_format=file_format or 'array_record', **options)

  @classmethod
  def configure(
    cls, name: str, folder: pathlib.Path
  ) -> tfds.core.BuilderConfig | None:
    """Returns a config by name.

    Builders whose configs depend on the raw files override this.

    Args:
      name: name of the config; '' for the default one.
      folder: folder of the raw files; it may be missing.

    Raises:
      UserError: the config is unknown.
    """
    del folder
    configs = {config.name: config for config in cls.BUILDER_CONFIGS}
    if not name:
      return next(iter(configs.values()), None)
    if name not in configs:
      raise UserError(
        f'dataset {cls.name!r} has no config {name!r}; it has: '
        + (', '.join(configs) or 'none')
      )
    return configs[name]

  @classmethod
  def fingerprint(cls, name: str, folder: pathlib.Path) -> str:
    """Returns a hash of the raw files' names, sizes and times.

    Args:
      name: name of the config.
      folder: folder of the raw files.
    """
    del name
    return raw_files.fingerprint_files(
      folder, (p for p in folder.rglob('*') if p.is_file())
    )

  @abc.abstractmethod
  def list_clips(self, folder: pathlib.Path) -> Iterable[ClipFile]:
    """Lists all clips, before the long reading begins.

    Raises errors about missing files and names. It reads a clip only if the
    clip's splits depend on its content.

    Args:
      folder: folder of the raw files.
    """

  @abc.abstractmethod
  def reader(self) -> Callable[[Any], Recording | np.ndarray]:
    """Returns the function that reads a clip from `ClipFile.source`.

    It must be picklable for the worker processes: a module's function, or a
    partial of one.
    """

  def clip_info(
    self,
    *,
    layout: str,
    persons: int,
    channels: int,
    labels: list[str],
    description: str,
    units: str,
    confidence: bool = False,
    homepage: str = '',
    citation: str = '',
  ) -> tfds.core.DatasetInfo:
    """Returns the DatasetInfo, with layout and units as metadata.

    Args:
      layout: a key of `unik_jax.skeletons.layouts.LAYOUTS`.
      persons: M, the largest number of persons per clip.
      channels: C, coordinates (and confidence) per joint.
      labels: class names, in label order.
      description: description of the dataset.
      units: units of the coordinates, such as 'metres'.
      confidence: whether the last channel is a confidence.
      homepage: web page of the dataset.
      citation: BibTeX.

    Returns:
      The DatasetInfo for `_info`.
    """
    joints = get_layout(layout)
    metadata: dict[str, Any] = {
      'layout': layout,
      'units': units,
      'confidence': confidence,
    }
    if layout not in BUILT_IN:
      metadata['joint_layout'] = joints.to_dict()
    return _Info(
      builder=self,
      description=description,
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(),
          'keypoints': tfds.features.Tensor(
            shape=(persons, None, joints.num_joints, channels),
            dtype=np.float32,
            encoding='bytes',  # written 40 times as fast as a list
          ),
          'label': tfds.features.ClassLabel(names=labels),
          'subject': tfds.features.Scalar(dtype=np.int32),
          'image_size': tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }
      ),
      metadata=tfds.core.MetadataDict(metadata),
      homepage=homepage or None,
      citation=citation or None,
      disable_shuffling=True,  # the loader shuffles
    )

  @contextlib.contextmanager
  def may_skip(self, where: Any) -> Iterator[None]:
    """Lists a UserError raised inside in the report, if `skip_bad`.

    Args:
      where: the clip or file, for the report.

    Raises:
      UserError: the one raised inside, if not `skip_bad`.
    """
    try:
      yield
    except UserError as error:
      if not self.skip_bad:
        raise UserError(
          f'{error}\nTo skip bad clips and list them in a report: --skip_bad'
        ) from None
      self._skipped.append({'clip': str(where), 'reason': str(error)})

  def leave_out(self, where: Any, reason: str) -> None:
    """Lists in the report a clip that the dataset's own rules exclude."""
    self._left_out.append({'clip': str(where), 'reason': reason})

  @functools.cached_property
  def _skipped(self) -> list[dict[str, str]]:
    return []

  @functools.cached_property
  def _left_out(self) -> list[dict[str, str]]:
    return []

  def _create_builder_config(self, builder_config, version):
    # TFDS warns about configs that are not in BUILDER_CONFIGS, as those from
    # raw files.
    if isinstance(builder_config, tfds.core.BuilderConfig):
      return builder_config
    return super()._create_builder_config(builder_config, version)

  def _log_download_bytes(self):
    """Prints nothing: TFDS's text is about downloads, and there are none."""

  def _log_download_done(self):
    """Prints nothing, as `_log_download_bytes`."""

  def _download_and_prepare(self, dl_manager, download_config=None):
    folder = None
    if self.MANUAL_DOWNLOAD_INSTRUCTIONS:
      folder = pathlib.Path(dl_manager.manual_dir)
    clips = list(self._checked(self.list_clips(folder)))
    # Clips of the same splits are written together, so that a split is a
    # sequence of whole shards, and splits can share shards.
    groups = collections.defaultdict(list)
    for clip in clips:
      groups[clip.splits].append(clip)
    # In the order of their first clips.
    names = dict.fromkeys(itertools.chain.from_iterable(groups))

    out = pathlib.Path(self.data_path)
    writer = ShardWriter(out, self.info.features, self.info.file_format)
    written, notes, identical = 0, [], IdenticalClips()
    channels = self.info.features['keypoints'].shape[-1]
    one_scale = OneScale(
      channels - self.info.metadata['confidence'], self.compares_bodies
    )
    ordered = itertools.chain.from_iterable(groups.values())
    for clip, recording in self._read(ordered, len(clips)):
      one_scale.add(clip.source, recording)
      notes.append((clip.source, recording.notes))
      identical.add(clip, recording.keypoints)
      writer.write(
        clip.splits,
        {
          'id': clip.id,
          'keypoints': recording.keypoints,
          'label': clip.label,
          'subject': clip.subject,
          'image_size': np.asarray(recording.image_size, np.int32),
        },
      )
      written += 1
    if not written:
      raise UserError(f'{folder}: no clip to write. {self._explain_empty()}')
    one_scale.finish()
    for note in summarize_notes(notes):
      logging.warning('%s', note)
    splits = {
      name: [group for group in groups if name in group] for name in names
    }
    template = dataclasses.replace(
      self._get_filename_template('train'), split=None
    )
    infos = writer.finish(splits, template)
    if empty := sorted(set(names) - {info.name for info in infos}):
      raise UserError(
        f'{folder}: no clip is left in split {empty[0]!r}.'
        f' {self._explain_empty()}'
      )
    self.info.set_splits(tfds.core.SplitDict(infos))
    config = self.builder_config
    name = f'{self.name}/{config.name}' if config else self.name
    for note in identical.describe({i.name: i.num_examples for i in infos}):
      logging.warning('%s: %s', name, note)
    report = {
      'left_out': self._left_out,
      'skipped': self._skipped,
      'identical': identical.list_groups(self.info.features['label'].names),
    }
    if any(report.values()):
      write_json_table(out / REPORT, {'written': written, **report})

  def _explain_empty(self):
    reasons = [note['reason'] for note in self._skipped + self._left_out]
    if not reasons:
      return 'Check that its files are there, under their original names'
    return f'{len(reasons)} clips were dropped, the first because: {reasons[0]}'

  def _checked(self, clips):
    """Yields the clips with valid splits, ids and labels."""
    splits_by_id = {}
    classes = self.info.features['label'].num_classes
    for clip in clips:
      with self.may_skip(clip.source):
        _check_splits(clip)
        if clip.id in splits_by_id:
          raise UserError(
            f'{clip.source}: clip {clip.id!r} occurs twice (splits'
            f' {", ".join(splits_by_id[clip.id])} and'
            f' {", ".join(clip.splits)}). Remove one of the two'
          )
        if not 0 <= clip.label < classes:
          raise UserError(
            f'{clip.source}: label: expected 0 to {classes - 1}, got'
            f' {clip.label}'
          )
        splits_by_id[clip.id] = clip.splits
        yield clip

  def _read(self, clips, total):
    """Yields (clip, recording), in the order of the clips."""
    persons, _, _, channels = self.info.features['keypoints'].shape
    read = functools.partial(
      read_clip,
      reader=self.reader(),
      layout=get_layout(self.info.metadata['layout']),
      persons=persons,
      channels=channels,
    )
    progress = tqdm.tqdm(
      desc=self.info.full_name,
      total=total,
      unit=' clips',
      delay=1,
      mininterval=1 if sys.stderr.isatty() else 30,
    )
    results = ordered_map(
      read,
      clips,
      count=total,
      min_items=_MIN_POOL_CLIPS,
      workers=self.workers if self.parallel else 1,
    )
    with progress, contextlib.closing(results):
      for clip, result in results:
        progress.update()
        with self.may_skip(clip.source):
          try:
            recording = result()
          except LeftOut as reason:
            self.leave_out(clip.source, str(reason))
          else:
            yield clip, recording


def _check_splits(clip):
  """Checks that a clip is in some split, and in one part of each protocol."""
  if not clip.splits:
    raise UserError(
      f'{clip.source}: clip {clip.id!r} is in no split. Add it to one, or'
      ' remove it'
    )
  # xsub_train and xsub_test are parts of one protocol, as are train and test.
  protocols = collections.defaultdict(list)
  for split in clip.splits:
    protocol, part = parse_split(split)
    if part:
      protocols[protocol].append(split)
  for parts in protocols.values():
    if len(parts) > 1:
      raise UserError(
        f'{clip.source}: clip {clip.id!r} is in both {parts[0]} and {parts[1]}.'
        ' Remove it from one of them'
      )
