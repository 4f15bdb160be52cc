"""Makes a report of a run's folder."""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from unik_jax.errors import UserError
from unik_jax.report import animation, contents, page, robustness
from unik_jax.report.mistakes import most_wrong
from unik_jax.runtime import atomic_files

CLIPS = 12  # the most wrong ones that are shown


class Made(NamedTuple):
  """What came of it.

  Attributes:
    path: of the page.
    missing: why it has no skeletons; '' where it has.
  """

  path: pathlib.Path
  missing: str


def make(
  folder: str | os.PathLike,
  out: str | os.PathLike,
  data_dir: str | os.PathLike | None = None,
  *,
  measure: bool = False,
  tell: Callable[[str], None] = lambda line: None,
) -> Made:
  """Writes the page.

  Args:
    folder: the --workdir of a run that has ended.
    out: where the page goes.
    data_dir: where prepared datasets live; by default where the run's does.
    measure: whether to measure robustness first, which evaluates many times.
    tell: told each figure of that.

  Raises:
    UserError: no run there, one that has not ended, a broken file, no
      matplotlib, a page that cannot be written, or no dataset to `measure`.
  """
  folder, out = (pathlib.Path(p).expanduser() for p in (folder, out))
  found = contents.read(folder)
  if measure:
    damaged = robustness.measure(folder, data_dir, tell=tell)
    found = dataclasses.replace(found, robustness=damaged)
  wrong = most_wrong(found.scores, CLIPS)
  data = found.config.data
  if data_dir:
    data.data_dir = os.fspath(data_dir)
  skeletons, missing = None, ''
  if wrong:
    try:
      skeletons = animation.animate(data, wrong)
    except UserError as error:
      missing = f'The skeletons of these clips are not shown: {error}'
  text = page.render(found, wrong, skeletons, missing)
  with atomic_files.atomic_write(out) as part:
    part.write_text(text, encoding='utf-8', errors='replace')
  return Made(out, missing)
