"""Pages and charts that both reports share."""

import configparser
import pathlib
import re

import numpy as np
import pytest
from helpers.html_page import Page

from unik_jax.html import charts, pages
from unik_jax.html.pages import Cell, Column, Figure

ROOT = pathlib.Path(__file__).parents[2]
HOSTILE = '</script><b onclick="x">&'


def render_table(columns, rows):
  template = pages.load_templates('unik_jax.html').from_string(
    "{% from 'macros.html' import sortable_table %}"
    '{{ sortable_table(columns, rows) }}'
  )
  return Page(template.render(columns=columns, rows=rows))


def test_text_is_escaped_and_charts_are_not():
  chart = charts.draw_lines(HOSTILE, [(HOSTILE, [0, 1], [1, 2])], x=HOSTILE)
  html = pages.render_page(
    'unik_jax.html',
    'page.html',
    title=HOSTILE,
    figures=[Figure('1', HOSTILE), Figure('2', 'clips', HOSTILE)],
    facts=[(HOSTILE, HOSTILE), ('chart', chart)],
    notes=[HOSTILE],
  )
  page = Page(html)
  assert not page.find_all('b') and len(page.find_all('svg')) == 1
  assert page.find_all('title')[0].text == HOSTILE
  assert page.find_all('p')[0].text == HOSTILE
  assert page.find_all('div', **{'class': 'main'})[0].text == f'1\n{HOSTILE}'


def test_json_cannot_end_its_script():
  template = pages.load_templates('unik_jax.html').from_string(
    '<script id="data">{{ data | tojson }}</script>'
  )
  html = template.render(data={'a': [HOSTILE, '<!--<script>']})
  assert Page(html).data == {'a': [HOSTILE, '<!--<script>']}
  assert html.count('<') == 2  # the script's own tags


def test_table_cells_carry_the_value_they_are_sorted_by():
  columns = [
    Column('class', 'heading'),
    Column('accuracy', 'share'),
    Column('clips', 'number', 'descending'),
  ]
  rows = [
    [pages.text_cell('a<b'), pages.percent_cell(0.5), pages.count_cell(1234)],
    [pages.text_cell('c'), pages.percent_cell(None), Cell('–', '')],
  ]
  page = render_table(columns, rows)
  cells = [e for e in page.elements if 'data-value' in e.attributes]
  assert [(c.text, c.attributes['data-value']) for c in cells] == [
    ('a<b', 'a<b'),
    ('50.0%', '0.5'),
    ('1,234', '1234'),
    ('c', 'c'),
    ('–', ''),
    ('–', ''),
  ]
  assert [e.attributes['style'] for e in page.find_all('i')] == ['width:50.0%']
  orders = [e.attributes['data-sort'] for e in page.find_all('th', scope='col')]
  assert orders == ['ascending', 'ascending', 'descending']


@pytest.mark.parametrize(
  ('fraction', 'text'), [(None, '–'), (0, '0.0%'), (0.12345, '12.3%')]
)
def test_percentages(fraction, text):
  assert pages.format_percent(fraction) == text


@pytest.mark.parametrize('package', ['curate', 'html', 'report'])
def test_templates_are_package_data(package):
  """A wheel holds only the files that setup.cfg names."""
  config = configparser.ConfigParser()
  config.read(ROOT / 'setup.cfg')
  patterns = config['options.package_data'][f'unik_jax.{package}']
  assert 'templates/*' in patterns.replace(' ', '').split(',')
  assert any((ROOT / 'unik_jax' / package / 'templates').iterdir())


@pytest.mark.parametrize('size', [3, 14, 15, 40])
def test_a_confusion_matrix_has_numbers_in_all_cells_or_none(size):
  counts = np.diag(np.full(size, 1000))
  counts[0, 1] = 1  # 0.1%
  counts[2] = 0
  classes = [f'class {"x" * (i + 1)}' for i in range(size)]
  page = Page(str(charts.draw_confusion(counts, classes)))
  texts = [e.text.strip() for e in page.find_all('text')]
  names = [t for t in texts if t.startswith('class')]
  assert len(names) == 2 * size
  # The colour bar has percentages, the axes' labels words.
  numbers = [t for t in texts if re.fullmatch(r'[<>]?\d+|–', t)]
  if size > 14:
    assert not numbers
    return
  assert len(numbers) == size * size
  assert numbers.count('–') == size and numbers.count('<1') == 1
  assert numbers.count('>99') == 1 and numbers.count('100') == size - 2
