"""What a report tells, read from the folder of a run that has ended."""

import dataclasses
import json
import math
import pathlib
from typing import Any

from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.errors import UserError
from unik_jax.report import robustness
from unik_jax.run import paths, restore, scores

SUMMARY, METRICS = 'summary.json', 'metrics.jsonl'


@dataclasses.dataclass(frozen=True)
class Contents:
  """All figures of a report.

  Attributes:
    folder: of the run.
    config: its settings.
    summary: what summary.json holds.
    dataset: its full name, with its version where that is known.
    scores: answers for each clip of the test split.
    figures: `metrics.summarize` of them.
    intervals: `metrics.intervals` of them.
    calibration: `metrics.calibration` of them.
    curves: lines of metrics.jsonl; empty where there is none.
    robustness: what robustness.json holds; None where there is none.
    notes: what a reader should know of how these came about.
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
    """Their names, in label order."""
    return [str(name) for name in self.scores.classes]


def read(folder: pathlib.Path) -> Contents:
  """Reads a run's files, and works out its figures from its scores.

  Args:
    folder: the --workdir of a run that has ended.

  Raises:
    UserError: no run there, one that has not ended, or a broken file.
  """
  config = restore.read_config(folder)
  summary = _read_summary(folder)
  answers = scores.read_scores(folder / 'scores' / 'test.npz')
  if not len(answers.ids):
    raise UserError(f'{folder / "scores" / "test.npz"}: no clip in it')
  about = folder / paths.DATA
  dataset = read_json(about).get('dataset') if about.exists() else None
  curves = folder / METRICS
  damaged = folder / robustness.FILE
  figures = metrics.summarize(answers.logits, answers.labels)
  kept, notes = summary['test'], []
  same = kept.get('clips') == figures['clips'] and math.isclose(
    kept.get('loss', math.nan), figures['loss'], rel_tol=1e-5
  )
  if not same:
    notes.append(
      'The scores are of a later evaluation than summary.json; the figures'
      ' here are those of the scores.'
    )
  intervals = kept.get('intervals') if same else None
  return Contents(
    folder=folder,
    config=config,
    summary=summary,
    dataset=str(dataset or config.data.name),
    scores=answers,
    figures=figures,
    intervals=intervals or metrics.intervals(answers.logits, answers.labels),
    calibration=metrics.calibration(answers.logits, answers.labels),
    curves=_read_lines(curves) if curves.exists() else [],
    robustness=_read_robustness(damaged) if damaged.exists() else None,
    notes=tuple(notes),
  )


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """A table from a JSON file; a UserError where it is broken."""
  try:
    table = json.loads(path.read_text())
  except (OSError, ValueError) as error:
    raise UserError(
      f'{path}: cannot be read ({error}); restore it, or remove it and run'
      ' the command that made it again'
    ) from None
  if not isinstance(table, dict):
    raise UserError(f'{path}: a table is due, not {type(table).__name__}')
  return table


def _read_summary(folder):
  path = folder / SUMMARY
  if not path.exists():
    raise UserError(
      f'{folder}: this run has not ended, since it has no {SUMMARY}. Go on'
      ' with the command that began it: python -m unik_jax.main'
      f' --config=configs/NAME.py --workdir={folder}'
    )
  summary = read_json(path)
  if not isinstance(summary.get('test'), dict):
    raise UserError(
      f'{path}: it has no figures of a test split; run the command that made'
      ' it again'
    )
  return summary


def _read_robustness(path):
  table = read_json(path)
  try:
    for points in table['curves'].values():
      for point in points:
        point['strength'] + sum(point[key] for key in metrics.HEADLINES)
    table['clips'] + table['step']
  except (AttributeError, KeyError, TypeError) as error:
    raise UserError(
      f'{path}: not as unik_jax.report.robustness writes it ({error!r});'
      ' remove it, and make it again with --robustness'
    ) from None
  return table


def _read_lines(path):
  lines = []
  for number, line in enumerate(path.read_text().splitlines(), 1):
    try:
      lines.append(json.loads(line))
      lines[-1]['step'] + 0
    except (ValueError, KeyError, TypeError) as error:
      raise UserError(
        f'{path}, line {number}: not a line of metrics ({error}); remove that'
        ' line, or the file for a report without curves'
      ) from None
  return lines


def series(
  curves: list[dict[str, Any]], key: str
) -> tuple[list[float], list[float]]:
  """One figure over training: epochs, and its values there.

  Args:
    curves: lines of metrics.jsonl. Those of evaluations have a step alone,
      whose epoch follows from the other lines.
    key: such as 'loss' or 'val/top1'.
  """
  pace = next((x['epoch'] / x['step'] for x in curves if 'epoch' in x), 1)
  points = [
    (line.get('epoch', line['step'] * pace), line[key])
    for line in curves
    if key in line
  ]
  return [x for x, _ in points], [y for _, y in points]
