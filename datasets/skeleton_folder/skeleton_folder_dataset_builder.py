"""Dataset builder for a user's own recordings: a folder or a manifest of clips.

    python -m unik_jax.prepare skeleton_folder/NAME --manual_dir=ROOT

prepares the clips below ROOT. See docs/own_data.md.
"""

import dataclasses
import functools
import os
import pathlib
import re

import tensorflow_datasets as tfds
from absl import logging

from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats.user import manifest, recordings, settings, splits
from unik_jax.data.formats.user.dataset_format import (
  DatasetFormat,
  detect_format,
)
from unik_jax.errors import UserError
from unik_jax.skeletons import layouts


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """Builder config derived from the user's files.

  Attributes:
    clip_format: what all clips have in common.
    labels: class names, in label order.
    image_size: of the files that do not state it, if known.
    uses_image_size: whether to keep the images' sizes.
  """

  # Not in the config's repr, which TFDS logs.
  clip_format: DatasetFormat | None = dataclasses.field(
    default=None, repr=False
  )
  labels: tuple[str, ...] = dataclasses.field(default=(), repr=False)
  image_size: tuple[int, int] | None = dataclasses.field(
    default=None, repr=False
  )
  uses_image_size: bool = dataclasses.field(default=True, repr=False)


class Builder(ClipBuilder):
  """Builds skeleton_folder/NAME; the user chooses NAME."""

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Put your recordings into one folder per class, ROOT/LABEL/CLIP.npz (.npy,'
    ' .csv, .json), or list them in ROOT/manifest.csv with columns file and'
    ' label. See docs/own_data.md.'
  )
  configs_from_files = True
  compares_bodies = True

  @classmethod
  def configure(cls, name, folder):
    folder = pathlib.Path(folder)
    if not name:
      name = re.sub(r'[^\w.-]+', '_', folder.resolve().name, flags=re.ASCII)
    if not re.fullmatch(r'[\w.-]*\w[\w.-]*', name, re.ASCII):
      raise UserError(
        f'dataset name: expected a-z, A-Z, 0-9, _, - and ., got {name!r}'
      )
    entries, _ = splits.assign_splits(manifest.read_clip_list(folder)[0])
    stated = settings.read_settings(folder)
    sources = [e.source for e in entries if os.path.exists(e.source.path)]
    sources = sources or [manifest.check_source(entries[0])]
    clip_format = detect_format(
      [_complete_source(source, stated) for source in sources],
      layout=stated.layout,
      persons=stated.persons,
      confidence=stated.confidence,
    )
    return Config(
      name=name,
      description=f'Clips from {folder.resolve()}.',
      clip_format=clip_format,
      labels=tuple(splits.sort_class_names(entries)),
      image_size=stated.image_size,
      uses_image_size=stated.uses_image_size,
    )

  def _info(self):
    config = self.builder_config
    layouts.register_layout(config.clip_format.layout)
    info = self.clip_info(
      layout=config.clip_format.layout.name,
      persons=config.clip_format.persons,
      channels=config.clip_format.channels,
      confidence=config.clip_format.confidence,
      labels=list(config.labels),
      description="A user's own recordings.",
      units=config.clip_format.units,
    )
    if config.image_size:
      # Records in image widths do not have it.
      info.metadata['image_size'] = list(config.image_size)
    return info

  def list_clips(self, folder):
    entries, notes = manifest.read_clip_list(folder)
    entries, split_notes = splits.assign_splits(entries)
    if self.builder_config.clip_format.layout_is_assumed:
      layout = self.builder_config.clip_format.layout
      notes.append(
        f'layout {layout.name!r} is assumed, the only built-in one with'
        f' {layout.num_joints} joints. If it is another one, name it in'
        ' layout.yaml'
      )
    for note in notes + split_notes:
      logging.warning('%s: %s', folder, note)
    duplicates = splits.find_duplicates(entries)
    labels = self.builder_config.labels
    numbers = splits.number_subjects(entries)
    stated = settings.read_settings(folder)
    clips, listed = [], []
    for entry in entries:
      with self.may_skip(entry.where):
        if entry.id in duplicates:
          raise duplicates[entry.id]
        source = manifest.check_source(entry)
        clips.append(
          ClipFile(
            id=entry.id,
            source=_complete_source(source, stated),
            splits=(entry.split,),
            label=labels.index(entry.label),
            subject=numbers[entry.subject],
          )
        )
        listed.append(entry)
    # Checked again, since some files may have been skipped.
    splits.check_splits(listed, labels)
    return clips

  def reader(self):
    clip_format = self.builder_config.clip_format
    return functools.partial(
      recordings.read_recording,
      layout=clip_format.layout,
      persons=clip_format.persons,
      channels=clip_format.channels,
      confidence=clip_format.confidence,
      uses_image_size=self.builder_config.uses_image_size,
    )


def _complete_source(source, stated):
  """Returns a source with what layout.yaml states of all clips."""
  return dataclasses.replace(
    source,
    image_size=source.image_size or stated.image_size,
    units=stated.units,
  )
