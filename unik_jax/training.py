"""Training, read from top to bottom.

Mesh, network, data, step, state, evaluation between epochs, loop, results.
"""

import contextlib
import functools
import pathlib
import time
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax import evaluate, optim, transfer
from unik_jax.config import check_config, is_rocket
from unik_jax.data import loader, splits
from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.data.training_clips import describe_clips
from unik_jax.floor import as_run
from unik_jax.floor.of_run import measure_first, print_floor
from unik_jax.loops import several
from unik_jax.loops.evaluations import Evaluations
from unik_jax.loops.notes import (
  check_best_saved,
  check_last_saved,
  describe_new_run,
  describe_resumption,
  describe_size,
)
from unik_jax.loops.steps import compile_step, take_steps
from unik_jax.run import paths
from unik_jax.run.checkpoints import BestCheckpoint, Checkpoints
from unik_jax.run.metrics_file import read_validation, was_evaluated
from unik_jax.run.progress import Progress
from unik_jax.run.provenance import git_commit
from unik_jax.run.workdir import claim_workdir
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.runtime.distributed import holds_on_all
from unik_jax.step import make_init_state


def run(config: ConfigDict, workdir: str | pathlib.Path) -> dict[str, Any]:
  """Trains an experiment, or evaluates it; resumes a run that was stopped.

  Args:
    config: settings, as in `unik_jax.config.default_config`.
    workdir: folder for the files listed in `unik_jax.run.paths`.

  Returns:
    The content of summary.json; of evaluation.json if `config.eval_only`.

  Raises:
    UserError: bad settings or input, before any long work; NaN in training.
    SystemExit: after SIGTERM or Ctrl-C, after trying to save the state.
  """
  check_config(config)
  git_commit()  # cached now, before anyone edits the code
  if config.datasets:
    return several.run(config, workdir)
  if is_rocket(config):
    return as_run.run(config, workdir)

  # ---- Mesh ----
  mesh = sharding.make_mesh(config.mesh)
  for key, parts in (('batch_size', config.accumulate), ('eval_batch_size', 1)):
    sharding.check_batch_size(key, config[key], mesh, parts)

  # ---- Network, and what it starts from ----
  config = splits.complete_config(config)
  platform = mesh.devices.flat[0].platform
  start = transfer.resolve(config, workdir, platform)
  config, net, initial = start.config, start.net, start.initial
  splits.check_transforms(config.data)

  with contextlib.ExitStack() as stack:
    # ---- Data ----
    foreign = start.with_head and config.eval_only
    claim = claim_workdir(workdir, config, foreign=foreign)
    workdir = stack.enter_context(claim)
    splits.prepare_once(config.data)
    clips = {'test': splits.open_split(config.data, 'test')}
    if start.with_head and start.source:
      transfer.check_classes(start.source, clips['test'].class_names)
    if config.eval_only:
      return evaluate.run(workdir, mesh, clips, start)
    splits.check_records(clips['test'])
    train_clips = splits.open_split(config.data, 'train')
    steps_per_epoch = loader.steps_per_epoch(train_clips, config.batch_size)
    total_steps = config.epochs * steps_per_epoch
    if config.data.val_split:
      clips['val'] = splits.open_split(config.data, 'val')
      splits.check_held_out(clips['val'], train_clips)
    train_batches = MeshBatches(train_clips, config.data, mesh, train=True)
    predictor = evaluate.SplitPredictor(config, net, mesh, clips)

    # ---- Step ----
    schedule, optimizer = optim.configure_optimizer(config, steps_per_epoch)
    init_state = make_init_state(optimizer, ema=config.ema, tune=config.tune)
    abstract = jax.eval_shape(init_state, *net.shapes)
    shardings = sharding.state_shardings(abstract, mesh)
    train_step = compile_step(net, optimizer, config, mesh, shardings)

    # ---- State: resumed, or new ----
    writer = ResultsWriter(workdir, config, clips['test'], net, total_steps)
    folder = workdir / paths.CHECKPOINTS
    checkpoints = stack.enter_context(Checkpoints(folder, config.keep))
    state = checkpoints.restore_newest(abstract, shardings)
    resumed = state is not None
    describe = functools.partial(describe_clips, train_clips, config.data)
    data = writer.write_data(describe, resumed)
    if not resumed:
      if initial and start.source:
        writer.write_started_from(start.source.where)
        weights = (initial.params, initial.batch_stats)
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
    sizes = len(train_clips), len(clips['test'])
    progress.print_line(describe_size(config, *sizes, net, mesh))
    if resumed:
      progress.print_line(describe_resumption(step, total_steps))
    else:
      progress.print_line(describe_new_run(start, data))

    if step < total_steps:
      measure_first(progress, config)

    # ---- Evaluation between epochs ----
    # Read after `Progress`, which drops the metrics after the resumed step.
    validated = read_validation(workdir, config.headline)
    best = stack.enter_context(BestCheckpoint(workdir / paths.BEST, validated))
    evaluations = Evaluations(
      config, clips, predictor, progress, best, steps_per_epoch
    )
    # The run may have been stopped between saving and evaluating, or before
    # the best state could be written to a full disk.
    if resumed and evaluations.is_due(step):
      if not holds_on_all(was_evaluated(workdir, step)):
        evaluations.evaluate(state, step)
      elif step in validated:
        best.save_if_better(step, state, validated[step])

    # ---- Loop ----
    start_time = time.monotonic()
    state, saved = take_steps(
      state,
      train_step,
      train_batches.train_batches(
        batch_size=config.batch_size, seed=config.seed, start=step
      ),
      evaluations,
      config=config,
      steps_per_epoch=steps_per_epoch,
      schedule=schedule,
      workdir=workdir,
      progress=progress,
      checkpoints=checkpoints,
      writer=writer,
      stack=stack,
    )
    step = total_steps

    # ---- Results ----
    seconds = time.monotonic() - start_time
    seen = {'test': splits.find_seen(config.data, clips['test'])}
    outputs, results = {}, {}
    for part in clips:
      found = evaluations.newest.get(part) or predictor(state, part)
      outputs[part] = *found, seen.get(part)
      writer.write_scores(part, clips[part], *outputs[part])
      results |= evaluate.measure_clips(part, *outputs[part])
    extra: dict[str, Any] = {'params': net.num_params()}
    if 'val' in clips and (at_best := best.restore_best(abstract, shardings)):
      extra['best_step'] = int(at_best.step)
      found = *predictor(at_best, 'test'), seen['test']
      results |= evaluate.measure_clips('test_of_best', *found)
    best_step = extra.get('best_step', step)
    evaluate.print_results(evaluations.show, results, step, best_step)
    floor = print_floor(progress, config, clips, outputs)
    transfer.write_official(config.save_official, net, *state.for_evaluation())
    writer.write_card(step, results, floor)
    extra['seconds_since_start_or_resume'] = round(seconds, 1)
    summary = writer.write_summary(paths.SUMMARY, step=step, **extra, **results)
    check_last_saved(workdir, saved)
    has_best = 'val' not in clips or 'best_step' in extra
    check_best_saved(workdir, step, best.is_saved, has_best)
    return summary
