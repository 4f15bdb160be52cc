"""UNIK++: units against float64 numpy, and branches against networks alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from helpers.numpy_layers import batch_norm
from helpers.random_values import evaluate_unit, fill_unit, random_values

from unik_jax.config import default_config
from unik_jax.data import streams
from unik_jax.errors import UserError
from unik_jax.models import unik_pp
from unik_jax.models.network import Network, network_from_config
from unik_jax.skeletons.layouts import get_layout
from unik_jax.step import make_init_state, make_train_step

LAYOUT = get_layout('coco_17')
TWO = ('joint', 'bone_motion')


def make_network(chosen):
  return Network(
    'unik_pp',
    num_classes=3,
    layout='coco_17',
    num_persons=1,
    in_channels=2,
    streams=chosen,
    latent_joints=4,
    widths=(8, 8),
    strides=(1, 2),
  )


def take_branch(net, values, index):
  """Returns one branch's part of a network's values, for a network alone."""
  params, stats = values
  count = len(net.abstract.streams)

  def input_norm(norm):
    return {
      k: np.asarray(v).reshape(17, count, 2)[:, index].ravel()
      for k, v in norm.items()
    }

  own = [
    {
      'input_bn': input_norm(tree['input_bn']),
      'blocks': {
        i: {'blocks': {0: block['blocks'][index]}}
        for i, block in tree['blocks'].items()
      },
    }
    for tree in (params, stats)
  ]
  head = params['head']
  kernel = np.asarray(head['kernel'])
  own[0]['head'] = {
    'kernel': kernel.reshape(count, -1, kernel.shape[-1])[index],
    'bias': head['bias'],
  }
  return tuple(own)


def draw_batch(clips=4):
  rng = np.random.default_rng(3)
  x = rng.normal(size=(clips, 1, 8, 17, 2)).astype(np.float32)
  return {'x': x, 'label': np.arange(clips) % 3}


def test_streams_are_those_of_the_data():
  x_mtvc = np.random.default_rng(1).normal(size=(2, 6, 17, 3))
  with jax.enable_x64(True):
    made = unik_pp.make_streams(
      jnp.asarray(x_mtvc).transpose(0, 2, 1, 3),
      unik_pp.STREAMS,
      LAYOUT.parents,
    )
  for name, part in zip(
    unik_pp.STREAMS, np.split(np.asarray(made), 4, -1), strict=True
  ):
    expected = streams.get_stream(name)(x_mtvc, LAYOUT)
    np.testing.assert_allclose(part.transpose(0, 2, 1, 3), expected, rtol=1e-12)


def test_a_confidence_is_the_same_in_each_stream():
  x = np.random.default_rng(2).normal(size=(2, 17, 6, 3)).astype(np.float32)
  made = unik_pp.make_streams(
    jnp.asarray(x), unik_pp.STREAMS, LAYOUT.parents, confidence=True
  )
  plain = unik_pp.make_streams(
    jnp.asarray(x[..., :2]), unik_pp.STREAMS, LAYOUT.parents
  )
  made = np.reshape(made, (2, 17, 6, 4, 3))
  np.testing.assert_array_equal(made[..., :2], plain.reshape(2, 17, 6, 4, 2))
  np.testing.assert_array_equal(made[..., 2], x[..., 2:].repeat(4, -1))


def test_a_config_names_the_confidence():
  config = default_config()
  config.model.update(name='unik_pp', widths=(8,), strides=(1,))
  config.data.update(layout='coco_17', channels=3, num_classes=3)
  for confidence in (False, True):
    config.data.confidence = confidence
    assert network_from_config(config).abstract.confidence is confidence


def test_gathering_unit_head_by_head():
  x = np.random.default_rng(1).normal(size=(2, 17, 6, 4))  # B, V, T, C
  with jax.enable_x64(True):
    unit, p = fill_unit(
      unik_pp.GatheringUnit(
        4,
        6,
        num_joints=17,
        latent_joints=5,
        num_heads=2,
        dtype=None,
        rngs=nnx.Rngs(0),
      )
    )
    got = evaluate_unit(unit, x)
  y = 0
  for matrix, kernel, bias in zip(
    p['dependency'], p['embed']['kernel'], p['embed']['bias'], strict=True
  ):
    y += np.einsum('buti,up,id->bptd', x, matrix, kernel) + bias
  np.testing.assert_allclose(got, np.maximum(batch_norm(p['bn'], y), 0))


def test_a_prediction_is_the_mean_of_networks_of_one_stream():
  net = make_network(TWO)
  values = random_values(net.shapes, dtype=np.float32)
  x = draw_batch()['x']
  alone = [
    make_network((name,)).apply(*take_branch(net, values, i), x)[0]
    for i, name in enumerate(TWO)
  ]
  both, _ = net.apply(*values, x)
  np.testing.assert_allclose(both, np.mean(alone, 0), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_branch_trains_as_a_network_of_its_stream():
  """Only the classifier's bias is shared."""
  net, batch = make_network(TWO), draw_batch()
  values = net.init(jax.random.key(0))
  optimizer = optax.sgd(0.1, momentum=0.9)

  def train(network, start):
    state = make_init_state(optimizer)(*start)
    step = jax.jit(make_train_step(network, optimizer, label_smoothing=0.1))
    return step(state, batch)

  state, metrics = train(net, values)
  losses = []
  for i, name in enumerate(TWO):
    own, own_metrics = train(make_network((name,)), take_branch(net, values, i))
    losses.append(own_metrics['loss'])
    got, _ = take_branch(net, (state.params, state.batch_stats), i)
    got['head'].pop('bias')
    own.params['head'].pop('bias')
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
      got,
      own.params,
    )
  assert metrics['loss'] == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    ({'streams': ('joints',)}, 'model.streams: expected one of joint'),
    ({'latent_joints': 0}, 'model.latent_joints: expected at least 1, got 0'),
    ({'num_heads': 0}, 'model.num_heads: expected at least 1, got 0'),
  ],
)
def test_bad_options(options, message):
  with pytest.raises(UserError, match=message):
    Network('unik_pp', num_classes=2, layout='coco_17', **options)
