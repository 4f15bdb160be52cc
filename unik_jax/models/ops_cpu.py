"""The operations of `ops` in the forms that XLA's CPU compiler is fast at.

Signatures and values are those of `ops`; gradients that JAX would derive
slowly are written out, for reverse mode only. docs/performance.md has what each
form gains.

Shape legend: as in `ops`, and N = B * V rows of a 1-D convolution, S stride.
"""

import functools

import jax
import jax.numpy as jnp

from unik_jax.models import ops
from unik_jax.models.ops import at_least_float32


def mix_and_embed(
  x_butc: jax.Array,
  mixing: jax.Array,
  kernel_hcd: jax.Array,
  bias_hd: jax.Array,
) -> jax.Array:
  """`ops.mix_and_embed`, one head after the other.

  Heads taken together have to be transposed next to their channels, which
  costs a CPU more than the larger products gain.
  """
  b, u, t, c = x_butc.shape
  p, d = mixing.shape[-1], kernel_hcd.shape[-1]
  clips = 'b' * (mixing.ndim == 4)
  x_buk = x_butc.reshape(b, u, t * c)
  # The sum starts from the bias so that XLA stores it as an array. A sum of
  # products only would be computed again in each operation of the batch norm.
  y = bias_hd.sum(0)
  for h, kernel_cd in enumerate(kernel_hcd):
    mixed_bpk = jnp.einsum(f'{clips}up,buk->bpk', mixing[..., h, :, :], x_buk)
    y += (mixed_bpk.reshape(-1, c) @ kernel_cd).reshape(-1, t, d)
  return y.reshape(b, p, t, d)


@jax.custom_vjp
def attention_scores(
  x_butc: jax.Array,
  theta: tuple[jax.Array, jax.Array],
  phi: tuple[jax.Array, jax.Array],
) -> jax.Array:
  """`ops.attention_scores`, with a gradient of two products for all heads.

  The gradient that JAX derives splits and joins the embeddings head by head,
  each time in a new array.
  """
  return _scores_forward(x_butc, theta, phi)[0]


def _scores_forward(x_butc, theta, phi):
  b, u, _, c = x_butc.shape
  x_nc = x_butc.reshape(-1, c)

  def embed(kernel_ce, bias_e):
    return (x_nc @ kernel_ce + bias_e).reshape(b, u, -1)

  thetas, phis = (
    [embed(*head) for head in zip(*unit, strict=True)] for unit in (theta, phi)
  )
  dtype = at_least_float32(x_butc.dtype)
  scores = [
    jnp.einsum('buk,bpk->bup', *head, preferred_element_type=dtype)
    for head in zip(thetas, phis, strict=True)
  ]
  return jnp.stack(scores, 1), (x_butc, theta, phi, thetas, phis)


def _scores_backward(residuals, d_scores):
  x_butc, theta, phi, thetas, phis = residuals
  x_nc = x_butc.reshape(-1, x_butc.shape[-1])
  heads, c, e = theta[0].shape
  d_heads = d_scores.astype(x_butc.dtype).swapaxes(0, 1)
  d_thetas = [
    jnp.einsum('bup,bpk->buk', *head)
    for head in zip(d_heads, phis, strict=True)
  ]
  d_phis = [
    jnp.einsum('bup,buk->bpk', *head)
    for head in zip(d_heads, thetas, strict=True)
  ]
  # All embeddings side by side: one product each for x and for the kernels.
  d_all = jnp.concatenate([d.reshape(-1, e) for d in d_thetas + d_phis], 1)
  kernel = jnp.concatenate([*theta[0], *phi[0]], 1)
  d_x = (d_all @ kernel.T).reshape(x_butc.shape)
  d_kernel = (x_nc.T @ d_all).reshape(c, 2, heads, e).transpose(1, 2, 0, 3)
  d_bias = d_all.sum(0).reshape(2, heads, e)
  return d_x, (d_kernel[0], d_bias[0]), (d_kernel[1], d_bias[1])


attention_scores.defvjp(_scores_forward, _scores_backward)


