"""ST-GCN++: its units against float64 numpy, and what is refused."""

import jax
import numpy as np
import pytest
from flax import nnx
from helpers.numpy_ctr_gcn import LAYOUT, conv_norm, evaluated, filled
from helpers.numpy_unik import norm

from unik_jax.errors import UserError
from unik_jax.models import graphs, st_gcn_pp
from unik_jax.models.network import Network


def test_graph_unit_slice_by_slice():
  x = np.random.default_rng(1).normal(size=(2, 17, 6, 4))  # B, V, T, C
  with jax.enable_x64(True):
    unit, p = filled(
      st_gcn_pp.GraphUnit(4, 6, layout=LAYOUT, dtype=None, rngs=nnx.Rngs(0))
    )
    got = evaluated(unit, x)
  parts = np.split(x @ p['entry']['kernel'] + p['entry']['bias'], 3, -1)
  y = sum(
    np.einsum('butd,up->bptd', part, matrix)
    for part, matrix in zip(parts, p['dependency'], strict=True)
  )
  y = norm(p['bn'], p['bn'], y) + conv_norm(p['shortcut'], x)
  np.testing.assert_allclose(got, np.maximum(y, 0), rtol=1e-9)


@pytest.mark.parametrize('stride', [1, 2])
def test_temporal_unit_branch_by_branch(stride):
  """Of 8 channels: three in the first branch, one in each of the others."""
  x = np.random.default_rng(1).normal(size=(2, 3, 9, 8))
  with jax.enable_x64(True):
    unit, p = filled(
      st_gcn_pp.TemporalUnit(8, stride=stride, dtype=None, rngs=nnx.Rngs(0))
    )
    got = evaluated(unit, x)
  entered = np.maximum(conv_norm(p['entry'], x), 0)
  *parts, pooled = np.split(entered, [3, 4, 5, 6], -1)
  times, out = range(0, 9, stride), []
  for i, part in enumerate(parts):
    conv = p['dilated'][i]
    frames = [
      conv['bias']
      + sum(
        part[:, :, t + d] @ conv['kernel'][k]
        for k, d in enumerate((-i - 1, 0, i + 1))
        if 0 <= t + d < 9
      )
      for t in times
    ]
    out.append(np.stack(frames, 2))
  out.append(
    np.stack([pooled[:, :, max(t - 1, 0) : t + 2].max(2) for t in times], 2)
  )
  plain = p['plain']
  out.append(x[:, :, ::stride] @ plain['kernel'] + plain['bias'])
  y = norm(p['joined_bn'], p['joined_bn'], np.concatenate(out, -1))
  y = conv_norm(p['exit'], np.maximum(y, 0))
  np.testing.assert_allclose(got, y, rtol=1e-9)


def test_the_graph_starts_as_2s_agcns():
  net = Network(
    'st_gcn_pp', num_classes=2, layout='unik_17', widths=(8,), strides=(1,)
  )
  (block,) = net.mixing(*net.init(jax.random.key(0)))
  np.testing.assert_array_equal(block.dependency, graphs.directed(LAYOUT))


@pytest.mark.parametrize(
  'options, words',
  [
    ({'widths': (8, 5)}, 'model.widths: .* 6, got 5'),
    ({'widths': (8,)}, r'model\.widths, model\.strides: .* 1, 2'),
  ],
)
def test_bad_widths(options, words):
  with pytest.raises(UserError, match=words):
    Network(
      'st_gcn_pp', num_classes=2, layout='unik_17', strides=(1, 2), **options
    )
