"""Which runs a table takes, and in which order."""

import importlib.util
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from absl import flags
from ml_collections import ConfigDict, config_flags

from unik_jax.config import check_config, check_same_experiment
from unik_jax.errors import UserError, describe_missing_key
from unik_jax.run.restore import CONFIG, read_config
from unik_jax.tables.paper import ROWS, TABLES


class Training(NamedTuple):
  """A run of `unik_jax.main`.

  Attributes:
    folder: its --workdir.
    arguments: of the command, but for --workdir.
    config: what these make.
    needs: the folder of a run that must have ended before; None for none.
  """

  folder: pathlib.Path
  arguments: tuple[str, ...]
  config: ConfigDict
  needs: pathlib.Path | None


class Plan(NamedTuple):
  """All of a table.

  Attributes:
    rows: for each row, for each seed, the run of each stream.
    trainings: all of the runs, in an order that respects `needs`; each once.
  """

  rows: dict[str, list[list[Training]]]
  trainings: list[Training]


def make(
  table: str,
  dataset: str,
  *,
  seeds: int,
  folder: pathlib.Path,
  rows: Sequence[str] = (),
  configs: str = 'configs/tables.py',
  extra: Sequence[str] = (),
) -> Plan:
  """Plans a table's runs.

  Args:
    table: a key of TABLES.
    dataset: one of those of the config file.
    seeds: how many, from 0.
    folder: where runs lie, as DATASET/ROW_STREAM_SEED.
    rows: some of the table's; empty for all.
    configs: the config file.
    extra: arguments for each run, such as --config.epochs=2.

  Raises:
    UserError: no such table, dataset, row or argument; or a folder has a run
      with other settings.
  """
  if table not in TABLES:
    raise UserError(f'no table {table!r}; there are {", ".join(TABLES)}')
  if seeds < 1:
    raise UserError(f'--seeds={seeds}; one is the least')
  known = dict.fromkeys(
    row for section in TABLES[table].sections for row in section.rows
  )
  if unknown := [row for row in rows if row not in known]:
    raise UserError(
      f'--rows: table {table} has no row {", ".join(unknown)}; it has'
      f' {", ".join(known)}'
    )
  streams = TABLES[table].streams
  streams = streams.get(dataset, streams[''])
  module = _load(configs)
  sources = module.SOURCES
  if dataset not in sources:
    raise UserError(
      f'--dataset={dataset!r} is none of {", ".join(sources)}; those are in'
      f' {configs}'
    )
  found: dict[pathlib.Path, Training] = {}

  def training(dataset, row, stream, seed):
    where = folder / dataset / f'{row}_{stream}_{seed}'
    if where in found:
      return found[where]
    variant = f'{dataset},{row},{stream}'
    changes = [f'--config.seed={seed}', *extra]
    needs = None
    if first := ROWS[row].pretrained:
      if not sources[dataset]:
        raise UserError(
          f'{dataset} has no dataset to pre-train with: leave out {row}, by'
          ' --rows'
        )
      # As the authors: one network, of joints, for all streams and seeds.
      needs = training(sources[dataset], first, 'joint', 0).folder
      changes.append(f'--config.init_from={needs}')
    config = _change(module.get_config(variant), changes)
    check_config(config)
    if (where / CONFIG).exists():
      check_same_experiment(
        config, read_config(where).to_dict(), str(where / CONFIG)
      )
    arguments = (f'--config={configs}:{variant}', *changes)
    found[where] = Training(where, arguments, config, needs)
    return found[where]

  chosen = {
    row: [
      [training(dataset, row, stream, seed) for stream in streams]
      for seed in range(seeds)
    ]
    for row in rows or known
  }
  return Plan(chosen, list(found.values()))


def _load(path):
  """A config file as a module."""
  if not pathlib.Path(path).exists():
    raise UserError(
      f'{path}: no such file; start in the folder of the checkout, or name it'
      ' with --configs'
    )
  spec = importlib.util.spec_from_file_location('tables_config', path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def _change(config, arguments):
  """A config changed as `unik_jax.main` would change it."""
  argv, values = ['tables', *arguments], flags.FlagValues()
  try:
    holder = config_flags.DEFINE_config_dict(
      'config', config, flag_values=values, sys_argv=argv
    )
    values(argv)
    return holder.value
  except (AttributeError, KeyError) as error:
    text = describe_missing_key(error)
  except (flags.Error, ValueError) as error:
    text = ' '.join(str(error).split())
  raise UserError(f'{" ".join(arguments)}: {text}')
