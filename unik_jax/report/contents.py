"""The content of a report, read from the folder of a run."""

import dataclasses
import math
import pathlib
from typing import Any

from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.errors import UserError
from unik_jax.run import metrics_file, paths, restore, scores
from unik_jax.runtime.json_files import read_json_table

_REMEDY = 'restore it, or delete it and run the command that wrote it again'
_LATER_SCORES = (
  'The scores are from a later evaluation than summary.json; the figures here'
  ' are computed from the scores.'
)


@dataclasses.dataclass(frozen=True)
class Results:
  """Metrics of the test clips, computed from their scores.

  Attributes:
    scores: logits of the test clips.
    figures: `metrics.compute_metrics` of them.
    intervals: `metrics.bootstrap_intervals` of them.
    calibration: `metrics.calibration` of them.
    unseen: `metrics.compute_metrics` of those that are not in training; None if
      all are not.
  """

  scores: scores.Scores
  figures: dict[str, Any]
  intervals: dict[str, list[float]]
  calibration: dict[str, Any]
  unseen: dict[str, Any] | None = None

  @property
  def classes(self) -> list[str]:
    """Class names in label order."""
    return [str(name) for name in self.scores.classes]


@dataclasses.dataclass(frozen=True)
class Contents:
  """Everything a report shows.

  Attributes:
    folder: folder of the run.
    config: its settings.
    summary: contents of summary.json; empty for an unfinished run.
    dataset: name of the dataset, with its version if known.
    results: metrics of the test clips; None for an unfinished run.
    curves: lines of metrics.jsonl; empty without the file.
    robustness: contents of robustness.json; None without the file, and for an
      unfinished run.
    notes: warnings for the reader of the page.
  """

  folder: pathlib.Path
  config: ConfigDict
  summary: dict[str, Any]
  dataset: str
  results: Results | None
  curves: list[dict[str, Any]]
  robustness: dict[str, Any] | None
  notes: tuple[str, ...]

  @property
  def headline(self) -> str:
    """Name of the run's main metric."""
    return self.summary.get('headline', self.config.headline)


def read_contents(folder: pathlib.Path) -> Contents:
  """Reads a run's files and computes its metrics from its scores.

  Args:
    folder: the --workdir of a run. An unfinished run has curves only.

  Raises:
    UserError: the run is missing or has not trained yet, or a file is broken.
  """
  config = restore.read_config(folder)
  curves = metrics_file.read_metrics(folder)
  results, summary, robustness = None, {}, None
  if (folder / paths.SUMMARY).exists():
    summary = _read_summary(folder / paths.SUMMARY)
    results, notes = _compute_results(folder, summary['test'])
    robustness = _read_robustness(folder / paths.ROBUSTNESS)
  elif curves:
    notes = (
      f'Training is not finished: it has reached step {curves[-1]["step"]:,}.'
      ' Test results are shown when it has ended.',
    )
  else:
    raise UserError(
      f'{folder}: expected {paths.METRICS} or {paths.SUMMARY} of a run, got'
      ' neither. Resume it with the command that started it: python -m'
      f' unik_jax.main --config=configs/NAME.py --workdir={folder}'
    )
  return Contents(
    folder=folder,
    config=config,
    summary=summary,
    dataset=_read_dataset_name(folder) or str(config.data.name),
    results=results,
    curves=curves,
    robustness=robustness,
    notes=notes,
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
    (
      line['epoch'] / line['step']
      for line in curves
      if 'epoch' in line and line['step']
    ),
    1,
  )
  points = [
    (line.get('epoch', line['step'] * epochs_per_step), line[key])
    for line in curves
    if key in line
  ]
  return [x for x, _ in points], [y for _, y in points]


def _read_summary(path):
  summary = read_json_table(path, _REMEDY)
  if not isinstance(summary.get('test'), dict):
    raise UserError(
      f'{path}: expected metrics of a test split under "test", got none. Run'
      ' the command that wrote it again'
    )
  return summary


def _compute_results(folder, stored):
  """Returns the results of the test scores, and notes for the reader.

  Args:
    folder: folder of the run.
    stored: the metrics in summary.json.
  """
  path = paths.scores_path(folder, 'test')
  test = scores.read_scores(path)
  if not len(test.ids):
    raise UserError(f'{path}: expected at least one clip, got none')
  figures = metrics.compute_metrics(test.logits, test.labels)
  is_current = stored.get('clips') == figures['clips'] and math.isclose(
    stored.get('loss', math.nan), figures['loss'], rel_tol=1e-5
  )
  intervals = stored.get('intervals') if is_current else None
  notes = () if is_current else (_LATER_SCORES,)
  rows = None if test.seen is None else ~test.seen
  return Results(
    scores=test,
    figures=figures,
    intervals=intervals
    or metrics.bootstrap_intervals(test.logits, test.labels),
    calibration=metrics.calibration(test.logits, test.labels),
    unseen=None
    if rows is None
    else metrics.compute_metrics(test.logits[rows], test.labels[rows]),
  ), notes


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
