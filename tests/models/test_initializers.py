"""Initial values: those of jax.random, of the right spread, on the host."""

import jax
import numpy as np
import pytest

from unik_jax.models import initializers
from unik_jax.models.network import Network


@pytest.mark.parametrize('shape', [(3,), (9, 4, 100), (2, 2000)], ids=str)
def test_values_are_those_of_jax_random(shape):
  key = jax.random.key(3)
  normal = initializers.normal(0.5)(key, shape)
  assert isinstance(normal, np.ndarray) and normal.dtype == np.float32
  expected = 0.5 * jax.random.normal(key, shape)
  np.testing.assert_allclose(normal, expected, rtol=1e-6, atol=1e-7)
  expected = jax.random.uniform(key, shape, minval=-0.5, maxval=0.5)
  uniform = initializers.uniform(0.5)(key, shape)
  np.testing.assert_allclose(uniform, expected, rtol=1e-6, atol=1e-7)


def test_spread():
  key = jax.random.key(0)
  values = initializers.fan_out_normal(8)(key, (100, 1000))
  assert abs(values.std() - 0.5) < 0.01 and abs(values.mean()) < 0.01
  values = initializers.uniform(0.2)(key, (100, 1000))
  assert -0.2 <= values.min() < -0.199 and 0.199 < values.max() <= 0.2
  assert (initializers.filled(1e-6, 2, 3) == np.float32(1e-6)).all()


def test_networks_start_on_the_host_and_by_the_key():
  net = Network(
    'unik', num_classes=5, num_joints=6, widths=(8, 8), strides=(1, 2)
  )
  one, again, other = (net.init(jax.random.key(n)) for n in (0, 0, 1))
  assert all(isinstance(a, np.ndarray) for a in jax.tree.leaves(one))
  jax.tree.map(np.testing.assert_array_equal, one, again)
  kernel = [
    p['blocks'][1]['spatial']['embed']['kernel'] for p, _ in (one, other)
  ]
  assert np.abs(kernel[0] - kernel[1]).min() > 0
  shapes = net.shapes
  assert jax.tree.map(np.shape, one) == jax.tree.map(lambda s: s.shape, shapes)
