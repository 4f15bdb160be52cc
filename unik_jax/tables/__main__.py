"""Runs the tables of the paper, and writes them beside its figures.

  python -m unik_jax.tables TABLE --dataset=NAME [--seeds=3] [--jobs=N]
    [--rows=ROW,ROW,...] [--workdir=runs/tables] [-- --config.key=value ...]

TABLE is 1 (matrix, heads, window, dilation), 2 (from scratch and pre-trained)
or 3 (joints and bones together). NAME is a dataset of configs/tables.py:
msr_action3d and synthetic take hours on a CPU; the paper's must have been
prepared (python -m unik_jax.prepare). What has been run is not run again; the
same command goes on after a stop. The table is DIR/NAME/tableTABLE.md and .csv.
"""

import os
import pathlib
import shlex
import sys

from absl import app, flags

from unik_jax import cli

_DATASET = flags.DEFINE_string('dataset', None, 'One of configs/tables.py.')
_SEEDS = flags.DEFINE_integer('seeds', 3, 'How many, from 0.')
_JOBS = flags.DEFINE_integer(
  'jobs', 0, 'Runs at once (default: one for each GPU; 1 on a CPU).'
)
_ROWS = flags.DEFINE_list('rows', [], 'Some of the rows (default: all).')
_WORKDIR = flags.DEFINE_string('workdir', 'runs/tables', 'Where runs go.')
_CONFIGS = flags.DEFINE_string(
  'configs', 'configs/tables.py', 'The config file that has datasets and rows.'
)
flags.mark_flag_as_required('dataset')


def main(argv):
  # Runs have the accelerators to themselves.
  environment = dict(os.environ)
  os.environ['JAX_PLATFORMS'] = 'cpu'
  # Imported here, so that --help answers at once.
  from unik_jax.data import registry
  from unik_jax.runtime import atomic_files
  from unik_jax.tables import markdown, plan, runner, summary
  from unik_jax.tables.costs import costs
  from unik_jax.tables.paper import TABLES

  table, *extra = argv[1:] or ['']
  folder = pathlib.Path(_WORKDIR.value).expanduser()
  with cli.command():
    made = plan.make(
      table,
      _DATASET.value,
      seeds=_SEEDS.value,
      folder=folder,
      rows=_ROWS.value,
      configs=_CONFIGS.value,
      extra=extra,
    )
    shares = runner.slots(_JOBS.value)
    configs = {row: runs[0][0].config for row, runs in made.rows.items()}
    priced = {row: costs(config) for row, config in configs.items()}
    datas = [training.config.data for training in made.trainings]
    for name, place in {(data.name, data.data_dir) for data in datas}:
      if not registry.open_prepared(name, place):
        registry.prepare_dataset(name, place)
    failed = runner.run_all(made.trainings, shares, environment=environment)
    headline = next(iter(configs.values())).headline
    outcomes = summary.read(made, headline)
    pairs = summary.pairs(TABLES[table], outcomes, headline)
    text = markdown.markdown(
      table,
      TABLES[table],
      _DATASET.value,
      outcomes,
      pairs,
      priced,
      headline=headline,
      command=_command(),
    )
    path = folder / _DATASET.value / f'table{table}.md'
    with atomic_files.atomic_write(path) as part:
      part.write_text(text)
    with atomic_files.atomic_write(path.with_suffix('.csv')) as part:
      part.write_text(markdown.as_csv(TABLES[table], outcomes, priced))
    print(f'\n{text}\nThe table is in {path} and {path.with_suffix(".csv")}')
  if failed:
    sys.exit(f'error: {len(failed)} runs failed, as said above')


def _command():
  return shlex.join(['python', '-m', 'unik_jax.tables', *sys.argv[1:]])


if __name__ == '__main__':
  app.run(main)
