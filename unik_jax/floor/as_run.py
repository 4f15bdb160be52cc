"""MiniRocket or MultiRocket as a run: fitted in seconds instead of trained.

The input is that of the floor (`floor.measure.floor_config`), so that a run has
the floor's predictions. A run keeps the classifier in rocket.npz.
"""

import contextlib
import functools
import pathlib
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import evaluate
from unik_jax.config import default_config
from unik_jax.data import splits
from unik_jax.data.training_clips import describe_clips
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.floor.measure import floor_config
from unik_jax.floor.of_run import print_floor
from unik_jax.floor.series import read_series, score_clips, spread_rows
from unik_jax.models import rocket
from unik_jax.run import paths
from unik_jax.run.data_file import describes_data
from unik_jax.run.progress import Progress
from unik_jax.run.restore import load_run
from unik_jax.run.rocket_file import write_rocket
from unik_jax.run.wording import describe_experiment
from unik_jax.run.workdir import (
  claim_workdir,
  read_begun_config,
  tests_other_clips,
)
from unik_jax.run.writer import ResultsWriter

_STEP = 1  # of the results: there is one, the fit
# Settings that cannot have an effect, and why.
_REFUSED = {
  'init_from': 'is fitted from nothing',
  'save_official': 'has no official weights',
  'data.stream': 'is fitted to coordinates of joints',
}
_KEPT = ('seed', 'headline', 'eval_only', 'tensorboard')
_KEPT_DATA = ('manual_dir', 'val_split', 'val_subjects', 'threads', 'prefetch')


def run(config: ConfigDict, workdir: str | pathlib.Path) -> dict[str, Any]:
  """Fits a classifier, and tests it; evaluates one that is fitted.

  Args:
    config: settings, with a name of `rocket.ROCKETS` as `model.name`.
    workdir: folder for the files listed in `unik_jax.run.paths`.

  Returns:
    The content of summary.json; of evaluation.json if `config.eval_only`.

  Raises:
    UserError: bad settings or input, or aeon is not installed.
  """
  config = make_config(splits.complete_config(config))
  rocket.check_installed(f'config.model.name={config.model.name}: ')
  splits.check_transforms(config.data)
  with contextlib.ExitStack() as stack:
    workdir = stack.enter_context(claim_workdir(workdir, config))
    splits.prepare_once(config.data)
    clips = {'test': splits.open_split(config.data, 'test')}
    begin = time.monotonic()
    progress = Progress(
      workdir,
      total=_STEP,
      batch_size=1,
      tensorboard=config.tensorboard,
      record=not config.eval_only,
    )
    if config.eval_only:
      model = load_run(workdir, networks_only=False).net
    else:
      splits.check_records(clips['test'])
      if config.data.val_split:
        clips['val'] = splits.open_split(config.data, 'val')
      model = _fit(workdir, config, clips, progress)

    # ---- Results ----
    transform = Transform(config.data, train=False)
    seen = {'test': splits.find_seen(config.data, clips['test'])}
    writer = ResultsWriter(workdir, config, clips['test'], model, _STEP)
    stored = read_begun_config(workdir)
    foreign = config.eval_only and tests_other_clips(config, stored)
    outputs, results = {}, {}
    for part in clips:
      labels, logits = score_clips(model, clips[part], transform)
      outputs[part] = np.float32(logits), labels, seen.get(part)
      name = 'evaluation' if foreign else part
      writer.write_scores(name, clips[part], *outputs[part])
      results |= evaluate.measure_clips(part, *outputs[part])
    show = functools.partial(evaluate.print_metrics, progress, config.headline)
    evaluate.print_results(show, results, _STEP, _STEP)
    floor = print_floor(progress, config, clips, outputs, advises=False)
    if config.eval_only:
      return writer.write_summary(paths.EVALUATION, step=_STEP, **results)
    writer.write_card(_STEP, results, floor)
    return writer.write_summary(
      paths.SUMMARY,
      step=_STEP,
      params=model.num_params(),
      seconds_since_start_or_resume=round(time.monotonic() - begin, 1),
      **results,
    )


def make_config(config: ConfigDict) -> ConfigDict:
  """Returns the settings of a run: those that have an effect, as they are used.

  Args:
    config: settings that a user gave, complete.

  Raises:
    UserError: a setting asks for what the classifiers cannot do.
  """
  name, fixed = config.model.name, default_config()
  for key, why in _REFUSED.items():
    value, default = (
      settings[key] if '.' not in key else settings.data[key.partition('.')[2]]
      for settings in (config, fixed)
    )
    if value != default:
      raise UserError(
        f'config.{key}: expected {default!r} with model.name={name}, which'
        f' {why}, got {value!r}. Leave it out'
      )
  if jax.process_count() > 1:
    raise UserError(
      f'config.model.name: {name} is fitted by one process, got'
      f' {jax.process_count()}. Leave out --multihost'
    )
  fixed.update({key: config[key] for key in _KEPT})
  fixed.model.name = name
  fixed.data.update(floor_config(config.data))
  fixed.data.update({key: config.data[key] for key in _KEPT_DATA})
  return fixed


def _fit(workdir, config, clips, progress):
  """Returns the run's classifier: the kept one, or fits and keeps it."""
  data, name = config.data, config.model.name
  train = splits.open_split(data, 'train')
  if 'val' in clips:
    splits.check_held_out(clips['val'], train)
  rows = spread_rows(len(train))
  progress.print_line(
    f'{data.name}: {len(rows)} of {len(train)} clips to train,'
    f' {len(clips["test"])} to test; {name}\n'
    f'Settings: {describe_experiment(config)}'
  )
  file = workdir / paths.ROCKET
  is_fitted = file.exists() and describes_data(
    workdir, clips['test'].fingerprint()
  )
  writer = ResultsWriter(workdir, config, clips['test'], None, _STEP)
  if is_fitted:
    progress.print_line('Already fitted. Evaluates it again.')
    return load_run(workdir, networks_only=False).net
  # First: a file of other clips must not stay beside the new data.json.
  file.unlink(missing_ok=True)
  writer.write_data(functools.partial(describe_clips, train, data), False)
  transform = Transform(data, train=False)
  series, labels = read_series(train, rows, transform)
  begin = time.monotonic()
  model = rocket.fit_rocket(name, series, labels, data.num_classes, config.seed)
  model = rocket.calibrate_rocket(model, series, labels)
  write_rocket(workdir, rocket.to_arrays(model))
  progress.print_line(f'Fitted in {time.monotonic() - begin:.0f} s.')
  return model
