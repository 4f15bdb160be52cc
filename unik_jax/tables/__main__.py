"""Runs the paper's tables, and writes the results beside the paper's.

  python -m unik_jax.tables TABLE --dataset=NAME [--seeds=3] [--jobs=N]
    [--rows=ROW,ROW,...] [--floor=ROW,ROW,...] [--workdir=runs/tables]
    [-- --config.key=value ...]

TABLE is 1 (matrix, heads, window, dilation), 2 (from scratch and pre-trained),
3 (joints and bones fused), or of networks since the paper, 4 (joints) and 5
(four streams fused). NAME is a dataset of configs/tables.py; sbu stands for its
five folds, whose test clips are pooled. msr_action3d and synthetic take hours
on a CPU. The other datasets must be prepared first (unik_jax.prepare). Finished
runs are skipped, and the same command resumes after a stop. Below the networks
stands the floor: cheap classifiers on the same clips, kept with the prepared
dataset. Writes DIR/NAME/tableTABLE.md and .csv.
"""

import functools
import os
import pathlib
import shlex
import sys

from absl import app, flags

from unik_jax import cli

_DATASET = flags.DEFINE_string(
  'dataset', None, 'Dataset of configs/tables.py. Required.'
)
_SEEDS = flags.DEFINE_integer(
  'seeds', 3, 'Number of seeds, which count from 0.'
)
_JOBS = flags.DEFINE_integer(
  'jobs', 0, 'Runs at a time (default: one for each GPU; 1 on a CPU).'
)
_ROWS = flags.DEFINE_list(
  'rows', [], 'Rows to run, keys of ROWS in tables/paper.py (default: all).'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', 'runs/tables', 'Folder for the runs and the table.'
)
_CONFIGS = flags.DEFINE_string(
  'configs', 'tables', 'Config of the datasets and rows: a name or a path.'
)
_FLOOR = flags.DEFINE_list(
  'floor',
  None,
  'Rows of the floor: nearest, minirocket, multirocket (default: all; empty for'
  ' none). The last two need unik_jax[baseline].',
)
flags.mark_flag_as_required('dataset')


def main(argv):
  # The accelerators are for the runs, which get the unchanged environment.
  environment = dict(os.environ)
  os.environ['JAX_PLATFORMS'] = 'cpu'
  table, *extra = argv[1:] or ['']
  folder = pathlib.Path(_WORKDIR.value).expanduser()
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.data import registry
    from unik_jax.floor.measure import measure_floor, pool_floors
    from unik_jax.runtime.atomic_files import atomic_write
    from unik_jax.tables import markdown, plan, runner, summary
    from unik_jax.tables.costs import measure_costs
    from unik_jax.tables.paper import TABLES

    planned = plan.make_plan(
      table,
      _DATASET.value,
      seeds=_SEEDS.value,
      folder=folder,
      rows=_ROWS.value,
      configs=_CONFIGS.value,
      extra=extra,
    )
    slots = runner.make_slots(_JOBS.value)
    configs = {row: runs[0][0].config for row, runs in planned.rows.items()}
    costs = {row: measure_costs(config) for row, config in configs.items()}
    data_configs = [training.config.data for training in planned.trainings]
    for name, data_dir in {(data.name, data.data_dir) for data in data_configs}:
      if not registry.open_prepared(name, data_dir):
        registry.prepare_dataset(name, data_dir)
    failed = runner.run_all(planned.trainings, slots, environment=environment)
    headline = next(iter(configs.values())).headline
    # Rows differ in their network and stream, but not in their clips.
    (first_runs, *_), *_ = planned.rows.values()
    log = functools.cache(print)  # says what all folds lack once
    folds = {t.config.data.test_split: t.config.data for t in first_runs}
    floor = pool_floors(
      [
        measure_floor(data, range(_SEEDS.value), _FLOOR.value, log=log)
        for data in folds.values()
      ]
    )
    outcomes = summary.read_outcomes(planned, headline, floor)
    above = summary.compare_with_floors(outcomes, headline)
    pairs = summary.compare_rows(TABLES[table], outcomes, headline)
    text = markdown.format_markdown(
      table,
      TABLES[table],
      _DATASET.value,
      outcomes,
      pairs,
      costs,
      floor=floor,
      above=above,
      headline=headline,
      command=shlex.join(['python', '-m', 'unik_jax.tables', *sys.argv[1:]]),
    )
    path = folder / _DATASET.value / f'table{table}.md'
    with atomic_write(path) as part:
      part.write_text(text, encoding='utf-8')
    with atomic_write(path.with_suffix('.csv')) as part:
      part.write_text(
        markdown.format_csv(TABLES[table], outcomes, costs, floor, above)
      )
    print(f'\n{text}\nWrote {path} and {path.with_suffix(".csv")}')
  if failed:
    sys.exit(f'error: {len(failed)} runs failed; see above')


if __name__ == '__main__':
  app.run(main)
