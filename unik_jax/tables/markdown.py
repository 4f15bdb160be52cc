"""A table as Markdown for people, and as CSV for programs."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from unik_jax.run.progress import format_duration
from unik_jax.tables.paper import ROWS, Table
from unik_jax.tables.summary import Outcome, Pair

_SYNTHETIC = (
  'Synthetic data: a check of the code, and no evidence about real actions.'
)
_OTHER = (
  "This dataset is not one of the paper's: its figures stand beside ours to"
  ' compare the order of rows, not their height.'
)
_METRICS = {'top1': 'top-1', 'mean_class': 'mean class accuracy'}


def markdown(
  name: str,
  table: Table,
  dataset: str,
  outcomes: Mapping[str, Outcome],
  pairs: Sequence[Pair],
  costs: Mapping[str, tuple[int, int]],
  *,
  headline: str,
  command: str,
) -> str:
  """The table, what of it is separable, and how it came about.

  Args:
    name: of the table, as in TABLES.
    table: of the paper.
    dataset: that ours is on.
    outcomes: of the rows that have one.
    pairs: `outcome.pairs`.
    costs: of each row, parameters and multiply-accumulates.
    headline: the metric.
    command: that makes the table.
  """
  columns = _columns(table, dataset)
  metric = _METRICS[headline]
  head = ['', f'{dataset}, {metric}, %', 'seeds']
  head += [f'paper: {table.columns[column]}' for column in columns]
  head += ['parameters', 'MACs', 'training']
  lines = [f'## Table {name}: {table.title}', '']
  if dataset == 'synthetic':
    lines += [_SYNTHETIC, '']
  elif dataset not in table.columns:
    lines += [_OTHER, '']
  lines += [_line(head), _line(['---'] * len(head))]
  for section in table.sections:
    rows = [row for row in section.rows if row in costs]
    if len(rows) < 2 and len(section.rows) > 1:
      continue
    lines.append(_line([f'*{section.title}*', *[''] * (len(head) - 1)]))
    for row in rows:
      lines.append(
        _line(_cells(row, table, columns, outcomes.get(row), costs[row]))
      )
  lines += ['', *_verdicts(pairs)]
  devices = ', '.join(dict.fromkeys(o.device for o in outcomes.values()))
  commits = ', '.join(dict.fromkeys(o.commit for o in outcomes.values()))
  lines += [
    'Mean and deviation over seeds, each after its last epoch; nothing is'
    ' chosen on the test split. Differences: 95% intervals of a bootstrap over'
    ' test clips, paired, all seeds together; where one holds zero the rows are'
    ' not separable. MACs: multiply-accumulates of a forward pass of one clip.'
    ' Training: the median of the seeds, without compilation and evaluation.',
    '',
    f'`{command}`, on {devices or "nothing yet"}; commit {commits or "-"}.',
  ]
  return '\n'.join(lines) + '\n'


def as_csv(
  table: Table,
  outcomes: Mapping[str, Outcome],
  costs: Mapping[str, tuple[int, int]],
) -> str:
  """A line for each row: figures by seed, the paper's, and costs."""
  out = io.StringIO()
  file = csv.writer(out, lineterminator='\n')
  paper = [f'paper_{column}' for column in table.columns]
  file.writerow(
    ['row', 'mean', 'deviation', 'by_seed', *paper]
    + ['parameters', 'macs', 'training_seconds']
  )
  none = [''] * len(paper)
  for row, (params, macs) in costs.items():
    theirs = ['' if x is None else x for x in table.figures.get(row, none)]
    ours = ['', '', '']
    seconds = ''
    if outcome := outcomes.get(row):
      mean, deviation = _spread(outcome.figures)
      by_seed = ' '.join(f'{x:.2f}' for x in outcome.figures)
      ours = [f'{mean:.2f}', deviation and f'{deviation:.2f}', by_seed]
      seconds = f'{outcome.seconds:.1f}'
    file.writerow([row, *ours, *theirs, params, macs, seconds])
  return out.getvalue()


def _columns(table, dataset):
  """The paper's on that dataset; or all, but four at the most."""
  return [dataset] if dataset in table.columns else list(table.columns)[:4]


def _cells(row, table, columns, outcome, cost):
  label = ROWS[row].label + ', pre-trained' * bool(ROWS[row].pretrained)
  ours, seeds, seconds = '-', '', ''
  if outcome:
    mean, deviation = _spread(outcome.figures)
    ours = f'{mean:.1f}' + (f' ± {deviation:.1f}' if deviation else '')
    seeds = ', '.join(f'{x:.1f}' for x in outcome.figures)
    seconds = format_duration(outcome.seconds)
  place = list(table.columns).index
  theirs = table.figures.get(row, (None,) * len(table.columns))
  shown = [theirs[place(column)] for column in columns]
  params, macs = cost
  return [
    label,
    ours,
    seeds,
    *('-' if figure is None else f'{figure:.1f}' for figure in shown),
    f'{params:,}',
    f'{macs / 1e9:.3g} G',
    seconds,
  ]


def _spread(figures):
  """Mean, and deviation; '' for that of one."""
  deviation = statistics.stdev(figures) if len(figures) > 1 else ''
  return statistics.fmean(figures), deviation


def _verdicts(pairs):
  """What may be said of the rows' order."""
  lines = ['Separable:', ''] if any(pair.separable for pair in pairs) else []
  for pair in pairs:
    if pair.separable:
      lines.append(
        f'- {_name(pair.first)} above {_name(pair.second)} by {_gap(pair)};'
        f' {_beside_the_paper(pair)}'
      )
  if lines:
    lines.append('')
  unclear = [
    f'{_name(pair.first)} and {_name(pair.second)} ({_gap(pair)})'
    for pair in pairs
    if not pair.separable
  ]
  return (
    [*lines, f'Not separable: {"; ".join(unclear)}.', ''] if unclear else lines
  )


def _gap(pair):
  low, high = pair.interval
  return f'{pair.difference:.1f} [{low:.1f}, {high:.1f}]'


def _beside_the_paper(pair):
  if not pair.paper:
    return 'the paper has no such pair'
  shown = ', '.join(f'{x:+.1f}' for x in pair.paper)
  if min(pair.paper) > 0:
    return f'so in the paper ({shown})'
  if max(pair.paper) <= 0:
    return f'**the other way round in the paper** ({shown})'
  return f'the paper has both orders ({shown})'


def _name(row):
  return ROWS[row].label + ', pre-trained' * bool(ROWS[row].pretrained)


def _line(cells):
  return f'| {" | ".join(cells)} |'
