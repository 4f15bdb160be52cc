"""Training one network on several datasets, read from top to bottom.

As `training.run`, with a network that all of `config.datasets` share
(`models.vocabulary`), and a batch of one dataset in each step. Afterwards each
dataset has a run of its own, like any other, to evaluate, predict and export.
"""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import evaluate, metrics, optim, transfer
from unik_jax.config import dataset_config, default_config, name_dataset
from unik_jax.data import splits
from unik_jax.data.mixture import Mixture
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.training_clips import TrainingClips, describe_clips
from unik_jax.errors import UserError
from unik_jax.floor.of_run import print_floor
from unik_jax.loops import notes
from unik_jax.loops.steps import Plan, take_steps
from unik_jax.models.vocabulary import (
  DatasetNetwork,
  check_graph_free,
  describe_vocabulary,
  make_shared_network,
)
from unik_jax.run import paths
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.data_scale import UNSTATED_UNITS
from unik_jax.run.metrics_file import was_evaluated
from unik_jax.run.progress import Progress
from unik_jax.run.workdir import claim_workdir
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.runtime.distributed import holds_on_all
from unik_jax.runtime.json_files import write_json_table
from unik_jax.step import TrainState, make_init_state, make_train_step

# Settings that have no meaning here, and what to do instead.
_REFUSED = {
  'eval_only': 'Evaluate the run of one dataset, in datasets/ of the run',
  'floor': 'Measure the floor of each dataset with its own config',
  'save_official': 'Export the run of one dataset, in datasets/ of the run',
}


def run(config: ConfigDict, workdir: str | pathlib.Path) -> dict[str, Any]:
  """Trains one network on several datasets; resumes a run that was stopped.

  Args:
    config: settings with `datasets`, which `config.check_config` accepts.
    workdir: folder of the run.

  Returns:
    The content of summary.json: the mean over datasets as `test`, and the
    results of each dataset.

  Raises:
    UserError: bad settings or input, or NaN in training.
    SystemExit: after SIGTERM or Ctrl-C, after trying to save the state.
  """
  _check_settings(config)

  # ---- Mesh ----
  mesh = sharding.make_mesh(config.mesh)
  for key, parts in (('batch_size', config.accumulate), ('eval_batch_size', 1)):
    sharding.check_batch_size(key, config[key], mesh, parts)

  # ---- Network, and what it starts from ----
  config = _complete_config(config)
  platform = mesh.devices.flat[0].platform
  start = transfer.resolve(config, workdir, platform)
  net = make_shared_network(config, platform)

  with contextlib.ExitStack() as stack:
    # ---- Data ----
    workdir = stack.enter_context(claim_workdir(workdir, config))
    train_clips = _open_splits(config, 'train')
    mixture = Mixture(train_clips, config, mesh)
    plan = Plan(config, mixture.steps_per_epoch)
    total_steps = plan.total_steps
    parts = {
      name: _Part.open(config, name, workdir, network, mesh, total_steps)
      for name, network in net.networks.items()
    }

    # ---- Steps, one for each dataset ----
    schedule, optimizer = optim.configure_optimizer(
      config, mixture.steps_per_epoch
    )
    init_state = make_init_state(optimizer, ema=config.ema, tune=config.tune)
    abstract = jax.eval_shape(init_state, *net.shapes)
    shardings = sharding.state_shardings(abstract, mesh)
    options = ('label_smoothing', 'mixup', 'ema', 'tune', 'accumulate', 'seed')
    options = {key: config[key] for key in options}
    train_steps = {
      name: jax.jit(
        make_train_step(network, optimizer, **options),
        donate_argnums=0,
        in_shardings=(shardings, sharding.batch_sharding(mesh)),
        out_shardings=(shardings, sharding.replicated_sharding(mesh)),
      )
      for name, network in net.networks.items()
    }

    # ---- State: resumed, or new ----
    all_clips = _AllClips(config, {n: part.clips for n, part in parts.items()})
    writer = ResultsWriter(workdir, config, all_clips, net, total_steps)
    folder = workdir / paths.CHECKPOINTS
    checkpoints = stack.enter_context(Checkpoints(folder, config.keep))
    state = checkpoints.restore_newest(abstract, shardings)
    resumed = state is not None
    described = []
    for name, part in parts.items():
      described.append(part.write_data(train_clips[name], resumed))
    sizes = {size for data in described if data for size in data.image_sizes}
    data = writer.write_data(lambda: TrainingClips(sorted(sizes), None), False)
    if not resumed:
      if start.initial and start.source:
        writer.write_started_from(start.source.where)
        stats = net.split_stats(start.initial.batch_stats)
        weights = (start.initial.params, stats)
      else:
        weights = net.init(jax.random.key(config.seed))
      state = jax.jit(init_state, out_shardings=shardings)(*weights)
    step = int(state.step)
    progress = stack.enter_context(
      Progress(
        workdir,
        total=total_steps,
        start=step,
        batch_size=config.batch_size,
        tensorboard=config.tensorboard,
      )
    )
    counts = sum(map(len, train_clips.values())), len(all_clips)
    progress.print_line(notes.describe_size(config, *counts, net, mesh))
    if resumed:
      progress.print_line(notes.describe_resumption(step, total_steps))
    else:
      progress.print_line(notes.describe_new_run(start, data))
    warm_steps = mixture.warm_steps(step, total_steps)
    if step < total_steps:
      line = notes.describe_shares(mixture.shares, warm_steps)
      progress.print_line(line)

    # ---- Evaluation between epochs ----
    show = functools.partial(evaluate.print_metrics, progress, config.headline)
    has_val = all('val' in part.clips for part in parts.values())

    def evaluate_state(state, step):
      found = {}
      for name, part in parts.items():
        found[name] = part.evaluate(state)
        show(step, f'{part.eval_part}/{name}', found[name])
      # Last: a run that is killed before this line evaluates the step again.
      show(step, 'val' if has_val else 'test', _mean_metrics(found))

    if resumed and plan.needs_evaluation(step):
      if not holds_on_all(was_evaluated(workdir, step)):
        evaluate_state(state, step)

    # ---- Loop ----
    start_time = time.monotonic()
    state, saved = take_steps(
      state,
      lambda state, batch: train_steps[batch[0]](state, batch[1]),
      mixture.batches(step, total_steps),
      evaluate_state,
      config=config,
      plan=plan,
      schedule=schedule,
      workdir=workdir,
      progress=progress,
      checkpoints=checkpoints,
      writer=writer,
      eval_clips=sum(
        len(part.clips[part.eval_part]) for part in parts.values()
      ),
      warm_steps=warm_steps,
      stack=stack,
    )

    # ---- Results: a run of each dataset, and the mean ----
    seconds = time.monotonic() - start_time
    results = {
      name: part.write_results(state, init_state, progress)
      for name, part in parts.items()
    }
    rows = {
      f'{kind} of {name}': result
      for name, found in results.items()
      for kind, result in found.items()
    }
    mean = _mean_metrics(
      {name: found['test'] for name, found in results.items()}
    )
    evaluate.print_results(show, {'test': mean}, total_steps, total_steps)
    writer.write_card(total_steps, {'mean': mean, **rows})
    summary = writer.write_summary(
      paths.SUMMARY,
      step=total_steps,
      params=net.num_params(),
      seconds_since_start_or_resume=round(seconds, 1),
      test=mean,
      datasets=results,
    )
    notes.check_last_saved(workdir, saved)
    return summary


