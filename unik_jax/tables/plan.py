"""The runs that a table needs, in an order that respects pre-training."""

import pathlib
from collections.abc import Sequence
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
    rows: row to its runs, one list for each seed: the streams, of each fold if
      the dataset has folds.
    trainings: all runs, each once; a run comes after the run that it needs.
  """

  rows: dict[str, list[list[Training]]]
  trainings: list[Training]


def make_plan(
  table: str,
  dataset: str,
  *,
  seeds: int,
  folder: pathlib.Path,
  rows: Sequence[str] = (),
  configs: str = 'tables',
  extra: Sequence[str] = (),
) -> Plan:
  """Plans the runs of a table.

  Args:
    table: a key of TABLES.
    dataset: one of the config file's datasets.
    seeds: number of seeds, which count from 0.
    folder: parent of the runs' folders, DATASET/ROW_STREAM_SEED. A fold is a
      dataset of its own.
    rows: rows to run; empty for all rows of the table.
    configs: name or path of the config file.
    extra: arguments added to each run, such as --config.epochs=2.

  Raises:
    UserError: the table, dataset, a row or an argument is unknown, or a folder
      holds a run with other settings.
  """
  _check_choice(table, rows, seeds)
  streams = TABLES[table].streams
  streams = streams.get(dataset, streams[''])
  module = load_config_file(resolve_config(configs, '--configs'))
  sources = module.SOURCES
  datasets = {**{name: (name,) for name in sources}, **module.FOLDS}
  if dataset not in datasets:
    raise UserError(
      f'--dataset: expected a dataset of {configs} ({", ".join(datasets)}), got'
      f' {dataset!r}'
    )
  planned: dict[pathlib.Path, Training] = {}

  def plan_training(dataset, row, stream, seed):
    workdir = folder / dataset / f'{row}_{stream}_{seed}'
    if workdir in planned:
      return planned[workdir]
    variant = f'{dataset},{row},{stream}'
    changes = [f'--config.seed={seed}', *extra]
    required_run = None
    if source_row := ROWS[row].pretrained:
      if not sources[dataset]:
        raise UserError(
          f'--rows: {dataset} has no dataset to pre-train on. Leave out {row}'
        )
      # As the authors do: one network of joints serves all streams and seeds.
      source = plan_training(sources[dataset], source_row, 'joint', 0)
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
        plan_training(fold, row, stream, seed)
        for fold in datasets[dataset]
        for stream in ROWS[row].streams or streams
      ]
      for seed in range(seeds)
    ]
    for row in rows or _rows_of(table)
  }
  return Plan(by_row, list(planned.values()))


def _check_choice(table, rows, seeds):
  check_choice('TABLE', table, TABLES)
  if seeds < 1:
    raise UserError(f'--seeds: expected at least 1, got {seeds}')
  known = _rows_of(table)
  if unknown := [row for row in rows if row not in known]:
    raise UserError(
      f'--rows: expected rows of table {table} ({", ".join(known)}), got'
      f' {", ".join(unknown)}'
    )


def _rows_of(table):
  """Returns each row of a table once."""
  sections = TABLES[table].sections
  return list(
    dict.fromkeys(row for section in sections for row in section.rows)
  )


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
