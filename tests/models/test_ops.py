"""The operations: einsum form against numpy loops, other forms against both.

Everything in float64, where the forms may differ in the last digits only.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from unik_jax.models import ops, ops_cpu, ops_tpu

FORMS = [ops, ops_cpu, ops_tpu]
OTHERS = [ops_cpu, ops_tpu]


@pytest.fixture(autouse=True)
def float64():
  with jax.enable_x64(True):
    yield


def draw(*shape, seed=0):
  return np.random.default_rng(seed).standard_normal(shape)


def value_and_gradients(function, args):
  """Returns a function's outputs, and their gradients by a random weighting."""
  y, pull = jax.vjp(function, *args)
  weights = jax.tree.map(
    lambda a: jnp.asarray(draw(*a.shape, seed=9), a.dtype), y
  )
  return y, pull(weights)


def assert_same(one, other, args, *, rtol=1e-10):
  got, expected = (value_and_gradients(f, args) for f in (one, other))
  assert jax.tree.structure(got) == jax.tree.structure(expected)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
    assert a.dtype == np.float64
    np.testing.assert_allclose(a, b, atol=rtol * max(np.abs(b).max(), 1e-6))


def assert_tangents_are_gradients(function, args):
  """Checks jax.jvp along a random direction against central differences."""
  direction = jax.tree.map(lambda a: draw(*a.shape, seed=5), args)
  _, tangent = jax.jvp(function, args, direction)
  step = 1e-6
  ahead, behind = (
    function(*jax.tree.map(lambda a, d, s=s: a + s * d, args, direction))
    for s in (step, -step)
  )
  difference = (np.asarray(ahead) - behind) / (2 * step)
  scale = np.abs(difference).max()
  np.testing.assert_allclose(tangent, difference, atol=1e-6 * scale)


# Clips, joints in (windows of 1, 2 and 3 frames of 3 joints), frames, channels.
SPATIAL = [
  pytest.param(heads, tau, attention, id=f'{heads} heads, tau {tau}, {word}')
  for heads in (1, 3)
  for tau in (1, 2, 3)
  for attention, word in ((True, 'attention'), (False, 'no attention'))
]


def spatial_arguments(heads, tau, attention):
  b, u, t, c, d = 2, 3 * tau, 4, 5, 6
  mixing = draw(*(b,) * attention, heads, u, u, seed=1)
  kernel, bias = draw(heads, c, d, seed=2), draw(heads, d, seed=3)
  return draw(b, u, t, c), mixing, kernel, bias


@pytest.mark.parametrize('heads, tau, attention', SPATIAL)
@pytest.mark.parametrize('form', FORMS)
def test_mix_and_embed_is_equation_2(form, heads, tau, attention):
  x, mixing, kernel, bias = spatial_arguments(heads, tau, attention)
  expected = np.zeros((*x.shape[:3], kernel.shape[-1]))
  for b in range(len(x)):
    for h in range(heads):
      matrix = mixing[b, h] if attention else mixing[h]
      mixed = np.tensordot(matrix.T, x[b], 1)  # (P, T, C)
      expected[b] += mixed @ kernel[h] + bias[h]
  got = form.mix_and_embed(x, mixing, kernel, bias)
  np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize('heads, tau, attention', SPATIAL)
def test_mix_and_embed_has_the_same_gradients(heads, tau, attention):
  arguments = spatial_arguments(heads, tau, attention)
  for form in OTHERS:
    assert_same(form.mix_and_embed, ops.mix_and_embed, arguments)
  assert_tangents_are_gradients(ops.mix_and_embed, arguments)


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('channels', [5, 64])
def test_mix_and_embed_into_fewer_joints(form, channels):
  """Matrices of UNIK++'s first unit have more rows than columns."""
  x, mixing = draw(2, 7, 4, channels), draw(3, 7, 4, seed=1)
  kernel, bias = draw(3, channels, 6, seed=2), draw(3, 6, seed=3)
  expected = sum(
    np.einsum('buti,up,id->bptd', x, m, k) + b
    for m, k, b in zip(mixing, kernel, bias, strict=True)
  )
  arguments = (x, mixing, kernel, bias)
  compiled = jax.jit(form.mix_and_embed)
  got = compiled(*arguments)
  np.testing.assert_allclose(got, expected, atol=1e-11)
  assert_same(compiled, ops.mix_and_embed, arguments)


def embedding(heads, c, e, seed):
  return draw(heads, c, e, seed=seed), draw(heads, e, seed=seed + 1)


@pytest.mark.parametrize('form', FORMS)
def test_attention_scores_are_equation_4(form):
  x, theta, phi = (
    draw(2, 5, 6, 4),
    embedding(3, 4, 2, seed=1),
    embedding(3, 4, 2, seed=3),
  )
  expected = np.zeros((2, 3, 5, 5))
  for b, h, u, p in np.ndindex(expected.shape):
    embedded = x[b, u] @ theta[0][h] + theta[1][h]
    other = x[b, p] @ phi[0][h] + phi[1][h]
    expected[b, h, u, p] = (embedded * other).sum()
  got = form.attention_scores(x, theta, phi)
  np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize('heads', [1, 3])
@pytest.mark.parametrize('joints', [1, 5])
def test_attention_scores_have_the_same_gradients(heads, joints):
  arguments = (
    draw(2, joints, 6, 4),
    embedding(heads, 4, 2, seed=1),
    embedding(heads, 4, 2, seed=3),
  )
  for form in OTHERS:
    assert_same(form.attention_scores, ops.attention_scores, arguments)
  assert_tangents_are_gradients(ops.attention_scores, arguments)


