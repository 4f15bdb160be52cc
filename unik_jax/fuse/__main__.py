"""Fuses runs of several streams of the same data into one prediction per clip.

  python -m unik_jax.fuse RUN RUN ... [--method=softmax|logits|tuned]
    [--headline=top1|mean_class|top5] [--weights=W,W,...]
    [--out=FILE.json] [--scores=FILE.npz]

RUN is the --workdir of a finished run, or a file of scores. Methods:
  softmax  sums softmax scores, as the paper does
  logits   sums logits, as the official code does
  tuned    sums softmax scores with the weights that are best on clips held out
           of training (never test clips)
Prints accuracies with 95% intervals, by bootstrap over clips.
"""

import pathlib

from absl import app, flags

from unik_jax import cli

_METHOD = flags.DEFINE_enum(
  'method',
  'softmax',
  ['softmax', 'logits', 'tuned'],
  'How to combine the runs.',
)
_HEADLINE = flags.DEFINE_enum(
  'headline',
  None,
  ['top1', 'mean_class', 'top5'],
  'Metric that tuned weights maximise (default: the headline of the first'
  ' run).',
)
_WEIGHTS = flags.DEFINE_list(
  'weights',
  [],
  'One weight for each run, in order (default: equal weights).',
)
_OUT = flags.DEFINE_string(
  'out', None, 'JSON file to write the metrics to (default: none).'
)
_SCORES = flags.DEFINE_string(
  'scores',
  None,
  '.npz file to write the fused predictions to (default: none). It can be'
  ' fused again.',
)


def main(argv):
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.errors import UserError
    from unik_jax.fuse import fusion
    from unik_jax.run.scores import write_scores

    scores_file = _SCORES.value and pathlib.Path(_SCORES.value).expanduser()
    if scores_file and scores_file.suffix != '.npz':
      raise UserError(
        f'--scores: expected a name that ends in .npz, got {scores_file}'
      )
    fused = fusion.fuse_runs(
      argv[1:], _METHOD.value, _HEADLINE.value or '', _parse_weights()
    )
    print_table(fused.table)
    for note in fused.notes:
      print(f'note: {note}')
    if _OUT.value:
      fusion.write_table(_OUT.value, fused.table)
      print(f'Wrote the metrics to {_OUT.value}')
    if scores_file:
      write_scores(scores_file, fused.scores)
      print(f'Wrote the scores to {scores_file}')


def _parse_weights():
  from unik_jax.errors import UserError

  try:
    return [float(weight) for weight in _WEIGHTS.value]
  except ValueError:
    raise UserError(
      f'--weights: expected numbers, such as 1,0.5; got'
      f' {",".join(_WEIGHTS.value)}'
    ) from None


def print_table(table):
  """Prints the metrics of each run and of the fusion."""
  head = ('', 'stream', 'weight', 'top-1', 'mean class', 'top-5')
  rows = [head, *_rows(table, lambda result: result)]
  unseen = table['fusion'].get('unseen')
  if unseen and unseen['clips']:
    title = f'{unseen["clips"]} clips that are not in training:'
    rows += [(title,), *_rows(table, lambda result: result['unseen'])]
  whole = [row for row in rows if len(row) == len(head)]
  widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
  for row in rows:
    cells = (f'{x:{width}}' for x, width in zip(row, widths, strict=False))
    print('  '.join(cells).rstrip())
  split = table['split'] and f' of {table["split"]}'
  print(
    f'{table["clips"]} clips{split}; % with 95% intervals, by bootstrap over'
    ' clips'
  )
  if val := table.get('chosen_on'):
    print(
      f'Weights tuned on {val["clips"]} validation clips by'
      f' {table["headline"]}: {100 * val[table["headline"]]:.1f}% there'
    )


def _rows(table, select):
  """Yields a row of cells for each run and the fusion, of selected clips."""
  for run in table['runs']:
    weight = f'{run["weight"]:.2f}'
    yield run['run'], run['stream'] or '-', weight, *_cells(select(run))
  name = f'fusion, {table["method"]}'
  yield name, '', '', *_cells(select(table['fusion']))


def _cells(run):
  for key in ('top1', 'mean_class', 'top5'):
    low, high = (100 * x for x in run['intervals'][key])
    yield f'{100 * run[key]:.1f} [{low:.1f}, {high:.1f}]'


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
