"""Options of all networks (remat, norm_groups, norm_present), accumulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax import optim
from unik_jax.config import check_config, default_config
from unik_jax.errors import UserError
from unik_jax.models.layers import BatchNorm
from unik_jax.models.network import Network
from unik_jax.run.changed_settings import check_same_experiment
from unik_jax.step import make_init_state, make_train_step

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)


def make_network(name='unik', persons=2, **options):
  if name == 'unik':
    options |= {'num_joints': 17}
  else:
    options |= {'layout': 'unik_17'}
  if name == 'res_gcn':
    options |= {'widths': (8, 4, 8, 16), 'strides': (1, 1, 2, 2)}
  else:
    options |= {'widths': (8, 16), 'strides': (1, 2)}
  return Network(
    name,
    num_classes=5,
    num_persons=persons,
    in_channels=2,
    **options,
  )


def make_weights(net):
  return random_values(net.shapes, seed=1, dtype=np.float32)


def make_batch(clips, persons=2):
  x = RNG.standard_normal((clips, persons, 12, 17, 2)).astype(np.float32)
  return {'x': x, 'label': RNG.integers(0, 5, clips).astype(np.int32)}


def test_batch_norm_of_groups_against_numpy():
  norm = BatchNorm(3)
  norm.groups = 2
  x = RNG.standard_normal((6, 4, 3)).astype(np.float32)
  got = norm(x, train=True)
  halves = np.float64(x).reshape(2, 12, 3)
  mean, var = halves.mean(1, keepdims=True), halves.var(1, keepdims=True)
  expected = (halves - mean) / np.sqrt(var + 1e-5)
  np.testing.assert_allclose(got, expected.reshape(x.shape), atol=1e-5)
  np.testing.assert_allclose(norm.mean[...], 0.1 * mean.mean((0, 1)), rtol=1e-5)
  unbiased = (var * 12 / 11).mean((0, 1))
  np.testing.assert_allclose(norm.var[...], 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_groups_that_do_not_divide():
  net = make_network(norm_groups=3)
  with pytest.raises(UserError, match='norm_groups: .*got 3'):
    net.apply(*make_weights(net), make_batch(4)['x'], train=True)


def test_batch_that_accumulate_and_groups_do_not_divide():
  config = default_config()
  config.batch_size, config.accumulate, config.model.norm_groups = 24, 2, 8
  with pytest.raises(UserError, match='batch_size: .* 2 x 8, got 24'):
    check_config(config)
  config.model.norm_groups = 6
  check_config(config)


@pytest.mark.parametrize('name', ['st_gcn', 'res_gcn'])
def test_absent_persons_change_no_statistics(name):
  """The statistics are those of clips that each have one present person."""
  net, one_person = (
    make_network(name, norm_present=True),
    make_network(name, 1),
  )
  params, stats = make_weights(net)
  x = make_batch(4)['x']
  x[1, 1] = x[3, 0] = 0
  present = x.reshape(8, 1, 12, 17, 2)[[0, 1, 2, 4, 5, 7]]
  _, got = net.apply(params, stats, x, train=True)
  _, expected = one_person.apply(params, stats, present, train=True)
  for one, other in zip(*map(jax.tree.leaves, (got, expected)), strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-4)
  _, with_all = make_network(name).apply(params, stats, x, train=True)
  var = [s['input_bn']['var'] for s in (got, with_all)]
  assert not np.allclose(*var, rtol=1e-2)


def test_absent_persons_with_statistics_for_each_person():
  """UNIK's input has separate statistics of first and second persons."""
  net = make_network(norm_present=True)
  params, stats = make_weights(net)
  x = make_batch(4)['x']
  x[1:3, 1] = 0
  _, got = net.apply(params, stats, x, train=True)
  old = np.float64(stats['input_bn']['mean']).reshape(2, 17, 2)
  expected = 0.9 * old + 0.1 * np.stack(
    [np.float64(x[:, 0]).mean((0, 1)), np.float64(x[[0, 3], 1]).mean((0, 1))]
  )
  mean = got['input_bn']['mean'].reshape(2, 17, 2)
  np.testing.assert_allclose(mean, expected, rtol=1e-4)


@pytest.mark.parametrize('name', ['unik', 'st_gcn'])
def test_remat_stores_less_and_changes_no_value(name):
  batch, stored_sizes, outcomes = make_batch(8), [], []
  for remat in (False, True):
    net = make_network(name, remat=remat)
    params, stats = make_weights(net)

    def loss(params, net=net, stats=stats):
      logits, new = net.apply(params, stats, batch['x'], train=True)
      return jnp.square(logits).mean(), new

    # The arrays that the forward pass stores for the backward pass.
    _, backward, _ = jax.eval_shape(
      lambda p, f=loss: jax.vjp(f, p, has_aux=True), params
    )
    stored_sizes.append(sum(leaf.size for leaf in jax.tree.leaves(backward)))
    grad = jax.jit(jax.grad(loss, has_aux=True))
    outcomes.append(jax.tree.leaves(grad(params)))
  assert stored_sizes[1] < 0.4 * stored_sizes[0]
  for one, other in zip(*outcomes, strict=True):
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_accumulation_is_the_mean_step_of_the_parts():
  net, batch = make_network(), make_batch(6)
  optimizer = optim.make_optimizer('sgd', lambda _: 0.05, weight_decay=1e-3)
  initial = make_init_state(optimizer)(*make_weights(net))
  accumulating = jax.jit(make_train_step(net, optimizer, accumulate=3))
  new, metrics = accumulating(initial, batch)
  step = jax.jit(make_train_step(net, optimizer))
  stats, params_of_parts, losses = initial.batch_stats, [], []
  # Each part starts from the same weights and from the last statistics.
  for i in range(3):
    part = {k: v[i::3] for k, v in batch.items()}
    state = make_init_state(optimizer)(initial.params, stats)
    state, part_metrics = step(state, part)
    stats = state.batch_stats
    params_of_parts.append(state.params)
    losses.append(part_metrics['loss'])
  mean = jax.tree.map(lambda *a: np.mean(np.float64(a), 0), *params_of_parts)
  for got, expected in (
    (new.params, mean),
    (new.batch_stats, stats),
    (metrics['loss'], np.mean(losses)),
  ):
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
      got,
      expected,
    )


def test_learning_rate_in_proportion_to_the_batch():
  config = default_config()
  config.batch_size, config.optim.lr, config.optim.lr_clips = 256, 0.1, 64
  schedule, _ = optim.configure_optimizer(config, steps_per_epoch=10)
  assert float(schedule(0)) == pytest.approx(0.4)
  config.optim.lr_clips = 0
  schedule, _ = optim.configure_optimizer(config, steps_per_epoch=10)
  assert float(schedule(0)) == pytest.approx(0.1)


def test_runs_of_older_versions_resume():
  config = default_config()
  before = config.to_dict()
  del before['accumulate'], before['model']['norm_groups']
  check_same_experiment(config, before, 'config.json')
  config.accumulate = 2
  with pytest.raises(UserError, match='accumulate: 1 there, 2 here'):
    check_same_experiment(config, before, 'config.json')