@pytest.mark.parametrize('frames', [1, 2, 9, 16])
@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize(
  'taps, dilation', [(1, 1), (2, 1), (3, 2), (8, 1), (9, 1)]
)
@pytest.mark.parametrize('form', FORMS)
def test_temporal_conv_is_equation_5(form, taps, dilation, stride, frames):
  x, kernel = draw(2, 3, frames, 4), draw(taps, 4, 5, seed=1)
  reach = (taps - 1) * dilation
  padded = np.pad(x, ((0, 0), (0, 0), (reach // 2, reach - reach // 2), (0, 0)))
  expected = np.stack(
    [
      sum(padded[:, :, t + k * dilation] @ kernel[k] for k in range(taps))
      for t in range(0, frames, stride)
    ],
    axis=2,
  )
  got = form.temporal_conv(x, kernel, stride=stride, dilation=dilation)
  np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize('frames', [1, 2, 9, 16])
@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize(
  'taps, dilation', [(1, 1), (2, 1), (3, 2), (8, 1), (9, 1)]
)
def test_temporal_conv_has_the_same_gradients(taps, dilation, stride, frames):
  arguments = (draw(2, 3, frames, 4), draw(taps, 4, 5, seed=1))

  def of(form):
    return lambda x, kernel: form.temporal_conv(
      x, kernel, stride=stride, dilation=dilation
    )

  for form in OTHERS:
    assert_same(of(form), of(ops), arguments)
  assert_tangents_are_gradients(of(ops), arguments)


@pytest.mark.parametrize('shape', [(7, 30, 5), (4, 3, 10, 5)])
@pytest.mark.parametrize('form', FORMS)
def test_batch_norm_against_numpy(form, shape):
  x, scale, bias = draw(*shape) + 4, draw(5, seed=1), draw(5, seed=2)
  y, mean, var = form.batch_norm(x, scale, bias, 1e-5)
  axes = tuple(range(x.ndim - 1))
  standard = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5)
  np.testing.assert_allclose(y, standard * scale + bias, atol=1e-12)
  np.testing.assert_allclose(mean, x.mean(axes), rtol=1e-12)
  np.testing.assert_allclose(var, x.var(axes), rtol=1e-12)


@pytest.mark.parametrize('form', FORMS)
def test_normalize_against_numpy(form):
  x = draw(4, 3, 10, 5)
  mean, scale, bias = (draw(5, seed=seed) for seed in (1, 2, 3))
  var = draw(5, seed=4) ** 2
  expected = (x - mean) / np.sqrt(var + 1e-5) * scale + bias
  got = form.normalize(x, mean, var, scale, bias, 1e-5)
  np.testing.assert_allclose(got, expected, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize('shape', [(7, 30, 5), (4, 3, 10, 5)])
def test_batch_norm_has_the_same_gradients(shape):
  arguments = draw(*shape) + 4, draw(5, seed=1), draw(5, seed=2)

  def of(form):
    return lambda x, scale, bias: form.batch_norm(x, scale, bias, 1e-5)[0]

  for form in OTHERS:
    assert_same(of(form), of(ops), arguments)
  assert_tangents_are_gradients(of(ops), arguments)


@pytest.mark.slow
@pytest.mark.parametrize('form', FORMS)
def test_batch_norm_keeps_the_digits_of_millimetres(form):
  """Holds in float32 at 3 m from the camera with a deviation of 20 mm."""
  x = 3000 + 20 * draw(64, 50, 4)
  scale, bias = np.ones(4), np.zeros(4)

  def norm(x, scale, bias):
    return form.batch_norm(x, scale, bias, 1e-5)[0]

  expected, (dx, d_scale, _) = value_and_gradients(norm, (x, scale, bias))
  single = [np.float32(a) for a in (x, scale, bias)]
  got, (dx32, d_scale32, _) = value_and_gradients(norm, single)
  # x itself is rounded to 3000 * 2^-24 mm, a part in 1e5 of the deviation.
  np.testing.assert_allclose(got, expected, atol=5e-5)
  np.testing.assert_allclose(dx32, dx, atol=1e-4 * np.abs(dx).max())
  np.testing.assert_allclose(
    d_scale32, d_scale, atol=1e-4 * x[..., 0].size ** 0.5
  )


@pytest.mark.parametrize('form', FORMS)
def test_relu(form):
  x = np.array([-2.0, 0.0, 3.0, np.inf, -np.inf])
  np.testing.assert_array_equal(form.relu(x), np.maximum(x, 0))
  assert np.isnan(form.relu(jnp.float64(np.nan)))
  gradient = jax.vmap(jax.grad(form.relu))(jnp.asarray(x))
  np.testing.assert_array_equal(gradient, [0, 0, 1, 1, 0])


@pytest.mark.parametrize('frames, stride', [(5, 1), (8, 1), (13, 2), (40, 2)])
def test_xla_does_not_swap_frames_and_taps_on_a_cpu(frames, stride):
  """XLA:CPU has no fast path where it takes frames for taps."""
  x = jnp.ones((4, 1, frames, 8), jnp.float32)
  kernel = jnp.ones((9, 8, 8), jnp.float32)

  def forward_and_backward(x, kernel):
    y, pull = jax.vjp(
      lambda x, kernel: ops_cpu.temporal_conv(x, kernel, stride=stride),
      x,
      kernel,
    )
    return y, pull(jnp.sin(y))

  program = jax.jit(forward_and_backward).lower(x, kernel).compile().as_text()
  labels = re.findall(r'convolution\(.*dim_labels=([^,\s]+)', program)
  assert labels == ['b0f_0io->b0f'] * 3
