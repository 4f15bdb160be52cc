"""Atomic file writes."""

import os
import re

import pytest

from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files


def write(path, text, **options):
  with atomic_files.atomic_write(path, **options) as part:
    assert part.parent == path.parent and part != path
    part.write_text(text)


def test_a_file_is_replaced(tmp_path):
  path = tmp_path / 'new' / 'a.txt'
  for text in ('old', 'new'):
    write(path, text)
    assert path.read_text() == text
  assert os.listdir(path.parent) == ['a.txt']


@pytest.mark.parametrize(
  'error', [OSError(28, 'No space left'), ValueError('no'), KeyboardInterrupt()]
)
def test_a_failure_keeps_the_old_content(tmp_path, error):
  path = tmp_path / 'a.txt'
  write(path, 'old')
  words = f'^{re.escape(str(path))}: cannot be written .No space left.'
  expected = (
    pytest.raises(UserError, match=words)
    if isinstance(error, OSError)
    else pytest.raises(type(error))
  )
  with expected, atomic_files.atomic_write(path) as part:
    part.write_text('half of the n')
    raise error
  assert path.read_text() == 'old' and os.listdir(tmp_path) == ['a.txt']


def test_a_path_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for path in (tmp_path, tmp_path / 'file' / 'a.txt'):
    with pytest.raises(
      UserError, match=r'cannot be written .*\. Name another\.$'
    ):
      write(path, 'new', remedy='name another')
  assert os.listdir(tmp_path) == ['file']
  assert not list(tmp_path.parent.glob('*.part'))
