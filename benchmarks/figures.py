"""Writes the tables of docs/performance.md from docs/figures.json.

  python benchmarks/figures.py

A benchmark with `--record` replaces its own figures in the file, and writes the
page's tables. They are between two comments, and never edited by hand.
"""

import argparse
import datetime
import json
import pathlib
import re
import shlex
import sys
from collections.abc import Mapping

import timing

from unik_jax.run.provenance import git_commit

DOCS = pathlib.Path(__file__).parents[1] / 'docs'
_FORMATS = {'times': '.2f', 's': '#.2g'}
_PROVENANCE = ('hardware', 'commit', 'date')
_TABLE = re.compile(
  r'(?<=<!-- figures: )(\w+)( -->\n).*?(?=<!-- end of figures -->)', re.DOTALL
)


def add_record_flag(parser) -> None:
  """Adds `--record` to a benchmark's flags."""
  parser.add_argument(
    '--record', action='store_true', help='write docs/figures.json and tables'
  )


def record(
  name: str,
  unit: str,
  rows: str,
  figures: Mapping[str, Mapping[str, list[float]]],
  docs: pathlib.Path = DOCS,
) -> None:
  """Replaces a table's figures in the file, and writes the page's tables.

  Args:
    name: name of the table.
    unit: 'times' or 's'.
    rows: what the rows are: the head of the first column.
    figures: [median] or [median, low, high] by row and column.
    docs: folder of the file and the page.
  """
  file = docs / 'figures.json'
  arguments = [word for word in sys.argv[1:] if word != '--record']
  program = f'benchmarks/{pathlib.Path(sys.argv[0]).name}'
  tables = json.loads(file.read_text())
  tables[name] = {
    'command': shlex.join(['python', program, *arguments]),
    'commit': git_commit(),
    'hardware': timing.describe_machine(),
    'date': datetime.date.today().isoformat(),
    'unit': unit,
    'rows': rows,
    'figures': {
      row: {
        column: [float(format(x, _FORMATS[unit])) for x in numbers]
        for column, numbers in cells.items()
      }
      for row, cells in figures.items()
    },
  }
  text = json.dumps(tables, indent=1)
  # The numbers of a figure are on one line.
  text = re.sub(r'\[[^][]*\]', lambda m: ' '.join(m[0].split()), text)
  file.write_text(text + '\n')
  write_page(docs)


def write_page(docs: pathlib.Path = DOCS) -> None:
  """Writes the tables of the page again."""
  page = docs / 'performance.md'
  tables = json.loads((docs / 'figures.json').read_text())
  page.write_text(fill_tables(page.read_text(), tables))


def fill_tables(text: str, tables: Mapping[str, Mapping]) -> str:
  """Returns a page's text with its marked tables as in the file."""
  return _TABLE.sub(
    lambda match: match[1] + match[2] + _format_table(tables[match[1]]), text
  )


def _format_table(table):
  columns = list(next(iter(table['figures'].values())))
  lines = [[table['rows'], *columns], ['---'] * (len(columns) + 1)]
  for row, cells in table['figures'].items():
    values = [_format_figure(cells[name], table['unit']) for name in columns]
    lines.append([row, *values])
  text = ''.join(f'| {" | ".join(line)} |\n' for line in lines)
  # Those of figures that are older than the file were not all recorded.
  known = {key: table[key] or f'{key} not recorded' for key in _PROVENANCE}
  return f'{text}\n`{table["command"]}`: {", ".join(known.values())}.\n'


def _format_figure(numbers, unit):
  median, *spread = (f'{x:{_FORMATS[unit]}}' for x in numbers)
  text = median if unit == 'times' else f'{median} {unit}'
  return f'{text} ({" to ".join(spread)})' if spread else text


if __name__ == '__main__':
  argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  ).parse_args()
  write_page()
