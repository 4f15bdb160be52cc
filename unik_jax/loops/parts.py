"""The datasets of a training on several: their splits, results and runs."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import evaluate, metrics
from unik_jax.config import dataset_config
from unik_jax.data import splits
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import name_dataset
from unik_jax.floor.of_run import print_floor
from unik_jax.loops import notes
from unik_jax.loops.evaluations import TIMED_BATCHES, Evaluations
from unik_jax.models.vocabulary import DatasetNetwork
from unik_jax.run import paths
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.data_scale import UNSTATED_UNITS
from unik_jax.run.progress import Progress
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime.json_files import write_json_table
from unik_jax.step import TrainState


@dataclasses.dataclass
class Part:
  """One of the datasets in training, with the folder of its own run.

  Attributes:
    config: settings of its own run.
    folder: folder of its own run.
    network: its network.
    clips: its splits 'test' and, if it has one, 'val'.
    predict: computes logits of a split.
    writer: writes its results.
    total_steps: steps of the whole training.
  """

  config: ConfigDict
  folder: pathlib.Path
  network: DatasetNetwork
  clips: dict[str, PreparedSplit]
  predict: evaluate.SplitPredictor
  writer: ResultsWriter
  total_steps: int

  def __post_init__(self):
    self.eval_part = 'val' if 'val' in self.clips else 'test'
    self._select = jax.jit(self.network.select)
    self._found = {}  # by split, of the newest evaluation

  @classmethod
  def open(cls, config, name, workdir, network, mesh, total_steps):
    """Opens the splits that are evaluated, and writes config.json."""
    own = dataset_config(config, name)
    folder = workdir / paths.DATASETS / name
    with name_dataset(name):
      clips = {'test': splits.open_split(own.data, 'test')}
      splits.check_records(clips['test'])
      if own.data.val_split:
        clips['val'] = splits.open_split(own.data, 'val')
        splits.check_held_out(
          clips['val'], splits.open_split(own.data, 'train')
        )
      predict = evaluate.SplitPredictor(own, network.net, mesh, clips)
    if jax.process_index() == 0:
      folder.mkdir(parents=True, exist_ok=True)
      write_json_table(folder / paths.CONFIG, own.to_dict())
    writer = ResultsWriter(folder, own, clips['test'], network.net, total_steps)
    return cls(own, folder, network, clips, predict, writer, total_steps)

  def write_data(self, train_clips, resumed):
    """Writes data.json and familiarity.npz, and returns their content."""
    describe = functools.partial(describe_clips, train_clips, self.config.data)
    return self.writer.write_data(describe, resumed)

  def own_state(self, state: TrainState) -> TrainState:
    """Returns the weights that are evaluated, of this dataset's network."""
    weights = self._select(*state.for_evaluation())
    return TrainState(state.step, *weights, opt_state=None, ema=None)

  def evaluate(self, state: TrainState) -> dict[str, Any]:
    """Returns the metrics of the split that is evaluated between epochs."""
    found = self.predict(self.own_state(state), self.eval_part)
    self._found[self.eval_part] = found
    return metrics.compute_metrics(*found)

  def predict_some(self, state: TrainState, batches: int) -> None:
    """Predicts the first batches only, to measure the time."""
    self.predict(self.own_state(state), self.eval_part, batches)

  def count_some(self, batches: int) -> int:
    """Returns the clips of the first batches."""
    clips = batches * self.config.eval_batch_size
    return min(clips, len(self.clips[self.eval_part]))

  def write_results(self, state, init_state, progress) -> dict[str, Any]:
    """Writes the dataset's own run, and returns its results."""
    own_state = self.own_state(state)
    saved_state = jax.jit(init_state)(*own_state.for_evaluation())
    saved_state.step = own_state.step
    with Checkpoints(self.folder / paths.CHECKPOINTS, 1) as checkpoints:
      saved = checkpoints.save(self.total_steps, saved_state, wait=True)
    seen = {'test': splits.find_seen(self.config.data, self.clips['test'])}
    outputs, results = {}, {}
    for part, clips in self.clips.items():
      found = self._found.get(part) or self.predict(own_state, part)
      outputs[part] = *found, seen.get(part)
      self.writer.write_scores(part, clips, *outputs[part])
      results |= evaluate.measure_clips(part, *outputs[part])
    progress.print_line(f'{self.folder}:')
    own_progress = Progress(
      self.folder,
      total=self.total_steps,
      start=self.total_steps,
      batch_size=self.config.batch_size,
    )
    show = functools.partial(
      evaluate.print_metrics, own_progress, self.config.headline
    )
    evaluate.print_results(show, results, self.total_steps, self.total_steps)
    floor = print_floor(own_progress, self.config, self.clips, outputs)
    self.writer.write_card(self.total_steps, results, floor)
    self.writer.write_summary(
      paths.SUMMARY,
      step=self.total_steps,
      params=self.network.net.num_params(),
      **results,
    )
    notes.check_last_saved(self.folder, saved)
    return results


