"""UNIK: a unified framework for skeleton-based action recognition.

Yang et al., BMVC 2021. A clip goes through batch norm, ten blocks of a
spatial (S-LSU) and a temporal (T-LSU) long-short dependency unit, the mean
over joints, frames and persons, and a linear classifier. No graph: each head
of an S-LSU mixes the joints by a learned dependency matrix plus attention.

Where paper and official code differ, the defaults are the code's, since the
published numbers are its own; each option says what the paper has.

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels
in, D channels out, H heads, U and P joints of a spatial window (in and out).
"""

import math
from collections.abc import Iterator, Sequence

import jax
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import layers, official, unik_official
from unik_jax.models.spatial import Mixing, SpatialUnit

WIDTHS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


class TemporalUnit(nnx.Module):
  """T-LSU: a (K x 1) convolution over time and batch norm (Eq. 5).

  Args:
    features: D, in and out.
    kernel_size: K.
    stride: of the frames.
    dilation: distance between taps, in frames.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    features: int,
    *,
    kernel_size: int,
    stride: int,
    dilation: int,
    dtype,
    rngs: nnx.Rngs,
  ):
    self.conv = layers.TemporalConv(
      features,
      features,
      kernel_size=kernel_size,
      stride=stride,
      dilation=dilation,
      dtype=dtype,
      rngs=rngs,
    )
    self.bn = layers.BatchNorm(features, dtype=dtype)

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc), train=train)


class Block(nnx.Module):
  """ReLU(T-LSU(S-LSU(x)) + residual(x)) (Eq. 1).

  Args:
    spatial: the S-LSU.
    temporal: the T-LSU.
    residual: a ConvNorm, 'identity', or None for no residual.
  """

  def __init__(
    self,
    spatial: SpatialUnit,
    temporal: TemporalUnit,
    residual: layers.ConvNorm | str | None,
  ):
    self.spatial = spatial
    self.temporal = temporal
    self.residual = residual

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.spatial(x_bvtc, train=train), train=train)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc, train=train)
    return jax.nn.relu(y)


class UNIK(nnx.Module):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    num_joints: V.
    num_persons: M. Absent persons are zeros, and count in the mean, as in the
      official code.
    in_channels: C of the keypoints: 2 or 3, one more with confidence.
    num_heads: N of the paper. 0 means no attention and one dependency matrix
      in every block: our reading, since the paper leaves it undefined.
    first_block_heads: the official code always has 3 here; None gives
      `num_heads`, as the paper has it.
    tau: frames in the spatial window, even ones too.
    widths: output channels of each block.
    strides: temporal stride of each block.
    dilations: temporal dilation of each block; default 1 throughout, as in
      the official code. The paper's own pattern is unpublished.
    temporal_kernel: taps of the temporal convolution.
    attention: whether attention is added to the dependency matrices.
    attention_scale: whether attention scores are divided by channels times
      frames (official code) or not (Eq. 4 of the paper).
    dependency_init: uniform within 1 / (tau V), 'code', or within
      1 / sqrt(tau V), 'paper' (Eq. 3).
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
  """

  def __init__(
    self,
    num_classes: int,
    num_joints: int,
    num_persons: int = 2,
    in_channels: int = 3,
    *,
    num_heads: int = 3,
    first_block_heads: int | None = 3,
    tau: int = 1,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dilations: Sequence[int] | None = None,
    temporal_kernel: int = 9,
    attention: bool = True,
    attention_scale: bool = True,
    dependency_init: str = 'code',
    dtype=None,
    rngs: nnx.Rngs,
  ):
    dilations = dilations or (1,) * len(widths)
    if not len(widths) == len(strides) == len(dilations):
      raise UserError(
        'model.widths, model.strides and model.dilations need one entry for'
        f' each block: got {len(widths)}, {len(strides)}, {len(dilations)}'
      )
    for key, value, least in (
      ('widths', min(widths, default=0), 1),
      ('strides', min(strides, default=0), 1),
      ('dilations', min(dilations, default=0), 1),
      ('num_heads', num_heads, 0),
      ('tau', tau, 1),
      ('temporal_kernel', temporal_kernel, 1),
    ):
      if value < least:
        raise UserError(f'model.{key} has {value}; the least is {least}')
    if first_block_heads is None or not num_heads:
      first_block_heads = num_heads
    self.input_shape = (num_persons, None, num_joints, in_channels)
    self.input_bn = layers.BatchNorm(
      num_persons * num_joints * in_channels, dtype=dtype
    )
    blocks = []
    features = in_channels
    for i, (width, stride, dilation) in enumerate(
      zip(widths, strides, dilations, strict=True)
    ):
      spatial = SpatialUnit(
        features,
        width,
        num_joints=num_joints,
        num_heads=num_heads if i else first_block_heads,
        tau=tau,
        attention=attention,
        attention_scale=attention_scale,
        dependency_init=dependency_init,
        dtype=dtype,
        rngs=rngs,
      )
      temporal = TemporalUnit(
        width,
        kernel_size=temporal_kernel,
        stride=stride,
        dilation=dilation,
        dtype=dtype,
        rngs=rngs,
      )
      residual = 'identity' if i else None
      if i and (features != width or stride > 1):
        residual = layers.ConvNorm(
          features, width, stride=stride, dtype=dtype, rngs=rngs
        )
      blocks.append(Block(spatial, temporal, residual))
      features = width
    self.blocks = nnx.List(blocks)
    # The published class multiplies, so this is a standard deviation.
    std = math.sqrt(2 / num_classes)
    self.head = layers.Dense(
      features,
      num_classes,
      kernel_init=nnx.initializers.normal(std),
      bias_init=layers.uniform(1 / math.sqrt(features)),
      rngs=rngs,
    )
    self.dtype = dtype

  def __call__(self, x_nmtvc: jax.Array, *, train: bool) -> jax.Array:
    n, m, _, v, _ = x_nmtvc.shape
    x_bvtc = self._persons(x_nmtvc, train=train)
    for block in self.blocks:
      x_bvtc = block(x_bvtc, train=train)
    wide = layers.at_least_float32(x_bvtc.dtype)
    pooled = x_bvtc.reshape(n, m, v, -1, x_bvtc.shape[-1]).mean(
      (1, 2, 3), dtype=wide
    )
    return self.head(pooled)

  def mixing(self, x_nmtvc: jax.Array | None = None) -> list[Mixing]:
    """The dependency matrices of each block, and given clips' attention."""
    if x_nmtvc is None:
      return [Mixing(b.spatial.dependency[...], None) for b in self.blocks]
    x_bvtc, out = self._persons(x_nmtvc, train=False), []
    for block in self.blocks:
      attention = block.spatial.attention_maps(x_bvtc)
      if attention is not None:
        shape = (*x_nmtvc.shape[:2], *attention.shape[1:])
        attention = attention.reshape(shape)
      out.append(Mixing(block.spatial.dependency[...], attention))
      x_bvtc = block(x_bvtc, train=False)
    return out

  def _persons(self, x_nmtvc, *, train):
    """Clips through the input batch norm, and taken apart: (B, V, T, C)."""
    n, m, t, v, c = x_nmtvc.shape
    persons, _, joints, channels = self.input_shape
    if (m, v, c) != (persons, joints, channels):
      raise UserError(
        f'this model takes keypoints of {persons} persons, {joints} joints'
        f' and {channels} channels; got (N, M, T, V, C) = {x_nmtvc.shape}'
      )
    if self.dtype is not None:
      x_nmtvc = x_nmtvc.astype(self.dtype)
    x = x_nmtvc.transpose(0, 2, 1, 3, 4).reshape(n, t, m * v * c)
    x = self.input_bn(x, train=train)
    x = x.reshape(n, t, m, v, c).transpose(0, 2, 3, 1, 4)
    return x.reshape(n * m, v, t, c)

  def official_tensors(self) -> Iterator[official.Tensor]:
    """The state dict of the official PyTorch UNIK, in its order."""
    return unik_official.tensors(self)

  official_shape = staticmethod(unik_official.shape)

  def data_axes(self) -> dict[tuple, tuple]:
    """The arrays that depend on persons, joints or channels of the data.

    Returns:
      By path, what each axis is made of, the slowest first: some of 'persons',
      'joints', 'inputs' (joints that are summed over), 'channels', and sizes
      of what does not depend on the data; () for an axis that does not at all.
    """
    norm = (('persons', 'joints', 'channels'),)
    axes = {
      (tree, 'input_bn', name): norm
      for tree, name in (
        ('params', 'scale'),
        ('params', 'bias'),
        ('batch_stats', 'mean'),
        ('batch_stats', 'var'),
      )
    }
    for i, block in enumerate(self.blocks):
      tau = block.spatial.tau
      axes['params', 'blocks', i, 'spatial', 'dependency'] = (
        (),
        (tau, 'inputs'),
        (tau, 'joints'),
      )
    first = self.blocks[0].spatial
    for name in ('theta', 'phi') * first.attention + ('embed',):
      axes['params', 'blocks', 0, 'spatial', name, 'kernel'] = (
        (),
        ('channels',),
        (),
      )
    if first.shortcut is not None:
      path = ('params', 'blocks', 0, 'spatial', 'shortcut', 'conv', 'kernel')
      axes[path] = (('channels',), ())
    return axes
