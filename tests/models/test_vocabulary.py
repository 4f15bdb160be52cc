"""The network of a dataset is the shared one with its rows and columns."""

import jax
import numpy as np
import pytest
from helpers.random_values import random_values
from ml_collections import ConfigDict

from unik_jax.config import add_dataset, default_config
from unik_jax.errors import UserError
from unik_jax.models.vocabulary import (
  describe_vocabulary,
  make_shared_network,
)
from unik_jax.skeletons.layouts import get_layout

# A config has them in this order, that of their names.
CHANNELS = ('x', 'y', 'z', 'confidence')
DATA = {
  'interaction': {
    'layout': 'sbu_15',
    'persons': 2,
    'channels': 3,
    'num_classes': 8,
  },
  'kinect': {
    'layout': 'kinect_20',
    'persons': 1,
    'channels': 3,
    'num_classes': 10,
  },
  'sport': {
    'layout': 'penn_13',
    'persons': 1,
    'channels': 3,
    'confidence': True,
    'num_classes': 15,
  },
}
# Joints with another name in the vocabulary, which has that of the first
# dataset that has the place. The neck of SBU is a Kinect's shoulder centre.
RENAMED = {'spine': 'torso', 'shoulder_center': 'neck'}
NAMES = {
  'interaction': ('x', 'y', 'z'),
  'sport': ('x', 'y', 'confidence'),
  'kinect': ('x', 'y', 'z'),
}


def make_config(datasets=DATA, **model):
  config = default_config()
  config.model.update(widths=(8, 8), strides=(1, 2), **model)
  for name, data in datasets.items():
    add_dataset(config, name, frames=16, **data)
  config.data.update(describe_vocabulary(config))
  return config


@pytest.fixture(scope='module', params=[1, 3])
def shared(request):
  """A network with random values, of one and of three frames' windows."""
  config = make_config(tau=request.param)
  net = make_shared_network(config)
  params, _ = net.shapes
  values = random_values((params, net.net.shapes[1]), dtype=np.float32)
  return config, net, *values


def test_the_vocabulary_has_what_any_dataset_has(shared):
  config, net, params, _ = shared
  joints = get_layout(config.data.layout).joints
  # 15 joints of SBU, 4 wrists and ankles of Penn Action, and the hip centre.
  assert len(joints) == 20 and len(set(joints)) == 20
  assert joints[:15] == get_layout('sbu_15').joints
  expected = {f'{s}_{j}' for s in ('left', 'right') for j in ('wrist', 'ankle')}
  assert set(joints[15:]) == expected | {'hip_center'}
  assert net.net.abstract.input_shape == (2, None, 20, 4)
  assert params['head']['kernel'].shape == (8, 33)
  assert config.data.frames == 16  # a setting that all datasets share


@pytest.mark.parametrize('name', DATA)
def test_a_dataset_has_its_rows_and_columns(shared, name):
  """Gathers by name, in loops, and compares arrays, logits and statistics."""
  config, net, params, stats = shared
  joints = get_layout(config.data.layout).joints
  data, tau = DATA[name], config.model.tau
  own_joints = get_layout(data['layout']).joints
  rows = [joints.index(RENAMED.get(j, j)) for j in own_joints]
  windows = [frame * 20 + row for frame in range(tau) for row in rows]
  columns = [CHANNELS.index(channel) for channel in NAMES[name]]
  first = {'interaction': 0, 'kinect': 8, 'sport': 18}[name]
  classes = np.arange(first, first + data['num_classes'])

  def norm(values):
    return np.array(
      [
        values[(m * 20 + row) * 4 + column]
        for m in range(data['persons'])
        for row in rows
        for column in columns
      ]
    )

  expected = jax.tree.map(np.copy, params)
  expected['input_bn'] = {k: norm(v) for k, v in params['input_bn'].items()}
  expected['head'] = {
    'kernel': params['head']['kernel'][:, classes],
    'bias': params['head']['bias'][classes],
  }
  for block in expected['blocks'].values():
    matrix = block['spatial']['dependency']
    block['spatial']['dependency'] = matrix[:, windows][:, :, windows]
  spatial = expected['blocks'][0]['spatial']
  for part in ('theta', 'phi', 'embed'):
    spatial[part]['kernel'] = spatial[part]['kernel'][:, columns]
  kernel = spatial['shortcut']['conv']['kernel']
  spatial['shortcut']['conv']['kernel'] = kernel[columns]
  expected_stats = jax.tree.map(np.copy, stats)
  expected_stats['input_bn'] = {
    k: norm(v) for k, v in stats['input_bn'].items()
  }

  own, by_name = net.networks[name], net.split_stats(stats)
  got = own.select(params, by_name)
  jax.tree.map(np.testing.assert_array_equal, got, (expected, expected_stats))
  shape = (3, data['persons'], 16, len(rows), len(columns))
  x = np.float32(np.random.default_rng(0).normal(size=shape))
  logits, new = own.apply(params, by_name, x, train=True)
  want, want_stats = own.net.apply(expected, expected_stats, x, train=True)
  np.testing.assert_array_equal(logits, want)
  jax.tree.map(np.testing.assert_array_equal, new[name], want_stats)
  for other in DATA.keys() - {name}:
    assert new[other] is by_name[other]


