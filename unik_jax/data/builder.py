"""What the dataset builders share: a subclass lists clips and names a reader.

The rest happens here: clips are read by several processes, checked, and
written once, however many splits they belong to.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from unik_jax.data.clips import ClipFile, LeftOut, Recording, read_clip
from unik_jax.data.writer import ShardWriter
from unik_jax.errors import UserError
from unik_jax.runtime.pool import ordered_map
from unik_jax.skeletons.layouts import BUILT_IN, get_layout

REPORT = 'report.json'
_PARTS = ('train', 'val', 'validation', 'test')  # of which a clip is in one
_WORTH_WORKERS = 201  # clips; fewer are read before processes have started


class _Info(tfds.core.DatasetInfo):
  def initialize_from_bucket(self):
    """Not looked for: it is of no use to us, and leaves a folder in /tmp."""


class ClipBuilder(FileReaderBuilder, skip_registration=True):
  """A TFDS builder of skeleton clips; subclasses read one dataset's files.

  Attributes:
    configs_from_files: whether `configure` needs the user's files.
    parallel: whether several processes read; False where the clips' sources
      are the arrays themselves.
    skip_bad: whether bad clips are listed in a report, rather than an error.
    workers: processes that read clips; None for as many as there are cores.
  """

  configs_from_files = False
  parallel = True
  skip_bad = False
  workers: int | None = None

  @classmethod
  def configure(
    cls, name: str, folder: pathlib.Path
  ) -> tfds.core.BuilderConfig | None:
    """The config of that name; '' for the default one.

    Builders whose configs follow from the user's files override this.

    Args:
      name: of the config.
      folder: the manual folder, which may not be there.

    Raises:
      UserError: no such config.
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
    """Changes when the user's files do: their names, sizes or times.

    Args:
      name: of the config.
      folder: the manual folder.
    """
    del name
    return fingerprint_files(
      folder, (p for p in folder.rglob('*') if p.is_file())
    )

  def list_clips(self, folder: pathlib.Path) -> Iterable[ClipFile]:
    """All clips, quickly; what can be refused before long work is, here.

    Args:
      folder: the manual folder.
    """
    raise NotImplementedError

  def reader(self) -> Callable[[Any], Recording | np.ndarray]:
    """What makes a clip of its source: a function of a module, or a partial
    of one, so that worker processes can find it."""
    raise NotImplementedError

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
    """The features of a clip, with the layout and units kept as metadata.

    Args:
      layout: a key of `unik_jax.skeletons.layouts.LAYOUTS`.
      persons: M, how many persons a clip has room for.
      channels: C, coordinates (and confidence) per joint.
      labels: class names, in label order.
      description: what the dataset is.
      units: of the coordinates, such as 'metres'.
      confidence: whether the last channel is one.
      homepage: where the authors describe the dataset.
      citation: BibTeX.

    Returns:
      The DatasetInfo for `_info`.
    """
    joints = get_layout(layout)
    metadata = {'layout': layout, 'units': units, 'confidence': confidence}
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
            encoding='bytes',  # forty times as fast to write as a list
          ),
          'label': tfds.features.ClassLabel(names=labels),
          'subject': tfds.features.Scalar(dtype=np.int32),
          'image_size': tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }
      ),
      metadata=tfds.core.MetadataDict(metadata),
      homepage=homepage or None,
      citation=citation or None,
      disable_shuffling=True,  # the loader shuffles; ids stay in order
    )

  @contextlib.contextmanager
  def may_skip(self, where: Any) -> Iterator[None]:
    """A UserError within is fatal or, with `skip_bad`, goes to the report."""
    try:
      yield
    except UserError as error:
      if not self.skip_bad:
        raise UserError(
          f'{error}\nTo go on without such clips, and list them: --skip_bad'
        ) from None
      self._skipped.append({'clip': str(where), 'reason': str(error)})

  def leave_out(self, where: Any, reason: str) -> None:
    """Notes in the report that the dataset's own rules drop a clip."""
    self._left_out.append({'clip': str(where), 'reason': reason})

  @functools.cached_property
  def _skipped(self) -> list[dict[str, str]]:
    return []

  @functools.cached_property
  def _left_out(self) -> list[dict[str, str]]:
    return []

  def _create_builder_config(self, builder_config, version):
    # TFDS warns of configs that are not in a list; ours may follow from files.
    if isinstance(builder_config, tfds.core.BuilderConfig):
      return builder_config
    return super()._create_builder_config(builder_config, version)

  def _log_download_bytes(self):
    """Says nothing: TFDS's words are about downloads, and there are none."""

  def _log_download_done(self):
    """Likewise."""

  def _download_and_prepare(self, dl_manager, download_config):
    folder = None
    if self.MANUAL_DOWNLOAD_INSTRUCTIONS:
      folder = pathlib.Path(dl_manager.manual_dir)
    clips = list(self._checked(self.list_clips(folder)))
    # Clips that are in the same splits lie together, so that a split is a row
    # of whole files, and splits can share them.
    groups = collections.defaultdict(list)
    for clip in clips:
      groups[clip.splits].append(clip)
    # In the order in which they first occur.
    names = dict.fromkeys(itertools.chain.from_iterable(groups))

    out = pathlib.Path(self.data_path)
    writer = ShardWriter(out, self.info.features)
    written = 0
    ordered = itertools.chain.from_iterable(groups.values())
    for clip, recording in self._read(ordered, len(clips)):
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
      raise UserError(f'{folder}: no clip to write{self._reasons()}')
    splits = {
      name: [group for group in groups if name in group] for name in names
    }
    template = dataclasses.replace(
      self._get_filename_template('train'), split=None
    )
    infos = writer.finish(splits, template)
    if empty := sorted(set(names) - {info.name for info in infos}):
      raise UserError(
        f'{folder}: no clip is left in split {empty[0]!r}{self._reasons()}'
      )
    self.info.set_splits(tfds.core.SplitDict(infos))
    if self._skipped or self._left_out:
      report = {
        'written': written,
        'left_out': self._left_out,
        'skipped': self._skipped,
      }
      (out / REPORT).write_text(json.dumps(report, indent=1) + '\n')

  def _reasons(self):
    reasons = [note['reason'] for note in self._skipped + self._left_out]
    if not reasons:
      return '; are its files there, under the names that their authors gave?'
    return f'; {len(reasons)} dropped, the first since: {reasons[0]}'

  def _checked(self, clips):
    """The clips of which the listing makes sense."""
    splits_of = {}
    classes = self.info.features['label'].num_classes
    for clip in clips:
      with self.may_skip(clip.source):
        _check_splits(clip)
        if clip.id in splits_of:
          raise UserError(
            f'{clip.source}: clip {clip.id!r} is there twice (splits'
            f' {", ".join(splits_of[clip.id])}, and {", ".join(clip.splits)});'
            ' remove one of the two'
          )
        if not 0 <= clip.label < classes:
          raise UserError(
            f'{clip.source}: label {clip.label}, but labels go from 0 to'
            f' {classes - 1}'
          )
        splits_of[clip.id] = clip.splits
        yield clip

  def _read(self, clips, total):
    """Yields (clip, recording), in order, as worker processes read them."""
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
      worth=_WORTH_WORKERS,
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


def fingerprint_files(
  folder: pathlib.Path, paths: Iterable[pathlib.Path]
) -> str:
  """A hash of the names, sizes and times of files; '' where there are none."""
  whole = hashlib.sha256()
  if not (paths := sorted(paths)):
    return ''
  for path in paths:
    stat = path.stat()
    name = os.fsencode(path.relative_to(folder))
    whole.update(b'%s %d %d\n' % (name, stat.st_size, stat.st_mtime_ns))
  return whole.hexdigest()


def _check_splits(clip):
  if not clip.splits:
    raise UserError(
      f'{clip.source}: clip {clip.id!r} is in no split; name it in one, or'
      ' remove it'
    )
  # xsub_train and xsub_test are parts of one protocol, as are train and test.
  protocols = collections.defaultdict(list)
  for split in clip.splits:
    protocol, _, part = split.rpartition('_')
    if part in _PARTS:
      protocols[protocol].append(split)
  for rivals in protocols.values():
    if len(rivals) > 1:
      raise UserError(
        f'{clip.source}: clip {clip.id!r} is in both {rivals[0]} and'
        f' {rivals[1]}; it can be in one of them'
      )
