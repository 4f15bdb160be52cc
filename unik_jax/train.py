"""Training, read from top to bottom: mesh, data, model, state, loop, result."""

import contextlib
import pathlib
import signal
import sys
import time
from typing import Any

import jax
from absl import logging
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from unik_jax import evaluate, metrics, optim, transfer
from unik_jax.config import check_config
from unik_jax.data import loader, registry
from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.data.prepared_split import PreparedSplit, fill_data_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.official.convert import to_official
from unik_jax.official.registry import list_tensors
from unik_jax.run import card, checkpoints, restore
from unik_jax.run.progress import Progress, duration
from unik_jax.run.workdir import (
  begun,
  best_so_far,
  claim,
  has_checkpoint,
  tests_others,
  was_evaluated,
  write_result,
  write_scores,
)
from unik_jax.runtime import sharding
from unik_jax.runtime.signals import StopSignal
from unik_jax.step import make_begin, make_train_step, mean_metrics


def run(config: ConfigDict, workdir: str | pathlib.Path) -> dict[str, Any]:
  """Trains (or only evaluates) an experiment, going on where it stopped.

  Args:
    config: as in `unik_jax.config.default_config`.
    workdir: for checkpoints, config.json, metrics.jsonl and summary.json.

  Returns:
    What summary.json holds.

  Raises:
    UserError: bad settings or input, before any long work; NaN in training.
    SystemExit: after SIGTERM or Ctrl-C, when the state is saved.
  """
  check_config(config)
  card.commit()  # looked up now, before anyone changes the code

  # Mesh
  mesh = sharding.make_mesh(config.mesh)
  sharding.check_batch_size(
    'batch_size', config.batch_size, mesh, config.accumulate
  )
  sharding.check_batch_size('eval_batch_size', config.eval_batch_size, mesh)

  # What the config leaves to the dataset
  if not (data := config.data).layout or not min(
    data.num_classes, data.persons, data.channels
  ):
    _prepare(config.data)
    config = config.copy_and_resolve_references()
    fill_data_config(config.data)

  # Model
  source, before = None, begun(workdir)
  # A run that began from those weights goes on from, and is evaluated by, its
  # own.
  own = bool(before) and before.get('init_from') == config.init_from
  with_head = transfer.loads_head(config) and not (own and config.eval_only)
  if with_head or not (config.eval_only or own and has_checkpoint(workdir)):
    pinned = config.copy_and_resolve_references()
    if config.init_from:  # what is there now, for it may be training still
      pinned.init_from = restore.newest(config.init_from)
    source = transfer.read(pinned)
  if config.init_from and config.init_joints == 'data' and (source or own):
    config = config.copy_and_resolve_references()
    config.data.joints = (
      source.layout.name if source else before['data']['joints']
    )
  net = network_from_config(config, platform=mesh.devices.flat[0].platform)
  if config.save_official:
    list_tensors(net.abstract)  # refuses models that have none
  started = source and transfer.start(source, config, head=with_head)
  if config.headline not in metrics.HEADLINES:
    raise UserError(
      f'config.headline is {config.headline!r}; use one of '
      + ', '.join(metrics.HEADLINES)
    )
  for train in (True, False):
    Transform(config.data, train=train)  # refuses bad settings

  # Workdir
  workdir = claim(workdir, config, foreign=with_head and config.eval_only)

  # Data
  _prepare(config.data)
  test_clips = PreparedSplit(
    config.data, config.data.test_split, config.data.test_subjects
  )
  if with_head:
    transfer.check_classes(source, test_clips.class_names)
  train_clips = val_clips = None
  steps_per_epoch = 1
  if not config.eval_only:
    train_clips = PreparedSplit(
      config.data,
      config.data.train_split,
      config.data.train_subjects,
      config.data.repeats,
    )
    steps_per_epoch = loader.steps_per_epoch(train_clips, config.batch_size)
  if config.data.val_split and not config.eval_only:
    val_clips = PreparedSplit(
      config.data, config.data.val_split, config.data.val_subjects
    )
    _check_held_out(val_clips, train_clips)
  feeds = {
    clips: MeshBatches(clips, config.data, mesh, train=clips is train_clips)
    for clips in (train_clips, val_clips, test_clips)
    if clips is not None
  }
  total_steps = config.epochs * steps_per_epoch

  # State
  schedule, optimizer = optim.configure_optimizer(config, steps_per_epoch)
  begin = make_begin(optimizer, ema=config.ema, tune=config.tune)
  key = jax.random.key(config.seed)
  abstract = jax.eval_shape(begin, *net.shapes)
  shardings = sharding.state_shardings(abstract, mesh)
  target = jax.tree.map(
    lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s),
    abstract,
    shardings,
  )

  def start():
    weights = (
      (started.params, started.batch_stats) if started else net.init(key)
    )
    return jax.jit(begin, out_shardings=shardings)(*weights)

  # Steps
  train_step = jax.jit(
    make_train_step(
      net,
      optimizer,
      label_smoothing=config.label_smoothing,
      ema=config.ema,
      tune=config.tune,
      accumulate=config.accumulate,
      seed=config.seed,
    ),
    donate_argnums=0,
    in_shardings=(shardings, sharding.batch_sharding(mesh)),
    out_shardings=(shardings, sharding.replicated_sharding(mesh)),
  )
  evaluator = evaluate.Evaluator(net, mesh)

  def answer(state, clips):
    batches = feeds[clips].eval_batches(batch_size=config.eval_batch_size)
    return evaluator(*state.for_evaluation(), batches)

  def conclude(name, clips, answers):
    views = max(config.data.test_clips, config.data.test_crops)
    write_scores(workdir, name, clips, *answers, views=views)
    return {
      **metrics.compute_metrics(*answers),
      'intervals': metrics.bootstrap_intervals(*answers),
    }

  def save_official(state):
    if config.save_official and jax.process_index() == 0:
      weights = jax.device_get(state.for_evaluation())
      checkpoints.write_tensors(
        config.save_official, to_official(net.abstract, *weights)
      )

  if not config.eval_only and jax.process_index() == 0:
    restore.write_data(
      workdir, test_clips.info, test_clips.class_names, config.data.joints
    )

  def write_card(progress, step, results=None):
    try:
      card.write(
        workdir,
        config,
        dataset=test_clips.info.full_name,
        classes=test_clips.class_names,
        params=net.num_params(),
        step=step,
        steps=total_steps,
        results=results,
      )
    except UserError as error:  # a full disk: the run itself goes on
      progress.say(str(error))

  # Evaluation alone
  if config.eval_only:
    folder = workdir / 'checkpoints'
    state = start() if started else checkpoints.newest_of(folder, target)
    step = int(state.step)
    progress = Progress(
      workdir, total=step, batch_size=config.eval_batch_size, record=False
    )
    if started:
      progress.say('\n'.join(started.report))
    # Of other weights, or to other clips, the answers are not the run's.
    name = 'evaluation' if started or tests_others(config, before) else 'test'
    result = conclude(name, test_clips, answer(state, test_clips))
    _show(progress, step, 'test', result, config)
    save_official(state)
    return write_result(
      workdir, 'evaluation.json', config, step=step, test=result
    )

  with contextlib.ExitStack() as stack:
    newest = stack.enter_context(
      checkpoints.Checkpoints(workdir / 'checkpoints', config.keep)
    )
    best = stack.enter_context(checkpoints.Checkpoints(workdir / 'best', 1))

    # Resume, or start
    state = newest.restore_newest(target)
    resumed = state is not None
    if started and not resumed and jax.process_index() == 0:
      restore.write_started(workdir, source.where)
    state = state if resumed else start()
    step = int(state.step)
    progress = Progress(
      workdir,
      total=total_steps,
      start=step,
      batch_size=config.batch_size,
      tensorboard=config.tensorboard,
    )
    progress.say(
      f'{config.data.name}: {len(train_clips)} clips to train,'
      f' {len(test_clips)} to test; {config.model.name} of'
      f' {net.num_params():,} parameters on {len(mesh.devices.flat)}'
      f' {jax.devices()[0].device_kind} device(s)'
    )
    if resumed:
      progress.say(f'Going on from step {step} of {total_steps}.')
    elif started:
      progress.say('\n'.join(started.report))

    # Evaluation between epochs
    top = best_so_far(workdir, config.headline)

    def is_due(step):
      epoch, rest = divmod(step, steps_per_epoch)
      return rest == 0 and (
        epoch % config.eval_every == 0 or step == total_steps
      )

    def assess(step, state):
      nonlocal top
      part, clips = ('val', val_clips) if val_clips else ('test', test_clips)
      answers[part] = answer(state, clips)
      result = metrics.compute_metrics(*answers[part])
      _show(progress, step, part, result, config)
      if part == 'val' and result[config.headline] > top:
        top = result[config.headline]
        best.save(step, state, wait=step == total_steps)

    # Loop
    stop = stack.enter_context(StopSignal())
    pending: list[dict] = []
    answers, saved = {}, True
    if resumed and is_due(step) and not was_evaluated(workdir, step):
      assess(step, state)  # stopped between saving and evaluating
    batches = feeds[train_clips].train_batches(
      batch_size=config.batch_size, seed=config.seed, start=step
    )
    began, first_step, numbers = time.monotonic(), step, None
    while step < total_steps:
      asked = time.monotonic()
      batch = next(batches)
      if numbers and numbers['loss'].is_ready():
        progress.idle(time.monotonic() - asked)
      state, numbers = train_step(state, batch)
      pending.append(numbers)
      step += 1
      epoch, in_epoch = divmod(step, steps_per_epoch)
      last = step == total_steps
      if step == first_step + 1:
        jax.block_until_ready(state.step)
        progress.start_clock(step)
        progress.say(f'Compiled in {duration(time.monotonic() - began)}.')

      stopping = stop.requested or newest.must_stop(step)
      saving = in_epoch == 0 and epoch % config.checkpoint_every == 0
      saving = saving or last or stopping
      if step % config.log_every == 0 or saving:
        means = mean_metrics(pending, step, workdir)
        means['lr'] = float(schedule(step - 1))
        progress.train(step, step / steps_per_epoch, means)
        pending = []
      if saving:
        saved = newest.save(step, state, wait=last or stopping)
        write_card(progress, step)
        if stopping and not last:
          progress.say(
            f'Stopped at step {step}, which is {"" if saved else "not "}saved;'
            ' the same command goes on from the newest checkpoint.'
          )
          sys.exit(128 + (stop.requested or signal.SIGTERM))

      if is_due(step):
        assess(step, state)
        progress.skip()

    # Result
    seconds = time.monotonic() - began
    results = {}
    for part, clips in (('test', test_clips), ('val', val_clips)):
      if clips is not None:
        if part not in answers:
          answers[part] = answer(state, clips)
        results[part] = conclude(part, clips, answers[part])
    _show(progress, step, 'final test', results['test'], config)
    if val_clips is not None and (best_state := _best(best, target)):
      results['best_step'] = int(best_state.step)
      of_best = metrics.compute_metrics(*answer(best_state, test_clips))
      results['test_of_best'] = of_best
      _show(
        progress,
        results['best_step'],
        'test of best',
        of_best,
        config,
      )
    save_official(state)
    figures = {k: v for k, v in results.items() if isinstance(v, dict)}
    write_card(progress, step, figures)
    summary = write_result(
      workdir,
      'summary.json',
      config,
      step=step,
      params=net.num_params(),
      seconds_since_start_or_resume=round(seconds, 1),
      **results,
    )
    if not saved:
      raise UserError(
        f'the last checkpoint could not be written to {workdir}; the result is'
        ' in summary.json, and the same command makes up for the checkpoint'
      )
    return summary


