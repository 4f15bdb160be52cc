"""JSON files that hold one object."""

import json

import pytest

from unik_jax.errors import UserError
from unik_jax.runtime.json_files import read_json_table, write_json_table


def test_round_trip(tmp_path):
  path = tmp_path / 'new' / 'a.json'
  table = {'name': 'é', 'numbers': [1, 2.5], 'none': None}
  write_json_table(path, table)
  assert read_json_table(path, 'train again') == table


@pytest.mark.parametrize(
  'content, words',
  [
    (None, 'no such file'),
    (b'{"a": 1', 'not JSON'),
    (b'\xff', 'not JSON'),
    (b'[1, 2]', 'expected a JSON object, got list'),
  ],
)
def test_a_bad_file_is_named_with_the_fix(tmp_path, content, words):
  path = tmp_path / 'a.json'
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(UserError, match=f'a.json: {words}.*[.] Train again[.]$'):
    read_json_table(path, 'train again')


def test_a_folder_cannot_be_read(tmp_path):
  with pytest.raises(UserError, match='cannot be read .*[.] Train again[.]$'):
    read_json_table(tmp_path, 'train again')


def test_a_row_of_numbers_is_a_line(tmp_path):
  table = {
    'confusion': [[1, 2, -3.5e-7], [4, 5, 6]],
    'text': '[\n1,\n 2]',
    'others': [[], [1, None], [True], ['1', '2']],
  }
  path = tmp_path / 'table.json'
  write_json_table(path, table)
  assert json.loads(path.read_text()) == table
  assert '[1, 2, -3.5e-07]' in path.read_text()