@dataclasses.dataclass
class _Part:
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


class _Info(NamedTuple):
  """What a run keeps of TFDS's `DatasetInfo`."""

  full_name: str
  metadata: dict[str, Any]


class _AllClips:
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


def _check_settings(config):
  """Raises a UserError for settings that several datasets cannot have."""
  check_graph_free(config)
  defaults = default_config()
  for key, remedy in _REFUSED.items():
    if config[key] != defaults[key]:
      raise UserError(
        f'config.{key}: expected {defaults[key]!r} with config.datasets, got'
        f' {config[key]!r}. {remedy}.'
      )
  for key, value in (('init_head', 'load'), ('init_joints', 'data')):
    if config[key] == value:
      raise UserError(
        f'config.{key}: {value!r} is for one dataset, got'
        f' {len(config.datasets)} in config.datasets. Leave it at'
        f' {defaults[key]!r}.'
      )


def _complete_config(config):
  """Fills in what the datasets leave open, and `data` for the vocabulary."""
  config = config.copy_and_resolve_references()
  for name in config.datasets:
    with name_dataset(name):
      own = splits.complete_config(dataset_config(config, name))
      splits.prepare_once(own.data)
      splits.check_transforms(own.data)
    config.datasets[name].update(own.data)
  config.data.update(describe_vocabulary(config))
  return config


def _open_splits(config, part):
  """Opens a split of each dataset."""
  clips = {}
  for name, data in config.datasets.items():
    with name_dataset(name):
      clips[name] = splits.open_split(data, part)
  return clips


def _mean_metrics(results):
  """Returns the mean over datasets of each metric, and all their clips."""
  keys = ('loss', *metrics.HEADLINES)
  mean = {
    key: float(np.mean([found[key] for found in results.values()]))
    for key in keys
  }
  return {**mean, 'clips': sum(found['clips'] for found in results.values())}
