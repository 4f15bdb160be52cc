"""Training in bfloat16 beside training in float32.

  python benchmarks/precision.py FOLDER [--seeds=3] [--json] \
    [--config=configs/synthetic.py] [--config.key=value ...]

Trains in both with each seed, in FOLDER/DTYPE_SEED; runs that exist resume or
are only read. Prints the training loss of each quarter of a run and the test
results: means and deviations over seeds. The differences are taken seed by
seed, since two runs of a seed start from the same weights and see the same
batches.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy as np
import timing

DTYPES = ('float32', 'bfloat16')


def parse_arguments():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--seeds', type=int, default=3, help='default 3')
  parser.add_argument('--config', default='configs/synthetic.py')
  parser.add_argument(
    '--json', action='store_true', help='print JSON as the last line'
  )
  options, settings = parser.parse_known_args()
  if options.seeds < 1:
    parser.error(f'--seeds: expected at least 1, got {options.seeds}')
  return options, settings


def train_and_read(workdir, config, settings):
  """Returns a run's training loss by quarters, test loss and test top-1."""
  command = (sys.executable, '-m', 'unik_jax.main', f'--config={config}')
  done = subprocess.run([*command, f'--workdir={workdir}', *settings])
  if done.returncode:  # the run has printed its error
    sys.exit(done.returncode)
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  losses = [line['loss'] for line in map(json.loads, lines) if 'loss' in line]
  test = json.loads((workdir / 'summary.json').read_text())['test']
  quarters = [part.mean() for part in np.array_split(losses, 4)]
  return [*quarters, test['loss'], test['top1']]


def main():
  options, settings = parse_arguments()
  figures = np.array(
    [
      [
        train_and_read(
          options.folder / f'{dtype}_{seed}',
          options.config,
          [*settings, f'--config.model.dtype={dtype}', f'--config.seed={seed}'],
        )
        for seed in range(options.seeds)
      ]
      for dtype in DTYPES
    ]
  )
  columns = [*DTYPES, 'bfloat16 less float32']
  table = np.stack([*figures, figures[1] - figures[0]])
  means, deviations = (
    table.mean(1),
    table.std(1, ddof=min(options.seeds - 1, 1)),
  )
  names = [f'loss, quarter {i}' for i in (1, 2, 3, 4)]
  names += ['test loss', 'test top-1']
  print(f'{timing.describe_machine()}; {options.config} {" ".join(settings)}')
  timing.print_table(
    ('', *(f'{name} ({options.seeds} seeds)' for name in columns)),
    [
      (name, *(f'{m:.4f} +- {d:.4f}' for m, d in zip(*row, strict=True)))
      for name, *row in zip(names, means.T, deviations.T, strict=True)
    ],
  )
  if options.json:
    timing.print_json(
      {
        f'{column}, {name}': round(float(value), 5)
        for column, row in zip(columns, means, strict=True)
        for name, value in zip(names, row, strict=True)
      }
    )


if __name__ == '__main__':
  main()
