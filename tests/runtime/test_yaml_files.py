"""YAML files, read without harm."""

import pytest

from unik_jax.errors import UserError
from unik_jax.runtime.yaml_files import read_yaml

BOMB = 'a: &a [x, x, x, x, x, x, x, x, x]\n' + ''.join(
  f'{b}: &{b} [{", ".join([f"*{a}"] * 9)}]\n'
  for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
)


def test_values(tmp_path):
  path = tmp_path / 'a.yaml'
  path.write_text('layout: coco_17\nimage_size: [1920, 1080]\n')
  table = read_yaml(path, str(path))
  assert table == {'layout': 'coco_17', 'image_size': [1920, 1080]}


@pytest.mark.parametrize(
  'content',
  [
    BOMB.encode(),
    b'[' * 5000,
    b'a: ' + b'9' * 5000,
    b'a: 2001-99-99',
    b'a: !!timestamp x',
    b'a: !!int ""',
    b'a: !!python/object:os.system x',
    b'{[1]: 2}',
    b'a: \xff',
    b'\0',
  ],
)
def test_bad_files(tmp_path, content):
  path = tmp_path / 'a.yaml'
  path.write_bytes(content)
  with pytest.raises(
    UserError, match='a.yaml: cannot be read as YAML'
  ) as error:
    read_yaml(path, str(path))
  assert str(error.value).isprintable()
  assert len(str(error.value)) < 500
