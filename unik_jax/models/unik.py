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
from unik_jax.models import initializers, layers
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.s_lsu import SpatialUnit
from unik_jax.official import state_dict, unik
from unik_jax.skeletons.layouts import get_layout

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
    return layers.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """The S-LSU's matrices, and given features' attention."""
    return self.spatial.mixing(x_bvtc)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    axes = self.spatial.data_axes(first=first)
    return {('spatial', *path): made_of for path, made_of in axes.items()}


class UNIK(Recognizer):
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
      1 / sqrt(tau V), 'paper' (Eq. 3); or 'identity', 'graph' or 'zeros'.
    matrix: 'dependency' (the paper's DM), 'adaptive' (AM: the three slices of
      2s-AGCN's graph, a learned part, attention) or 'fixed' (FM: those slices
      alone, nothing learned, no attention). The paper says of FM only that it
      is "ST-GCN"; with all else equal is our reading.
    layout: name of the joints' layout, for graphs alone; '' for none.
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
  """

  spatial_unit = SpatialUnit

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
    matrix: str = 'dependency',
    layout: str = '',
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
    blocks = []
    features = in_channels
    for i, (width, stride, dilation) in enumerate(
      zip(widths, strides, dilations, strict=True)
    ):
      spatial = self.spatial_unit(
        features,
        width,
        num_joints=num_joints,
        num_heads=num_heads if i else first_block_heads,
        tau=tau,
        attention=attention,
        attention_scale=attention_scale,
        dependency_init=dependency_init,
        matrix=matrix,
        layout=get_layout(layout) if layout else None,
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
    super().__init__(
      num_classes,
      num_joints,
      num_persons,
      in_channels,
      blocks=blocks,
      features=features,
      # The published class multiplies, so this is a standard deviation.
      head_init=initializers.normal(math.sqrt(2 / num_classes)),
      dtype=dtype,
      rngs=rngs,
    )

  def official_tensors(self) -> Iterator[state_dict.Tensor]:
    """The state dict of the official PyTorch UNIK, in its order.

    Raises:
      UserError: its matrices are not learned.
    """
    if not self.blocks[0].spatial.learned:
      raise UserError(
        "model.matrix is 'fixed', of which no official state dict is known"
      )
    return unik.tensors(self)

  official_shape = staticmethod(unik.shape)
