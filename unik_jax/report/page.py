"""The report's page: what `templates/run.html` shows, computed from a run."""

from typing import Any

import numpy as np

from unik_jax.config import is_rocket
from unik_jax.html import charts, pages
from unik_jax.html.pages import Cell, Column, Figure, format_percent
from unik_jax.report.contents import Contents, get_series
from unik_jax.report.facts import METRIC_NAMES, list_facts
from unik_jax.report.floor import Floor
from unik_jax.report.mistakes import Mistake, list_confused_pairs

_PAIRS = 20  # confused pairs to list

_SPLITS = {
  'test': 'Test, last epoch',
  'unseen': 'Test clips that are not in training',
  'test_of_best': 'Test, best epoch on validation',
  'unseen_of_best': 'Best epoch, test clips that are not in training',
  'val': 'Validation, last epoch',
}
_CLASS_COLUMNS = (
  Column('Label', 'number'),
  Column('Class', 'heading'),
  Column('Accuracy', 'share'),
  Column('Clips', 'number', 'descending'),
  Column('Most confused with'),
  Column('Clips confused', 'number', 'descending'),
)
# Each robustness chart: title, horizontal axis, and the curves in it.
_DAMAGES = (
  ('Joints missing', "Share of a frame's joints", ('joints',)),
  ('Frames missing', "Share of a clip's frames", ('frames',)),
  ('Noise', "Deviation, of the body's size", ('noise',)),
  (
    'A limb hidden',
    "Share of a clip's frames",
    ('left_arm', 'right_arm', 'left_leg', 'right_leg'),
  ),
)


def render_report(
  contents: Contents,
  mistakes: list[Mistake],
  skeletons: dict[str, Any] | None,
  missing: str = '',
  floor: Floor | None = None,
  no_floor: str = '',
) -> str:
  """Returns the page's HTML.

  Args:
    contents: everything read from the run's folder.
    mistakes: the wrong predictions to show as clips.
    skeletons: from `animation.animate_clips`, of the same clips; None to show
      no skeletons.
    missing: why there are no skeletons.
    floor: from `floor.measure_run_floor`; None to show none.
    no_floor: why there is no floor.
  """
  results = contents.results
  return pages.render_page(
    'unik_jax.report',
    'run.html',
    title=f'{contents.dataset}, {contents.config.data.stream} stream',
    figures=(
      _headline_figures(contents, floor) if results else _progress(contents)
    ),
    facts=list_facts(contents),
    notes=contents.notes,
    curves=_curves(contents),
    no_curves=(
      'The classifier is fitted at once: there are no curves.'
      if is_rocket(contents.config)
      else 'The run has no metrics.jsonl.'
    ),
    split_columns=_split_columns(),
    splits=_splits(contents),
    results=_results(results, mistakes) if results else None,
    floor=_floor(contents, floor) if floor else None,
    no_floor=no_floor,
    robustness=_robustness(contents),
    skeletons=skeletons is not None,
    several_persons=any(
      len(clip['frames'][0]) > 1
      for clip in (skeletons or {}).get('clips', ())
      if clip['frames']
    ),
    missing=missing,
    data=_script_data(results, skeletons),
  )


def _script_data(results, skeletons):
  """Returns what the page's script reads: the matrix, and the skeletons."""
  if not results:
    return {}
  return {
    'classes': results.classes,
    'confusion': [
      {k: count for k, count in enumerate(row) if count}
      for row in np.array(results.figures['confusion']).tolist()
    ],
    **(skeletons or {}),
  }


def _results(results, mistakes):
  """Returns what the sections about the test clips show."""
  confusion = np.array(results.figures['confusion'])
  names = results.classes
  return {
    'reliability': charts.draw_reliability(results.calibration),
    'calibration': _calibration(results.calibration),
    'class_columns': _CLASS_COLUMNS,
    'class_rows': _class_rows(results, confusion),
    'confusion': charts.draw_confusion(confusion, names),
    'labels_are_numbers': len(names) > charts.MAX_NAMED,
    'confused_pairs': [
      (names[truth], names[prediction], clips, total)
      for truth, prediction, clips, total in list_confused_pairs(
        confusion, _PAIRS
      )
    ],
    'mistakes': [
      {
        'id': mistake.id,
        'truth': names[mistake.label],
        'prediction': names[mistake.prediction],
        'probability': mistake.probability,
        'truth_probability': mistake.truth_probability,
      }
      for mistake in mistakes
    ],
  }


def _floor(contents, floor):
  """Returns the lead and rows of the floor's section."""
  results = contents.results
  lead = 'Cheap classifiers on the same training and test clips. This run is'
  lead += f' above the floor: {floor.comparison}'
  columns = _split_columns()[: len(METRIC_NAMES)]
  parts = [[('This run', results.figures), *floor.figures]]
  if floor.unseen:
    lead += f'; on clips that are not in training: {floor.unseen.comparison}'
    columns += [f'{name}, not in training' for name in columns]
    parts.append([('', results.unseen), *floor.unseen.figures])
  return {
    'lead': f'{lead}. In brackets: the difference in points of'
    f' {METRIC_NAMES[contents.headline]}, and its 95% interval by a paired'
    ' bootstrap over clips.',
    'columns': columns,
    'rows': [
      (
        row[0][0],
        [
          format_percent(figures[key])
          for _, figures in row
          for key in METRIC_NAMES
        ],
      )
      for row in zip(*parts, strict=True)
    ],
  }


