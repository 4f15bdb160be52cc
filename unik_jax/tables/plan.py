"""The runs that a table needs, in an order that respects pre-training."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from absl import flags
from ml_collections import ConfigDict, config_flags

from unik_jax.config import check_config
from unik_jax.configs import load_config_file, resolve_config
from unik_jax.errors import UserError, check_choice, describe_missing_key
from unik_jax.run.changed_settings import check_same_experiment
from unik_jax.run.paths import CONFIG
from unik_jax.run.restore import read_config
from unik_jax.tables.paper import ROWS, TABLES


class Training(NamedTuple):
  """One run of `unik_jax.main`.

  Attributes:
    folder: its --workdir.
    arguments: its other command-line arguments.
    config: the config that these give.
    required_run: folder of the run that must finish first, or None.
  """

  folder: pathlib.Path
  arguments: tuple[str, ...]
  config: ConfigDict
  required_run: pathlib.Path | None


class Plan(NamedTuple):
  """All runs of a table.

  Attributes:
    folds: settings of each fold of the dataset; of one without folds, its own.
    rows: row to its runs, one list for each repetition: the streams, of each
      fold.
    trainings: all runs, each once; a run comes after the run that it needs.
  """

  folds: list[ConfigDict]
  rows: dict[str, list[list[Training]]]
  trainings: list[Training]


def list_seeds(seeds: int) -> dict[str, tuple[str, ...]]:
  """Maps each seed to its arguments of `unik_jax.main`.

  Args:
    seeds: number of seeds, which count from 0.

  Raises:
    UserError: there is none.
  """
  if seeds < 1:
    raise UserError(f'--seeds: expected at least 1, got {seeds}')
  return {str(seed): (f'--config.seed={seed}',) for seed in range(seeds)}


def make_plan(
  table: str,
  dataset: str,
  *,
  repetitions: Mapping[str, Sequence[str]],
  folder: pathlib.Path,
  rows: Sequence[str] | None = None,
  configs: str = 'tables',
  extra: Sequence[str] = (),
) -> Plan:
  """Plans the runs of a table.

  Args:
    table: a key of TABLES.
    dataset: one of the config file's datasets.
    repetitions: name of each repetition of a row to its arguments, such as
      from `list_seeds`.
    folder: parent of the runs' folders, DATASET/ROW_STREAM_REPETITION. A fold
      is a dataset of its own.
    rows: rows to run (default: all rows of the table).
    configs: name or path of the config file.
    extra: arguments added to each run, such as --config.epochs=2.

  Raises:
    UserError: the table, dataset, a row or an argument is unknown, or a folder
      holds a run with other settings.
  """
  chosen = _choose_rows(table, rows)
  streams = TABLES[table].streams
  streams = streams.get(dataset, streams[''])
  module = load_config_file(resolve_config(configs, '--configs'))
  folds = _list_folds(module, dataset, configs)
  sources = module.SOURCES
  planned: dict[pathlib.Path, Training] = {}

  def plan_training(dataset, row, stream, repetition, arguments):
    workdir = folder / dataset / f'{row}_{stream}_{repetition}'
    if workdir in planned:
      return planned[workdir]
    variant = f'{dataset},{row},{stream}'
    changes = [*arguments, *extra]
    required_run = None
    if source_row := ROWS[row].pretrained:
      if not sources[dataset]:
        raise UserError(
          f'--rows: {dataset} has no dataset to pre-train on. Leave out {row}'
        )
      # As the authors do: one network of joints serves all streams and seeds.
      ((seed, source_arguments),) = list_seeds(1).items()
      source = plan_training(
        sources[dataset], source_row, 'joint', seed, source_arguments
      )
      required_run = source.folder
      changes.append(f'--config.init_from={required_run}')
    config = _apply_arguments(module.get_config(variant), changes)
    check_config(config)
    if (workdir / CONFIG).exists():
      check_same_experiment(
        config, read_config(workdir).to_dict(), str(workdir / CONFIG)
      )
    arguments = (f'--config={configs}:{variant}', *changes)
    planned[workdir] = Training(workdir, arguments, config, required_run)
    return planned[workdir]

  by_row = {
    row: [
      [
        plan_training(fold, row, stream, repetition, arguments)
        for fold in folds
        for stream in ROWS[row].streams or streams
      ]
      for repetition, arguments in repetitions.items()
    ]
    for row in chosen
  }
  trainings = list(planned.values())
  return Plan(read_folds(dataset, configs, extra), by_row, trainings)


def read_folds(
  dataset: str, configs: str = 'tables', extra: Sequence[str] = ()
) -> list[ConfigDict]:
  """Returns the settings of each fold of a dataset, of no row.

  Args:
    dataset: as in `make_plan`.
    configs: as in `make_plan`.
    extra: as in `make_plan`.

  Raises:
    UserError: the dataset or an argument is unknown.
  """
  module = load_config_file(resolve_config(configs, '--configs'))
  return [
    _apply_arguments(module.get_config(fold), extra)
    for fold in _list_folds(module, dataset, configs)
  ]


def _list_folds(module, dataset, configs):
  """Returns the names of a dataset's folds: its own if it has none."""
  datasets = {**{name: (name,) for name in module.SOURCES}, **module.FOLDS}
  if dataset not in datasets:
    raise UserError(
      f'--dataset: expected a dataset of {configs} ({", ".join(datasets)}), got'
      f' {dataset!r}'
    )
  return datasets[dataset]


def _choose_rows(table, rows):
  """Returns the rows to run, each once: by default, all of the table."""
  check_choice('TABLE', table, TABLES)
  known = dict.fromkeys(
    row for section in TABLES[table].sections for row in section.rows
  )
  if rows is None:
    return list(known)
  if unknown := [row for row in rows if row not in known]:
    raise UserError(
      f'--rows: expected rows of table {table} ({", ".join(known)}), got'
      f' {", ".join(unknown)}'
    )
  return list(dict.fromkeys(rows))


def _apply_arguments(config, arguments):
  """Changes a config by command-line arguments, as `unik_jax.main` does."""
  argv, values = ['tables', *arguments], flags.FlagValues()
  try:
    holder = config_flags.DEFINE_config_dict(
      'config', config, flag_values=values, sys_argv=argv
    )
    values(argv)
    return holder.value
  except (AttributeError, KeyError) as error:
    reason = describe_missing_key(error)
  except (flags.Error, ValueError) as error:
    reason = ' '.join(str(error).split())
  raise UserError(f'{" ".join(arguments)}: {reason}')
