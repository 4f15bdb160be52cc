"""Schedules against values by hand, optimizers against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unik_jax.errors import UserError
from unik_jax.optim import make_optimizer, make_schedule


def compute_rates(name, steps, **options):
  schedule = make_schedule(name, base_lr=0.3, steps_per_epoch=10, **options)
  return [float(schedule(step)) for step in steps]


def test_step_schedule_with_warmup():
  options = dict(epochs=40, warmup_epochs=2, decay_epochs=(24, 34))
  steps = [0, 9, 10, 19, 20, 239, 240, 339, 340]
  assert compute_rates('step', steps, **options) == pytest.approx(
    [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.03, 0.03, 0.003]
  )


def test_cosine_schedule():
  steps = [0, 10, 60, 109, 110]
  got = compute_rates('cosine', steps, epochs=11, warmup_epochs=1)
  last = 0.15 * (1 + np.cos(np.pi * 0.99))
  assert got == pytest.approx([0.15, 0.3, 0.15, last, 0.0], abs=1e-7)


def optimize(optimizer, grads):
  """Returns the parameters after each gradient, (steps, 2)."""
  params, state, out = {'w': jnp.array([1.0, -2.0])}, None, []
  state = optimizer.init(params)
  for grad in grads:
    updates, state = optimizer.update({'w': jnp.array(grad)}, state, params)
    params = {'w': params['w'] + updates['w']}
    out.append(np.asarray(params['w']))
  return np.stack(out)


GRADS = np.random.default_rng(0).standard_normal((5, 2))


@pytest.mark.parametrize('nesterov', [True, False])
def test_sgd_has_the_momentum_of_pytorch(nesterov):
  optimizer = make_optimizer(
    'sgd', lambda step: 0.1 / (step + 1), nesterov=nesterov, weight_decay=0.01
  )
  w, buffer, expected = np.array([1.0, -2.0]), 0, []
  for step, grad in enumerate(GRADS):
    grad = grad + 0.01 * w
    buffer = 0.9 * buffer + grad
    w = w - 0.1 / (step + 1) * (grad + 0.9 * buffer if nesterov else buffer)
    expected.append(w)
  np.testing.assert_allclose(optimize(optimizer, GRADS), expected, rtol=1e-5)


def test_adamw():
  optimizer = make_optimizer('adamw', lambda _: 0.1, weight_decay=0.01)
  w, m, v, expected = np.array([1.0, -2.0]), 0, 0, []
  for step, grad in enumerate(GRADS, 1):
    m, v = 0.9 * m + 0.1 * grad, 0.999 * v + 0.001 * grad**2
    update = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    w = w - 0.1 * (update + 0.01 * w)
    expected.append(w)
  np.testing.assert_allclose(optimize(optimizer, GRADS), expected, rtol=1e-4)


def test_clipping():
  optimizer = make_optimizer(
    'sgd', lambda _: 1.0, momentum=0.0, nesterov=False, clip_norm=0.5
  )
  moved = optimize(optimizer, [[3.0, 4.0]])[0] - [1.0, -2.0]
  np.testing.assert_allclose(moved, [-0.3, -0.4], rtol=1e-6)


def test_unknown_names():
  with pytest.raises(UserError, match="optim.name.*'adam'"):
    make_optimizer('adam', lambda _: 0.1)
  with pytest.raises(UserError, match="optim.schedule.*'poly'"):
    make_schedule('poly', base_lr=1, steps_per_epoch=1, epochs=1)


def test_layer_wise_rates():
  """One step of each layer has the formula's share of the rate."""
  params = {
    'input_bn': {'scale': jnp.ones(2)},
    'blocks': {i: {'kernel': jnp.ones(2)} for i in range(3)},
    'head': {'bias': jnp.ones(2)},
  }
  grads = jax.tree.map(jnp.ones_like, params)
  optimizer = make_optimizer('sgd', lambda _: 0.1, layer_decay=0.5)
  updates, _ = optimizer.update(grads, optimizer.init(params), params)
  unscaled, _ = make_optimizer('sgd', lambda _: 0.1).update(
    grads, make_optimizer('sgd', lambda _: 0.1).init(params), params
  )
  shares = jax.tree.map(lambda a, b: float((a / b)[0]), updates, unscaled)
  assert shares == {
    'input_bn': {'scale': 0.5**4},
    'blocks': {0: {'kernel': 0.5**3}, 1: {'kernel': 0.25}, 2: {'kernel': 0.5}},
    'head': {'bias': 1},
  }
  # A linear probe updates the classifier only.
  head = {'head': params['head']}
  updates, _ = optimizer.update(head, optimizer.init(head), head)
  assert updates['head']['bias'].shape == (2,)
