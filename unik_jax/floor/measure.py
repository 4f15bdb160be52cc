"""The floor of a dataset: measured once, and kept beside the prepared clips.

  DATASET/VERSION/floor/ROW-SEED-KEY.npz    scores of the test clips
  DATASET/VERSION/floor/ROW-SEED-KEY.json   settings, time of the fit

KEY is a digest of all that the scores depend on. Preparing the dataset again
removes the folder.
"""

import hashlib
import json
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from unik_jax.config import default_config
from unik_jax.data.prepared_split import open_dataset
from unik_jax.data.splits import find_seen, open_split
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError, check_choice
from unik_jax.floor import nearest
from unik_jax.floor.series import read_series, score_clips, spread_rows
from unik_jax.models import rocket
from unik_jax.run.scores import (
  Scores,
  pool_scores,
  read_scores,
  write_scores,
)
from unik_jax.runtime.json_files import read_json_table, write_json_table
from unik_jax.runtime.locks import hold_lock
from unik_jax.skeletons.layouts import get_layout

NAMES = {
  'nearest': 'nearest mean pose',
  'minirocket': 'MiniRocket',
  'multirocket': 'MultiRocket',
}
_VERSION = 2  # raised when the classifiers or their input change
_SETTINGS = (
  'layout',
  'num_classes',
  'persons',
  'joints',
  'classes',
  'train_split',
  'train_subjects',
  'clips_per_class',
  'draw',
  'test_split',
  'test_subjects',
)


class FloorRow(NamedTuple):
  """One cheap classifier on a dataset's test clips.

  Attributes:
    name: a key of `NAMES`.
    scores: of each seed; of one if the classifier has no seed.
    seconds: median time of a fit and of its test clips.
    fitted: number of training clips that it was fitted to.
    train: number of training clips.
  """

  name: str
  scores: tuple[Scores, ...]
  seconds: float
  fitted: int
  train: int

  @property
  def label(self) -> str:
    """The classifier's name, with the training clips if it had not all."""
    few = self.fitted < self.train
    share = f', {self.fitted:,} of {self.train:,} training clips' if few else ''
    return NAMES[self.name] + share


def measure_floor(
  config: ConfigDict,
  seeds: Sequence[int] = (0,),
  names: Sequence[str] | None = None,
  *,
  log: Callable[[str], None] = lambda line: None,
) -> list[FloorRow]:
  """Returns the floor of a run's test clips; fits what is not kept yet.

  Args:
    config: the `data` part of a config.
    seeds: seeds of the classifiers.
    names: keys of `NAMES` (default: all). Those that are not installed are
      left out.
    log: called with a line before each fit, and for each row left out.

  Raises:
    UserError: a name is unknown; the dataset is not prepared or has no such
      splits; or a file cannot be written.
  """
  names = tuple(NAMES if names is None else names)
  return _find_rows(config, seeds, names, names, log)


def pool_floors(folds: Sequence[Sequence[FloorRow]]) -> list[FloorRow]:
  """Returns the floor of all folds' test clips together.

  Args:
    folds: the floor of each fold, with the same rows and seeds.
  """
  return [
    FloorRow(
      rows[0].name,
      tuple(
        pool_scores(seed)
        for seed in zip(*(row.scores for row in rows), strict=True)
      ),
      sum(row.seconds for row in rows),
      sum(row.fitted for row in rows),
      sum(row.train for row in rows),
    )
    for rows in zip(*folds, strict=True)
  ]


def read_floor(config: ConfigDict, seeds: Sequence[int]) -> list[FloorRow]:
  """Returns the rows of the floor that are kept, and the nearest mean pose.

  Takes seconds: nothing is fitted but mean poses.

  Args:
    config: the `data` part of a config.
    seeds: seeds of the classifiers.

  Raises:
    UserError: the dataset is not prepared.
  """
  return _find_rows(config, seeds, NAMES, ('nearest',), lambda line: None)


def _find_rows(config, seeds, names, fitted, log):
  """Returns the rows `names`; fits those in `fitted` that are not kept."""
  for name in names:
    check_choice('--floor', name, NAMES)
  floor = _Floor(floor_config(config), log)
  if not rocket.installed_version():
    if left_out := [NAMES[name] for name in names if name != 'nearest']:
      log(f'floor: without {", ".join(left_out)}. Install: {rocket.INSTALL}')
    names = [name for name in names if name == 'nearest']
  rows = []
  for name in names:
    own_seeds = (0,) if name == 'nearest' else tuple(dict.fromkeys(seeds))
    kept = [floor.find(name, seed, name in fitted) for seed in own_seeds]
    if all(kept):
      scores, notes = zip(*kept, strict=True)
      seconds = statistics.median(note['seconds'] for note in notes)
      first = notes[0]
      rows.append(
        FloorRow(name, scores, seconds, first['fitted'], first['train'])
      )
  return rows


