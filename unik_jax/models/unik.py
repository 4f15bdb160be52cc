"""UNIK: a unified framework for skeleton-based action recognition.

Yang et al., BMVC 2021. A clip passes batch norm, ten blocks of a spatial
(S-LSU) and a temporal (T-LSU) long-short dependency unit, the mean over
joints, frames and persons, and a linear classifier. By default there is no
graph: each head of an S-LSU mixes the joints by a learned dependency matrix and
attention.

Where the paper and its official code differ, the default is the official code,
because the published numbers were produced by it. Each option says what the
paper has.

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels
in, D channels out, K taps of a temporal convolution.
"""

import math
from collections.abc import Sequence

import jax
from flax import nnx

from unik_jax.models import initializers, layers
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.s_lsu import SpatialUnit
from unik_jax.skeletons.layouts import get_layout

WIDTHS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


class TemporalUnit(layers.Layer):
  """T-LSU: a (K x 1) convolution over time and batch norm (Eq. 5).

  Args:
    features: D, in and out.
    kernel_size: K, in frames.
    stride: step between output frames.
    dilation: distance between taps, in frames.
    dtype: of the computation.
    rngs: source of the initial values.
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


class Block(layers.Layer):
  """ReLU(T-LSU(S-LSU(x)) + residual(x)) (Eq. 1).

  The S-LSU has a branch of the same kind, called `shortcut` here. The official
  code calls the two branches `residual` and `down`.

  Args:
    spatial: the S-LSU.
    temporal: the T-LSU.
    residual: from `layers.residual_branch`.
  """

  def __init__(
    self, spatial: SpatialUnit, temporal: TemporalUnit, residual: nnx.Module
  ):
    self.spatial, self.temporal = spatial, temporal
    self.residual = residual

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.spatial(x_bvtc, train=train), train=train)
    return self.ops.relu(y + self.residual(x_bvtc, train=train))

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Same as `SpatialUnit.mixing`."""
    return self.spatial.mixing(x_bvtc)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    axes = self.spatial.data_axes(first=first)
    return {('spatial', *path): value for path, value in axes.items()}


class UNIK(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    num_joints: V.
    num_persons: M. Absent persons are zeros and count in the mean, as in the
      official code.
    in_channels: C of the keypoints: 2 or 3, one more with confidence.
    num_heads: heads, the paper's N. 0 is one dependency matrix without
      attention in every block: our reading, since the paper leaves it
      undefined.
    first_block_heads: heads of block 0, always 3 in the official code. None:
      same as `num_heads`, as in the paper. Configs write -1 for None.
    tau: frames in the spatial window, odd or even.
    widths: output channels of each block.
    strides: temporal stride of each block.
    dilations: temporal dilation of each block (default 1 throughout, as in the
      official code; the paper's own pattern is unpublished).
    temporal_kernel: taps of the temporal convolution.
    attention: adds attention to the dependency matrices.
    attention_scale: divides attention scores by embedding channels times
      frames (official code; Eq. 4 of the paper does not).
    dependency_init: initial dependency matrices: 'code' is uniform within
      1 / (tau V), 'paper' uniform within 1 / sqrt(tau V) (Eq. 3); or
      'identity', 'graph', 'zeros'.
    matrix: 'dependency' (the paper's DM), 'adaptive' (AM: the three slices of
      2s-AGCN's graph, a learned part, attention) or 'fixed' (FM: the slices
      only; nothing learned, no attention). The paper describes FM only as
      "ST-GCN"; we assume the rest of the network is the same.
    layout: name of the joint layout, for graphs only; '' for none.
    dtype: of the computation; None for that of the inputs.
    rngs: source of the initial values (stream `params`).

  Raises:
    UserError: an option is out of range, or two exclude each other.
  """

  spatial_unit = SpatialUnit  # a subclass may replace it, as AAGCN does

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
    layers.check_blocks(widths=widths, strides=strides, dilations=dilations)
    layers.check_least('num_heads', num_heads, 0)
    layers.check_least('tau', tau, 1)
    layers.check_least('temporal_kernel', temporal_kernel, 1)
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
      residual = layers.residual_branch(
        features,
        width,
        stride=stride,
        enabled=i > 0,  # block 0 has no residual, as in the official code
        dtype=dtype,
        rngs=rngs,
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
      # A standard deviation, as in the official code.
      head_init=initializers.normal(math.sqrt(2 / num_classes)),
      dtype=dtype,
      rngs=rngs,
    )
