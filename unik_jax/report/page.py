"""The page of a run: sections of HTML, put together."""

from typing import Any

import numpy as np

from unik_jax.report import sections, shell
from unik_jax.report.contents import Contents
from unik_jax.report.mistakes import Wrong


def render(
  contents: Contents,
  wrong: list[Wrong],
  skeletons: dict[str, Any] | None,
  missing: str = '',
) -> str:
  """The whole page.

  Args:
    contents: all figures.
    wrong: the clips that it got most wrong.
    skeletons: of `animation.animate`, of the same clips; None without them.
    missing: why there are none.
  """
  title = f'{contents.dataset}, {contents.config.data.stream} stream'
  confusion = np.array(contents.figures['confusion'])
  data = {
    'classes': contents.classes,
    'confusion': [
      {int(k): int(row[k]) for k in np.flatnonzero(row)} for row in confusion
    ],
    **(skeletons or {}),
  }
  parts = (
    sections.training(contents),
    sections.calibration(contents),
    sections.classes(contents, confusion),
    sections.confusion(contents, confusion),
    sections.robustness(contents),
    sections.mistakes(contents, wrong, skeletons, missing),
  )
  return shell.page(
    title, sections.header(contents, title), ''.join(parts), data
  )
