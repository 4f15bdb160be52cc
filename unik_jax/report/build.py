"""Writes the report of a run."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from unik_jax.errors import UserError
from unik_jax.report import animation, page, robustness
from unik_jax.report.contents import read_contents
from unik_jax.report.floor import measure_run_floor
from unik_jax.report.mistakes import list_mistakes
from unik_jax.run import paths
from unik_jax.runtime.atomic_files import atomic_write

CLIPS = 12  # mistakes to show


class Report(NamedTuple):
  """A written report.

  Attributes:
    path: path of the page.
    missing: why it shows no skeletons; '' if it does.
  """

  path: pathlib.Path
  missing: str


def write_report(
  folder: str | os.PathLike,
  out: str | os.PathLike,
  data_dir: str | os.PathLike | None = None,
  *,
  measure: bool = False,
  floor: Sequence[str] | None = None,
  log: Callable[[str], None] = lambda line: None,
) -> Report:
  """Writes a run's report as one HTML page.

  Args:
    folder: the --workdir of a run.
    out: path of the page.
    data_dir: where prepared datasets are (default: as in the run's config).
    measure: measure robustness first, which takes about 25 evaluations.
    floor: rows of the floor to show, keys of `unik_jax.floor.measure.NAMES`
      (default: all). Those that are not kept with the dataset are fitted, which
      takes up to a minute for a thousand clips.
    log: called with a line for each measured accuracy, and for each fit.

  Raises:
    UserError: the run is missing or has not trained yet, a file is broken,
      matplotlib is missing, the page cannot be written, or `measure` finds no
      dataset or an unfinished run.
  """
  folder, out = (pathlib.Path(p).expanduser() for p in (folder, out))
  contents = read_contents(folder)
  results = contents.results
  if measure:
    if not results:
      raise UserError(
        f'{folder}: expected a finished run to measure its robustness, got no'
        f' {paths.SUMMARY}. Leave out --robustness'
      )
    measured = robustness.measure_run(folder, data_dir, log=log)
    contents = dataclasses.replace(contents, robustness=measured)
  mistakes = list_mistakes(results.scores, CLIPS) if results else []
  data = contents.config.data
  if data_dir:
    data.data_dir = os.fspath(data_dir)
  skeletons, missing, run_floor, no_floor = None, '', None, ''
  if results:
    try:
      run_floor = measure_run_floor(
        contents.config, contents.headline, results.scores, floor, log
      )
    except UserError as error:
      no_floor = f'The floor is not shown: {error}'
  if mistakes:
    try:
      skeletons = animation.animate_clips(data, mistakes)
    except UserError as error:
      missing = f'The skeletons of these clips are not shown: {error}'
  html = page.render_report(
    contents, mistakes, skeletons, missing, run_floor, no_floor
  )
  with atomic_write(out) as part:
    part.write_text(html, encoding='utf-8', errors='replace')
  return Report(out, missing)
