"""Convolution over time, in the forms that XLA is fast at on a CPU.

Shape legend: N clips, persons and joints, T frames, C channels in, D channels
out, K taps, S stride, F = ceil(T / S) frames out.
"""

import functools

import jax
import jax.numpy as jnp


def over_time(
  x_ntc: jax.Array, kernel: jax.Array, *, stride: int = 1, dilation: int = 1
) -> jax.Array:
  """Cross-correlation along T, padded by zeros on both sides to F frames.

  An even kernel, which PyTorch's symmetric padding cannot serve, gets its odd
  pad at the end.

  Args:
    x_ntc: (N, T, C).
    kernel: (K, C, D), of the same dtype.
    stride: S.
    dilation: distance between taps, in frames.

  Returns:
    (N, F, D).
  """
  t, taps = x_ntc.shape[1], len(kernel)
  frames, reach = -(-t // stride), (taps - 1) * dilation
  if x_ntc.dtype == jnp.float64:
    # XLA's CPU convolution has no fast path for it; a product per tap has.
    x_ntc = _pad_frames(x_ntc, reach // 2, reach)
    last = (frames - 1) * stride + 1
    starts = range(0, reach + 1, dilation)
    shifted = (x_ntc[:, i : i + last : stride] for i in starts)
    return sum(map(jnp.matmul, shifted, kernel))
  # XLA's CPU convolution is some fifty times slower, forwards and back, on
  # fewer frames than taps; zeros at the end change nothing else. The barriers
  # keep it from undoing that, there and in the gradient.
  if few := frames < taps:
    x_ntc = _pad_frames(x_ntc, 0, (taps - 1) * stride + 1 - t)
    x_ntc = jax.lax.optimization_barrier(x_ntc)
  if stride > 1 and dilation == 1:
    y = _strided(x_ntc, kernel, stride)
  else:
    y = _convolve(x_ntc, kernel, stride, dilation)
  return jax.lax.optimization_barrier(y)[:, :frames] if few else y


def _convolve(x_ntc, kernel, stride, dilation=1):
  reach = (len(kernel) - 1) * dilation
  return jax.lax.conv_general_dilated(
    x_ntc,
    kernel,
    window_strides=(stride,),
    padding=((reach // 2, reach - reach // 2),),
    rhs_dilation=(dilation,),
    dimension_numbers=('NWC', 'WIO', 'NWC'),
  )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _strided(x_ntc, kernel, stride):
  """`_convolve`, with the input's gradient as that of `_in_phases`.

  The one that JAX derives convolves with S - 1 zeros between frames, which on
  a CPU takes 2.5 to 4 times as long as the forward pass.
  """
  return _convolve(x_ntc, kernel, stride)


def _strided_forward(x_ntc, kernel, stride):
  return _convolve(x_ntc, kernel, stride), (x_ntc, kernel)


def _strided_backward(stride, kept, dy):
  x_ntc, kernel = kept
  (dx,) = jax.linear_transpose(lambda x: _in_phases(x, kernel, stride), x_ntc)(
    dy
  )
  (d_kernel,) = jax.linear_transpose(
    lambda k: _convolve(x_ntc, k, stride), kernel
  )(dy)
  return dx, d_kernel


_strided.defvjp(_strided_forward, _strided_backward)


def _in_phases(x_ntc, kernel, stride):
  """`_convolve` by S frames at a time, as one frame of S C channels."""
  (n, t, c), (taps, _, d) = x_ntc.shape, kernel.shape
  frames, before = -(-t // stride), (taps - 1) // 2
  back = -(-before // stride)  # of those frames, before the first tap
  kernel = _pad_taps(kernel, back * stride - before, 0)
  kernel = _pad_taps(kernel, 0, -len(kernel) % stride)
  kernel = kernel.reshape(-1, stride * c, d)
  x_ntc = _pad_frames(x_ntc, 0, frames * stride - t)
  return jax.lax.conv_general_dilated(
    x_ntc.reshape(n, frames, stride * c),
    kernel,
    window_strides=(1,),
    padding=((back, len(kernel) - 1 - back),),
    dimension_numbers=('NWC', 'WIO', 'NWC'),
  )


def _pad_frames(x_ntc, before, after):
  return jnp.pad(x_ntc, ((0, 0), (before, after), (0, 0)))


def _pad_taps(kernel, before, after):
  return jnp.pad(kernel, ((before, after), (0, 0), (0, 0)))
