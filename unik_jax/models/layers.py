"""Layers that the skeleton models share, with PyTorch's initial values.

Shape legend: B batch (clips x persons), V joints, T frames, C channels in,
D channels out, K kernel taps. Activations are `x_bvtc`: with the joints next
to the batch, folding them into it for the temporal convolution is a reshape.

`dtype` is the dtype of the computation; None computes in the dtype of the
inputs. Parameters and batch statistics keep their own.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import convolution, initializers


def at_least_float32(dtype: Any) -> jnp.dtype:
  """The dtype for softmax, statistics and loss: float32, or wider."""
  return jnp.promote_types(dtype, jnp.float32)


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
  """max(x, 0), of any shape; NaN stays NaN.

  As a choice, and with its gradient from its own result, it is an array that
  XLA's CPU compiler keeps; `jax.nn.relu` it computes again, with all that came
  before it, wherever the result is transposed.
  """
  return jnp.where(x <= 0, 0, x)


def _relu_forward(x):
  y = relu(x)
  return y, y


def _relu_backward(y, dy):
  return (jnp.where(y > 0, dy, 0),)


relu.defvjp(_relu_forward, _relu_backward)


class Dense(nnx.Module):
  """x W + b over the last axis: a 1 x 1 convolution.

  Args:
    in_features: C.
    out_features: D.
    kernel_init: of the (C, D) kernel; default the fan-out normal.
    bias_init: of the (D,) bias.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    kernel_init=None,
    bias_init=initializers.zeros,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    kernel_init = kernel_init or initializers.fan_out_normal(out_features)
    self.kernel = nnx.Param(
      kernel_init(rngs.params(), (in_features, out_features))
    )
    self.bias = nnx.Param(bias_init(rngs.params(), (out_features,)))
    self.dtype = dtype

  def __call__(self, x: jax.Array) -> jax.Array:
    x, kernel, bias = nnx.nn.dtypes.promote_dtype(
      (x, self.kernel[...], self.bias[...]), dtype=self.dtype
    )
    return x @ kernel + bias


