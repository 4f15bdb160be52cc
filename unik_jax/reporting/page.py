"""The page: sections of HTML, put together with their style and script.

Whatever comes from a user or a file goes through `escape`, and all that the
script needs stands as JSON that cannot end its own element.
"""

import importlib.resources
import json
from html import escape
from typing import Any

import numpy as np

import unik_jax
from unik_jax.reporting import sections
from unik_jax.reporting.contents import Contents
from unik_jax.reporting.mistakes import Wrong


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
  return shell(title, sections.header(contents, title), ''.join(parts), data)


def shell(title: str, header: str, body: str, data: dict[str, Any]) -> str:
  """A whole page with its style and script.

  Args:
    title: text.
    header: HTML, as are sections' `body`.
    body: of the sections, one after the other.
    data: what the script needs.
  """
  return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{_file('page.css')}</style>
</head>
<body>
{header}
<main>
{body}
<footer>Made by unik_jax {escape(unik_jax.__version__)}.</footer>
</main>
<script type="application/json" id="data">{_safe_json(data)}</script>
<script>
{_file('page.js')}</script>
</body>
</html>
"""


def _file(name):
  return importlib.resources.files(__package__).joinpath(name).read_text()


def _safe_json(data):
  """JSON without < > &, so that no text in it reads as a tag or comment."""
  text = json.dumps(data, separators=(',', ':'))
  for sign in '<>&':
    text = text.replace(sign, f'\\u{ord(sign):04x}')
  return text
