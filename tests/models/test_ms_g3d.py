"""MS-G3D: units against float64 numpy, parameter counts and bad options."""

import jax
import numpy as np
import pytest
from flax import nnx
from helpers.numpy_layers import batch_norm, conv_norm
from helpers.random_values import evaluate_unit, fill_unit, random_values

from unik_jax.errors import UserError
from unik_jax.export.folding import fold_batch_norm
from unik_jax.models import ms_g3d, multi_scale
from unik_jax.models.network import Network
from unik_jax.models.registry import MODELS
from unik_jax.official.convert import from_official, to_official
from unik_jax.official.registry import data_shape
from unik_jax.skeletons.layouts import Layout, get_layout

# A path and a branch: 0 - 1 - 2 - 3, and 1 - 4.
TREE = Layout(
  'tree', tuple('abcde'), tuple(zip('bcde', 'abcb', strict=True)), 'a'
)
HOPS = np.array(
  [
    [0, 1, 2, 3, 2],
    [1, 0, 1, 2, 1],
    [2, 1, 0, 1, 2],
    [3, 2, 1, 0, 3],
    [2, 1, 2, 3, 0],
  ]
)
SMALL = {'widths': (6, 12), 'num_gcn_scales': 3, 'num_g3d_scales': 2}


def small_ms_g3d(layout='unik_17', **options):
  options = {'num_classes': 4, 'strides': (1, 2)} | SMALL | options
  return Network('ms_g3d', layout=layout, **options)


def adjacency_matrices(hops, scales):
  """Returns D^-1/2 A D^-1/2 of each scale, entry by entry."""
  out = np.zeros((scales, *hops.shape))
  for k, u, p in np.ndindex(out.shape):
    joined = (hops == k) | (hops == 0) & np.eye(len(hops), dtype=bool)
    # D^-1/2 in float32, as in the official code.
    root = np.float64(np.float32(joined.sum(0)) ** np.float32(-0.5))
    out[k, u, p] = root[u] * joined[u, p] * root[p]
  return np.float32(out)


def graph_unit(p, x, hops, scales):
  """MS-GCN of x (nodes, frames, C), node by node."""
  mixing = adjacency_matrices(hops, scales) + p['mask']
  mixed = np.stack([np.tensordot(m.T, x, 1) for m in mixing], -2)
  return np.maximum(conv_norm(p, mixed.reshape(*x.shape[:2], -1)), 0)


OPTIONS = {'dtype': None, 'rngs': nnx.Rngs(0)}


def test_the_graph_unit():
  with jax.enable_x64(True):
    graph = (TREE, 4, 1)
    unit, p = fill_unit(ms_g3d.GraphUnit(2, 6, graph, **OPTIONS))
    x = np.random.default_rng(1).normal(size=(3, 5, 4, 2))
    for result, body in zip(evaluate_unit(unit, x), x, strict=True):
      np.testing.assert_allclose(
        result, graph_unit(p, body, HOPS, 4), rtol=1e-9
      )
    assert unit.matrices().shape == (4, 5, 5)


