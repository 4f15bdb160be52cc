"""Temporal convolutions of several dilations side by side, as in MS-G3D.

CTR-GCN has them with fewer branches.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import initializers, layers
from unik_jax.models.layers import ConvNorm


def conv_norm(
  in_features: int,
  out_features: int,
  *,
  taps: int = 1,
  stride: int = 1,
  dilation: int = 1,
  fan_out: int | None = None,
  dtype,
  rngs: nnx.Rngs,
) -> ConvNorm:
  """Returns a convolution over time and batch norm.

  Args:
    in_features: C.
    out_features: D.
    taps: length of the kernel, in frames.
    stride: step between output frames.
    dilation: distance between taps, in frames.
    fan_out: fan-out of normal initial values; None for PyTorch's uniform ones.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """
  bound = initializers.uniform((in_features * taps) ** -0.5)
  options: dict[str, Any] = {'kernel_init': bound, 'bias_init': bound}
  if fan_out is not None:
    options['kernel_init'] = initializers.fan_out_normal(fan_out)
    options['bias_init'] = initializers.zeros
  options |= {'dtype': dtype, 'rngs': rngs}
  if taps == 1:
    conv = layers.dense(in_features, out_features, **options)
  else:
    conv = layers.TemporalConv(
      in_features,
      out_features,
      kernel_size=taps,
      stride=stride,
      dilation=dilation,
      **options,
    )
  bn = _norm(out_features, fan_out is not None, dtype, rngs)
  return ConvNorm(conv, bn, stride=stride if taps == 1 else 1)


class TemporalUnit(layers.Layer):
  """MS-TCN: ReLU([branches] + x), with branches of equal width.

  There is one branch per dilation (a 1 x 1 convolution, then the dilated one),
  one of a maximum over three frames after a 1 x 1 convolution, and one of a
  1 x 1 convolution only.

  Args:
    in_features: C.
    out_features: D, a multiple of the number of branches.
    taps: length of the dilated convolutions.
    dilations: dilation of each dilated convolution, in frames.
    stride: step between output frames.
    residual: adds x.
    relu: applies ReLU at the end.
    normal: normal initial values; else PyTorch's.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    taps: int = 3,
    dilations: Sequence[int] = (1, 2, 3, 4),
    stride: int = 1,
    residual: bool = True,
    relu: bool = True,
    normal: bool = False,
    dtype,
    rngs: nnx.Rngs,
  ):
    width = out_features // (len(dilations) + 2)
    options: dict[str, Any] = {'dtype': dtype, 'rngs': rngs}
    if normal:
      options['fan_out'] = width
    # The 1 x 1 convolutions of all branches as one: one product is faster
    # than several narrow ones.
    self.entry = conv_norm(in_features, (len(dilations) + 1) * width, **options)
    strided = options | {'stride': stride}
    dilated: dict[str, Any] = strided | (
      {'fan_out': taps * width} if normal else {}
    )
    self.dilated = nnx.List(
      conv_norm(width, width, taps=taps, dilation=dilation, **dilated)
      for dilation in dilations
    )
    self.pool_bn = _norm(width, normal, dtype, rngs)
    self.plain = conv_norm(in_features, width, **strided)
    self.residual = layers.residual_branch(
      in_features,
      out_features,
      enabled=residual,
      projection=conv_norm,
      **strided,
    )
    self.stride, self.relu = stride, relu

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.ops.relu(self.entry(x_bvtc, train=train))
    *parts, pooled = jnp.split(y, len(self.dilated) + 1, axis=-1)
    for i, branch in enumerate(self.dilated):
      parts[i] = branch(parts[i], train=train)
    parts.append(self.pool_bn(max_pool(pooled, self.stride), train=train))
    parts.append(self.plain(x_bvtc, train=train))
    y = jnp.concatenate(parts, axis=-1) + self.residual(x_bvtc, train=train)
    return self.ops.relu(y) if self.relu else y


def max_pool(x_bvtc: jax.Array, stride: int) -> jax.Array:
  """Returns the maximum of every `stride`-th frame and its two neighbours."""
  return jax.lax.reduce_window(
    x_bvtc,
    -jnp.inf,
    jax.lax.max,
    (1, 1, 3, 1),
    (1, 1, stride, 1),
    ((0, 0), (0, 0), (1, 1), (0, 0)),
  )


def _norm(features, normal, dtype, rngs):
  if normal:
    return layers.scattered_norm(features, dtype=dtype, rngs=rngs)
  return layers.BatchNorm(features, dtype=dtype)
