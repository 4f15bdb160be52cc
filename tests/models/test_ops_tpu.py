"""TPU forms of features that are packed to 128 lanes, against the einsum form.

`test_ops.py` has both forms beside numpy, with channels too few to pack.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax.models import ops, ops_tpu
from unik_jax.models.network import Network

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def float64():
  with jax.enable_x64(True):
    yield


def draw(*shape):
  return RNG.standard_normal(shape)


def assert_same(operation, *arguments, **options):
  """Compares an operation's value and gradients in the two forms."""
  outcomes = []
  for form in (ops_tpu, ops):

    def function(*arguments, form=form):
      return getattr(form, operation)(*arguments, **options)

    def value_and_gradients(*arguments, function=function):
      y, pull = jax.vjp(function, *arguments)
      weights = jax.tree.map(
        lambda a: jnp.cos(jnp.arange(a.size)).reshape(a.shape), y
      )
      return y, pull(weights)

    outcomes.append(jax.tree.leaves(jax.jit(value_and_gradients)(*arguments)))
  for one, other in zip(*outcomes, strict=True):
    np.testing.assert_allclose(one, other, atol=1e-10 * np.abs(other).max())


# Packed 2 and 4 frames; an odd number of frames is not packed.
PACKED = pytest.mark.parametrize(
  'channels, frames', [(64, 6), (32, 8), (64, 5)]
)


@PACKED
@pytest.mark.parametrize('attention', [True, False])
def test_mix_and_embed(channels, frames, attention):
  mixing = draw(*(2,) * attention, 3, 5, 5)
  for width in (channels, 2 * channels):
    kernel, bias = draw(3, channels, width), draw(3, width)
    x = draw(2, 5, frames, channels)
    assert_same('mix_and_embed', x, mixing, kernel, bias)


@PACKED
def test_attention_scores(channels, frames):
  theta, phi = ((draw(3, channels, 4), draw(3, 4)) for _ in range(2))
  x = draw(2, 5, frames, channels)
  assert_same('attention_scores', x, theta, phi)


@PACKED
@pytest.mark.parametrize('taps', [2, 9])
def test_temporal_conv(channels, frames, taps):
  x, kernel = draw(2, 3, frames, channels), draw(taps, channels, channels)
  assert_same('temporal_conv', x, kernel)


@PACKED
def test_norms_and_relu(channels, frames):
  x, scale, bias = draw(2, 3, frames, channels), draw(channels), draw(channels)
  mean, var = draw(channels), draw(channels) ** 2
  assert_same('batch_norm', x, scale, bias, epsilon=1e-5)
  assert_same('normalize', x, mean, var, scale, bias, epsilon=1e-5)
  assert_same('relu', x)


@pytest.mark.slow
def test_a_network_has_the_same_logits_and_gradients():
  options = {'num_classes': 4, 'num_joints': 5, 'num_persons': 1}
  outcomes = []
  for form in ('tpu', 'einsum'):
    net = Network(
      'unik',
      **options,
      in_channels=2,
      widths=(64, 64, 128),
      strides=(1, 1, 2),
      implementation=form,
    )
    params, stats = random_values(net.shapes, dtype=np.float64)
    x = np.random.default_rng(1).standard_normal((3, 1, 8, 5, 2))

    def loss(params, net=net, stats=stats, x=x):
      logits, new = net.apply(params, stats, x, train=True)
      return (logits**2).sum(), (logits, new)

    grad = jax.jit(jax.grad(loss, has_aux=True))
    outcomes.append(jax.tree.leaves(grad(params)))
  for one, other in zip(*outcomes, strict=True):
    # The gradient by phi's bias is zero but for rounding: softmax cancels it.
    atol = 1e-9 * max(np.abs(other).max(), 1)
    np.testing.assert_allclose(one, other, atol=atol)


@pytest.mark.parametrize('mean', [0, 3, 1e4])
def test_float32_batch_norm_of_a_large_mean_is_finite(mean):
  """In one pass, rounding can make the variance of a constant negative."""
  x = np.full((4, 5, 6, 64), mean, np.float32) + np.float32(0.1)
  scale, bias = np.ones(64, np.float32), np.zeros(64, np.float32)
  (y, _, var), pull = jax.vjp(
    lambda x: ops_tpu.batch_norm(x, scale, bias, 1e-5), x
  )
  (dx,) = pull((jnp.ones_like(y), *2 * [jnp.zeros(64, np.float32)]))
  assert np.isfinite(y).all() and np.isfinite(dx).all() and (var >= 0).all()
