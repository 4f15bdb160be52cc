"""UNIK's operations as batched einsums over all heads: the paper's equations.

Plain JAX throughout: differentiable in forward and reverse mode, on every
platform. `ops_cpu.py` has the same functions in forms that are fast on CPUs;
tests compare the two files in float64. `models/network.py` chooses the file.

Shape legend: B clips x persons, U and P joints of a spatial window (in and
out), T frames, V joints, C channels in, D channels out, R channels of an
attention embedding, H heads, K taps, F = ceil(T / stride) frames out.
"""

from typing import Any

import jax
import jax.numpy as jnp


def at_least_float32(dtype: Any) -> jnp.dtype:
  """Returns the dtype of softmax, statistics and loss: float32 or wider."""
  return jnp.promote_types(dtype, jnp.float32)


def mix_and_embed(
  x_butc: jax.Array,
  mixing: jax.Array,
  kernel_hcd: jax.Array,
  bias_hd: jax.Array,
) -> jax.Array:
  """Mixes the joints and embeds the channels of every head (Eq. 2).

    y = sum_h E_h(x (W_h + A_h))

  Args:
    x_butc: features (B, U, T, C).
    mixing: W_h + A_h: (B, H, U, P), or (H, U, P) without attention. Column p
      holds the weights with which the joints u make joint p.
    kernel_hcd: kernels of the embeddings E_h, (H, C, D).
    bias_hd: their biases, (H, D).

  Returns:
    (B, P, T, D).
  """
  batch = 'b' * (mixing.ndim == 4)
  mixed_bhptc = jnp.einsum(f'{batch}hup,butc->bhptc', mixing, x_butc)
  y_bptd = jnp.einsum('bhptc,hcd->bptd', mixed_bhptc, kernel_hcd)
  return y_bptd + bias_hd.sum(0)


def attention_scores(
  x_butc: jax.Array,
  theta: tuple[jax.Array, jax.Array],
  phi: tuple[jax.Array, jax.Array],
) -> jax.Array:
  """Returns the attention scores of every head, before softmax (Eq. 4).

    S_h = theta_h(x)^T phi_h(x), summed over frames and channels

  Args:
    x_butc: features (B, U, T, C).
    theta: kernels (H, C, R) and biases (H, R) of the first embedding.
    phi: the same of the second.

  Returns:
    (B, H, U, P), in float32 or wider.
  """

  def embed(kernel_hcr, bias_hr):
    y_bhutr = jnp.einsum('butc,hcr->bhutr', x_butc, kernel_hcr)
    return y_bhutr + bias_hr[:, None, None]

  return jnp.einsum(
    'bhutr,bhptr->bhup',
    embed(*theta),
    embed(*phi),
    preferred_element_type=at_least_float32(x_butc.dtype),
  )


def temporal_conv(
  x_bvtc: jax.Array,
  kernel_kcd: jax.Array,
  *,
  stride: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """Convolves each joint over time, zero-padded to F frames (Eq. 5).

  PyTorch's symmetric padding cannot keep the number of frames with an even
  kernel. Here it is kept: the extra zero goes at the end.

  Args:
    x_bvtc: features (B, V, T, C).
    kernel_kcd: (K, C, D), of the same dtype.
    stride: step between output frames.
    dilation: distance between taps, in frames.

  Returns:
    (B, V, F, D).
  """
  b, v, t, c = x_bvtc.shape
  reach = (len(kernel_kcd) - 1) * dilation
  y = jax.lax.conv_general_dilated(
    x_bvtc.reshape(b * v, t, c),
    kernel_kcd,
    window_strides=(stride,),
    padding=((reach // 2, reach - reach // 2),),
    rhs_dilation=(dilation,),
    dimension_numbers=('NWC', 'WIO', 'NWC'),
  )
  return y.reshape(b, v, *y.shape[1:])


def normalize(
  x: jax.Array,
  mean: jax.Array,
  var: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  epsilon: float,
) -> jax.Array:
  """Returns (x - mean) / sqrt(var + epsilon) * scale + bias.

  x is centred before it is scaled: x * factor - mean * factor would lose the
  digits of values far from zero, such as coordinates in millimetres.

  Args:
    x: (..., C), in float32 or wider.
    mean: (C,), or of a shape that broadcasts to x.
    var: variance, of the shape of `mean`.
    scale: (C,).
    bias: (C,).
    epsilon: added to the variance.
  """
  return (x - mean) * (scale * jax.lax.rsqrt(var + epsilon)) + bias


def batch_norm(
  x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """Normalizes x by its own statistics, over all axes but the last.

  Args:
    x: (..., C), in float32 or wider.
    scale: (C,).
    bias: (C,).
    epsilon: added to the variance.

  Returns:
    y, and the mean and biased variance (C,). Gradients do not flow through
    mean and variance (`stop_gradient`), only through y.
  """
  axes = tuple(range(x.ndim - 1))
  mean, var = jnp.mean(x, axes), jnp.var(x, axes)
  y = normalize(x, mean, var, scale, bias, epsilon)
  return y, jax.lax.stop_gradient(mean), jax.lax.stop_gradient(var)


def relu(x: jax.Array) -> jax.Array:
  """Returns max(x, 0), of any shape; NaN stays NaN."""
  return jax.nn.relu(x)
