"""Training, read from top to bottom.

Mesh, network, data, step, state, evaluation between epochs, loop, results.
"""

import contextlib
import functools
import pathlib
import signal
import sys
import time
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax import evaluate, metrics, optim, transfer
from unik_jax.config import check_config, is_rocket
from unik_jax.data import loader, splits
from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import UserError
from unik_jax.floor import as_run
from unik_jax.floor.of_run import measure_first, print_floor
from unik_jax.run import paths
from unik_jax.run.checkpoints import BestCheckpoint, Checkpoints
from unik_jax.run.metrics_file import read_validation, was_evaluated
from unik_jax.run.progress import Progress, format_duration
from unik_jax.run.provenance import git_commit
from unik_jax.run.wording import describe_experiment
from unik_jax.run.workdir import claim_workdir
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.runtime.distributed import holds_on_all
from unik_jax.runtime.profiler import StepProfiler
from unik_jax.runtime.signals import StopSignal
from unik_jax.step import average_metrics, make_init_state, make_train_step

# The clock starts after some steps: the first compiles, the next may, and the
# others find batches that were made meanwhile. Some steps later, a few batches
# are evaluated, and the time that the run will take is printed.
_WARM_STEPS, _TIMED_STEPS = 5, 15
_TIMED_BATCHES = 2


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
    options = ('label_smoothing', 'mixup', 'ema', 'tune', 'accumulate', 'seed')
    train_step = jax.jit(
      make_train_step(net, optimizer, **{key: config[key] for key in options}),
      donate_argnums=0,
      in_shardings=(shardings, sharding.batch_sharding(mesh)),
      out_shardings=(shardings, sharding.replicated_sharding(mesh)),
    )

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
    progress.print_line(_describe_size(config, *sizes, net, mesh))
    if resumed:
      progress.print_line(_describe_resumption(step, total_steps))
    else:
      progress.print_line(_describe_new_run(start, data))

    if step < total_steps:
      measure_first(progress, config)

    # ---- Evaluation between epochs ----
    # Read after `Progress`, which drops the metrics after the resumed step.
    validated = read_validation(workdir, config.headline)
    best = stack.enter_context(BestCheckpoint(workdir / paths.BEST, validated))
    evaluations = _Evaluations(
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
    stop = stack.enter_context(StopSignal())
    # Not the first two steps: one compiles, and the next may.
    profiler = stack.enter_context(
      StepProfiler(workdir / paths.PROFILE, step + 2, config.profile)
    )
    batches = train_batches.train_batches(
      batch_size=config.batch_size, seed=config.seed, start=step
    )
    start_time, first_step = time.monotonic(), step
    pending, step_metrics = [], None  # pending: since the last logged step
    saved = True
    if step < total_steps:
      progress.print_line('Compiling...')
    while step < total_steps:
      wait_start = time.monotonic()
      batch = next(batches)
      # The devices are idle if they finished the last step before this batch
      # came. `is_ready` asks without waiting for them.
      if step_metrics and step_metrics['loss'].is_ready():
        progress.add_idle(time.monotonic() - wait_start)
      with profiler.step(step):
        state, step_metrics = train_step(state, batch)
      pending.append(step_metrics)
      step += 1
      new_steps = step - first_step
      if new_steps in (1, _WARM_STEPS):
        jax.block_until_ready(state.step)
        progress.start_clock(step)
      if new_steps == 1:
        duration = format_duration(time.monotonic() - start_time)
        progress.print_line(f'Compiled in {duration}.')
      if new_steps == _TIMED_STEPS and step < total_steps:
        jax.block_until_ready(state.step)
        evaluations.measure(state)
        progress.print_estimate(step, *evaluations.count_left(step))

      epoch, step_in_epoch = divmod(step, steps_per_epoch)
      is_last = step == total_steps
      stops = stop.requested or checkpoints.is_preempted(step)
      ends_period = step_in_epoch == 0 and epoch % config.checkpoint_every == 0
      saves = ends_period or is_last or stops
      if saves or step % config.log_every == 0:
        means = average_metrics(pending, step, folder)
        means['lr'] = float(schedule(step - 1))
        _, clips_left = evaluations.count_left(step)
        progress.log_training(step, step / steps_per_epoch, means, clips_left)
        pending = []
      if saves:
        saved = checkpoints.save(step, state, wait=is_last or stops)
        writer.write_card(step)
      if stops and not is_last:
        progress.print_line(
          f'Stopped at step {step}, which is {"" if saved else "not "}saved.'
          ' The same command resumes from the newest checkpoint.'
        )
        sys.exit(128 + (stop.requested or signal.SIGTERM))
      if evaluations.is_due(step):
        evaluations.evaluate(state, step)

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
    has_best = 'val' not in clips or 'best_step' in extra
    _check_written(workdir, step, saved, best.is_saved, has_best)
    return summary


class _Evaluations:
  """The evaluations between epochs, of 'val' or, without it, of 'test'.

  Attributes:
    newest: logits and labels of the newest evaluation, by split.
  """

  def __init__(self, config, clips, predictor, progress, best, steps_per_epoch):
    self._config, self._clips, self._predictor = config, clips, predictor
    self._progress, self._best = progress, best
    self._steps_per_epoch = steps_per_epoch
    self._part = 'val' if 'val' in clips else 'test'
    self.newest: dict[str, Any] = {}

  def is_due(self, step):
    """Returns whether the state of a step is evaluated."""
    epoch, step_in_epoch = divmod(step, self._steps_per_epoch)
    ends_period = epoch % self._config.eval_every == 0
    return step_in_epoch == 0 and (ends_period or epoch == self._config.epochs)

  def count_left(self, step):
    """Returns the number of evaluations from a step on, and of their clips."""
    every = self._config.eval_every
    done = (step - 1) // self._steps_per_epoch // every
    count = -(-self._config.epochs // every) - done
    clips = count * len(self._clips[self._part])
    if (
      self._part == 'val'
    ):  # at the end, the last and the best state are tested
      count, clips = count + 2, clips + 2 * len(self._clips['test'])
    return count, clips

  def measure(self, state):
    """Compiles the evaluation, and measures its pace on the first batches.

    With `test_frames` -1 these are the shortest clips, so it is a lower bound.
    """
    with self._progress.pause():
      self._predictor(state, self._part, batches=1)
    count = _TIMED_BATCHES * self._config.eval_batch_size
    with self._progress.pause(min(count, len(self._clips[self._part]))):
      self._predictor(state, self._part, batches=_TIMED_BATCHES)

  def evaluate(self, state, step):
    """Evaluates a state, prints its metrics, and keeps it if it is the best."""
    # The first evaluation may compile, so only the others are measured.
    clips = len(self._clips[self._part]) if self.newest else 0
    with self._progress.pause(clips):
      found = self.newest[self._part] = self._predictor(state, self._part)
    result = metrics.compute_metrics(*found)
    # Saved before its line is written: a run that is killed in between
    # evaluates this step again.
    if self._part == 'val':
      with self._progress.pause():
        self._best.save_if_better(step, state, result[self._config.headline])
    self.show(step, self._part, result)

  def show(self, step, part, result):
    """Prints and records the metrics of a split."""
    evaluate.print_metrics(
      self._progress, self._config.headline, step, part, result
    )


def _describe_size(config, train_clips, test_clips, net, mesh):
  """Returns how much is trained on what, and where, in a line."""
  return (
    f'{config.data.name}: {train_clips} clips to train, {test_clips} to test;'
    f' {config.model.name} of {net.num_params():,} parameters on'
    f' {len(mesh.devices.flat)} {jax.devices()[0].device_kind} device(s)'
  )


def _describe_new_run(start, data):
  """Returns the settings and the initial weights of a run, in lines."""
  lines = [f'Settings: {describe_experiment(start.config)}']
  if data:  # on the first process, which prints
    lines += transfer.describe_start(start, data.units, data.image_sizes)
  return '\n'.join(lines)


def _describe_resumption(step, total_steps):
  if step == total_steps:
    return f'Already complete ({total_steps} steps). Evaluates it again.'
  return f'Resuming from step {step} of {total_steps}.'


def _check_written(workdir, step, is_last_saved, is_best_saved, has_best):
  """Raises a UserError if a finished run lacks its last or its best state."""
  results_in = f'The results are in {paths.SUMMARY}.'
  if not is_last_saved:
    raise UserError(
      f'{workdir}: the last checkpoint could not be written. {results_in}'
      ' Make room, and run the same command again.'
    )
  if not is_best_saved:
    raise UserError(
      f'{workdir / paths.BEST}: the best state on validation could not be'
      f' written. {results_in} Make room before the next run.'
    )
  if not has_best:
    raise UserError(
      f'{workdir / paths.BEST}: the best state on validation is damaged or'
      f' lost, and was not tested. {results_in} They are those of the last'
      f' state, step {step}. Restore {paths.BEST}/ from a copy and run the same'
      ' command again, or train in another --workdir.'
    )
