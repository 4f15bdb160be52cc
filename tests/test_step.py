"""One training step, compared to NumPy."""

import jax
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax import optim
from unik_jax.models.network import Network
from unik_jax.step import TrainState, draw_mixing, make_train_step

pytestmark = pytest.mark.slow


def small_network():
  return Network(
    'unik',
    num_classes=5,
    num_joints=6,
    num_persons=2,
    in_channels=3,
    widths=(4, 8),
    strides=(1, 2),
  )


def test_label_smoothing_and_averaged_weights():
  net = small_network()
  optimizer = optim.make_optimizer('adamw', lambda _: 0.05, weight_decay=0.1)
  params, stats = random_values(net.shapes, dtype=np.float32)
  rng = np.random.default_rng(0)
  state = TrainState(0, params, stats, optimizer.init(params), (params, stats))
  batch = {
    'x': rng.standard_normal((4, 2, 12, 6, 3)).astype(np.float32),
    'label': np.array([0, 1, 2, 2]),
  }
  step = jax.jit(make_train_step(net, optimizer, label_smoothing=0.2, ema=0.75))
  new, metrics = step(state, batch)
  logits, _ = net.apply(params, stats, batch['x'], train=True)
  logits = np.float64(logits)
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  target = np.full((4, 5), 0.2 / 5)
  target[np.arange(4), batch['label']] += 0.8
  assert float(metrics['loss']) == pytest.approx(
    -(target * log_p).sum(-1).mean(), rel=1e-5
  )
  for old, new_value, average in zip(
    *map(jax.tree.leaves, ((params, stats), (new.params, new.batch_stats))),
    jax.tree.leaves(new.ema),
    strict=True,
  ):
    np.testing.assert_allclose(
      average, 0.75 * old + 0.25 * new_value, rtol=1e-5
    )


def test_mixup_mixes_clips_and_labels_alike():
  weights = []
  for seed in range(20):
    mix = draw_mixing(jax.random.key(seed), 6, 0.4)
    rows = np.eye(6, dtype=np.float32)
    mixed = np.asarray(mix(rows))
    own = np.diag(mixed)
    previous = mixed[np.arange(6), np.arange(6) - 1]
    np.testing.assert_allclose(own + previous, 1, rtol=1e-6)
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
    assert (own >= 0.5).all()
    x = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
    expected = own[:, None, None] * x + previous[:, None, None] * np.roll(
      x, 1, 0
    )
    np.testing.assert_allclose(mix(x), expected, rtol=1e-5)
    weights.append(own)
  assert np.std(weights) > 0.1


def test_the_loss_of_mixed_clips():
  net = small_network()
  optimizer = optim.make_optimizer('sgd', lambda _: 0.0, weight_decay=0.0)
  params, stats = random_values(net.shapes, dtype=np.float32)
  state = TrainState(0, params, stats, optimizer.init(params), None)
  x = np.random.default_rng(0).standard_normal((4, 2, 12, 6, 3))
  batch = {'x': x.astype(np.float32), 'label': np.array([0, 1, 2, 2])}
  options = {'mixup': 0.5, 'seed': 3}
  _, metrics = jax.jit(make_train_step(net, optimizer, **options))(state, batch)
  _, again = jax.jit(make_train_step(net, optimizer, **options))(state, batch)
  assert float(metrics['loss']) == float(again['loss'])
  key = jax.random.fold_in(jax.random.key(3), 0)
  mix = draw_mixing(jax.random.fold_in(key, 2**31 - 1), 4, 0.5)
  logits, _ = net.apply(params, stats, mix(batch['x']), train=True)
  logits = np.float64(logits)
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  targets = np.asarray(mix(np.eye(5, dtype=np.float32)[batch['label']]))
  assert float(metrics['loss']) == pytest.approx(
    -(targets * log_p).sum(-1).mean(), rel=1e-5
  )
