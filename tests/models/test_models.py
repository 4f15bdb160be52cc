"""Tests of all models, and their published parameter counts."""

import math

import jax
import numpy as np
import pytest
from flax import nnx
from helpers.numpy_layers import batch_norm, conv_norm, temporal_conv
from helpers.random_values import evaluate_unit, fill_unit, random_values

from unik_jax import transfer
from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.export.folding import fold_batch_norm
from unik_jax.models import graphs
from unik_jax.models.agcn import GatedUnit
from unik_jax.models.network import Network, network_from_config
from unik_jax.models.registry import MODELS
from unik_jax.official.registry import list_tensors
from unik_jax.skeletons.joint_maps import find_nearest
from unik_jax.skeletons.layouts import get_layout

SIZES = {'widths': (8, 8), 'strides': (1, 2)}
OTHER_SIZES = {
  'ms_g3d': {'widths': (6,), 'strides': (2,)},
  'res_gcn': {'widths': (8, 4, 8, 8), 'strides': (1, 1, 2, 2)},
}


def make_config(name, *, layout='unik_17', persons=2, channels=2, **model):
  config = default_config()
  config.model.update(OTHER_SIZES.get(name, SIZES))
  config.model.update(name=name, **model)
  config.data.update(
    layout=layout, num_classes=5, persons=persons, channels=channels, frames=8
  )
  return config


def shapes_by_path(net):
  tree = dict(zip(('params', 'batch_stats'), net.shapes, strict=True))
  return {
    tuple(getattr(k, 'key', getattr(k, 'idx', None)) for k in path): leaf.shape
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


@pytest.mark.parametrize('name', sorted(MODELS))
def test_data_axes_list_every_shape_that_depends_on_the_data(name):
  """Transfer to another layout relies on it."""
  sizes = {'persons': (2, 1), 'joints': (17, 20), 'channels': (2, 3)}
  sizes['reach'] = (17, 19)
  nets = [
    network_from_config(
      make_config(name, layout=layout, persons=persons, channels=channels)
    )
    for layout, persons, channels in (('unik_17', 2, 2), ('msr_20', 1, 3))
  ]
  sizes['inputs'] = sizes['joints']
  axes = nets[0].abstract.data_axes()
  first, second = map(shapes_by_path, nets)
  assert axes.keys() <= first.keys()
  for path, shape in first.items():
    if path not in axes:
      assert shape == second[path], path
      continue
    for i, network_shape in enumerate((shape, second[path])):
      for names, fixed, length in zip(
        axes[path], shape, network_shape, strict=True
      ):
        factors = [sizes[f][i] if f in sizes else f for f in names]
        assert length == (math.prod(factors) if names else fixed), path


def transfer_weights(before, after):
  """Returns random parameters for one config, and their transfer to another."""
  net = network_from_config(before)
  params, stats = random_values(net.shapes, dtype=np.float32)
  source = transfer.Weights(
    where='source',
    net=net,
    values={'params': params, 'batch_stats': stats},
    layout=get_layout(before.data.layout),
    persons=before.data.persons,
    channels=('x', 'y', 'z')[: before.data.channels],
  )
  return params, transfer.adapt_weights(source, after, head=True)


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(MODELS))
def test_weights_transfer_to_the_same_and_to_another_layout(name):
  config = make_config(name)
  source, started = transfer_weights(config, config)
  jax.tree.map(np.testing.assert_array_equal, started.params, source)
  other = make_config(name, layout='msr_20', persons=1, channels=3)
  _, started = transfer_weights(config, other)
  expected, _ = network_from_config(other).shapes
  assert jax.tree.map(np.shape, started.params) == jax.tree.map(
    lambda a: a.shape, expected
  )
  assert 'joints: unik_17 to msr_20' in '\n'.join(started.report)


def test_edge_importance_is_copied_by_joint():
  """Edge weights are factors, so the copies of a joint are not divided."""
  other = make_config('st_gcn', layout='msr_20')
  params, started = transfer_weights(make_config('st_gcn'), other)
  origin = find_nearest(get_layout('unik_17'), get_layout('msr_20'))
  for i in (0, 1):
    result, source = (
      p['blocks'][i]['edge_importance'] for p in (started.params, params)
    )
    for u, p in np.ndindex(20, 20):
      np.testing.assert_array_equal(
        result[:, u, p], source[:, origin[u], origin[p]]
      )


