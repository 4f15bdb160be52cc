"""Layers of all networks: 1 x 1 and temporal convolutions, batch norm.

Arrays are `x_bvtc`: B clips x persons, V joints, T frames, C channels.
"""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import initializers, ops
from unik_jax.models.ops import at_least_float32


class Layer(nnx.Module):
  """A module whose operations come from `ops`, or a file that replaces it.

  Attributes:
    ops: the module of operations. `Network` sets it for a whole network.
  """

  ops: ModuleType = ops

  def __init_subclass__(cls, **options: Any):
    """Names each call in compiled programs and traces after its class."""
    super().__init_subclass__(**options)
    if '__call__' in vars(cls):
      cls.__call__ = jax.named_scope(cls.__name__)(cls.__call__)


def dense(
  in_features: int,
  out_features: int,
  *,
  kernel_init=None,
  bias_init=initializers.zeros,
  dtype=None,
  rngs: nnx.Rngs,
) -> nnx.Linear:
  """Returns a linear map of the last axis: PyTorch's 1 x 1 convolution.

  Args:
    in_features: C.
    out_features: D.
    kernel_init: initializer of the (C, D) kernel (default: normal by fan-out).
    bias_init: initializer of the (D,) bias.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """
  return nnx.Linear(
    in_features,
    out_features,
    kernel_init=kernel_init or initializers.fan_out_normal(out_features),
    bias_init=bias_init,
    dtype=dtype,
    param_dtype=float,  # float64 where JAX has it enabled
    rngs=rngs,
  )


class TemporalConv(Layer):
  """A (K x 1) convolution over time: T frames to ceil(T / stride).

  Args:
    in_features: C.
    out_features: D.
    kernel_size: K, in frames.
    stride: step between output frames.
    dilation: distance between taps, in frames.
    kernel_init: initializer of the (K, C, D) kernel (default: normal by
      fan-out).
    bias_init: initializer of the (D,) bias (default: zeros).
    dtype: dtype of the computation.
    rngs: source of the initial values.
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
    x_bvtc, kernel, bias = nnx.nn.dtypes.promote_dtype(
      (x_bvtc, self.kernel[...], self.bias[...]), dtype=self.dtype
    )
    y = self.ops.temporal_conv(
      x_bvtc, kernel, stride=self.stride, dilation=self.dilation
    )
    return y + bias


class BatchNorm(Layer):
  """Batch norm over all axes but the last, as PyTorch computes it.

  Unlike `nnx.BatchNorm`, it keeps the unbiased running variance. Under jit
  over a mesh its statistics are those of the global batch.

  Attributes:
    groups: number of consecutive parts of the batch with separate statistics,
      as the devices of PyTorch's DataParallel have them. The running
      statistics are the means over the parts.
    where: mask of the values that the statistics are taken of, (R, 1, C or 1)
      booleans for R equal consecutive parts of the input; None for all.

  Args:
    features: C.
    scale: initial value of the scale.
    momentum: weight of the old running statistics.
    epsilon: added to the variance.
    dtype: dtype of the result. Statistics are in float32 or wider.
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
    dtype, shape = self.dtype or x.dtype, x.shape
    x = x.astype(at_least_float32(x.dtype))
    if train and self.groups == 1 and self.where is None:
      y, mean, var = self.ops.batch_norm(
        x, self.scale[...], self.bias[...], self.epsilon
      )
      self._update_running(mean, var, x.size // x.shape[-1])
      return y.astype(dtype)
    if train:
      x, mean, var, count = self._grouped_statistics(x)
      self._update_running(mean, var, count)
    else:
      mean, var = self.mean[...], self.var[...]
    y = self.ops.normalize(
      x, mean, var, self.scale[...], self.bias[...], self.epsilon
    )
    return y.reshape(shape).astype(dtype)

  def _update_running(self, mean, var, count):
    """Moves the running statistics towards those of `count` values."""
    unbiased = var * (count / jnp.maximum(count - 1, 1))
    for running, new in ((self.mean, mean), (self.var, unbiased)):
      new = new.reshape(self.groups, -1).mean(0)
      # Not running[...] = ..., which would write into the caller's array.
      running.set_value(
        (self.momentum * running[...] + (1 - self.momentum) * new).astype(
          running.dtype
        )
      )

  def _grouped_statistics(self, x):
    """Returns x by groups, their mean and variance, and the values in each."""
    groups, where = self.groups, self.where
    if len(x) % groups:
      raise UserError(
        f'model.norm_groups: expected a divisor of {len(x)} rows, got {groups}.'
        ' Use a divisor of batch_size / accumulate.'
      )
    if where is not None:
      x = x.reshape(len(where), -1, x.shape[-1])
      where = jnp.broadcast_to(where, x.shape)
      where = where.reshape(groups, -1, *x.shape[1:])
    x = x.reshape(groups, -1, *x.shape[1:])
    axes = tuple(range(1, x.ndim - 1))
    if where is None:
      count = x.size // groups // x.shape[-1]
      mean = jnp.mean(x, axes, keepdims=True)
      return x, mean, jnp.var(x, axes, keepdims=True), count
    count = jnp.maximum(where.sum(axes, keepdims=True), 1)
    mean = jnp.sum(x, axes, where=where, keepdims=True) / count
    square = jnp.square(x - mean)
    var = jnp.sum(square, axes, where=where, keepdims=True) / count
    return x, mean, var, count


def scattered_norm(features: int, *, dtype=None, rngs: nnx.Rngs) -> BatchNorm:
  """Returns a batch norm whose scale starts at 1 +- 0.02 (normal)."""
  norm = BatchNorm(features, dtype=dtype)
  noise = initializers.normal(0.02)(rngs.params(), (features,))
  norm.scale.set_value(1 + noise)
  return norm


class ConvNorm(Layer):
  """A convolution of every `stride`-th frame, and batch norm.

  Args:
    conv: an `nnx.Linear` or `TemporalConv`.
    bn: a `BatchNorm`.
    stride: step between the frames that the convolution sees.
  """

  def __init__(
    self, conv: nnx.Linear | TemporalConv, bn: BatchNorm, *, stride: int = 1
  ):
    self.conv, self.bn, self.stride = conv, bn, stride

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc[:, :, :: self.stride]), train=train)


