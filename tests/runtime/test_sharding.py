"""Sharded training equals training on one device; shardings are as stated."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax import optim
from unik_jax import step as step_lib
from unik_jax.errors import UserError
from unik_jax.models.network import Network
from unik_jax.runtime import sharding

pytestmark = pytest.mark.slow


def make_network(name='unik'):
  sizes = {'num_joints': 6, 'widths': (16, 32), 'strides': (1, 2)}
  if name == 'res_gcn':
    sizes = {'layout': 'sbu_15', 'widths': (16, 8, 16, 32)}
  return Network(name, num_classes=5, num_persons=2, in_channels=3, **sizes)


def train_on_mesh(shape, steps=4, name='unik', **options):
  """Returns the losses of a few steps on a mesh, and the state after them."""
  devices = jax.devices()[: shape[0] * shape[1]]
  mesh = sharding.make_mesh(shape, devices)
  net = make_network(name)
  optimizer = optim.make_optimizer('sgd', lambda _: 0.05, weight_decay=1e-3)
  params, stats = random_values(net.shapes, dtype=np.float32)
  rng = np.random.default_rng(0)
  state = step_lib.TrainState(
    jnp.zeros((), jnp.int32), params, stats, optimizer.init(params), None
  )
  shardings = sharding.state_shardings(jax.eval_shape(lambda: state), mesh)
  state = jax.device_put(state, shardings)
  step = jax.jit(
    step_lib.make_train_step(net, optimizer, **options),
    in_shardings=(shardings, sharding.batch_sharding(mesh)),
    out_shardings=(shardings, sharding.replicated_sharding(mesh)),
  )
  out = []
  for _ in range(steps):
    joints = net.abstract.input_shape[2]
    batch = {
      'x': rng.standard_normal((8, 2, 12, joints, 3)).astype(np.float32),
      'label': rng.integers(0, 5, 8),
    }
    state, metrics = step(state, sharding.put_batch(batch, mesh))
    out.append(float(metrics['loss']))
  return np.array(out), state


@pytest.fixture(scope='module')
def one_device_losses():
  return train_on_mesh((1, 1))[0]


@pytest.mark.parametrize('shape', [(8, 1), (4, 2), (2, 4)], ids=str)
def test_a_mesh_gives_the_losses_of_one_device(shape, one_device_losses):
  losses, state = train_on_mesh(shape)
  np.testing.assert_allclose(losses, one_device_losses, rtol=1e-5)
  kernel = state.params['blocks'][1]['temporal']['conv']['kernel']
  trace = state.opt_state[2][0].trace['blocks'][1]['temporal']['conv']['kernel']
  for array in (kernel, trace):
    columns = array.addressable_shards[0].data.shape[-1]
    assert columns == array.shape[-1] // shape[1]
  matrix = state.params['blocks'][1]['spatial']['dependency']
  assert matrix.sharding.is_fully_replicated


def test_mixup_on_a_mesh_is_that_of_one_device():
  one, eight = (
    train_on_mesh(shape, steps=2, mixup=0.5, accumulate=2)[0]
    for shape in ((1, 1), (4, 2))
  )
  np.testing.assert_allclose(eight, one, rtol=1e-5)


def test_res_gcn_on_a_mesh_is_that_of_one_device():
  one, eight = (
    train_on_mesh(shape, steps=2, name='res_gcn')[0]
    for shape in ((1, 1), (4, 2))
  )
  np.testing.assert_allclose(eight, one, rtol=1e-4)


def list_collectives(text):
  """Returns (name, number of values) of each collective of a program."""
  matches = re.findall(
    r' = (.*) (all-\w+|reduce-scatter|collective-permute)(?:-start)?\(', text
  )
  sizes = []
  for arrays, name in matches:
    shapes = re.findall(r'f32\[([\d,]*)\]', arrays)
    axes = [[int(n) for n in shape.split(',') if n] for shape in shapes]
    sizes.append((name, sum(map(math.prod, axes))))
  return sizes


def test_weight_gradients_are_reduced_together():
  """On a mesh with 'data' only, all other reductions are small."""
  mesh, net = sharding.make_mesh((8, 1)), make_network()
  optimizer = optim.make_optimizer('sgd', lambda _: 0.05, weight_decay=1e-3)
  abstract = jax.eval_shape(step_lib.make_init_state(optimizer), *net.shapes)
  batch = {
    'x': jax.ShapeDtypeStruct((16, 2, 12, 6, 3), np.float32),
    'label': jax.ShapeDtypeStruct((16,), np.int32),
  }
  shardings = sharding.state_shardings(abstract, mesh)
  step = jax.jit(
    step_lib.make_train_step(net, optimizer),
    in_shardings=(shardings, sharding.batch_sharding(mesh)),
    out_shardings=(shardings, sharding.replicated_sharding(mesh)),
  )
  program = step.lower(abstract, batch).compile().as_text()
  collectives = list_collectives(program)
  assert {name for name, _ in collectives} == {'all-reduce'}
  *others, largest = sorted(size for _, size in collectives)
  # The first block's smallest gradients are reduced with batch norm's.
  assert largest > 0.9 * net.num_params()
  assert sum(others) < 0.15 * net.num_params()


def test_mesh_shapes():
  assert dict(sharding.make_mesh((-1, 2)).shape) == {'data': 4, 'model': 2}
  for shape in ((3, -1), (8, 2), (-1, -1), (0, 8), (8,)):
    value = re.escape(str(shape))
    with pytest.raises(UserError, match=f'config.mesh: .* 8, got {value}'):
      sharding.make_mesh(shape)


def test_batches_that_do_not_divide():
  mesh = sharding.make_mesh((4, 2))
  sharding.check_batch_size('batch_size', 12, mesh)
  with pytest.raises(
    UserError, match='batch_size: .* of 4 .*got 15.* such as 16'
  ):
    sharding.check_batch_size('batch_size', 15, mesh)
