"""CTR-GCN: units against float64 numpy, official names and bad options."""

import jax
import numpy as np
import pytest
from flax import nnx
from helpers.numpy_layers import batch_norm, conv_norm, temporal_conv
from helpers.random_values import evaluate_unit, fill_unit, random_values

from unik_jax.errors import UserError
from unik_jax.models import ctr_gcn, graphs, multi_scale
from unik_jax.models.network import Network
from unik_jax.official.convert import from_official, to_official
from unik_jax.official.registry import data_shape
from unik_jax.skeletons.layouts import get_layout

LAYOUT = get_layout('unik_17')


@pytest.mark.slow
def test_graph_unit_joint_by_joint():
  x = np.random.default_rng(1).normal(size=(2, 17, 6, 4))  # B, V, T, C
  with jax.enable_x64(True):
    unit, p = fill_unit(
      ctr_gcn.GraphUnit(4, 6, layout=LAYOUT, dtype=None, rngs=nnx.Rngs(0))
    )
    got = evaluate_unit(unit, x)
    attention = unit.mixing(x).attention
  expected, maps = np.zeros((2, 17, 6, 6)), np.zeros((2, 3, 17, 17))
  for b, h in np.ndindex(2, 3):
    theta, phi, value = (
      x[b] @ p[k]['kernel'][h] + p[k]['bias'][h]
      for k in ('theta', 'phi', 'value')
    )
    for u, q in np.ndindex(17, 17):
      apart = np.tanh(theta[q].mean(0) - phi[u].mean(0))
      refined = apart @ p['refine']['kernel'][h] + p['refine']['bias'][h]
      refined = p['alpha'] * refined
      maps[b, h, u, q] = refined.mean()
      expected[b, q] += (p['dependency'][h, u, q] + refined) * value[u]
  expected = batch_norm(p['bn'], expected) + conv_norm(p['shortcut'], x)
  np.testing.assert_allclose(got, np.maximum(expected, 0), rtol=1e-9)
  np.testing.assert_allclose(attention, maps, rtol=1e-9)


def test_temporal_unit_branch_by_branch():
  x = np.random.default_rng(1).normal(size=(2, 3, 9, 8))
  options = {'taps': 5, 'dilations': (1, 2), 'stride': 2, 'residual': False}
  with jax.enable_x64(True):
    unit, p = fill_unit(
      multi_scale.TemporalUnit(
        8, 8, **options, relu=False, normal=True, dtype=None, rngs=nnx.Rngs(0)
      )
    )
    got = evaluate_unit(unit, x)
  entered = np.maximum(conv_norm(p['entry'], x), 0)
  first, second, third = np.split(entered, 3, -1)
  conv = p['dilated'][0]['conv']
  one = temporal_conv(conv, first.transpose(0, 2, 1, 3), 2).transpose(
    0, 2, 1, 3
  )
  one = batch_norm(p['dilated'][0]['bn'], one)
  two = np.zeros_like(one)
  conv = p['dilated'][1]['conv']
  for i, t in enumerate(range(0, 9, 2)):
    two[:, :, i] = conv['bias'] + sum(
      second[:, :, t + d] @ conv['kernel'][k]
      for k, d in enumerate((-4, -2, 0, 2, 4))
      if 0 <= t + d < 9
    )
  two = batch_norm(p['dilated'][1]['bn'], two)
  three = np.stack(
    [third[:, :, max(t - 1, 0) : t + 2].max(2) for t in range(0, 9, 2)], 2
  )
  three = batch_norm(p['pool_bn'], three)
  four = conv_norm(p['plain'], x[:, :, ::2])
  expected = np.concatenate([one, two, three, four], -1)
  np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_initial_graph_is_the_official_one():
  """The official rows are the joints to compute: y = A x."""
  net = Network(
    'ctr_gcn', num_classes=2, layout='unik_17', widths=(8,), strides=(1,)
  )
  params, stats = net.init(jax.random.key(0))
  official = to_official(net.abstract, params, stats)
  np.testing.assert_array_equal(official['l1.gcn1.PA'], graphs.directed(LAYOUT))


def test_state_dict_round_trip():
  net = Network(
    'ctr_gcn', num_classes=5, layout='unik_17', widths=(8, 12), strides=(1, 2)
  )
  state = random_values(net.shapes, dtype=np.float32)
  tensors = to_official(net.abstract, *state)
  assert {
    'l1.gcn1.convs.2.conv4.weight',
    'l1.gcn1.down.1.running_var',
    'l2.tcn1.branches.1.3.conv.weight',
    'l2.tcn1.branches.2.4.bias',
    'l2.residual.conv.weight',
  } <= tensors.keys()
  back = from_official(net.abstract, *net.shapes, tensors, 'weights.pt')
  jax.tree.map(np.testing.assert_array_equal, back, state)
  assert data_shape('ctr_gcn', tensors, {}) == {
    'num_classes': 5,
    'num_joints': 17,
    'num_persons': 2,
    'in_channels': 3,
  }


@pytest.mark.parametrize(
  'options, words',
  [
    ({'widths': (8, 10)}, 'model.widths: .*4, got 10'),
    ({'widths': (8,)}, r'model\.widths, model\.strides: .* 1, 2'),
  ],
)
def test_bad_widths(options, words):
  with pytest.raises(UserError, match=words):
    Network(
      'ctr_gcn', num_classes=2, layout='unik_17', strides=(1, 2), **options
    )
