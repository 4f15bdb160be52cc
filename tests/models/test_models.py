"""What holds for all models, and their published numbers of parameters."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers.numpy_layers import over_time
from helpers.numpy_unik import conv_norm, made, norm

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

NARROW = {'ms_g3d': {'widths': (6,), 'strides': (2,)}}
USUAL = {'widths': (8, 8), 'strides': (1, 2)}


def make_config(name, *, layout='unik_17', persons=2, channels=2, **model):
  config = default_config()
  config.model.update(NARROW.get(name, USUAL))
  config.model.update(name=name, **model)
  config.data.update(
    layout=layout, num_classes=5, persons=persons, channels=channels, frames=8
  )
  return config


def leaves(net):
  shapes = net.shapes
  tree = dict(zip(('params', 'batch_stats'), shapes, strict=True))
  return {
    tuple(getattr(k, 'key', getattr(k, 'idx', None)) for k in path): leaf.shape
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


@pytest.mark.parametrize('name', sorted(MODELS))
def test_data_axes_name_all_that_depends_on_the_data(name):
  """Else weights would not go from one layout to another."""
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
  first, second = map(leaves, nets)
  assert axes.keys() <= first.keys()
  for path, shape in first.items():
    if path not in axes:
      assert shape == second[path], path
      continue
    for i, there in enumerate((shape, second[path])):
      for made_of, whole, length in zip(axes[path], shape, there, strict=True):
        factors = [sizes[f][i] if f in sizes else f for f in made_of]
        assert length == (math.prod(factors) if made_of else whole), path


def start(name, before, after):
  """Random weights of one config's network, and another's that is begun."""
  net = network_from_config(before)
  rng = np.random.default_rng(0)
  params, stats = jax.tree.map(
    lambda a: rng.random(a.shape, np.float32) + 0.1,
    net.shapes,
  )
  source = transfer.Weights(
    where='there',
    net=net,
    values={'params': params, 'batch_stats': stats},
    layout=get_layout(before.data.layout),
    persons=before.data.persons,
    channels=('x', 'y', 'z')[: before.data.channels],
  )
  return params, transfer.adapt_weights(source, after, head=True)


@pytest.mark.parametrize('name', sorted(MODELS))
def test_weights_go_to_the_same_and_to_another_layout(name):
  config = make_config(name)
  theirs, started = start(name, config, config)
  jax.tree.map(np.testing.assert_array_equal, started.params, theirs)
  other = make_config(name, layout='msr_20', persons=1, channels=3)
  _, started = start(name, config, other)
  want, _ = network_from_config(other).shapes
  assert jax.tree.map(np.shape, started.params) == jax.tree.map(
    lambda a: a.shape, want
  )
  assert 'joints: unik_17 to msr_20' in '\n'.join(started.report)


def test_weights_of_edges_go_with_their_joints():
  """They are factors, so that those of doubled joints are not shared out."""
  other = make_config('st_gcn', layout='msr_20')
  theirs, started = start('st_gcn', make_config('st_gcn'), other)
  origin = find_nearest(get_layout('unik_17'), get_layout('msr_20'))
  for i in (0, 1):
    ours, source = (
      p['blocks'][i]['edge_importance'] for p in (started.params, theirs)
    )
    for u, p in np.ndindex(20, 20):
      np.testing.assert_array_equal(
        ours[:, u, p], source[:, origin[u], origin[p]]
      )


def test_taps_over_joints_keep_their_distance():
  """Of AAGCN's gate, from 17 taps to 19."""
  other = make_config('aagcn', layout='msr_20')
  theirs, started = start('aagcn', make_config('aagcn'), other)
  ours, source = (
    p['blocks'][1]['spatial']['joint_gate']['kernel']
    for p in (started.params, theirs)
  )
  np.testing.assert_array_equal(ours[1:18], source)
  assert ours.shape[0] == 19


@pytest.mark.parametrize('name', sorted(MODELS))
def test_matrices_that_mix_joints(name):
  net = network_from_config(make_config(name))
  params, stats = net.init(jax.random.key(0))
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 2))
  blocks = jax.jit(net.mixing)(params, stats, x.astype(np.float32))
  assert len(blocks) == len(net.abstract.blocks)
  for block in blocks:
    assert block.dependency.shape[1:] == (17, 17)
    if block.attention is not None:
      assert block.attention.shape == (2, 2, *block.dependency.shape)


@pytest.mark.parametrize('name', sorted(MODELS))
def test_folded_batch_norm_answers_alike(name):
  net = network_from_config(make_config(name))
  params, stats = jax.tree.map(np.float32, made(net))
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 2))
  folded = fold_batch_norm(params, stats)
  apply = jax.jit(lambda *a: net.apply(*a, train=False)[0])
  before, after = (
    apply(*p, x.astype(np.float32)) for p in ((params, stats), folded)
  )
  np.testing.assert_allclose(after, before, rtol=2e-4)


