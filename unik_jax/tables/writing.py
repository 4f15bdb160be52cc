"""Writes a table from its runs and the floor: Markdown, and CSV beside it."""

import functools
import pathlib
from collections.abc import Sequence

from unik_jax.floor.measure import measure_floor, pool_floors
from unik_jax.runtime.atomic_files import atomic_write
from unik_jax.tables import few, few_markdown, markdown, summary
from unik_jax.tables.costs import measure_costs
from unik_jax.tables.paper import TABLES
from unik_jax.tables.plan import Plan


def write_table(
  name: str,
  planned: Plan,
  dataset: str,
  seeds: int,
  floor: Sequence[str] | None,
  folder: pathlib.Path,
  command: str,
) -> tuple[str, pathlib.Path]:
  """Writes one of `TABLES` but `few`; fits what is not kept of the floor.

  Args:
    name: a key of `TABLES`.
    planned: the table's runs; some may be unfinished.
    dataset: dataset of the runs.
    seeds: number of seeds.
    floor: rows of the floor, as in `measure_floor`.
    folder: parent of the dataset's folder.
    command: the command that makes the table.

  Returns:
    The text, and its file.

  Raises:
    UserError: a file cannot be read or written.
  """
  headline = planned.folds[0].headline
  configs = {row: runs[0][0].config for row, runs in planned.rows.items()}
  costs = {row: measure_costs(config) for row, config in configs.items()}
  log = functools.cache(print)  # says what all folds lack once
  floor_rows = pool_floors(
    [
      measure_floor(fold.data, range(seeds), floor, log=log)
      for fold in planned.folds
    ]
  )
  outcomes = summary.read_outcomes(planned, headline, floor_rows)
  above = summary.compare_with_floors(outcomes, headline)
  text = markdown.format_markdown(
    name,
    TABLES[name],
    dataset,
    outcomes,
    summary.compare_rows(TABLES[name], outcomes, headline),
    costs,
    floor=floor_rows,
    above=above,
    headline=headline,
    command=command,
  )
  table = markdown.format_csv(TABLES[name], outcomes, costs, floor_rows, above)
  return text, _write(folder / dataset / f'table{name}.md', text, table)


def write_few_table(
  planned: Plan,
  clips: few.Clips,
  dataset: str,
  draws: int,
  floor: Sequence[str] | None,
  folder: pathlib.Path,
  command: str,
) -> tuple[str, pathlib.Path]:
  """Writes table few, as `write_table` writes the others.

  Args:
    planned: as in `write_table`.
    clips: from `few.count_clips`.
    dataset: as in `write_table`.
    draws: number of draws.
    floor: as in `write_table`.
    folder: as in `write_table`.
    command: as in `write_table`.
  """
  log = functools.cache(print)
  points = few.measure_points(planned, clips, draws, floor, log)
  headline = planned.folds[0].headline
  text = few_markdown.format_markdown(
    dataset, clips, points, draws, headline, command
  )
  table = few_markdown.format_csv(clips, points)
  return text, _write(folder / dataset / f'{few.NAME}.md', text, table)


def _write(path, text, table):
  with atomic_write(path) as part:
    part.write_text(text, encoding='utf-8')
  with atomic_write(path.with_suffix('.csv')) as part:
    part.write_text(table, encoding='utf-8')
  return path
