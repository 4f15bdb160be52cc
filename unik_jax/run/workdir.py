"""The files of a run beside its checkpoints: config.json and the results."""

import json
import pathlib
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax.config import check_same_experiment
from unik_jax.errors import UserError
from unik_jax.run import card, scores
from unik_jax.runtime import atomic_files


def claim(
  workdir: str | pathlib.Path, config: ConfigDict, *, foreign: bool = False
) -> pathlib.Path:
  """Makes a folder this experiment's, or checks that it is.

  Args:
    workdir: the folder, made if missing.
    config: of the run; kept as config.json.
    foreign: whether other weights than the folder's are evaluated, which
      belongs to no experiment, and may use any folder.

  Returns:
    The folder.

  Raises:
    UserError: the folder is another experiment's, or cannot be used.
  """
  if not str(workdir):
    raise UserError('--workdir is empty; name a folder for this run')
  workdir = pathlib.Path(workdir).expanduser()
  file = workdir / 'config.json'
  try:
    if foreign:
      workdir.mkdir(parents=True, exist_ok=True)
      return workdir
    if file.exists():
      before = _read_settings(file)
      if _has_begun(workdir):
        check_same_experiment(config, before, str(file))
        return workdir
    if not config.eval_only and jax.process_index() == 0:
      workdir.mkdir(parents=True, exist_ok=True)
      with atomic_files.atomic_write(
        file, 'make room, or name another --workdir'
      ) as part:
        part.write_text(json.dumps(config.to_dict(), indent=2) + '\n')
  except OSError as error:
    raise UserError(f'--workdir={workdir} cannot be used: {error}') from error
  return workdir


def begun(workdir: str | pathlib.Path) -> dict[str, Any] | None:
  """The settings of the run that has begun in a folder; None without one."""
  workdir = pathlib.Path(workdir).expanduser()
  file = workdir / 'config.json'
  if not str(workdir) or not file.is_file() or not _has_begun(workdir):
    return None
  return _read_settings(file)


def has_checkpoint(workdir: str | pathlib.Path) -> bool:
  """Whether there is one to go on from."""
  folder = pathlib.Path(workdir).expanduser() / 'checkpoints'
  return any(path.name.isdigit() for path in folder.glob('*'))


def _read_settings(file):
  """The settings of the run that a folder is for."""
  try:
    before, problem = json.loads(file.read_text()), 'of another kind'
  except ValueError as error:  # not JSON, or not even text
    before, problem = None, str(error)
  if not isinstance(before, dict) or not {'seed', 'data'} <= before.keys():
    raise UserError(
      f'{file}: not the settings of a run ({problem}); restore it, or use'
      ' another --workdir'
    )
  return before


def _has_begun(workdir):
  """Whether there is anything that other settings would not continue."""
  made = (workdir / 'metrics.jsonl', workdir / 'checkpoints')
  return any(path.exists() for path in made)


def best_so_far(workdir: pathlib.Path, headline: str) -> float:
  """The best validation figure in metrics.jsonl; -1 where there is none."""
  figures = [line.get(f'val/{headline}') for line in _metrics(workdir)]
  return max((f for f in figures if f is not None), default=-1.0)


def was_evaluated(workdir: pathlib.Path, step: int) -> bool:
  """Whether metrics.jsonl has an evaluation of that step."""
  return any(
    line['step'] == step and ('val/loss' in line or 'test/loss' in line)
    for line in _metrics(workdir)
  )


def _metrics(workdir):
  file = workdir / 'metrics.jsonl'
  lines = file.read_text().splitlines() if file.exists() else []
  return [json.loads(line) for line in lines]


def tests_others(config: ConfigDict, before: dict[str, Any] | None) -> bool:
  """Whether other clips are tested than the settings of `begun` say."""
  ours, theirs = config.data, (before or {}).get('data', {})
  subjects = list(theirs.get('test_subjects', ()))
  return theirs.get('test_split') != ours.test_split or subjects != list(
    ours.test_subjects
  )


def write_scores(
  workdir: pathlib.Path,
  name: str,
  clips: Any,
  logits: np.ndarray,
  labels: np.ndarray,
  *,
  views: int,
) -> None:
  """Keeps the answers for each clip of a split, as scores/NAME.npz.

  Args:
    workdir: where to.
    name: 'test' or 'val'.
    clips: a `PreparedSplit`.
    logits: (N, K) the answers.
    labels: (N,) the true classes.
    views: of a clip, whose answers were averaged.

  Raises:
    UserError: the file cannot be written.
  """
  if jax.process_index():
    return
  scores.write(
    workdir / 'scores' / f'{name}.npz',
    scores.Scores(
      ids=np.array(clips.ids()),
      labels=labels,
      logits=logits,
      classes=np.array(clips.class_names),
      split=clips.split,
      views=views,
    ),
    remedy='make room, and give the same command again',
  )


def write_result(
  workdir: pathlib.Path, name: str, config: ConfigDict, **results: Any
) -> dict[str, Any]:
  """Writes and returns what came of a run, with what it takes to repeat it.

  Args:
    workdir: where to.
    name: of the file.
    config: of the run.
    **results: the figures.

  Raises:
    UserError: the file cannot be written.
  """
  summary = {
    'dataset': config.data.name,
    'stream': config.data.stream,
    'headline': config.headline,
    'seed': config.seed,
    'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'jax': jax.__version__,
    'commit': card.commit(),
    **results,
  }
  if jax.process_index() == 0:
    remedy = (
      'the figures are above, and the same command writes them when there is'
      ' room'
    )
    with atomic_files.atomic_write(workdir / name, remedy) as part:
      part.write_text(json.dumps(summary, indent=1) + '\n')
  return summary
