"""A table of results as Markdown for readers, and as CSV for programs."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from unik_jax.floor.comparison import Comparison
from unik_jax.floor.measure import FloorRow
from unik_jax.run.progress import format_duration
from unik_jax.tables.costs import Costs
from unik_jax.tables.paper import ROWS, Table
from unik_jax.tables.summary import Outcome, Pair

_SYNTHETIC = (
  'Synthetic data: a check of the code, and no evidence about real actions.'
)
_NOT_IN_PAPER = (
  "This dataset is not one of the paper's. Compare the order of the rows with"
  ' the paper, not their values.'
)
METRICS = {'top1': 'top-1', 'mean_class': 'mean class accuracy'}
_MOST_COLUMNS = 4  # of the paper, if the dataset is not one of them


def format_markdown(
  name: str,
  table: Table,
  dataset: str,
  outcomes: Mapping[str, Outcome],
  pairs: Sequence[Pair],
  costs: Mapping[str, Costs],
  *,
  floor: Sequence[FloorRow] = (),
  above: Mapping[str, Comparison] | None = None,
  headline: str,
  command: str,
) -> str:
  """Returns the table, the separable pairs of rows, and how it was measured.

  Args:
    name: the table's key in TABLES.
    table: the paper's table.
    dataset: dataset of the outcomes.
    outcomes: results by row; a row without one gets a dash.
    pairs: from `summary.compare_rows`.
    costs: costs of each row to print.
    floor: rows of the floor, which are in `outcomes` too.
    above: from `summary.compare_with_floors`.
    headline: metric of the accuracies.
    command: the command that makes the table.
  """
  columns = _choose_columns(table, dataset)
  metric = METRICS[headline]
  has_unseen = any(outcome.unseen for outcome in outcomes.values())
  head = ['', f'{dataset}, {metric}, %', *['unseen'] * has_unseen]
  head += ['seeds', 'above the floor']
  head += [f'paper: {table.columns[column]}' for column in columns]
  head += ['parameters', 'MACs', 'training']
  lines = [f'## Table {name}: {table.title}', '']
  if dataset == 'synthetic':
    lines += [_SYNTHETIC, '']
  elif table.columns and dataset not in table.columns:
    lines += [_NOT_IN_PAPER, '']
  lines += [format_line(head), format_line(['---'] * len(head))]
  for section in table.sections:
    rows = [row for row in section.rows if row in costs]
    if len(rows) < 2 and len(section.rows) > 1 and len(table.sections) > 1:
      continue  # nothing is left to compare
    title = [f'*{section.title}*', *[''] * (len(head) - 1)]
    lines.append(format_line(title))
    for row in rows:
      comparison = (above or {}).get(row)
      cells = [
        ROWS[row].name,
        *_accuracy_cells(outcomes.get(row), has_unseen),
        str(comparison) if comparison else '-',
        *_published_cells(row, table, columns),
        f'{costs[row].params:,}',
        f'{costs[row].macs / 1e9:.3g} G',
        _time_cell(outcomes.get(row)),
      ]
      lines.append(format_line(cells))
  if floor:
    lines.append(format_line(['*Floor*', *[''] * (len(head) - 1)]))
  for row in floor:
    outcome = outcomes[row.name]
    blank = [''] * (len(columns) + 3)  # above the floor, paper, costs
    measured = _accuracy_cells(outcome, has_unseen)
    cells = [row.label, *measured, *blank, _time_cell(outcome)]
    lines.append(format_line(cells))
  names = {row: ROWS[row].name for row in costs}
  names |= {row.name: row.label for row in floor}
  lines += ['', *_format_folds(names, outcomes), *_format_pairs(pairs)]
  if has_unseen:
    lines += [
      'Unseen: on the test clips that are not in training; the others are there'
      ' too, number for number. Whether a row is above the floor is said of the'
      ' unseen clips.',
      '',
    ]
  streams = table.streams.get(dataset, table.streams[''])
  if floor and len(streams) > 1:
    lines += [
      'The networks see several streams, the floor joints only. To compare with'
      ' MultiRocket on the same streams: `python benchmarks/floor_streams.py'
      ' RUN RUN ...` with the runs of the streams.',
      '',
    ]
  runs = [outcomes[row] for row in costs if row in outcomes]
  devices = ', '.join(dict.fromkeys(run.device for run in runs))
  commits = ', '.join(dict.fromkeys(run.commit for run in runs))
  lines += [
    'Accuracy: mean and standard deviation over seeds, after the last epoch;'
    ' nothing is chosen on the test split. Differences: 95% intervals by a'
    ' paired bootstrap over test clips, all seeds together; two rows are not'
    ' separable if the interval contains zero. MACs: multiply-accumulates of a'
    ' forward pass of one clip. Training: median time of the seeds, without'
    ' compilation and evaluation. Floor: cheap classifiers on the joints of the'
    ' same clips. A row is above the floor if the interval of its difference to'
    ' the best of them lies above zero.',
    '',
    f'`{command}`, on {devices or "no device yet"}; commit {commits or "-"}.',
  ]
  return '\n'.join(lines) + '\n'


def format_csv(
  table: Table,
  outcomes: Mapping[str, Outcome],
  costs: Mapping[str, Costs],
  floor: Sequence[FloorRow] = (),
  above: Mapping[str, Comparison] | None = None,
) -> str:
  """Returns one line for each row: accuracies, the paper's, and costs.

  Args:
    table: the paper's table.
    outcomes: results by row; a row without one has empty cells.
    costs: costs of each row to print.
    floor: as in `format_markdown`.
    above: as in `format_markdown`.
  """
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  paper_columns = [f'paper_{column}' for column in table.columns]
  has_unseen = any(outcome.unseen for outcome in outcomes.values())
  unseen_columns = ['unseen_mean', 'unseen_deviation'] * has_unseen
  writer.writerow(
    ['row', 'mean', 'deviation', 'by_seed', *unseen_columns, 'above_floor']
    + [*paper_columns, 'parameters', 'macs', 'training_seconds']
  )
  unknown = [None] * len(paper_columns)
  known = {row: tuple(cost) for row, cost in costs.items()}
  for row, cost in (known | {row.name: ('', '') for row in floor}).items():
    measured, seconds = [''] * (3 + len(unseen_columns)), ''
    if outcome := outcomes.get(row):
      by_seed = ' '.join(f'{x:.2f}' for x in outcome.accuracies)
      measured = [*_csv_cells(outcome.accuracies), by_seed]
      if has_unseen:
        measured += _csv_cells(outcome.unseen)
      seconds = f'{outcome.seconds:.1f}'
    comparison = (above or {}).get(row)
    published = table.accuracies.get(row, unknown)
    published = ['' if x is None else x for x in published]
    verdict = comparison.verdict if comparison else ''
    writer.writerow([row, *measured, verdict, *published, *cost, seconds])
  return out.getvalue()


def _choose_columns(table, dataset):
  """The paper's column of the dataset, or its first columns."""
  if dataset in table.columns:
    return [dataset]
  return list(table.columns)[:_MOST_COLUMNS]