@pytest.mark.parametrize('name', DATA)
def test_a_dataset_has_its_rows_of_unik_pp(name):
  """Latent joints belong to all datasets; what gathers joints, to each."""
  config = make_config(name='unik_pp', latent_joints=4)
  net = make_shared_network(config)
  shapes = (net.shapes[0], net.net.shapes[1])
  params, stats = random_values(shapes, dtype=np.float32)
  data = DATA[name]
  joints = get_layout(config.data.layout).joints
  own_joints = get_layout(data['layout']).joints
  rows = [joints.index(RENAMED.get(j, j)) for j in own_joints]
  columns = [CHANNELS.index(channel) for channel in NAMES[name]]
  first = {'interaction': 0, 'kinect': 8, 'sport': 18}[name]
  classes = np.arange(first, first + data['num_classes'])

  def norm(values):  # (joints, streams, channels), the same for all persons
    return {
      k: v.reshape(20, 4, 4)[rows][:, :, columns].ravel()
      for k, v in values.items()
    }

  expected = jax.tree.map(np.copy, params)
  expected['input_bn'] = norm(params['input_bn'])
  expected['head'] = {
    'kernel': params['head']['kernel'][:, classes],
    'bias': params['head']['bias'][classes],
  }
  for unit in expected['blocks'][0]['blocks'].values():
    unit['dependency'] = unit['dependency'][:, rows]
    unit['embed']['kernel'] = unit['embed']['kernel'][:, columns]
  expected_stats = stats | {'input_bn': norm(stats['input_bn'])}
  own, by_name = net.networks[name], net.split_stats(stats)
  got = own.select(params, by_name)
  jax.tree.map(np.testing.assert_array_equal, got, (expected, expected_stats))
  x = np.ones((2, data['persons'], 16, len(rows), len(columns)), np.float32)
  for train, shape in ((False, (2,)), (True, (2, 4))):  # of each stream
    logits, _ = own.apply(params, by_name, x, train=train)
    assert logits.shape == (*shape, data['num_classes'])


def test_gradients_go_to_the_rows_of_a_dataset_only(shared):
  config, net, params, stats = shared
  own = net.networks['sport']
  x = np.float32(np.random.default_rng(1).normal(size=(4, 1, 16, 13, 3)))

  def loss(params):
    logits, _ = own.apply(params, net.split_stats(stats), x, train=True)
    return (logits**2).sum()

  grads = jax.device_get(jax.jit(jax.grad(loss))(params))
  joints = get_layout(config.data.layout).joints
  here = np.array([j in get_layout('penn_13').joints for j in joints])
  here = np.tile(here, config.model.tau)
  for block in grads['blocks'].values():
    matrix = np.abs(block['spatial']['dependency']).sum(0)
    assert not matrix[~here].any() and not matrix[:, ~here].any()
    assert matrix[here].any(1).all()
  kernel = np.abs(grads['blocks'][0]['spatial']['embed']['kernel'])
  assert kernel.any((0, 2)).tolist() == [True, True, False, True]
  head = np.abs(grads['head']['kernel']).any(0)
  assert np.flatnonzero(head).tolist() == list(range(18, 33))


def test_pooled_statistics_are_means_over_the_datasets_that_have_them(shared):
  config, net, _, stats = shared
  by_name = net.split_stats(stats)
  for factor, name in enumerate(by_name, 1):
    by_name[name] = jax.tree.map(lambda a, f=factor: a * f, by_name[name])
  pooled = net.pool_stats(by_name)
  bn = stats['blocks'][0]['spatial']['bn']['mean']
  got = pooled['blocks'][0]['spatial']['bn']['mean']
  np.testing.assert_allclose(got, bn * 2, rtol=1e-6)  # (1 + 2 + 3) / 3
  joints = get_layout(config.data.layout).joints
  shape = (2, 20, 4)
  mean, var, initial = (
    np.reshape(a, shape)
    for a in (
      pooled['input_bn']['mean'],
      pooled['input_bn']['var'],
      stats['input_bn']['mean'],
    )
  )
  head, wrist = joints.index('head'), joints.index('left_wrist')
  np.testing.assert_allclose(
    mean[0, head], initial[0, head] * [2, 2, 1.5, 3], rtol=1e-6
  )
  np.testing.assert_allclose(  # not of SBU; its z is of the Kinect alone
    mean[0, wrist], initial[0, wrist] * [2.5, 2.5, 2, 3], rtol=1e-6
  )
  np.testing.assert_array_equal(mean[1, wrist], 0)  # nobody's
  np.testing.assert_array_equal(var[1, wrist], 1)
  np.testing.assert_allclose(mean[1, head, :3], initial[1, head, :3])


def test_one_dataset_is_its_own_vocabulary():
  config = make_config({'kinect': DATA['kinect']})
  assert config.data.layout == 'kinect_20'
  net = make_shared_network(config)
  params, stats = net.init(jax.random.key(0))
  expected = net.net.init(jax.random.key(0))
  got = net.networks['kinect'].select(params, stats)
  jax.tree.map(np.testing.assert_array_equal, got, expected)
  pooled = net.pool_stats(stats)
  jax.tree.map(np.testing.assert_array_equal, pooled, expected[1])


@pytest.mark.parametrize(
  'key, value',
  [
    ('name', 'agcn'),
    ('name', 'minirocket'),
    ('matrix', 'adaptive'),
    ('matrix', 'fixed'),
    ('dependency_init', 'graph'),
  ],
)
def test_networks_with_a_graph_are_refused(key, value):
  config = make_config({'kinect': DATA['kinect']})
  config.model[key] = value
  with pytest.raises(UserError, match=f'config.model.{key}: .*{value}'):
    make_shared_network(ConfigDict(config))