def test_joint_gate_of_aagcn_keeps_its_central_taps():
  """The gate's kernel over joints grows from 17 taps to 19."""
  other = make_config('aagcn', layout='msr_20')
  params, started = transfer_weights(make_config('aagcn'), other)
  result, source = (
    p['blocks'][1]['spatial']['joint_gate']['kernel']
    for p in (started.params, params)
  )
  np.testing.assert_array_equal(result[1:18], source)
  assert result.shape[0] == 19


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(MODELS))
def test_shapes_of_mixing_matrices(name):
  net = network_from_config(make_config(name))
  params, stats = net.init(jax.random.key(0))
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 2))
  blocks = jax.jit(net.mixing)(params, stats, x.astype(np.float32))
  assert len(blocks) == len(net.abstract.blocks)
  shapes = {block.dependency.shape[1:] for block in blocks}
  # UNIK++ mixes eight joints that it makes of the 17.
  latent = {(17, 8), (8, 8)}
  assert shapes == (latent if name == 'unik_pp' else {(17, 17)})
  for block in blocks:
    if block.attention is not None:
      assert block.attention.shape == (2, 2, *block.dependency.shape)


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(MODELS))
def test_folded_batch_norm_gives_the_same_logits(name):
  net = network_from_config(make_config(name))
  params, stats = random_values(net.shapes, dtype=np.float32)
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 2))
  folded = fold_batch_norm(params, stats)
  apply = jax.jit(lambda *a: net.apply(*a, train=False)[0])
  before, after = (
    apply(*p, x.astype(np.float32)) for p in ((params, stats), folded)
  )
  np.testing.assert_allclose(after, before, rtol=2e-4)


COUNTS = (
  # model, layout, channels, classes, options, published count
  ('st_gcn', 'ntu_25', 3, 60, {}, 3_098_832),
  ('st_gcn', 'unik_17', 2, 31, {}, 3_081_025),
  ('st_gcn', 'unik_17', 2, 320, {}, 3_155_298),
  ('agcn', 'ntu_25', 3, 60, {}, 3_469_510),
  ('agcn', 'unik_17', 2, 31, {}, 3_451_461),
  ('aagcn', 'ntu_25', 3, 60, {}, 3_781_668),
  ('ctr_gcn', 'ntu_25', 3, 60, {}, 1_446_672),
  ('ctr_gcn', 'ntu_25', 3, 120, {}, 1_462_092),
  ('unik', 'ntu_25', 3, 60, {'matrix': 'adaptive'}, 3_469_510),
)


@pytest.mark.parametrize('case', COUNTS, ids=str)
def test_published_counts(case):
  name, layout, channels, classes, options, count = case
  config = default_config()
  config.model.update(name=name, **options)
  config.data.update(
    layout=layout, num_classes=classes, persons=2, channels=channels
  )
  assert network_from_config(config).num_params() == count


@pytest.mark.parametrize(
  'name, layout, options, millions',
  [
    # mmaction2, configs/stgcnpp.
    ('st_gcn_pp', 'unik_17', {}, 1.39),
    ('st_gcn_pp', 'ntu_25', {}, 1.40),
    # Song et al., 2020, Table 1.
    ('res_gcn', 'ntu_25', {'kind': 'n51', 'part_attention': False}, 0.77),
    ('res_gcn', 'ntu_25', {'kind': 'n51'}, 1.14),
    ('res_gcn', 'ntu_25', {'part_attention': False}, 3.26),
    ('res_gcn', 'ntu_25', {}, 3.64),
  ],
)
def test_published_counts_in_millions(name, layout, options, millions):
  net = Network(name, num_classes=60, layout=layout, **options)
  assert round(net.num_params() / 1e6, 2) == millions


def test_fixed_matrices_only_remove_matrices_and_attention():
  """FM has every other parameter of UNIK."""
  net, learned = (
    network_from_config(make_config('unik', matrix=m))
    for m in ('fixed', 'dependency')
  )
  params, full = (n.shapes[0] for n in (net, learned))
  for i, block in params['blocks'].items():
    missing = full['blocks'][i]['spatial'].keys() - block['spatial'].keys()
    assert missing == {'dependency', 'theta', 'phi'}
  block, _ = net.mixing(*net.init(jax.random.key(0)))
  np.testing.assert_array_equal(
    block.dependency, graphs.directed(get_layout('unik_17'))
  )


def test_adaptive_matrices_are_initialized_with_the_graph():
  net = network_from_config(make_config('unik', matrix='adaptive'))
  block, _ = net.mixing(*net.init(jax.random.key(0)))
  graph = graphs.directed(get_layout('unik_17'))
  np.testing.assert_allclose(block.dependency, graph + 1e-6, rtol=1e-6)


@pytest.mark.parametrize(
  'init, expected',
  [
    ('zeros', np.zeros((3, 17, 17))),
    ('identity', np.stack([np.eye(17)] * 3)),
    ('graph', graphs.directed(get_layout('unik_17'))),
  ],
)
def test_initial_dependency_matrices(init, expected):
  net = network_from_config(make_config('unik', dependency_init=init))
  for block in net.mixing(*net.init(jax.random.key(0))):
    np.testing.assert_array_equal(block.dependency, expected)


@pytest.mark.parametrize(
  'name, options, words',
  [
    ('st_gcn', {'tau': 3}, "model.tau: model 'st_gcn'"),
    ('unik', {'dropout': 0.5}, "model.dropout: model 'unik'"),
    ('unik', {'matrix': 'fixed', 'num_heads': 6}, 'model.num_heads=3'),
    ('unik', {'matrix': 'adaptive', 'tau': 3}, 'model.tau=1'),
    ('unik', {'matrix': 'graph'}, "model.matrix: .*'graph'"),
    ('unix', {}, "model.name: .*aagcn.*'unix'"),
  ],
)
def test_bad_options_are_named(name, options, words):
  with pytest.raises(UserError, match=words):
    network_from_config(make_config(name, **options))