def floor_config(config: ConfigDict) -> ConfigDict:
  """Returns the `data` settings of the classifiers' input.

  The clips, persons and joints are the network's. The rest is fixed, so that
  all networks on these clips have the same floor.

  Args:
    config: the `data` part of a network's config.
  """
  data = default_config().data
  data.update({key: config[key] for key in _SETTINGS})
  data.update(
    name=config.name,
    data_dir=config.data_dir,
    channels=config.channels - bool(config.confidence),
    trim=True,
    normalize='center_first',
    sampling='linear',
    frames=rocket.FRAMES,
  )
  return data


class _Floor:
  """The kept and new scores of one floor config."""

  def __init__(self, data: ConfigDict, log: Callable[[str], None]):
    self._data, self._log = data, log
    folder = pathlib.Path(open_dataset(data).data_path)
    self._can_keep = os.access(folder, os.W_OK)
    self._folder = folder / 'floor'
    self._series: tuple[np.ndarray, np.ndarray] | None = None

  def find(self, name: str, seed: int, fit: bool) -> tuple | None:
    """Returns (scores, note) of one fit; None if not kept and not `fit`."""
    settings = self._settings(name, seed)
    text = json.dumps(settings, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = self._folder / f'{name}-{seed}-{key}.npz'
    if (kept := _read_kept(path)) or not fit:
      return kept
    if not self._can_keep:
      self._log(f'floor: not kept, since {self._folder.parent} is read-only')
      return self._fit(name, seed)
    with hold_lock(self._folder / '.lock'):
      # Another process may have fitted it while this one waited.
      if kept := _read_kept(path):
        return kept
      scores, note = self._fit(name, seed)
      write_json_table(path.with_suffix('.json'), {**note, **settings})
      write_scores(path, scores)  # last: with it, both are there
    return scores, note

  def _settings(self, name: str, seed: int) -> dict[str, Any]:
    """All that the scores depend on."""
    return {
      'row': name,
      'seed': seed,
      'version': _VERSION,
      'aeon': '' if name == 'nearest' else rocket.installed_version(),
      **{key: self._data[key] for key in (*_SETTINGS, 'channels')},
    }

  def _fit(self, name, seed):
    """Returns the scores of the test clips, and a note on the fit."""
    data = self._data
    train, test = open_split(data, 'train'), open_split(data, 'test')
    rows = spread_rows(len(train))
    if name != 'nearest':
      self._log(
        f'floor: fits {NAMES[name]} to {len(rows):,} of {len(train):,} clips'
        f' of {data.train_split}, seed {seed}'
      )
    start = time.monotonic()
    if name == 'nearest':
      labels, logits = self._score_nearest(train, rows, test)
    else:
      labels, logits = self._score_rocket(name, seed, train, rows, test)
    scores = Scores(
      ids=np.array(test.ids()),
      labels=labels,
      logits=logits.astype(np.float32),
      classes=np.array(test.class_names),
      split=data.test_split,
      views=1,
      seen=find_seen(data, test),
    )
    seconds = round(time.monotonic() - start, 1)
    note = {'seconds': seconds, 'fitted': len(rows), 'train': len(train)}
    return scores, note

  def _score_nearest(self, train, rows, test):
    return nearest.score_mean_poses(
      (train[i] for i in rows),
      (test[i] for i in range(len(test))),
      get_layout(self._data.layout),
      self._data.channels,
      self._data.num_classes,
    )

  def _score_rocket(self, name, seed, train, rows, test):
    transform = Transform(self._data, train=False)
    if self._series is None:
      self._series = read_series(train, rows, transform)
    classify = rocket.fit_rocket(
      name, *self._series, self._data.num_classes, seed
    )
    return score_clips(classify, test, transform)


def _read_kept(path):
  """Returns the (scores, note) in a file; None if missing or broken."""
  try:
    return read_scores(path), read_json_table(path.with_suffix('.json'), 'fit')
  except UserError:
    return None
