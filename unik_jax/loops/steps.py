"""The loop over optimizer steps: batches, metrics, checkpoints, evaluations."""

import contextlib
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from unik_jax.loops.evaluations import Evaluations
from unik_jax.models.network import Network
from unik_jax.models.vocabulary import DatasetNetwork
from unik_jax.optim import Schedule
from unik_jax.run import paths
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.progress import Progress, format_duration
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.runtime.profiler import StepProfiler
from unik_jax.runtime.signals import StopSignal
from unik_jax.step import TrainState, average_metrics, make_train_step

# The clock starts after some steps: the first compiles, the next may, and the
# others find batches that were made meanwhile. Some steps later, a few batches
# are evaluated, and the time that the run will take is printed.
_WARM_STEPS, _TIMED_STEPS = 5, 10


def compile_step(
  net: Network | DatasetNetwork,
  optimizer: optax.GradientTransformation,
  config: ConfigDict,
  mesh: Mesh,
  shardings: TrainState,
) -> Callable[[TrainState, Any], tuple[TrainState, dict]]:
  """Returns the train step of a network, compiled for a mesh when first called.

  Args:
    net: the network.
    optimizer: optax's transformation.
    config: settings of the run.
    mesh: mesh of the batches.
    shardings: sharding of each leaf of the state, which the step donates.
  """
  options = ('label_smoothing', 'mixup', 'ema', 'tune', 'accumulate', 'seed')
  return jax.jit(
    make_train_step(net, optimizer, **{key: config[key] for key in options}),
    donate_argnums=0,
    in_shardings=(shardings, sharding.batch_sharding(mesh)),
    out_shardings=(shardings, sharding.replicated_sharding(mesh)),
  )


def take_steps(
  state: TrainState,
  train_step: Callable[[TrainState, Any], tuple[TrainState, dict]],
  batches: Iterator[Any],
  evaluations: Evaluations,
  *,
  config: ConfigDict,
  steps_per_epoch: int,
  schedule: Schedule,
  workdir: pathlib.Path,
  progress: Progress,
  checkpoints: Checkpoints,
  writer: ResultsWriter,
  warm_steps: int = 0,
  stack: contextlib.ExitStack,
) -> tuple[TrainState, bool]:
  """Takes all steps from a state on.

  Args:
    state: the state, of any step. It is donated.
    train_step: maps (state, batch) to (state, metrics).
    batches: of the steps from that of `state` on.
    evaluations: evaluates states between epochs.
    config: settings of the run.
    steps_per_epoch: optimizer steps in an epoch.
    schedule: learning rate by step.
    workdir: folder of the run.
    progress: prints and records metrics.
    checkpoints: saves the state.
    writer: writes the model card with each checkpoint.
    warm_steps: steps that compile, if more than usual.
    stack: closed at the end of the run, with the profiler and the signals'
      handler.

  Returns:
    The last state, and whether it is saved.

  Raises:
    UserError: a mean of the metrics is not finite.
    SystemExit: after SIGTERM or Ctrl-C, after trying to save the state.
  """
  step, total_steps = int(state.step), config.epochs * steps_per_epoch
  stop = stack.enter_context(StopSignal())
  # Not the first two steps: one compiles, and the next may.
  profiler = stack.enter_context(
    StepProfiler(workdir / paths.PROFILE, step + 2, config.profile)
  )
  warm_steps = max(warm_steps, _WARM_STEPS)
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
    if new_steps in (1, warm_steps):
      jax.block_until_ready(state.step)
      progress.start_clock(step)
    if new_steps == 1:
      duration = format_duration(time.monotonic() - start_time)
      progress.print_line(f'Compiled in {duration}.')
    if new_steps == warm_steps + _TIMED_STEPS and step < total_steps:
      jax.block_until_ready(state.step)
      evaluations.measure(state)
      progress.print_estimate(step, *evaluations.count_left(step))

    epoch, step_in_epoch = divmod(step, steps_per_epoch)
    is_last = step == total_steps
    stops = stop.requested or checkpoints.is_preempted(step)
    ends_period = step_in_epoch == 0 and epoch % config.checkpoint_every == 0
    saves = ends_period or is_last or stops
    if saves or step % config.log_every == 0:
      means = average_metrics(pending, step, workdir / paths.CHECKPOINTS)
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
  return state, saved