def _prepare(data):
  """Prepares the dataset if need be, once per run."""
  # Files that are named are looked at even so: they may be others by now.
  if jax.process_index() == 0 and (
    data.manual_dir or not registry.open_prepared(data.name, data.data_dir)
  ):
    registry.prepare_dataset(data.name, data.data_dir, data.manual_dir)
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices('dataset prepared')


def _check_held_out(held_out, trained):
  """Refuses clips to validate on that are trained on."""
  ids = held_out.ids()
  both = set(trained.ids()) & set(ids)
  if both:
    raise UserError(
      f'{len(both)} of {len(ids)} validation clips are training clips too, such'
      f' as {min(both)}; they would not tell how good the run is. Choose others'
      ' with --config.data.val_split or val_subjects, or leave them out of'
      ' train_split or train_subjects (in another --workdir, if this run has'
      ' begun)'
    )


def _best(best, target):
  """The best state on validation; None, and said, if it is lost."""
  try:
    return best.restore_newest(target)
  except UserError as error:
    logging.error('The best on validation is not tested: %s', error)
    return None


def _show(progress, step, part, result, config):
  numbers = {k: result[k] for k in ('loss', *metrics.HEADLINES, 'clips')}
  progress.record(step, {f'{part}/{k}': v for k, v in numbers.items()})
  others = [k for k in metrics.HEADLINES if k != config.headline]
  shown = [config.headline, *others]
  words = [f'{k} {100 * numbers[k]:.2f}%' for k in shown]
  if 'intervals' in result:
    low, high = (100 * x for x in result['intervals'][config.headline])
    words[0] += f' (95% interval {low:.1f} to {high:.1f})'
  progress.say(
    f'{part}, step {step}: '
    + '  '.join(words)
    + f'  loss {numbers["loss"]:.4f}  ({numbers["clips"]} clips)'
  )
