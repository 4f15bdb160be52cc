"""Plans of the runs for a table of configs/tables.py."""

import pathlib

from unik_jax.tables import plan

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = str(ROOT / 'configs' / 'tables.py')


def make_plan(
  table='1', dataset='msr_action3d', seeds=2, folder='runs', **options
):
  folder = pathlib.Path(folder)
  return plan.make_plan(
    table, dataset, seeds=seeds, folder=folder, configs=CONFIGS, **options
  )
