"""Temporal convolutions of several dilations side by side, as in MS-G3D.

CTR-GCN has them too, with fewer branches.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out.
"""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import initializers, layers
from unik_jax.official import state_dict


class ConvNorm(nnx.Module):
  """A convolution over time and batch norm.

  Args:
    in_features: C.
    out_features: D.
    taps: of the kernel.
    stride: of the frames.
    dilation: distance between taps, in frames.
    fan_out: of normal initial values; None for PyTorch's own, uniform ones.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    taps: int = 1,
    stride: int = 1,
    dilation: int = 1,
    fan_out: int | None = None,
    dtype,
    rngs: nnx.Rngs,
  ):
    bound = initializers.uniform((in_features * taps) ** -0.5)
    options = {'kernel_init': bound, 'bias_init': bound}
    if fan_out is not None:
      options['kernel_init'] = initializers.fan_out_normal(fan_out)
      options['bias_init'] = initializers.zeros
    options |= {'dtype': dtype, 'rngs': rngs}
    if taps == 1:
      self.conv = layers.Dense(in_features, out_features, **options)
    else:
      self.conv = layers.TemporalConv(
        in_features,
        out_features,
        kernel_size=taps,
        stride=stride,
        dilation=dilation,
        **options,
      )
    self.bn = _norm(out_features, fan_out is not None, dtype, rngs)
    self.skip = stride if taps == 1 else 1

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc[:, :, :: self.skip]), train=train)


class TemporalUnit(nnx.Module):
  """MS-TCN: ReLU([branches] + x), of equal widths.

  A convolution for each dilation, and a maximum over three frames, each after
  a 1 x 1 convolution; and such a one alone.

  Args:
    in_features: C.
    out_features: D, a multiple of the number of branches.
    taps: of the convolutions.
    dilations: of these.
    stride: of the frames.
    residual: whether x is added.
    relu: whether there is a ReLU at the end.
    normal: whether initial values are normal; else they are PyTorch's own.
    dtype: of the computation.
    rngs: where the initial values come from.
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
    options = {'dtype': dtype, 'rngs': rngs}
    if normal:
      options['fan_out'] = width
    # As one, whose product is faster than several narrow ones.
    self.entry = ConvNorm(in_features, (len(dilations) + 1) * width, **options)
    strided = options | {'stride': stride}
    wide = strided | ({'fan_out': taps * width} if normal else {})
    self.dilated = nnx.List(
      ConvNorm(width, width, taps=taps, dilation=dilation, **wide)
      for dilation in dilations
    )
    self.pool_bn = _norm(width, normal, dtype, rngs)
    self.plain = ConvNorm(in_features, width, **strided)
    if residual and (in_features != out_features or stride > 1):
      self.residual = ConvNorm(in_features, out_features, **strided)
    else:
      self.residual = 'identity' if residual else None
    self.stride, self.relu = stride, relu

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = layers.relu(self.entry(x_bvtc, train=train))
    *parts, pooled = jnp.split(y, len(self.dilated) + 1, axis=-1)
    for i, branch in enumerate(self.dilated):
      parts[i] = branch(parts[i], train=train)
    parts.append(self.pool_bn(max_pool(pooled, self.stride), train=train))
    parts.append(self.plain(x_bvtc, train=train))
    y = jnp.concatenate(parts, axis=-1)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc, train=train)
    return layers.relu(y) if self.relu else y


def max_pool(x_bvtc: jax.Array, stride: int) -> jax.Array:
  """The maximum over every `stride`-th frame and its two neighbours."""
  return jax.lax.reduce_window(
    x_bvtc,
    -jnp.inf,
    jax.lax.max,
    (1, 1, 3, 1),
    (1, 1, stride, 1),
    ((0, 0), (0, 0), (1, 1), (0, 0)),
  )


def official_tensors(
  name: str, path: tuple, unit: TemporalUnit
) -> Iterator[state_dict.Tensor]:
  """A temporal unit's part of an official state dict, in its order.

  Args:
    name: of the unit there.
    path: of ours.
    unit: ours, abstract or not.
  """

  def conv_norm(conv, bn, *ours, layout='conv1x1', **place):
    there = (*path, *ours)
    yield from state_dict.conv(conv, (*there, 'conv'), layout, **place)
    yield from state_dict.batch_norm(bn, (*there, 'bn'), **place)

  dilated = len(unit.dilated)
  for i in range(dilated + 1):
    at, place = f'{name}.branches.{i}', {'part': i, 'parts': dilated + 1}
    yield from conv_norm(f'{at}.0', f'{at}.1', 'entry', **place)
    if i < dilated:
      there, at = ('dilated', i), f'{at}.3'
      yield from conv_norm(f'{at}.conv', f'{at}.bn', *there, layout='temporal')
  yield from state_dict.batch_norm(f'{at}.4', (*path, 'pool_bn'))
  at = f'{name}.branches.{dilated + 1}'
  yield from conv_norm(f'{at}.0', f'{at}.1', 'plain')
  if isinstance(unit.residual, ConvNorm):
    at = f'{name}.residual'
    yield from conv_norm(f'{at}.conv', f'{at}.bn', 'residual')


def _norm(features, normal, dtype, rngs):
  if normal:
    return layers.scattered_norm(features, dtype=dtype, rngs=rngs)
  return layers.BatchNorm(features, dtype=dtype)
