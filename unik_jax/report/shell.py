"""What all pages have in common: their frame, style and script, and parts.

Whatever comes from a user or a file goes through `escape`, and all that the
script needs stands as JSON that cannot end its own element.
"""

import importlib.resources
import json
from html import escape
from typing import Any

import unik_jax


def percent(fraction: float | None, digits: int = 1) -> str:
  """A fraction as a percentage, a dash where there is none."""
  return '–' if fraction is None else f'{100 * fraction:.{digits}f}%'


def section(title: str, lead: str, body: str) -> str:
  """A part of the page, of texts that are HTML already."""
  return f"""<section>
<h2>{title}</h2>
<p class="lead">{lead}</p>
{body}
</section>
"""


def page(title: str, header: str, body: str, data: dict[str, Any]) -> str:
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