def pointwise_norm(
  in_features: int,
  out_features: int,
  *,
  stride: int = 1,
  dtype=None,
  rngs: nnx.Rngs,
) -> ConvNorm:
  """Returns a 1 x 1 convolution and batch norm."""
  conv = dense(in_features, out_features, dtype=dtype, rngs=rngs)
  return ConvNorm(conv, BatchNorm(out_features, dtype=dtype), stride=stride)


class Identity(nnx.Module):
  """A branch that passes its input on."""

  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    del train
    return x


class Zero(nnx.Module):
  """A branch that adds nothing."""

  def __call__(self, x: jax.Array, *, train: bool) -> float:
    del x, train
    return 0.0


def residual_branch(
  in_features: int,
  out_features: int,
  *,
  stride: int = 1,
  enabled: bool = True,
  projection=pointwise_norm,
  **options: Any,
) -> nnx.Module:
  """Returns what is added to a unit's output: the input, in its shape.

  Args:
    in_features: C.
    out_features: D.
    stride: step between the unit's output frames.
    enabled: False for a branch that adds nothing.
    projection: makes the branch where the shape changes; takes in_features,
      out_features, stride and options.
    **options: `dtype` and `rngs` of the projection.
  """
  if not enabled:
    return Zero()
  if in_features == out_features and stride == 1:
    return Identity()
  return projection(in_features, out_features, stride=stride, **options)


def check_blocks(
  *, min_width: int = 1, width_multiple: int = 1, **settings: Any
) -> None:
  """Checks the model settings that have one entry per block.

  Args:
    min_width: smallest width.
    width_multiple: number that every width is a multiple of.
    **settings: `widths` and others such as `strides`, sequences of integers.

  Raises:
    UserError: they differ in length, are empty, or an entry is out of range.
  """
  lengths = {f'model.{key}': len(values) for key, values in settings.items()}
  if len(set(lengths.values())) > 1 or not all(lengths.values()):
    raise UserError(
      f'{", ".join(lengths)}: expected one entry per block in each, got'
      f' {", ".join(map(str, lengths.values()))} entries'
    )
  for key, values in settings.items():
    for value in values:
      check_least(key, value, min_width if key == 'widths' else 1)
  for width in settings['widths']:
    if width % width_multiple:
      raise UserError(
        f'model.widths: expected multiples of {width_multiple}, got {width}'
      )


def check_least(key: str, value: int, least: int) -> None:
  """Raises a UserError if a model setting is below its least value."""
  if value < least:
    raise UserError(f'model.{key}: expected at least {least}, got {value}')
