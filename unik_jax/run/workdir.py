"""A run's folder: the experiment that owns it, and its progress."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.run.changed_settings import check_same_experiment
from unik_jax.runtime.atomic_files import as_sentence
from unik_jax.runtime.distributed import holds_on_all
from unik_jax.runtime.json_files import read_json_table, write_json_table
from unik_jax.runtime.locks import hold_lock, read_holder


@contextlib.contextmanager
def claim_workdir(
  workdir: str | pathlib.Path, config: ConfigDict, *, foreign: bool = False
) -> Iterator[pathlib.Path]:
  """Claims a run's folder: writes config.json, or compares an old one's.

  A training holds the folder's lock until the end of the `with` block, on the
  first process only. An evaluation holds none: it may run beside a training.

  Args:
    workdir: the folder, created if missing.
    config: settings of the run.
    foreign: whether weights from elsewhere are evaluated. That belongs to no
      experiment and may use any folder.

  Yields:
    The folder, with `~` expanded.

  Raises:
    UserError: the folder belongs to another experiment, another training is
      writing to it, or it cannot be used.
  """
  if not str(workdir):
    raise UserError('--workdir: expected a folder for this run, got nothing')
  workdir = pathlib.Path(workdir).expanduser()
  with contextlib.ExitStack() as stack:
    try:
      if foreign:
        workdir.mkdir(parents=True, exist_ok=True)
      else:
        begun = _check_config(workdir, config)
        if not config.eval_only:
          stack.enter_context(_lock(workdir))
          if not begun and jax.process_index() == 0:
            remedy = 'make room, or name another --workdir'
            write_json_table(workdir / paths.CONFIG, config.to_dict(), remedy)
    except OSError as error:
      raise UserError(f'--workdir={workdir} cannot be used: {error}') from error
    yield workdir


@contextlib.contextmanager
def _lock(workdir):
  """Holds a folder's lock, on the first process only."""
  file = workdir / paths.LOCK
  with contextlib.ExitStack() as stack:
    held = jax.process_index() != 0 or stack.enter_context(
      hold_lock(file, wait=False)
    )
    if not holds_on_all(held):
      raise UserError(
        f'--workdir={workdir}: another training is writing to it'
        f' ({read_holder(file)}). Wait for its end, stop it, or name another'
        ' --workdir.'
      )
    yield


def _check_config(workdir, config):
  """Compares a folder's settings; returns whether a run has begun there."""
  file = workdir / paths.CONFIG
  if not file.exists():
    return False
  stored = _read_stored_config(file)
  if _has_begun(workdir):
    check_same_experiment(config, stored, str(file))
    return True
  if (workdir / paths.WEIGHTS).exists():
    raise UserError(
      f'--workdir={workdir}: expected a folder for a training, got an exported'
      ' run, which has no optimizer to resume with. Name another --workdir;'
      f' --config.init_from={workdir} starts from its weights'
    )
  return False


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
