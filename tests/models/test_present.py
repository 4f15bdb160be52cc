"""Computing absent persons only once leaves all predictions unchanged."""

import jax
import numpy as np
import pytest
from helpers.numpy_layers import softmax

from unik_jax.evaluate import Evaluator
from unik_jax.models.network import Network, option_names
from unik_jax.models.registry import MODELS
from unik_jax.runtime import sharding

pytestmark = pytest.mark.slow

FRAMES = 12


def make_net(name, persons=2):
  sizes = {'widths': (8, 8), 'strides': (1, 2)}
  if name == 'ms_g3d':
    sizes |= {'widths': (6, 6), 'num_gcn_scales': 3, 'num_g3d_scales': 2}
  if name == 'res_gcn':
    sizes = {'widths': (8, 4, 8, 8), 'strides': (1, 1, 2, 2)}
  return Network(
    name,
    num_classes=5,
    num_persons=persons,
    in_channels=2,
    **sizes,
    **{
      key: value
      for key, value in {'num_joints': 17, 'layout': 'unik_17'}.items()
      if key in option_names(name)
    },
  )


def make_weights(net):
  """Returns initial weights with noise, since initial logits hardly vary."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda a: np.float32(a + rng.uniform(-0.3, 0.3, a.shape)),
    net.init(jax.random.key(0)),
  )


def make_batches(persons, batches, size=8, views=()):
  rng = np.random.default_rng(1)
  for i in range(batches):
    shape = (size, *views, persons, FRAMES, 17, 2)
    x = rng.standard_normal(shape).astype(np.float32)
    x *= rng.random(shape[:-3])[..., None, None, None] < (0.4 + 0.3 * i)
    yield {
      'x': x,
      'label': np.zeros(size, np.int32),
      'clip': np.arange(i * size, (i + 1) * size, dtype=np.int32),
    }


def compute_all_persons(net, weights, x):
  return np.array(net.apply(*weights, x, train=False)[0])


@pytest.mark.parametrize('name', MODELS)
def test_predictions_are_unchanged(name):
  net = make_net(name)
  weights = make_weights(net)
  batches = list(make_batches(2, 2))
  logits, _ = Evaluator(net)(*weights, batches)
  expected = np.concatenate(
    [compute_all_persons(net, weights, b['x']) for b in batches]
  )
  np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
  assert np.ptp(expected, 0).max() > 0.005


@pytest.mark.parametrize('persons', [1, 3])
@pytest.mark.parametrize('devices', [1, 4])
def test_several_views_on_a_mesh(persons, devices):
  net = make_net('unik', persons)
  weights = make_weights(net)
  mesh = sharding.make_mesh((-1, 1), jax.devices()[:devices])
  batches = list(make_batches(persons, 3, views=(2,)))
  put = [sharding.put_batch(batch, mesh) for batch in batches]
  logits, _ = Evaluator(net, mesh)(*weights, put)
  for batch, batch_logits in zip(batches, np.split(logits, 3), strict=True):
    views = [
      compute_all_persons(net, weights, batch['x'][:, view])
      for view in range(2)
    ]
    expected = np.mean([softmax(view) for view in views], 0)
    np.testing.assert_allclose(np.exp(batch_logits), expected, atol=1e-4)


def test_an_evaluator_can_take_other_weights():
  net = make_net('unik')
  evaluator, batches = Evaluator(net), list(make_batches(2, 1))
  params, stats = make_weights(net)
  other = jax.tree.map(lambda a: a * 1.3, params)
  for weights in ((params, stats), (other, stats)):
    logits, _ = evaluator(*weights, batches)
    expected = compute_all_persons(net, weights, batches[0]['x'])
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