def _progress(contents):
  """Returns how far an unfinished run is, and its newest evaluation."""
  epochs = get_series(contents.curves, 'loss')[0] or [0]
  total = contents.config.epochs
  figures = [Figure(f'{epochs[-1]:.4g} of {total}', 'epochs trained')]
  for split, name in (('val', 'validation'), ('test', 'test')):
    key = f'{split}/{contents.headline}'
    epochs, values = get_series(contents.curves, key)
    if values:
      metric = f'{name} {METRIC_NAMES[contents.headline]}'
      note = f'after epoch {epochs[-1]:.4g}'
      figures.append(Figure(format_percent(values[-1]), metric, note))
  return figures


def _headline_figures(contents, floor):
  """Returns the headline metric, the other metrics, and the test clips."""
  results, headline = contents.results, contents.headline
  figures = []
  for key in sorted(METRIC_NAMES, key=lambda key: key != headline):
    low, high = results.intervals[key]
    note = f'95% interval {100 * low:.1f} to {format_percent(high)}'
    if results.unseen:
      note += f'\nnot in training: {format_percent(results.unseen[key])}'
    if floor:
      name, best = max(floor.figures, key=lambda row: row[1][key])
      note += f'\nfloor: {name} {format_percent(best[key])}'
    figures.append(
      Figure(format_percent(results.figures[key]), METRIC_NAMES[key], note)
    )
  clips = f'{results.figures["clips"]:,}'
  note = 'intervals by bootstrap over clips'
  if results.unseen:
    note = f'{results.unseen["clips"]:,} not in training\n{note}'
  return [*figures, Figure(clips, 'test clips', note)]


def _curves(contents):
  """Returns charts over the epochs: loss, accuracy and learning rate."""
  splits = {'training batches': '', 'validation': 'val/', 'test': 'test/'}
  loss, top1 = (
    {name: prefix + key for name, prefix in splits.items()}
    for key in ('loss', 'top1')
  )
  drawn = []
  for title, keys, options in (
    ('Loss', loss, {}),
    ('Top-1 accuracy', top1, {'percent': True}),
    ('Learning rate', {'rate': 'lr'}, {}),
  ):
    series = [
      (name, *get_series(contents.curves, key)) for name, key in keys.items()
    ]
    series = [(name, x, y) for name, x, y in series if x]
    if series:
      drawn.append(charts.draw_lines(title, series, x='Epoch', **options))
  return drawn


def _splits(contents):
  """Returns (name, figures) of each split; [] if only test was evaluated."""
  rows = []
  for key, name in _SPLITS.items():
    if key in contents.summary:
      figures = contents.summary[key]
      shown = [format_percent(figures.get(metric)) for metric in METRIC_NAMES]
      shown.append(f'{figures["loss"]:.3f}' if figures['clips'] else '–')
      shown.append(f'{figures["clips"]:,}')
      rows.append((name, shown))
  return rows if len(rows) > 1 else []


def _split_columns():
  names = [n.removesuffix(' accuracy') for n in METRIC_NAMES.values()]
  return [name[0].upper() + name[1:] for name in (*names, 'loss', 'clips')]


def _calibration(bins):
  """Returns the figures beside the reliability diagram, as (name, value)."""
  confidence, accuracy = (
    float(np.average(bins[key], weights=np.array(bins['clips'])))
    for key in ('confidence', 'accuracy')
  )
  return [
    ('Expected calibration error', format_percent(bins['ece'])),
    ('Mean probability of a prediction', format_percent(confidence)),
    ('Correct predictions', format_percent(accuracy)),
  ]


def _class_rows(results, counts):
  """Returns a row of cells for each class; `counts` is (K, K)."""
  names = results.classes
  rows = []
  for k, accuracy in enumerate(results.figures['per_class']):
    wrong = counts[k].copy()
    wrong[k] = 0
    other, times = int(wrong.argmax()), int(wrong.max())
    rows.append(
      (
        Cell(str(k), k),
        pages.text_cell(names[k]),
        pages.percent_cell(accuracy),
        pages.count_cell(int(counts[k].sum())),
        pages.text_cell(names[other]) if times else Cell('–', ''),
        pages.count_cell(times) if times else Cell('–', ''),
      )
    )
  return rows


def _robustness(contents):
  """Returns the lead and charts of accuracy on damaged clips, or None."""
  measured = contents.robustness
  if not measured:
    return None
  headline = contents.headline
  drawn = []
  for title, x, names in _DAMAGES:
    series = [
      (
        name.replace('_', ' '),
        [point['strength'] for point in points],
        [point[headline] for point in points],
      )
      for name in names
      if (points := measured['curves'].get(name))
    ]
    if series:
      drawn.append(
        charts.draw_lines(
          title,
          series,
          x=x,
          percent=True,
          percent_x=True,
          baseline=series[0][2][0],  # every curve starts at strength 0
          size=(2.8, 2.4),
        )
      )
  metric = METRIC_NAMES[headline]
  lead = (
    f'{metric[0].upper() + metric[1:]} when the clips are damaged, on'
    f' {measured["clips"]:,} clips, with the weights of step'
    f' {measured["step"]:,}. Dashed: undamaged clips.'
  )
  return {'lead': lead, 'charts': drawn}