def test_no_official_state_dict():
  for name, options in (('aagcn', {}), ('unik', {'matrix': 'fixed'})):
    net = network_from_config(make_config(name, **options))
    words = '(?i)official (format, got AAGCN|state dict has fixed)'
    with pytest.raises(UserError, match=words):
      list_tensors(net.abstract)


@pytest.mark.slow
def test_dropout_needs_training_mode_and_a_key():
  net = network_from_config(make_config('st_gcn', dropout=0.5))
  params, stats = net.init(jax.random.key(0))
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 2)).astype(np.float32)

  @jax.jit
  def train(key):
    return net.apply(params, stats, x, train=True, key=key)[0]

  one, same, other = (train(jax.random.key(n)) for n in (0, 0, 1))
  np.testing.assert_array_equal(one, same)
  assert np.abs(one - other).max() > 1e-3
  without, _ = net.apply(params, stats, x, train=True)
  assert np.abs(one - without).max() > 1e-3


def compute_logits(net, params, stats, x):
  with jax.enable_x64(True):
    apply = jax.jit(lambda *a: net.apply(*a, train=False)[0])
    return np.asarray(apply(params, stats, x))


def test_st_gcn_against_numpy():
  net = network_from_config(make_config('st_gcn'))
  params, stats = random_values(net.shapes)
  x = np.random.default_rng(1).normal(size=(2, 2, 8, 17, 2))
  graph = np.float64(graphs.partitioned(get_layout('unik_17')))
  # The input's batch norm is the same for both persons.
  flat = x.reshape(2, 2, 8, 17 * 2)
  y = batch_norm(params['input_bn'], flat, stats['input_bn']).reshape(x.shape)
  for i, stride in enumerate((1, 2)):
    p, s = params['blocks'][i], stats['blocks'][i]
    z = y @ p['graph_conv']['kernel'] + p['graph_conv']['bias']
    parts = np.split(z, 3, -1)
    matrices = graph * p['edge_importance']
    z = sum(
      np.einsum('nmtud,up->nmtpd', part, matrix)
      for part, matrix in zip(parts, matrices, strict=True)
    )
    z = np.maximum(batch_norm(p['graph_bn'], z, s['graph_bn']), 0)
    z = temporal_conv(p['temporal']['conv'], z, stride)
    z = batch_norm(p['temporal']['bn'], z, s['temporal']['bn'])
    if i:
      z = z + conv_norm(p['residual'], y[:, :, ::stride], s['residual'])
    y = np.maximum(z, 0)
  expected = (
    y.mean((1, 2, 3)) @ params['head']['kernel'] + params['head']['bias']
  )
  logits = compute_logits(net, params, stats, x)
  np.testing.assert_allclose(logits, expected, rtol=1e-9)


def sigmoid(a):
  return 1 / (1 + np.exp(-a))


def test_gates_of_aagcn_against_numpy():
  """No golden case covers these gates."""
  layout = get_layout('unik_17')
  unit = GatedUnit(
    4,
    4,
    num_joints=17,
    num_heads=3,
    tau=1,
    attention=True,
    attention_scale=True,
    dependency_init='graph',
    matrix='dependency',
    layout=layout,
    dtype=None,
    rngs=nnx.Rngs(0),
  )
  x = np.random.default_rng(1).normal(size=(2, 17, 6, 4))  # B, V, T, C
  with jax.enable_x64(True):
    unit, p = fill_unit(unit)
    got = evaluate_unit(unit, x)
  y = 0
  for h in range(3):
    theta, phi = (
      x @ p[k]['kernel'][h] + p[k]['bias'][h] for k in ('theta', 'phi')
    )
    scores = np.einsum('bute,bpte->bup', theta, phi) / (theta.shape[-1] * 6)
    matrix = p['dependency'][h] + p['alpha'] * np.tanh(scores)
    mixed = np.einsum('butc,bup->bptc', x, matrix)
    y = y + mixed @ p['embed']['kernel'][h] + p['embed']['bias'][h]
  y = np.maximum(batch_norm(p['bn'], y) + x, 0)
  # The convolution over joints is one over time, with joints as frames.
  gate = temporal_conv(p['joint_gate'], y.mean(2)[:, :, None], 1)
  y = y + y * sigmoid(gate)
  gate = temporal_conv(p['frame_gate'], y.mean(1)[:, :, None], 1)
  y = y + y * sigmoid(gate.transpose(0, 2, 1, 3))
  hidden = y.mean((1, 2)) @ p['squeeze']['kernel'] + p['squeeze']['bias']
  gate = np.maximum(hidden, 0) @ p['excite']['kernel'] + p['excite']['bias']
  y = y + y * sigmoid(gate)[:, None, None]
  np.testing.assert_allclose(got, y, rtol=1e-9)
