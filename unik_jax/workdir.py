"""The files of a run beside its checkpoints: config.json and the results."""

import json
import pathlib
from typing import Any

import jax
from ml_collections import ConfigDict

from unik_jax.config import check_same_experiment
from unik_jax.errors import UserError


def claim(workdir: pathlib.Path, config: ConfigDict) -> None:
  """Makes a folder this experiment's, or checks that it is.

  Args:
    workdir: the folder, made if missing.
    config: of the run; kept as config.json.

  Raises:
    UserError: the folder is another experiment's, or cannot be used.
  """
  file = workdir / 'config.json'
  try:
    if file.exists():
      before = json.loads(file.read_text())
      check_same_experiment(config, before, str(file))
    elif jax.process_index() == 0:
      workdir.mkdir(parents=True, exist_ok=True)
      if not config.eval_only:
        file.write_text(json.dumps(config.to_dict(), indent=2) + '\n')
  except json.JSONDecodeError as error:
    raise UserError(
      f'{file}: not readable as JSON ({error}); restore it, or use another'
      ' --workdir'
    ) from error
  except OSError as error:
    raise UserError(f'--workdir={workdir} cannot be used: {error}') from error


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


def write_result(
  workdir: pathlib.Path, name: str, config: ConfigDict, **results: Any
) -> dict[str, Any]:
  """Writes and returns what came of a run, with what it takes to repeat it.

  Args:
    workdir: where to.
    name: of the file.
    config: of the run.
    **results: the figures.
  """
  summary = {
    'dataset': config.data.name,
    'stream': config.data.stream,
    'headline': config.headline,
    'seed': config.seed,
    'device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'jax': jax.__version__,
    **results,
  }
  if jax.process_index() == 0:
    (workdir / name).write_text(json.dumps(summary, indent=1) + '\n')
  return summary
