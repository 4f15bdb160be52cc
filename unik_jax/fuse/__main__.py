"""Fuses runs of several streams of the same data into one answer per clip.

  python -m unik_jax.fuse RUN RUN ... [--method=softmax|logits|tuned]
    [--headline=top1|mean_class|top5] [--weights=W,W,...]
    [--out=FILE.json] [--scores=FILE.npz]

RUN is the --workdir of a run that has ended, or a file of scores. softmax sums
the runs' softmax scores, as the paper does; logits sums their logits, as the
official code does; tuned weighs softmax scores by what is best on clips held
out of training, never on test clips. --weights gives them, one of each run, as
they were tuned on other runs. --scores keeps the fusion's answers, so that they
can be fused again. Intervals are of 95%, by bootstrap over clips.
"""

import pathlib

from absl import app, flags

from unik_jax import cli

_METHOD = flags.DEFINE_enum(
  'method', 'softmax', ['softmax', 'logits', 'tuned'], 'How runs are fused.'
)
_HEADLINE = flags.DEFINE_enum(
  'headline',
  None,
  ['top1', 'mean_class', 'top5'],
  "What tuned weights are best by (default: the first run's headline).",
)
_WEIGHTS = flags.DEFINE_list(
  'weights', [], 'A weight of each run, in their order (default: equal ones).'
)
_OUT = flags.DEFINE_string('out', None, 'Where figures go, as JSON.')
_SCORES = flags.DEFINE_string(
  'scores', None, "Where the fusion's answer to each clip goes, as .npz."
)


def main(argv):
  # Imported here, so that --help answers at once.
  from unik_jax.errors import UserError

  with cli.command():
    from unik_jax.fuse import fusion
    from unik_jax.run import scores

    kept = _SCORES.value and pathlib.Path(_SCORES.value).expanduser()
    if kept and kept.suffix != '.npz':
      raise UserError(f'--scores={kept}: the name must end in .npz')
    made = fusion.fuse_runs(
      argv[1:], _METHOD.value, _HEADLINE.value or '', _weights()
    )
    show(made.table)
    for note in made.notes:
      print(f'note: {note}')
    if _OUT.value:
      fusion.write_table(_OUT.value, made.table)
      print(f'Figures are in {_OUT.value}')
    if kept:
      scores.write_scores(kept, made.scores)
      print(f'Scores are in {kept}')


def _weights():
  from unik_jax.errors import UserError

  try:
    return [float(weight) for weight in _WEIGHTS.value]
  except ValueError as error:
    raise UserError(f'--weights: {error}; give numbers, as in 1,0.5') from None


def show(table):
  """Prints the figures of each run, and of the fusion."""
  rows = [('', 'stream', 'weight', 'top-1', 'mean class', 'top-5')]
  for run in table['runs']:
    weight = f'{run["weight"]:.2f}'
    rows.append((run['run'], run['stream'] or '-', weight, *_figures(run)))
  name = f'fusion, {table["method"]}'
  rows.append((name, '', '', *_figures(table['fusion'])))
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  for row in rows:
    cells = (f'{x:{width}}' for x, width in zip(row, widths, strict=True))
    print('  '.join(cells).rstrip())
  split = table['split'] and f' of {table["split"]}'
  print(
    f'{table["clips"]} clips{split}; % with 95% intervals, by bootstrap over'
    ' clips'
  )
  if of_val := table.get('chosen_on'):
    figure = 100 * of_val[table['headline']]
    print(
      f'Weights chosen on {of_val["clips"]} validation clips by'
      f' {table["headline"]}, there {figure:.1f}%'
    )


def _figures(run):
  for key in ('top1', 'mean_class', 'top5'):
    low, high = (100 * x for x in run['intervals'][key])
    yield f'{100 * run[key]:.1f} [{low:.1f}, {high:.1f}]'


if __name__ == '__main__':
  app.run(main)