@pytest.mark.parametrize('stride', [1, 2])
def test_the_window_unit(stride):
  """A joint is one hop away from itself in another frame of the window."""
  with jax.enable_x64(True):
    graph = (TREE, 3, 3)
    unit, p = fill_unit(ms_g3d.WindowUnit(2, 6, 4, graph, stride, **OPTIONS))
    x = np.random.default_rng(1).normal(size=(2, 5, 7, 2))
    result = evaluate_unit(unit, x)
  hops = np.tile(np.maximum(HOPS, 1), (3, 3))
  np.fill_diagonal(hops, 0)
  for b, body in enumerate(x):
    padded = np.pad(body, ((0, 0), (1, 1), (0, 0)))
    for i, t in enumerate(range(0, 7, stride)):
      nodes = np.concatenate([padded[:, t + w] for w in range(3)])
      y = graph_unit(p['graph'], nodes[:, None], hops, 3)[:, 0]
      y = sum(
        frame @ kernel
        for frame, kernel in zip(
          y.reshape(3, 5, 6), p['window_kernel'], strict=True
        )
      )
      expected = batch_norm(p['window_bn'], y + p['window_bias'])
      np.testing.assert_allclose(result[b, :, i], expected, rtol=1e-9)
  assert result.shape[2] == -(-7 // stride)


def test_the_pool_and_its_gradient():
  """Padding never wins; the first of equal maxima takes the gradient."""
  x = np.float32([-1, -1, -3, 2, 2, 2, 1])[None, None, :, None]
  pooled, back = jax.vjp(lambda x: multi_scale.max_pool(x, 2), x)
  assert pooled.ravel().tolist() == [-1, 2, 2, 2]
  (grad,) = back(np.float32([1, 10, 100, 1000])[None, None, :, None])
  assert grad.ravel().tolist() == [1, 0, 0, 110, 0, 1000, 0]


@pytest.mark.parametrize(
  ('layout', 'scales', 'classes', 'count'),
  [
    ('ntu_25', (13, 6), 60, 3_194_595),
    ('ntu_25', (13, 6), 120, 3_217_695),
    ('openpose_18', (8, 8), 400, 3_144_328),
  ],
)
def test_parameter_counts(layout, scales, classes, count):
  gcn_scales, g3d_scales = scales
  net = Network(
    'ms_g3d',
    num_classes=classes,
    layout=layout,
    num_gcn_scales=gcn_scales,
    num_g3d_scales=g3d_scales,
  )
  assert net.num_params() == count


def shapes_by_path(net):
  params, stats = net.shapes
  leaves = jax.tree_util.tree_leaves_with_path(
    {'params': params, 'batch_stats': stats}
  )
  return {tuple(k.key for k in path): leaf.shape for path, leaf in leaves}


def test_data_axes_list_every_shape_that_depends_on_the_data():
  """Layouts, persons and channels change only shapes that `data_axes` names."""
  networks = []
  for layout, persons, channels in (('unik_17', 1, 2), ('ntu_25', 2, 3)):
    net = small_ms_g3d(layout, num_persons=persons, in_channels=channels)
    sizes = {'persons': persons, 'channels': channels}
    sizes |= dict.fromkeys(('joints', 'inputs'), get_layout(layout).num_joints)
    shapes, axes = shapes_by_path(net), net.abstract.data_axes()
    for path, axes_factors in axes.items():
      for size, factors in zip(shapes[path], axes_factors, strict=True):
        if factors:
          assert size == np.prod([sizes.get(f, f) for f in factors]), path
    networks.append((shapes, axes))
  (one, axes), (other, _) = networks
  assert {path for path in one if one[path] != other[path]} == set(axes)


@pytest.mark.slow
def test_folded_batch_norm_gives_the_same_logits():
  net = small_ms_g3d('ntu_25', widths=(24, 48, 96), strides=(1, 2, 2))
  with jax.enable_x64(True):
    params, stats = random_values(net.shapes)
    # Small values of both signs, so that logits differ between clips.
    params = jax.tree.map(lambda a: a * 0.3 - 0.03, params)
    folded = fold_batch_norm(params, stats)
    x = np.random.default_rng(1).normal(size=(2, 2, 9, 25, 3))
    apply = jax.jit(lambda *values: net.apply(*values, x, train=False)[0])
    logits, folded_logits = apply(params, stats), apply(*folded)
  assert logits.shape == (2, 4) and np.ptp(logits, axis=0).min() > 1e-9
  np.testing.assert_allclose(folded_logits, logits, rtol=1e-9)
  # Batch norm stays on the input and after each max pool.
  unfolded = [
    path[-2].key
    for path, mean in jax.tree_util.tree_leaves_with_path(folded[1])
    if path[-1].key == 'mean' and mean.any()
  ]
  assert sorted(unfolded) == ['input_bn'] + ['pool_bn'] * 9


def test_state_dict_round_trip_and_its_data_shape():
  net = small_ms_g3d('unik_17', num_persons=1, in_channels=2)
  values = random_values(net.shapes)
  tensors = to_official(net.abstract, *values)
  back = from_official(net.abstract, *values, tensors, 'weights.pt')
  jax.tree.map(np.testing.assert_array_equal, back, values)
  shape_by_model = {
    name: data_shape(name, tensors, {'tau': 1}) for name in MODELS
  }
  assert shape_by_model.pop('ms_g3d') == {
    'num_classes': 4,
    'num_joints': 17,
    'num_persons': 1,
    'in_channels': 2,
  }
  assert set(shape_by_model.values()) == {None}
  for name, options in (
    ('unik', {'num_joints': 17}),
    ('agcn', {}),
    ('st_gcn', {}),
  ):
    options = {'layout': 'unik_17', 'num_classes': 4} | options
    other = Network(name, widths=(8,), strides=(1,), **options)
    tensors = to_official(other.abstract, *random_values(other.shapes))
    assert data_shape('ms_g3d', tensors, {}) is None


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'widths': (6, 16)}, r'model\.widths: .*6, got 16'),
    ({'widths': (6, 0)}, r'model\.widths'),
    ({'widths': (), 'strides': ()}, r'model\.widths'),
    ({'widths': (6,)}, r'model\.widths, model\.strides: .* 1, 2'),
    ({'strides': (1, 0)}, r'model\.strides'),
    ({'num_gcn_scales': 0}, r'model\.num_gcn_scales'),
    ({'num_g3d_scales': -1}, r'model\.num_g3d_scales'),
  ],
)
def test_bad_options_are_named(options, message):
  with pytest.raises(UserError, match=message):
    small_ms_g3d(**options)