class TemporalConv(nnx.Module):
  """A (K x 1) convolution over time of x_bvtc: T frames to ceil(T / stride).

  It runs as a 1-D convolution with the joints folded into the batch, which
  on the CPU is about twice as fast as the 2-D form.

  Args:
    in_features: C.
    out_features: D.
    kernel_size: K.
    stride: of the frames.
    dilation: distance between taps, in frames.
    kernel_init: of the (K, C, D) kernel; default the fan-out normal.
    bias_init: of the (D,) bias; default zeros.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    kernel_init=None,
    bias_init=None,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    init = kernel_init or initializers.fan_out_normal(
      out_features * kernel_size
    )
    self.kernel = nnx.Param(
      init(rngs.params(), (kernel_size, in_features, out_features))
    )
    self.bias = nnx.Param(
      bias_init(rngs.params(), (out_features,))
      if bias_init
      else initializers.filled(0, out_features)
    )
    self.stride, self.dilation, self.dtype = stride, dilation, dtype

  def __call__(self, x_bvtc: jax.Array) -> jax.Array:
    x, kernel, bias = nnx.nn.dtypes.promote_dtype(
      (x_bvtc, self.kernel[...], self.bias[...]), dtype=self.dtype
    )
    b, v, t, c = x.shape
    y = convolution.over_time(
      x.reshape(b * v, t, c),
      kernel,
      stride=self.stride,
      dilation=self.dilation,
    )
    return y.reshape(b, v, *y.shape[1:]) + bias


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _standardize(x, scale, bias, epsilon):
  """Batch norm by x's own statistics: (y, mean, variance) of the last axis.

  The gradient is written out, as less of it is kept and computed than of the
  one that JAX derives. None flows through mean and variance as results.
  """
  return _standardize_forward(x, scale, bias, epsilon)[0]


def _standardize_forward(x, scale, bias, epsilon):
  axes = tuple(range(x.ndim - 1))
  mean, var = jnp.mean(x, axes), jnp.var(x, axes)
  inverse = jax.lax.rsqrt(var + epsilon)
  factor = scale * inverse
  y = x * factor + (bias - mean * factor)
  return (y, mean, var), (x, scale, mean, inverse)


def _standardize_backward(epsilon, kept, gradients):
  del epsilon
  (x, scale, mean, inverse), (dy, *_) = kept, gradients
  axes, n = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
  factor, d_bias = scale * inverse, dy.sum(axes)
  # All large arrays depend on dy: one of x alone would be computed in the
  # forward pass, and kept. Its last sum is of two arrays, so that it is kept.
  centred = dy - d_bias / n
  d_scale = (centred * x).sum(axes) * inverse
  slope = factor * inverse * d_scale / n
  dx = factor * centred + (slope * mean - slope * x)
  return dx, d_scale, d_bias


_standardize.defvjp(_standardize_forward, _standardize_backward)


class BatchNorm(nnx.Module):
  """Batch norm over all axes but the last, as PyTorch computes it.

  The running variance is the unbiased one, unlike `nnx.BatchNorm`'s. Under
  jit over a mesh the statistics are those of the global batch.

  Attributes:
    groups: parts of the batch, one after the other, that have statistics of
      their own; the running ones are the means of theirs.
    where: what the statistics are of: (R, 1, C or 1) booleans for R equal
      parts of the input, one after the other; None for all of it.

  Args:
    features: C.
    scale: initial value of the scale.
    momentum: weight of the old running statistics.
    epsilon: added to the variance.
    dtype: of the result; the statistics are at least float32.
  """

  def __init__(
    self,
    features: int,
    *,
    scale: float = 1.0,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    dtype=None,
  ):
    self.scale = nnx.Param(initializers.filled(scale, features))
    self.bias = nnx.Param(initializers.filled(0, features))
    self.mean = nnx.BatchStat(initializers.filled(0, features))
    self.var = nnx.BatchStat(initializers.filled(1, features))
    self.momentum, self.epsilon, self.dtype = momentum, epsilon, dtype
    self.groups, self.where = 1, nnx.data(None)

  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    out_dtype, shape = self.dtype or x.dtype, x.shape
    x = x.astype(at_least_float32(x.dtype))
    if train and self.groups == 1 and self.where is None:
      y, mean, var = _standardize(
        x, self.scale[...], self.bias[...], self.epsilon
      )
      n = x.size // x.shape[-1]
      self._follow(mean, var, n)
      return y.astype(out_dtype)
    if train:
      x, mean, var, n = self._moments(x)
      self._follow(mean, var, n)
    else:
      mean, var = self.mean[...], self.var[...]
    factor = self.scale[...] * jax.lax.rsqrt(var + self.epsilon)
    y = (x - mean) * factor + self.bias[...]
    return y.reshape(shape).astype(out_dtype)

  def _follow(self, mean, var, n):
    """Moves the running statistics to those of n values."""
    for running, new in (
      (self.mean, mean),
      (self.var, var * (n / jnp.maximum(n - 1, 1))),
    ):
      new = new.reshape(self.groups, -1).mean(0)
      # Not running[...] = ..., which would write into a caller's own arrays.
      running.set_value(
        (self.momentum * running[...] + (1 - self.momentum) * new).astype(
          running.dtype
        )
      )

  def _moments(self, x):
    """The input by groups, and their mean, variance and number of values."""
    groups = self.groups
    if len(x) % groups:
      raise UserError(
        f'model.norm_groups is {groups}, which does not divide {len(x)}: use a'
        ' divisor of batch_size / accumulate'
      )
    where = self.where
    if where is not None:
      x = x.reshape(len(where), -1, x.shape[-1])
      where = jnp.broadcast_to(where, x.shape)
      where = where.reshape(groups, -1, *x.shape[1:])
    x = x.reshape(groups, -1, *x.shape[1:])
    axes = tuple(range(1, x.ndim - 1))
    if where is None:
      n = x.size // groups // x.shape[-1]
      mean = jnp.mean(x, axes, keepdims=True)
      return x, mean, jnp.var(x, axes, keepdims=True), n
    n = jnp.maximum(where.sum(axes, keepdims=True), 1)
    mean = jnp.sum(x, axes, where=where, keepdims=True) / n
    square = jnp.square(x - mean)
    var = jnp.sum(square, axes, where=where, keepdims=True) / n
    return x, mean, var, n


def scattered_norm(features: int, *, dtype=None, rngs: nnx.Rngs) -> BatchNorm:
  """Batch norm whose scale starts about 1, with a deviation of 0.02."""
  norm = BatchNorm(features, dtype=dtype)
  norm.scale.set_value(
    1 + initializers.normal(0.02)(rngs.params(), (features,))
  )
  return norm


class ConvNorm(nnx.Module):
  """A 1 x 1 convolution and batch norm on every `stride`-th frame of x_bvtc.

  Args:
    in_features: C.
    out_features: D.
    stride: of the frames.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    stride: int = 1,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    self.conv = Dense(in_features, out_features, dtype=dtype, rngs=rngs)
    self.bn = BatchNorm(out_features, dtype=dtype)
    self.stride = stride

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc[:, :, :: self.stride]), train=train)