class AllEvaluations(Evaluations):
  """The evaluations of all datasets between epochs; nothing is chosen by them.

  Args:
    config: the whole config.
    parts: the datasets by name.
    progress: prints and records the metrics, and their pace.
    steps_per_epoch: optimizer steps in an epoch.
  """

  def __init__(
    self,
    config: ConfigDict,
    parts: Mapping[str, Part],
    progress: Progress,
    steps_per_epoch: int,
  ):
    self._config, self._parts, self._progress = config, parts, progress
    self._steps_per_epoch = steps_per_epoch
    self._clips_of_each = sum(
      len(part.clips[part.eval_part]) for part in parts.values()
    )
    self._evaluated = False

  def _count_clips(self, count):
    clips = count * self._clips_of_each
    for part in self._parts.values():
      if part.eval_part == 'val':  # tested at the end
        clips += len(part.clips['test'])
    return count, clips

  def measure(self, state: TrainState) -> None:
    """Does the same as `Evaluations.measure`, for all datasets."""
    parts = self._parts.values()
    with self._progress.pause():
      for part in parts:
        part.predict_some(state, 1)
    count = sum(part.count_some(TIMED_BATCHES) for part in parts)
    with self._progress.pause(count):
      for part in parts:
        part.predict_some(state, TIMED_BATCHES)

  def evaluate(self, state: TrainState, step: int) -> None:
    """Evaluates a state, and prints the metrics and their mean."""
    clips = self._clips_of_each if self._evaluated else 0
    with self._progress.pause(clips):
      found = {name: part.evaluate(state) for name, part in self._parts.items()}
    self._evaluated = True
    for name, part in self._parts.items():
      self.show(step, f'{part.eval_part}/{name}', found[name])
    # Last: a run that is killed before this line evaluates the step again.
    has_val = all(part.eval_part == 'val' for part in self._parts.values())
    self.show(step, 'val' if has_val else 'test', mean_metrics(found))


class _Info(NamedTuple):
  """What a run keeps of TFDS's `DatasetInfo`."""

  full_name: str
  metadata: dict[str, Any]


class AllClips:
  """What `ResultsWriter` needs to know of a dataset, of all of them together.

  Args:
    config: the whole config.
    clips: splits by dataset.
  """

  def __init__(
    self, config: ConfigDict, clips: Mapping[str, Mapping[str, PreparedSplit]]
  ):
    self._tests = {name: split['test'] for name, split in clips.items()}
    infos = [split.info for split in self._tests.values()]
    units = {
      (info.metadata['units'], data.scale)
      for info, data in zip(infos, config.datasets.values(), strict=True)
    }
    self.info = _Info(
      ', '.join(info.full_name for info in infos),
      {
        'layout': config.data.layout,
        'units': units.pop()[0] if len(units) == 1 else UNSTATED_UNITS[-1],
      },
    )
    self.class_names = [
      f'{name}/{label}'
      for name, split in self._tests.items()
      for label in split.class_names
    ]

  def __len__(self) -> int:
    return sum(map(len, self._tests.values()))

  def fingerprint(self) -> str:
    return ' '.join(split.fingerprint() for split in self._tests.values())


def mean_metrics(results: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
  """Returns the mean over datasets of each metric, and all their clips."""
  keys = ('loss', *metrics.HEADLINES)
  mean = {
    key: float(np.mean([found[key] for found in results.values()]))
    for key in keys
  }
  return {**mean, 'clips': sum(found['clips'] for found in results.values())}
