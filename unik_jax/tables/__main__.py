"""Runs the paper's tables, and writes the results beside the paper's.

  python -m unik_jax.tables TABLE --dataset=NAME [--seeds=3] [--jobs=N]
    [--rows=ROW,ROW,...] [--floor=ROW,ROW,...] [--clips=5,10,20,all]
    [--workdir=runs/tables]
    [-- --config.key=value ...]

TABLE is 1 (matrix, heads, window, dilation), 2 (from scratch and pre-trained),
3 (joints and bones fused), or of networks since the paper, 4 (joints) and 5
(four streams fused); or few: 5, 10, 20 and all training clips of each class,
where --seeds counts draws of the clips and without --rows the floor stands
alone. NAME is a dataset of configs/tables.py; sbu stands for its five folds,
whose test clips are pooled. msr_action3d and synthetic take hours on a CPU. The
other datasets must be prepared first (unik_jax.prepare). Finished runs are
skipped, and the same command resumes after a stop. Below the networks stands
the floor: cheap classifiers on the same clips, kept with the prepared dataset.
Writes DIR/NAME/tableTABLE.md and .csv (few: few.md).
"""

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
  'rows',
  None,
  'Rows to run, keys of ROWS in tables/paper.py (default: all; in table few'
  ' none).',
)
_WORKDIR = flags.DEFINE_string(
  'workdir', 'runs/tables', 'Folder for the runs and the table.'
)
_CONFIGS = flags.DEFINE_string(
  'configs', 'tables', 'Config of the datasets and rows: a name or a path.'
)
_CLIPS = flags.DEFINE_list(
  'clips',
  ['5', '10', '20', 'all'],
  'Table few: numbers of training clips of each class (default: 5,10,20,all).',
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
    from unik_jax.tables import few, plan, runner, writing

    configs = {'configs': _CONFIGS.value, 'extra': extra}
    repetitions = plan.list_seeds(_SEEDS.value)
    rows, clips = _ROWS.value, None
    if table == few.NAME:
      folds = [c.data for c in plan.read_folds(_DATASET.value, **configs)]
      _prepare(folds)
      clips = few.count_clips(folds, few.parse_sizes(_CLIPS.value))
      repetitions = few.list_repetitions(list(clips.train), _SEEDS.value)
      rows = rows or []
    else:
      few.refuse_clips(table, given=flags.FLAGS['clips'].present > 0)
      rows = rows or None
    planned = plan.make_plan(
      table,
      _DATASET.value,
      repetitions=repetitions,
      folder=folder,
      rows=rows,
      **configs,
    )
    slots = runner.make_slots(_JOBS.value)
    _prepare([t.config.data for t in planned.trainings])
    failed = runner.run_all(planned.trainings, slots, environment=environment)
    options = (_DATASET.value, _SEEDS.value, _FLOOR.value, folder)
    command = shlex.join(['python', '-m', 'unik_jax.tables', *sys.argv[1:]])
    if clips:
      text, path = writing.write_few_table(planned, clips, *options, command)
    else:
      text, path = writing.write_table(table, planned, *options, command)
    print(f'\n{text}\nWrote {path} and {path.with_suffix(".csv")}')
  if failed:
    sys.exit(f'error: {len(failed)} runs failed; see above')


def _prepare(configs):
  from unik_jax.data import registry

  for name, data_dir in {(data.name, data.data_dir) for data in configs}:
    if not registry.open_prepared(name, data_dir):
      registry.prepare_dataset(name, data_dir)


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