COUNTS = (
  # reference/numbers.md: model, layout, channels, classes, options, count
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


def test_st_gcn_pp_is_as_large_as_published():
  """1.39M with 17 joints, 1.4M with 25 (mmaction2, configs/stgcnpp)."""
  for layout, millions in (('unik_17', 1.39), ('ntu_25', 1.40)):
    net = Network('st_gcn_pp', num_classes=60, layout=layout)
    assert round(net.num_params() / 1e6, 2) == millions


def test_fixed_matrices_are_all_that_is_not_learned():
  """FM: UNIK without its matrices and attention, all else being equal."""
  net, whole = (
    network_from_config(make_config('unik', matrix=m))
    for m in ('fixed', 'dependency')
  )
  params, full = (n.shapes[0] for n in (net, whole))
  for i, block in params['blocks'].items():
    missing = full['blocks'][i]['spatial'].keys() - block['spatial'].keys()
    assert missing == {'dependency', 'theta', 'phi'}
  block, _ = net.mixing(*net.init(jax.random.key(0)))
  np.testing.assert_array_equal(
    block.dependency, graphs.directed(get_layout('unik_17'))
  )


def test_adaptive_matrices_start_as_the_graph():
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
def test_options_that_do_not_fit_are_named(name, options, words):
  with pytest.raises(UserError, match=words):
    network_from_config(make_config(name, **options))


def test_no_official_state_dict():
  for name, options in (('aagcn', {}), ('unik', {'matrix': 'fixed'})):
    net = network_from_config(make_config(name, **options))
    with pytest.raises(UserError, match='(?i)no official state dict'):
      list_tensors(net.abstract)


def test_dropout_is_of_training_with_a_key_alone():
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


def evaluate(net, params, stats, x):
  with jax.enable_x64(True):
    apply = jax.jit(lambda *a: net.apply(*a, train=False)[0])
    return np.asarray(apply(params, stats, x))


def stem(p, s, x, person_apart):
  """Input batch norm, in numpy: (N, M, T, V, C) as it is."""
  n, m, t, v, c = x.shape
  flat = x.transpose(0, 2, 1, 3, 4)
  flat = flat.reshape(n, t, -1) if person_apart else flat.reshape(n, t, m, -1)
  flat = norm(p['input_bn'], s['input_bn'], flat)
  return flat.reshape(n, t, m, v, c).transpose(0, 2, 1, 3, 4)


def test_st_gcn_against_numpy():
  net = network_from_config(make_config('st_gcn'))
  params, stats = made(net)
  x = np.random.default_rng(1).normal(size=(2, 2, 8, 17, 2))
  graph = np.float64(graphs.partitioned(get_layout('unik_17')))
  y = stem(params, stats, x, False)
  for i, stride in enumerate((1, 2)):
    p, s = params['blocks'][i], stats['blocks'][i]
    z = y @ p['graph_conv']['kernel'] + p['graph_conv']['bias']
    parts = np.split(z, 3, -1)
    matrices = graph * p['edge_importance']
    z = sum(
      np.einsum('nmtud,up->nmtpd', part, matrix)
      for part, matrix in zip(parts, matrices, strict=True)
    )
    z = np.maximum(norm(p['graph_bn'], s['graph_bn'], z), 0)
    z = over_time(p['temporal']['conv'], z, stride)
    z = norm(p['temporal']['bn'], s['temporal']['bn'], z)
    if i:
      z = z + conv_norm(p['residual'], s['residual'], y[:, :, ::stride])
    y = np.maximum(z, 0)
  want = y.mean((1, 2, 3)) @ params['head']['kernel'] + params['head']['bias']
  got = evaluate(net, params, stats, x)
  np.testing.assert_allclose(got, want, rtol=1e-9)


def test_gates_of_aagcn_against_numpy():
  """A spatial unit of AAGCN, whose gates no golden case has."""
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
  graphdef, state = nnx.split(unit)
  rng = np.random.default_rng(0)
  p = jax.tree.map(
    lambda a: 0.3 * rng.random(a.shape) + 0.05, nnx.to_pure_dict(state)
  )
  x = rng.normal(size=(2, 17, 6, 4))  # B, V, T, C
  with jax.enable_x64(True):
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, p))
    got = np.asarray(nnx.merge(graphdef, state)(jnp.asarray(x), train=False))
  sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
  y = 0
  for h in range(3):
    theta, phi = (
      x @ p[k]['kernel'][h] + p[k]['bias'][h] for k in ('theta', 'phi')
    )
    scores = np.einsum('bute,bpte->bup', theta, phi) / (theta.shape[-1] * 6)
    matrix = p['dependency'][h] + p['alpha'] * np.tanh(scores)
    mixed = np.einsum('butc,bup->bptc', x, matrix)
    y = y + mixed @ p['embed']['kernel'][h] + p['embed']['bias'][h]
  y = np.maximum(norm(p['bn'], p['bn'], y) + x, 0)
  gate = over_time(p['joint_gate'], y.mean(2)[:, :, None], 1)  # joints as time
  y = y + y * sigmoid(gate)
  gate = over_time(p['frame_gate'], y.mean(1)[:, :, None], 1)
  y = y + y * sigmoid(gate.transpose(0, 2, 1, 3))
  hidden = y.mean((1, 2)) @ p['squeeze']['kernel'] + p['squeeze']['bias']
  gate = np.maximum(hidden, 0) @ p['excite']['kernel'] + p['excite']['bias']
  y = y + y * sigmoid(gate)[:, None, None]
  np.testing.assert_allclose(got, y, rtol=1e-9)
