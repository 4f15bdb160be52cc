"""Training one network on several datasets, read from top to bottom.

As `training.run`, with a network that all of `config.datasets` share
(`models.vocabulary`), and a batch of one dataset in each step. Afterwards each
dataset has a run of its own, like any other, to evaluate, predict and export.
"""

import contextlib
import pathlib
import time
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax import evaluate, optim, transfer
from unik_jax.config import dataset_config, default_config
from unik_jax.data import splits
from unik_jax.data.mixture import Mixture
from unik_jax.data.training_clips import TrainingClips
from unik_jax.errors import UserError, name_dataset
from unik_jax.loops import notes
from unik_jax.loops.parts import AllClips, AllEvaluations, Part, mean_metrics
from unik_jax.loops.steps import compile_step, take_steps
from unik_jax.models.vocabulary import (
  check_graph_free,
  describe_vocabulary,
  make_shared_network,
)
from unik_jax.run import paths
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.metrics_file import was_evaluated
from unik_jax.run.progress import Progress
from unik_jax.run.workdir import claim_workdir
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.runtime.distributed import holds_on_all
from unik_jax.step import make_init_state

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
    total_steps = config.epochs * mixture.steps_per_epoch
    parts = {
      name: Part.open(config, name, workdir, network, mesh, total_steps)
      for name, network in net.networks.items()
    }

    # ---- Steps, one for each dataset ----
    schedule, optimizer = optim.configure_optimizer(
      config, mixture.steps_per_epoch
    )
    init_state = make_init_state(optimizer, ema=config.ema, tune=config.tune)
    abstract = jax.eval_shape(init_state, *net.shapes)
    shardings = sharding.state_shardings(abstract, mesh)
    train_steps = {
      name: compile_step(network, optimizer, config, mesh, shardings)
      for name, network in net.networks.items()
    }

    # ---- State: resumed, or new ----
    all_clips = AllClips(config, {n: part.clips for n, part in parts.items()})
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
    evaluations = AllEvaluations(
      config, parts, progress, mixture.steps_per_epoch
    )
    if resumed and evaluations.is_due(step):
      if not holds_on_all(was_evaluated(workdir, step)):
        evaluations.evaluate(state, step)

    # ---- Loop ----
    start_time = time.monotonic()
    state, saved = take_steps(
      state,
      lambda state, batch: train_steps[batch[0]](state, batch[1]),
      mixture.batches(step, total_steps),
      evaluations,
      config=config,
      steps_per_epoch=mixture.steps_per_epoch,
      schedule=schedule,
      workdir=workdir,
      progress=progress,
      checkpoints=checkpoints,
      writer=writer,
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
    mean = mean_metrics(
      {name: found['test'] for name, found in results.items()}
    )
    evaluate.print_results(
      evaluations.show, {'test': mean}, total_steps, total_steps
    )
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
