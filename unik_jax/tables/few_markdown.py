"""Table few as Markdown for readers, and as CSV for programs and pictures."""

import csv
import io
import statistics
from collections.abc import Mapping

from unik_jax.floor.measure import NAMES
from unik_jax.run.progress import format_duration
from unik_jax.tables.few import ALL, Clips, Point
from unik_jax.tables.markdown import METRICS, format_accuracies, format_line
from unik_jax.tables.paper import ROWS

COLUMNS = (
  'row',
  'label',
  'clips_per_class',
  'training_clips',
  'mean',
  'deviation',
  'by_draw',
  'above_floor',
  'training_seconds',
)


def format_markdown(
  dataset: str,
  clips: Clips,
  points: Mapping[int, Point],
  draws: int,
  headline: str,
  command: str,
) -> str:
  """Returns the table, how networks compare with the floor, and the notes.

  Args:
    dataset: dataset of the results.
    clips: its clips.
    points: results by number of clips.
    draws: number of draws.
    headline: metric of the accuracies.
    command: the command that makes the table.
  """
  heads = [_describe_size(size, clips) for size in clips.sizes]
  lines = [
    f'## From few clips: {dataset}',
    '',
    f'{METRICS[headline].capitalize()}, %, by training clips of each class (and'
    ' of all):',
    '',
    format_line(['', *heads, 'training']),
    format_line(['---'] * (len(heads) + 2)),
  ]
  names = _list_rows(points)
  for row, label in names.items():
    cells = [
      format_accuracies(counted_accuracies(points[size], row))
      if size in points
      else 'as all'
      for size in clips.sizes
    ]
    seconds = [
      p.outcomes[row].seconds for p in points.values() if row in p.outcomes
    ]
    times = (
      f'{format_duration(min(seconds))} to {format_duration(max(seconds))}'
    )
    lines.append(format_line([label, *cells, times]))
  lines.append('')
  for row, label in names.items():
    found = [
      f'{_describe_size(size, clips)}: {point.above[row]}'
      for size, point in points.items()
      if row in point.above
    ]
    if found:
      lines.append(f'- {label} above the floor? {"; ".join(found)}')
  if lines[-1]:
    lines.append('')
  if len(points) < len(clips.sizes):
    lines += ['As all: no class has more clips.', '']
  if clips.seen:
    lines += [
      f'Without the {len(clips.seen)} test clips that are also in training,'
      ' number for number, if all clips are trained on.',
      '',
    ]
  lines += [
    f'Mean and deviation over draws of the training clips ({draws}), each with'
    ' its own seed; with all clips, over seeds alone. The clips of a draw are'
    ' among those of the same draw with more clips. A network is above the'
    ' floor if the 95% interval of its difference to the best cheap classifier,'
    ' by a paired bootstrap over test clips with all draws together, lies above'
    ' zero. Training: time of one draw (median), from the fewest clips to all.',
    '',
    f'`{command}`',
  ]
  return '\n'.join(lines) + '\n'


def format_csv(clips: Clips, points: Mapping[int, Point]) -> str:
  """Returns one line for each row and number of clips.

  Args:
    clips: as in `format_markdown`.
    points: as in `format_markdown`.
  """
  out = io.StringIO()
  writer = csv.writer(out, lineterminator='\n')
  writer.writerow(COLUMNS)
  for row, label in _list_rows(points).items():
    for size, point in points.items():
      if row not in point.outcomes:
        continue
      accuracies = counted_accuracies(point, row)
      deviation = statistics.stdev(accuracies) if len(accuracies) > 1 else ''
      writer.writerow(
        [
          row,
          label,
          size or f'{clips.per_class:.1f}',
          f'{clips.train[size]:.0f}',
          f'{statistics.fmean(accuracies):.2f}',
          deviation and f'{deviation:.2f}',
          ' '.join(f'{x:.2f}' for x in accuracies),
          point.above[row].verdict if row in point.above else '',
          f'{point.outcomes[row].seconds:.1f}',
        ]
      )
  return out.getvalue()


def counted_accuracies(point: Point, row: str) -> tuple[float, ...]:
  """Returns the accuracy of each draw, in percent, on the clips that count."""
  if row not in point.outcomes:
    return ()
  outcome = point.outcomes[row]
  return outcome.unseen or outcome.accuracies


def _list_rows(points):
  """Maps each row with a result to its label, the networks first."""
  rows = dict.fromkeys(row for p in points.values() for row in p.outcomes)
  networks = {row: ROWS[row].name for row in rows if row not in NAMES}
  return networks | {row: NAMES[row] for row in NAMES if row in rows}


def _describe_size(size, clips):
  """The head of a column: the clips of a class, and of all classes."""
  words = f'all, {clips.per_class:.0f}' if size == ALL else str(size)
  return words + (f' ({clips.train[size]:.0f})' if size in clips.train else '')