def _accuracy_cells(outcome, has_unseen):
  """Means and deviations, and the accuracy of each seed."""
  accuracies = outcome.accuracies if outcome else ()
  unseen = outcome.unseen if outcome else ()
  return [
    format_accuracies(accuracies),
    *[format_accuracies(unseen)] * has_unseen,
    ', '.join(f'{x:.1f}' for x in accuracies),
  ]


def format_accuracies(values: Sequence[float]) -> str:
  """Returns mean ± deviation of a row's accuracies; '-' without any."""
  if not values:
    return '-'
  mean, deviation = _mean_and_deviation(values)
  return f'{mean:.1f}' + (f' ± {deviation:.1f}' if deviation else '')


def _published_cells(row, table, columns):
  """The paper's accuracies of a row."""
  unknown = (None,) * len(table.columns)
  published = dict(
    zip(table.columns, table.accuracies.get(row, unknown), strict=True)
  )
  return [
    '-' if published[column] is None else f'{published[column]:.1f}'
    for column in columns
  ]


def _time_cell(outcome):
  return format_duration(outcome.seconds) if outcome else ''


def _csv_cells(values):
  """Mean and deviation of a row's seeds; empty cells without any."""
  if not values:
    return ['', '']
  mean, deviation = _mean_and_deviation(values)
  return [f'{mean:.2f}', deviation and f'{deviation:.2f}']


def _mean_and_deviation(values):
  """Mean and sample standard deviation; the latter is '' for one value."""
  deviation = statistics.stdev(values) if len(values) > 1 else ''
  return statistics.fmean(values), deviation


def _format_folds(names, outcomes):
  """Lines with the accuracy of each fold, and their mean."""
  if not any(outcome.folds for outcome in outcomes.values()):
    return []
  lines = ["The table has all folds' test clips together. By fold:", '']
  for row, name in names.items():
    if folds := row in outcomes and outcomes[row].folds:
      values = ', '.join(f'{x:.1f}' for x in folds)
      lines.append(f'- {name}: {values}; mean {statistics.fmean(folds):.1f}')
  return [*lines, '']


def _format_pairs(pairs):
  """Lines that say which rows are separable, beside the paper's order."""
  separable = [pair for pair in pairs if pair.separable]
  lines = []
  if separable:
    lines += ['Separable:', '']
    lines += [
      f'- {ROWS[pair.first].name} above {ROWS[pair.second].name} by'
      f' {_format_difference(pair)}{_describe_paper(pair)}'
      for pair in separable
    ]
    lines.append('')
  unclear = [
    f'{ROWS[pair.first].name} and {ROWS[pair.second].name}'
    f' ({_format_difference(pair)})'
    for pair in pairs
    if not pair.separable
  ]
  if unclear:
    lines += [f'Not separable: {"; ".join(unclear)}.', '']
  return lines


def _format_difference(pair):
  low, high = pair.interval
  return f'{pair.difference:.1f} [{low:.1f}, {high:.1f}]'


def _describe_paper(pair):
  if not pair.paper:
    return ''
  differences = ', '.join(f'{x:+.1f}' for x in pair.paper)
  if min(pair.paper) > 0:
    return f'; same order in the paper ({differences})'
  if max(pair.paper) <= 0:
    return f'; **opposite order in the paper** ({differences})'
  return f'; the paper has both orders ({differences})'


def format_line(cells: Sequence[str]) -> str:
  """Returns a line of a Markdown table."""
  return f'| {" | ".join(cells)} |'
