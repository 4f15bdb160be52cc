"""Networks with folded batch norm equal the original networks."""

import jax
import numpy as np
import pytest
from helpers.random_run import make_config
from helpers.random_values import random_values

from unik_jax.export.folding import fold_batch_norm
from unik_jax.models.network import network_from_config


@pytest.mark.slow
@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('tau', [1, 3])
def test_folded_networks_are_equal(tau, attention):
  net = network_from_config(make_config(tau=tau, attention=attention))
  with jax.enable_x64(True):
    params, stats = random_values(net.shapes)
    x = np.random.default_rng(1).normal(size=(3, 2, 12, 17, 2))
    folded = fold_batch_norm(params, stats)
    expected, _ = net.apply(params, stats, x, train=False)
    actual, _ = net.apply(*folded, x, train=False)
    assert expected.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
  # Every batch norm but the input's has become the identity.
  means = [
    stat
    for path, stat in jax.tree_util.tree_leaves_with_path(folded[1])
    if path[-1].key == 'mean'
  ]
  assert sum(bool(mean.any()) for mean in means) == 1
  assert len(means) == 8 + 2 * (tau > 1)


def test_xla_drops_folded_batch_norm():
  net = network_from_config(make_config(tau=3))
  values = random_values(net.shapes, dtype=np.float32)
  x = jax.ShapeDtypeStruct((2, 2, 12, 17, 2), np.float32)

  def count_products(params, stats):
    """Counts multiplications in the network compiled with these weights."""

    def logits(x):
      return net.apply(params, stats, x, train=False)[0]

    return jax.jit(logits).lower(x).compile().as_text().count(' multiply(')

  assert count_products(*fold_batch_norm(*values)) < count_products(*values)


def test_folding_does_not_change_its_arguments():
  net = network_from_config(make_config(tau=3))
  params, stats = random_values(net.shapes, dtype=np.float32)
  before = jax.tree.map(np.copy, (params, stats))
  fold_batch_norm(params, stats)
  jax.tree.map(np.testing.assert_array_equal, (params, stats), before)
