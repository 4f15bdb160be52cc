"""The content of a report, read from the folder of a finished run."""

import dataclasses
import json
import math
import pathlib
from typing import Any

from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.errors import UserError
from unik_jax.run import paths, restore, scores
from unik_jax.runtime.json_files import read_json_table

_REMEDY = 'restore it, or delete it and run the command that wrote it again'


@dataclasses.dataclass(frozen=True)
class Contents:
  """Everything a report shows.

  Attributes:
    folder: folder of the run.
    config: its settings.
    summary: contents of summary.json.
    dataset: name of the dataset, with its version if known.
    scores: logits of the test clips.
    figures: `metrics.compute_metrics` of them.
    intervals: `metrics.bootstrap_intervals` of them.
    calibration: `metrics.calibration` of them.
    curves: lines of metrics.jsonl; empty without the file.
    robustness: contents of robustness.json; None without the file.
    notes: warnings for the reader of the page.
  """

  folder: pathlib.Path
  config: ConfigDict
  summary: dict[str, Any]
  dataset: str
  scores: scores.Scores
  figures: dict[str, Any]
  intervals: dict[str, list[float]]
  calibration: dict[str, Any]
  curves: list[dict[str, Any]]
  robustness: dict[str, Any] | None
  notes: tuple[str, ...]

  @property
  def classes(self) -> list[str]:
    """Class names in label order."""
    return [str(name) for name in self.scores.classes]


def read_contents(folder: pathlib.Path) -> Contents:
  """Reads a run's files and computes its metrics from its scores.

  Args:
    folder: the --workdir of a finished run.

  Raises:
    UserError: the run is missing or unfinished, or a file is broken.
  """
  config = restore.read_config(folder)
  summary = _read_summary(folder)
  test_path = paths.scores_path(folder, 'test')
  test = scores.read_scores(test_path)
  if not len(test.ids):
    raise UserError(f'{test_path}: expected at least one clip, got none')
  figures = metrics.compute_metrics(test.logits, test.labels)
  stored, notes = summary['test'], []
  is_current = stored.get('clips') == figures['clips'] and math.isclose(
    stored.get('loss', math.nan), figures['loss'], rel_tol=1e-5
  )
  if not is_current:
    notes.append(
      'The scores are from a later evaluation than summary.json; the figures'
      ' here are computed from the scores.'
    )
  intervals = stored.get('intervals') if is_current else None
  return Contents(
    folder=folder,
    config=config,
    summary=summary,
    dataset=_read_dataset_name(folder) or str(config.data.name),
    scores=test,
    figures=figures,
    intervals=intervals
    or metrics.bootstrap_intervals(test.logits, test.labels),
    calibration=metrics.calibration(test.logits, test.labels),
    curves=_read_curves(folder / paths.METRICS),
    robustness=_read_robustness(folder / paths.ROBUSTNESS),
    notes=tuple(notes),
  )


def get_series(
  curves: list[dict[str, Any]], key: str
) -> tuple[list[float], list[float]]:
  """Returns the epochs and values of one metric over training.

  Args:
    curves: lines of metrics.jsonl. Lines of evaluations have a step but no
      epoch; it is computed from the other lines.
    key: the metric, such as 'loss' or 'val/top1'.
  """
  epochs_per_step = next(
    (line['epoch'] / line['step'] for line in curves if 'epoch' in line), 1
  )
  points = [
    (line.get('epoch', line['step'] * epochs_per_step), line[key])
    for line in curves
    if key in line
  ]
  return [x for x, _ in points], [y for _, y in points]


def _read_summary(folder):
  path = folder / paths.SUMMARY
  if not path.exists():
    raise UserError(
      f'{folder}: expected a finished run, got no {path.name}. Resume it with'
      ' the command that started it: python -m unik_jax.main'
      f' --config=configs/NAME.py --workdir={folder}'
    )
  summary = read_json_table(path, _REMEDY)
  if not isinstance(summary.get('test'), dict):
    raise UserError(
      f'{path}: expected metrics of a test split under "test", got none. Run'
      ' the command that wrote it again'
    )
  return summary


def _read_dataset_name(folder):
  path = folder / paths.DATA
  return (
    str(read_json_table(path, _REMEDY).get('dataset') or '')
    if path.exists()
    else ''
  )


def _read_robustness(path):
  if not path.exists():
    return None
  table = read_json_table(path, _REMEDY)
  try:
    for points in table['curves'].values():
      for point in points:
        point['strength'] + sum(point[key] for key in metrics.HEADLINES)
    table['clips'] + table['step']
  except (AttributeError, KeyError, TypeError) as error:
    raise UserError(
      f'{path}: expected the format of unik_jax.report.robustness, got a table'
      f' without it ({error!r}). Delete it and measure again with --robustness'
    ) from None
  return table


def _read_curves(path):
  if not path.exists():
    return []
  lines = []
  for number, line in enumerate(
    path.read_text(errors='replace').splitlines(), 1
  ):
    try:
      lines.append(json.loads(line))
      lines[-1]['step'] + 0
    except (ValueError, KeyError, TypeError, RecursionError) as error:
      raise UserError(
        f'{path}, line {number}: expected a JSON object with "step", got'
        f' {line[:40]!r} ({error}). Delete the line, or the file for a report'
        ' without curves'
      ) from None
  return lines
