"""Pages rendered by Jinja2, each one file that opens without a network.

`templates/page.html` is the frame that every report extends: style, headline
figures, facts and notes. `templates/macros.html` holds sections and tables.
Autoescape is on: a value is text unless it is `Markup`, as a chart is.
"""

import functools
from typing import Any, NamedTuple

import jinja2

import unik_jax


class Figure(NamedTuple):
  """One number in a page's header.

  Attributes:
    value: the number, formatted.
    name: what it counts or measures.
    note: lines in small print; '' for none.
  """

  value: str
  name: str
  note: str = ''


class Column(NamedTuple):
  """A column of a sortable table.

  Attributes:
    name: its heading.
    kind: 'text', 'number', 'share' (a number with a bar), or 'heading' (the
      cell that names the row).
    order: sort order of the first click, 'ascending' or 'descending'.
  """

  name: str
  kind: str = 'text'
  order: str = 'ascending'


class Cell(NamedTuple):
  """A cell of a sortable table.

  Attributes:
    text: what it shows.
    value: what its column is sorted by; '' sorts last in either order.
  """

  text: str
  value: str | float


def text_cell(text: str) -> Cell:
  """Returns a cell of text."""
  return Cell(text, text)


def count_cell(count: int) -> Cell:
  """Returns a cell of a whole number."""
  return Cell(f'{count:,}', count)


def percent_cell(fraction: float | None, digits: int = 1) -> Cell:
  """Returns a cell of a fraction, shown as a percentage."""
  return Cell(
    format_percent(fraction, digits), '' if fraction is None else fraction
  )


def format_percent(fraction: float | None, digits: int = 1) -> str:
  """Returns a fraction as a percentage, or a dash for None."""
  return '–' if fraction is None else f'{100 * fraction:.{digits}f}%'


def render_page(package: str, template: str, **values: Any) -> str:
  """Returns a page's HTML.

  Args:
    package: the package whose `templates/` holds the template.
    template: file name; it extends `page.html`.
    **values: variables of the template. `page.html` needs `title`, `figures`
      (`Figure` each, the first one large), `facts` ((name, value) each) and
      `notes`.
  """
  return load_templates(package).get_template(template).render(values)


@functools.cache
def load_templates(package: str) -> jinja2.Environment:
  """Returns the templates of a package, together with the shared ones."""
  env = jinja2.Environment(
    loader=jinja2.ChoiceLoader(
      [jinja2.PackageLoader(package), jinja2.PackageLoader('unik_jax.html')]
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  env.filters.update(percent=format_percent, commas='{:,}'.format)
  shared: dict[str, Any] = {'version': unik_jax.__version__, 'zip': zip}
  env.globals.update(shared)
  # `tojson` also escapes < > & ', so no value can end its <script>.
  env.policies['json.dumps_kwargs'] = {'separators': (',', ':')}
  return env
