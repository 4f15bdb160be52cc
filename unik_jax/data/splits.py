"""The splits of a run: prepared once, opened, and checked."""

import os

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from unik_jax.data import registry
from unik_jax.data.prepared_split import PreparedSplit, fill_data_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError


def prepare_once(data: ConfigDict) -> None:
  """Prepares a run's dataset if needed, on the first process only.

  Args:
    data: the `data` part of a config.

  Raises:
    UserError: the dataset is unknown, or its files are missing or broken.
  """
  # With `manual_dir` set the files are looked at every time, since they may
  # have changed.
  if jax.process_index() == 0 and (
    data.manual_dir or not registry.open_prepared(data.name, data.data_dir)
  ):
    registry.prepare_dataset(data.name, data.data_dir, data.manual_dir)
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('dataset prepared')


def complete_config(config: ConfigDict) -> ConfigDict:
  """Fills in the settings that a config leaves to the prepared dataset.

  Args:
    config: settings of a run, not changed.

  Returns:
    A completed copy; `config` itself if nothing is missing.
  """
  data = config.data
  is_open = not data.layout or data.val_split == 'auto'
  if not is_open and min(data.num_classes, data.persons, data.channels):
    return config
  prepare_once(data)
  config = config.copy_and_resolve_references()
  fill_data_config(config.data)
  return config


def open_split(data: ConfigDict, part: str) -> PreparedSplit:
  """Opens the clips that a run trains, validates or tests on.

  Args:
    data: the `data` part of a config.
    part: 'train', 'val' or 'test'.

  Raises:
    UserError: as in `PreparedSplit`.
  """
  chosen = data[f'{part}_split'], data[f'{part}_subjects']
  if part != 'train':
    return PreparedSplit(data, *chosen)
  return PreparedSplit(
    data,
    *chosen,
    data.repeats,
    per_class=data.clips_per_class,
    draw=data.draw,
  )


def check_transforms(data: ConfigDict) -> None:
  """Raises a UserError if clips cannot be transformed with these settings.

  Args:
    data: the `data` part of a config.
  """
  for train in (True, False):
    Transform(data, train=train)


def check_records(clips: PreparedSplit) -> None:
  """Raises a UserError if a record is damaged.

  Training reads its clips in the first epoch, but tests only at the end.
  """
  clips.ids()


def find_seen(data: ConfigDict, tested: PreparedSplit) -> np.ndarray | None:
  """Returns (N,) whether each test clip is also in training; None if none is.

  A test clip is if it, or a clip that is identical to it, is a training clip of
  this config. Also None if the dataset has no such training clips. The training
  clips are read only where one may be a test clip.

  Args:
    data: the `data` part of a config.
    tested: the test clips.

  Raises:
    UserError: a record or the dataset's report is damaged.
  """
  test_ids, groups = tested.ids(), tested.groups()
  splits = tested.info.splits
  try:
    files, train_files = (
      {os.path.realpath(f.filename) for f in splits[split].file_instructions}
      for split in (tested.split, data.train_split)
    )
  except (KeyError, ValueError):  # evaluates other data than it was trained on
    return None
  grouped = {clip for group in groups for clip in group}
  if grouped.isdisjoint(test_ids) and files.isdisjoint(train_files):
    return None
  trained = set(open_split(data, 'train').ids())
  for group in groups:
    if not trained.isdisjoint(group):
      trained.update(group)
  seen = np.array([clip in trained for clip in test_ids])
  return seen if seen.any() else None


def check_held_out(
  val_clips: PreparedSplit, train_clips: PreparedSplit
) -> None:
  """Raises a UserError if a validation clip is also a training clip."""
  ids = val_clips.ids()
  shared = set(train_clips.ids()) & set(ids)
  if shared:
    raise UserError(
      f'config.data.val_split: {len(shared)} of {len(ids)} validation clips are'
      f' training clips too, such as {min(shared)}, so validation accuracy'
      ' would be too high. Change val_split or val_subjects, or leave the'
      ' clips out of train_split or train_subjects (with another --workdir if'
      ' this run has begun).'
    )
