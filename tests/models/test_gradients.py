"""Gradients that are written out, against those of plain float64 formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unik_jax.models import attention, convolution, layers


def assert_same(ours, plain, args, *, rtol=1e-4):
  """Values and gradients of both, by a random weighting of the result.

  Args:
    ours: float32 arrays to an array.
    plain: the same, of which JAX derives the gradient in float64.
    args: a tuple of pytrees of float64 arrays.
    rtol: of the largest value of each array.
  """

  def run(function, args):
    y, pull = jax.vjp(function, *args)
    weights = np.random.default_rng(9).standard_normal(y.shape)
    return y, pull(weights.astype(y.dtype))

  got = run(ours, jax.tree.map(np.float32, args))
  with jax.enable_x64(True):
    expected = jax.tree.map(np.asarray, run(plain, args))
  assert jax.tree.structure(got) == jax.tree.structure(expected)
  for one, other in zip(
    jax.tree.leaves(got), jax.tree.leaves(expected), strict=True
  ):
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, other, atol=rtol * np.abs(other).max())


@pytest.mark.parametrize('frames', [2, 9, 16])
@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('taps', [1, 2, 3, 8, 9])
def test_convolution(taps, stride, frames):
  rng = np.random.default_rng(0)
  x = rng.standard_normal((3, frames, 4))
  kernel = rng.standard_normal((taps, 4, 5))

  def plain(x, kernel):
    before = (taps - 1) // 2
    padded = jnp.pad(x, ((0, 0), (before, taps - 1 - before), (0, 0)))
    windows = [
      jnp.einsum('nkc,kcd->nd', padded[:, t : t + taps], kernel)
      for t in range(0, frames, stride)
    ]
    return jnp.stack(windows, 1)

  def ours(x, kernel):
    return convolution.over_time(x, kernel, stride=stride)

  assert_same(ours, plain, (x, kernel))


def test_scores():
  rng = np.random.default_rng(0)
  x = rng.standard_normal((2, 5, 6, 4))  # (B, V, T, C)
  theta, phi = (
    (rng.standard_normal((3, 4, 2)), rng.standard_normal((3, 2)))
    for _ in range(2)
  )

  def plain(x, theta, phi):
    one, other = (
      jnp.einsum('bvtc,hce->bhvte', x, kernel) + bias[None, :, None, None]
      for kernel, bias in (theta, phi)
    )
    return jnp.einsum('bhute,bhpte->bhup', one, other)

  assert_same(attention.scores, plain, (x, theta, phi))


@pytest.mark.parametrize('mean', [0, 4])
def test_batch_norm(mean):
  """Also of values far from zero, as are coordinates in metres."""
  rng = np.random.default_rng(0)
  x = rng.normal(mean, 0.3, (7, 30, 5))
  scale, bias = rng.standard_normal((2, 5))

  def plain(x, scale, bias):
    standard = (x - x.mean((0, 1))) / jnp.sqrt(x.var((0, 1)) + 1e-5)
    return standard * scale + bias

  def ours(x, scale, bias):
    return layers._standardize(x, scale, bias, 1e-5)[0]

  assert_same(ours, plain, (x, scale, bias))


def test_relu():
  x = np.array([-2.0, 0.0, 3.0, np.inf, -np.inf])
  assert_same(layers.relu, jax.nn.relu, (x[:3],))
  np.testing.assert_array_equal(layers.relu(x), np.maximum(x, 0))
  assert np.isnan(layers.relu(np.nan))
