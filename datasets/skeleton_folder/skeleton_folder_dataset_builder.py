"""A user's own recordings: a folder of clips, or a manifest of them.

    python -m unik_jax.prepare skeleton_folder/NAME --manual_dir=ROOT

makes a dataset of the clips below ROOT. See docs/own_data.md.
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
from unik_jax.errors import UserError
from unik_jax.skeletons import layouts


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """What follows from the user's files.

  Attributes:
    form: what all clips have in common.
    labels: class names, in label order.
  """

  # Not in its text, which TFDS logs.
  form: recordings.Form | None = dataclasses.field(default=None, repr=False)
  labels: tuple[str, ...] = dataclasses.field(default=(), repr=False)


class Builder(ClipBuilder):
  """The config's name is the dataset's, of the user's choice."""

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'These are your own recordings: a folder with a folder of clips for each'
    ' class, ROOT/LABEL/CLIP.npz (.npy, .csv, .json), or with a manifest.csv'
    ' that has columns file and label. See docs/own_data.md.'
  )
  configs_from_files = True

  @classmethod
  def configure(cls, name, folder):
    folder = pathlib.Path(folder)
    if not name:
      name = re.sub(r'[^\w.-]+', '_', folder.resolve().name, flags=re.ASCII)
    if not re.fullmatch(r'[\w.-]*\w[\w.-]*', name, re.ASCII):
      raise UserError(
        f'{name!r} is no name for a dataset; use a-z, A-Z, 0-9, _, - and .'
      )
    entries, _ = splits.divide(manifest.read(folder)[0])
    stated = settings.read(folder)
    there = [e.source for e in entries if os.path.exists(e.source.path)]
    form = recordings.survey(
      there or [manifest.existing(entries[0])],
      layout=stated.layout,
      persons=stated.persons,
      confidence=stated.confidence,
      units=stated.units,
    )
    return Config(
      name=name,
      description=f'Clips from {folder.resolve()}.',
      form=form,
      labels=tuple(splits.class_names(entries)),
    )

  def _info(self):
    config = self.builder_config
    layouts.register_layout(config.form.layout)
    return self.clip_info(
      layout=config.form.layout.name,
      persons=config.form.persons,
      channels=config.form.channels,
      confidence=config.form.confidence,
      labels=list(config.labels),
      description="A user's own recordings.",
      units=config.form.units,
    )

  def list_clips(self, folder):
    entries, notes = manifest.read(folder)
    entries, drawn = splits.divide(entries)
    for note in (*notes, *self.builder_config.form.notes, *drawn):
      logging.warning('%s: %s', folder, note)
    splits.check_copies(entries)
    labels = self.builder_config.labels
    numbers = splits.subject_numbers(entries)
    size = settings.read(folder).image_size
    clips, left = [], []
    for entry in entries:
      with self.may_skip(entry.where):
        source = manifest.existing(entry)
        clips.append(
          ClipFile(
            id=entry.id,
            source=dataclasses.replace(
              source, image_size=source.image_size or size
            ),
            splits=(entry.split,),
            label=labels.index(entry.label),
            subject=numbers[entry.subject],
          )
        )
        left.append(entry)
    splits.check(left, labels)
    return clips

  def reader(self):
    form = self.builder_config.form
    return functools.partial(
      recordings.read,
      layout=form.layout,
      persons=form.persons,
      channels=form.channels,
      confidence=form.confidence,
    )
