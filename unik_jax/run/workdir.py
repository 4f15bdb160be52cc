"""A run's folder: the experiment that owns it, and its progress."""

import json
import pathlib
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax.config import check_same_experiment
from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.runtime.atomic_files import as_sentence
from unik_jax.runtime.json_files import read_json_table, write_json_table


def claim_workdir(
  workdir: str | pathlib.Path, config: ConfigDict, *, foreign: bool = False
) -> pathlib.Path:
  """Writes config.json to a new run's folder, or compares an old one's.

  Args:
    workdir: the folder, created if missing.
    config: settings of the run.
    foreign: whether weights from elsewhere are evaluated. That belongs to no
      experiment and may use any folder.

  Returns:
    The folder, with `~` expanded.

  Raises:
    UserError: the folder belongs to another experiment, or cannot be used.
  """
  if not str(workdir):
    raise UserError('--workdir: expected a folder for this run, got nothing')
  workdir = pathlib.Path(workdir).expanduser()
  file = workdir / paths.CONFIG
  try:
    if foreign:
      workdir.mkdir(parents=True, exist_ok=True)
      return workdir
    if file.exists():
      stored = _read_stored_config(file)
      if _has_begun(workdir):
        check_same_experiment(config, stored, str(file))
        return workdir
    if not config.eval_only and jax.process_index() == 0:
      workdir.mkdir(parents=True, exist_ok=True)
      remedy = 'make room, or name another --workdir'
      write_json_table(file, config.to_dict(), remedy)
  except OSError as error:
    raise UserError(f'--workdir={workdir} cannot be used: {error}') from error
  return workdir


def read_begun_config(workdir: str | pathlib.Path) -> dict[str, Any] | None:
  """Returns the settings of the run that has begun in a folder, or None."""
  workdir = pathlib.Path(workdir).expanduser()
  file = workdir / paths.CONFIG
  if not str(workdir) or not file.is_file() or not _has_begun(workdir):
    return None
  return _read_stored_config(file)


def has_checkpoint(workdir: str | pathlib.Path) -> bool:
  """Whether the folder has a checkpoint to resume from."""
  folder = pathlib.Path(workdir).expanduser() / paths.CHECKPOINTS
  return any(path.name.isdigit() for path in folder.glob('*'))


def _read_stored_config(file):
  """Reads config.json. Another program's file of that name is an error."""
  remedy = 'restore it, or use another --workdir'
  stored = read_json_table(file, remedy)
  if not {'seed', 'data'} <= stored.keys():
    raise UserError(
      f'{file}: not the settings of a run of unik_jax. {as_sentence(remedy)}'
    )
  return stored


def _has_begun(workdir):
  """Whether the folder has results that only the same settings can resume."""
  return any(
    (workdir / name).exists() for name in (paths.METRICS, paths.CHECKPOINTS)
  )


def read_best_accuracy(workdir: pathlib.Path, headline: str) -> float:
  """Returns the best validation accuracy in metrics.jsonl, or -1.

  Args:
    workdir: folder of the run.
    headline: 'top1', 'mean_class' or 'top5'.
  """
  key = f'val/{headline}'
  return max((x[key] for x in _read_metrics(workdir) if key in x), default=-1.0)


def was_evaluated(workdir: pathlib.Path, step: int) -> bool:
  """Whether metrics.jsonl has an evaluation after this step."""
  return any(
    line['step'] == step and ('val/loss' in line or 'test/loss' in line)
    for line in _read_metrics(workdir)
  )


def _read_metrics(workdir):
  file = workdir / paths.METRICS
  lines = file.read_text().splitlines() if file.exists() else []
  return [json.loads(line) for line in lines]


def tests_other_clips(
  config: ConfigDict, stored: dict[str, Any] | None
) -> bool:
  """Whether a config names other test clips than a run's stored settings.

  Args:
    config: settings of the evaluation.
    stored: stored settings of the run, as from `read_begun_config`.
  """
  data, stored_data = config.data, (stored or {}).get('data', {})
  return stored_data.get('test_split') != data.test_split or list(
    stored_data.get('test_subjects', ())
  ) != list(data.test_subjects)
