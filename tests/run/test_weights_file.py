"""weights.safetensors: written, read, damaged, of another network."""

import jax
import numpy as np
import pytest
from helpers.random_run import make_config
from helpers.random_values import random_values
from safetensors import safe_open

from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.run.weights_file import read_weights, write_weights


@pytest.fixture
def net():
  return network_from_config(make_config())


def test_round_trip(net, tmp_path):
  file = tmp_path / 'weights.safetensors'
  weights = random_values(net.shapes, dtype=np.float32)
  write_weights(file, *weights, 12)
  *read, step = read_weights(file, *net.shapes)
  assert step == 12
  jax.tree.map(np.testing.assert_array_equal, tuple(read), weights)
  assert jax.tree.structure(tuple(read)) == jax.tree.structure(weights)
  # Others find the arrays by name.
  with safe_open(file, framework='numpy') as opened:
    np.testing.assert_array_equal(
      opened.get_tensor('params/blocks/0/spatial/dependency'),
      weights[0]['blocks'][0]['spatial']['dependency'],
    )


def test_damaged_files_are_refused(net, tmp_path):
  file = tmp_path / 'weights.safetensors'
  write_weights(file, *random_values(net.shapes, dtype=np.float32), 12)
  whole = file.read_bytes()
  changed = bytearray(whole)
  changed[-5] ^= 1  # in a value, which safetensors does not notice
  for content in (b'', whole[:50], whole[:-1], whole + b'0', bytes(changed)):
    file.write_bytes(content)
    with pytest.raises(UserError, match=f'{file}: cannot be read .*Export'):
      read_weights(file, *net.shapes)


def test_weights_of_another_network_are_refused(net, tmp_path):
  file = tmp_path / 'weights.safetensors'
  write_weights(file, *random_values(net.shapes, dtype=np.float32), 12)
  for options in ({'widths': (4, 9)}, {'widths': (4, 8, 8)}):
    options |= {'strides': (1,) * len(options['widths'])}
    other = network_from_config(make_config(**options))
    with pytest.raises(UserError, match='expected shape .*, got'):
      read_weights(file, *other.shapes)
