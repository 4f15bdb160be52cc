"""MS-G3D: its units against float64 numpy, its counts, and what is refused."""

import jax
import numpy as np
import pytest
from flax import nnx

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


def small(layout='unik_17', **options):
  options = {'num_classes': 4, 'strides': (1, 2)} | SMALL | options
  return Network('ms_g3d', layout=layout, **options)


def made(shapes, seed=0):
  rng = np.random.default_rng(seed)
  return jax.tree.map(lambda a: 0.5 * rng.random(a.shape) + 0.05, shapes)


def filled(unit):
  """A unit of random values, and those, as dicts."""
  graphdef, state = nnx.split(unit)
  values = made(nnx.to_pure_dict(state))
  nnx.replace_by_pure_dict(state, values)
  return nnx.merge(graphdef, state), values


def evaluated(unit, x):
  return np.asarray(jax.jit(lambda x: unit(x, train=False))(x))


def matrices(hops, scales):
  """D^-1/2 A D^-1/2, entry by entry."""
  out = np.zeros((scales, *hops.shape))
  for k, u, p in np.ndindex(out.shape):
    joined = (hops == k) | (hops == 0) & np.eye(len(hops), dtype=bool)
    # D^-1/2 in float32, as in the official code.
    root = np.float64(np.float32(joined.sum(0)) ** np.float32(-0.5))
    out[k, u, p] = root[u] * joined[u, p] * root[p]
  return np.float32(out)


def norm(p, x):
  x = (x - p['mean']) / np.sqrt(p['var'] + 1e-5)
  return x * p['scale'] + p['bias']


def conv_norm(p, x):
  return norm(p['bn'], x @ p['conv']['kernel'] + p['conv']['bias'])


def graph_unit(p, x, hops, scales):
  """MS-GCN of x (nodes, frames, C), node by node."""
  mixing = matrices(hops, scales) + p['mask']
  mixed = np.stack([np.tensordot(m.T, x, 1) for m in mixing], -2)
  return np.maximum(conv_norm(p, mixed.reshape(*x.shape[:2], -1)), 0)


OPTIONS = {'dtype': None, 'rngs': nnx.Rngs(0)}


def test_the_graph_unit():
  with jax.enable_x64(True):
    graph = (TREE, 4, 1)
    unit, p = filled(ms_g3d.GraphUnit(2, 6, graph, **OPTIONS))
    x = np.random.default_rng(1).normal(size=(3, 5, 4, 2))
    for ours, body in zip(evaluated(unit, x), x, strict=True):
      np.testing.assert_allclose(ours, graph_unit(p, body, HOPS, 4), rtol=1e-9)
    assert unit.matrices().shape == (4, 5, 5)


@pytest.mark.parametrize('stride', [1, 2])
def test_the_window_unit(stride):
  """Its graph by hops: to itself in another frame is one, as to neighbours."""
  with jax.enable_x64(True):
    graph = (TREE, 3, 3)
    unit, p = filled(ms_g3d.WindowUnit(2, 6, 4, graph, stride, **OPTIONS))
    x = np.random.default_rng(1).normal(size=(2, 5, 7, 2))
    ours = evaluated(unit, x)
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
      want = norm(p['window_bn'], y + p['window_bias'])
      np.testing.assert_allclose(ours[b, :, i], want, rtol=1e-9)
  assert ours.shape[2] == -(-7 // stride)


def test_the_pool_and_its_gradient():
  """Nothing beyond the ends; the first of equal values has it all."""
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
  one, other = scales
  net = Network(
    'ms_g3d',
    num_classes=classes,
    layout=layout,
    num_gcn_scales=one,
    num_g3d_scales=other,
  )
  assert net.num_params() == count


def shapes(net):
  params, stats = net.shapes
  leaves = jax.tree_util.tree_leaves_with_path(
    {'params': params, 'batch_stats': stats}
  )
  return {tuple(k.key for k in path): leaf.shape for path, leaf in leaves}


def test_what_depends_on_the_data_is_listed():
  """Whatever differs between layouts, persons or channels, and by how much."""
  seen = []
  for layout, persons, channels in (('unik_17', 1, 2), ('ntu_25', 2, 3)):
    net = small(layout, num_persons=persons, in_channels=channels)
    sizes = {'persons': persons, 'channels': channels}
    sizes |= dict.fromkeys(('joints', 'inputs'), get_layout(layout).num_joints)
    found, axes = shapes(net), net.abstract.data_axes()
    for path, made_of in axes.items():
      for size, factors in zip(found[path], made_of, strict=True):
        if factors:
          assert size == np.prod([sizes.get(f, f) for f in factors]), path
    seen.append((found, axes))
  (one, axes), (other, _) = seen
  assert {path for path in one if one[path] != other[path]} == set(axes)


def test_folded_is_the_same_and_quarter_widths_work():
  net = small('ntu_25', widths=(24, 48, 96), strides=(1, 2, 2))
  with jax.enable_x64(True):
    params, stats = made(net.shapes)
    # Smaller, lest all is large and equal in the end.
    params = jax.tree.map(lambda a: a * 0.3 - 0.03, params)
    folded = fold_batch_norm(params, stats)
    x = np.random.default_rng(1).normal(size=(2, 2, 9, 25, 3))
    apply = jax.jit(lambda *values: net.apply(*values, x, train=False)[0])
    one, other = apply(params, stats), apply(*folded)
  assert one.shape == (2, 4) and np.ptp(one, axis=0).min() > 1e-9
  np.testing.assert_allclose(other, one, rtol=1e-9)
  # What is left of batch norm: the input's, and after each maximum.
  left = [
    path[-2].key
    for path, mean in jax.tree_util.tree_leaves_with_path(folded[1])
    if path[-1].key == 'mean' and mean.any()
  ]
  assert sorted(left) == ['input_bn'] + ['pool_bn'] * 9


def test_state_dicts_go_there_and_back_and_tell_their_shape():
  net = small('unik_17', num_persons=1, in_channels=2)
  values = made(net.shapes)
  tensors = to_official(net.abstract, *values)
  back = from_official(net.abstract, *values, tensors, 'here')
  jax.tree.map(np.testing.assert_array_equal, back, values)
  found = {name: data_shape(name, tensors, {'tau': 1}) for name in MODELS}
  assert found.pop('ms_g3d') == {
    'num_classes': 4,
    'num_joints': 17,
    'num_persons': 1,
    'in_channels': 2,
  }
  assert set(found.values()) == {None}
  for name, options in (
    ('unik', {'num_joints': 17}),
    ('agcn', {}),
    ('st_gcn', {}),
  ):
    options = {'layout': 'unik_17', 'num_classes': 4} | options
    other = Network(name, widths=(8,), strides=(1,), **options)
    values = other.shapes
    tensors = to_official(other.abstract, *made(values))
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
def test_what_is_refused(options, message):
  with pytest.raises(UserError, match=message):
    small(**options)