def temporal_conv(
  x_bvtc: jax.Array,
  kernel_kcd: jax.Array,
  *,
  stride: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """`ops.temporal_conv`, kept on XLA's fast path forwards and backwards."""
  b, v, t, c = x_bvtc.shape
  taps = len(kernel_kcd)
  frames = -(-t // stride)
  x_ntc = x_bvtc.reshape(b * v, t, c)
  # With fewer frames than taps XLA swaps the two and leaves its fast path:
  # some fifty times slower. Zeros at the end change no other frame; the
  # barriers keep XLA from removing them, in the gradient too.
  if is_short := frames < taps:
    x_ntc = _pad_frames(x_ntc, 0, (taps - 1) * stride + 1 - t)
    x_ntc = jax.lax.optimization_barrier(x_ntc)
  if stride > 1 and dilation == 1:
    y = _strided_conv(x_ntc, kernel_kcd, stride)
  else:
    y = _conv(x_ntc, kernel_kcd, stride, dilation)
  if is_short:
    y = jax.lax.optimization_barrier(y)[:, :frames]
  return y.reshape(b, v, *y.shape[1:])


def _conv(x_ntc, kernel_kcd, stride, dilation=1):
  reach = (len(kernel_kcd) - 1) * dilation
  return jax.lax.conv_general_dilated(
    x_ntc,
    kernel_kcd,
    window_strides=(stride,),
    padding=((reach // 2, reach - reach // 2),),
    rhs_dilation=(dilation,),
    dimension_numbers=('NWC', 'WIO', 'NWC'),
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _strided_conv(x_ntc, kernel_kcd, stride):
  """`_conv`, with the input's gradient taken from `_conv_in_phases`.

  The gradient that JAX derives convolves with S - 1 zeros between frames:
  2.5 to 4 times as long as the forward pass.
  """
  return _conv(x_ntc, kernel_kcd, stride)


def _strided_forward(x_ntc, kernel_kcd, stride):
  return _conv(x_ntc, kernel_kcd, stride), (x_ntc, kernel_kcd)


def _strided_backward(stride, residuals, dy):
  x_ntc, kernel_kcd = residuals
  (dx,) = jax.linear_transpose(
    lambda x: _conv_in_phases(x, kernel_kcd, stride), x_ntc
  )(dy)
  (d_kernel,) = jax.linear_transpose(
    lambda k: _conv(x_ntc, k, stride), kernel_kcd
  )(dy)
  return dx, d_kernel


_strided_conv.defvjp(_strided_forward, _strided_backward)


def _conv_in_phases(x_ntc, kernel_kcd, stride):
  """`_conv` without a stride, over groups of S frames as S * C channels."""
  (n, t, c), (taps, _, d) = x_ntc.shape, kernel_kcd.shape
  frames, before = -(-t // stride), (taps - 1) // 2
  groups_before = -(-before // stride)
  kernel = _pad_taps(kernel_kcd, groups_before * stride - before, 0)
  kernel = _pad_taps(kernel, 0, -len(kernel) % stride)
  kernel = kernel.reshape(-1, stride * c, d)
  x_ntc = _pad_frames(x_ntc, 0, frames * stride - t)
  return jax.lax.conv_general_dilated(
    x_ntc.reshape(n, frames, stride * c),
    kernel,
    window_strides=(1,),
    padding=((groups_before, len(kernel) - 1 - groups_before),),
    dimension_numbers=('NWC', 'WIO', 'NWC'),
  )


def _pad_frames(x_ntc, before, after):
  return jnp.pad(x_ntc, ((0, 0), (before, after), (0, 0)))


def _pad_taps(kernel_kcd, before, after):
  return jnp.pad(kernel_kcd, ((before, after), (0, 0), (0, 0)))


def normalize(
  x: jax.Array,
  mean: jax.Array,
  var: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  epsilon: float,
) -> jax.Array:
  """`ops.normalize`, with joints folded into the batch."""
  y = ops.normalize(_fold(x), mean, var, scale, bias, epsilon)
  return y.reshape(x.shape)


def batch_norm(
  x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """`ops.batch_norm`, with a gradient that stores and computes less."""
  y, mean, var = _batch_norm(_fold(x), scale, bias, epsilon)
  return y.reshape(x.shape), mean, var


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x, scale, bias, epsilon):
  return _norm_forward(x, scale, bias, epsilon)[0]


def _norm_forward(x, scale, bias, epsilon):
  axes = tuple(range(x.ndim - 1))
  mean, var = jnp.mean(x, axes), jnp.var(x, axes)
  inverse = jax.lax.rsqrt(var + epsilon)
  y = ops.normalize(x, mean, var, scale, bias, epsilon)
  return (y, mean, var), (x, scale, mean, inverse)


def _norm_backward(epsilon, residuals, gradients):
  del epsilon
  (x, scale, mean, inverse), (dy, *_) = residuals, gradients
  axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
  factor, d_bias = scale * inverse, dy.sum(axes)
  # A term of x alone would be hoisted into the forward pass and stored, so
  # every large term depends on dy. The result is a sum of two large arrays,
  # which XLA stores instead of computing it again wherever it is transposed.
  d_centered = dy - d_bias / n
  d_scale = (d_centered * (x - mean)).sum(axes) * inverse
  slope = factor * inverse * d_scale / n
  dx = factor * d_centered - slope * (x - mean)
  return dx, d_scale, d_bias


_batch_norm.defvjp(_norm_forward, _norm_backward)


def relu(x: jax.Array) -> jax.Array:
  """`ops.relu`: `where` with a VJP computed from the output.

  XLA:CPU stores this result. It would compute `jax.nn.relu`, and everything
  fused into it, again wherever the result is transposed.
  """
  return _relu(_fold(x)).reshape(x.shape)


@jax.custom_vjp
def _relu(x):
  return jnp.where(x <= 0, 0, x)


def _relu_forward(x):
  y = _relu(x)
  return y, y


def _relu_backward(y, dy):
  return (jnp.where(y > 0, dy, 0),)


_relu.defvjp(_relu_forward, _relu_backward)


def _fold(x):
  """Returns (B, V, T, C) as (B * V, T, C); other ranks as they are."""
  return x.reshape(-1, *x.shape[2:]) if x.ndim == 4 else x
