"""CTR-GCN: Chen et al., ICCV 2021.

Ten blocks of a graph convolution and of temporal convolutions with two
dilations. The graph is learned, and refined for each channel by how joints
differ.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, R channels of the comparison, H slices of the graph, U and P joints (in
and out).
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import graphs, initializers, layers, multi_scale
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.s_lsu import HeadParams
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.skeletons.layouts import Layout, get_layout

_TEMPORAL = {'taps': 5, 'dilations': (1, 2)}
_BRANCHES = 4  # of a temporal unit
_NARROW = 16  # channels, up to which R is 8; above, R is C / 8


class GraphUnit(layers.Layer):
  """Joints mixed by a graph of each channel: CTR-GC, summed over H slices.

    R[b, h, p, u] = tanh(theta_h(mean_t x)[p] - phi_h(mean_t x)[u])
    G[b, h, p, u, d] = A[h, u, p] + alpha refine_h(R)[b, h, p, u, d]
    y[b, p, t, d] = sum_h sum_u G[b, h, p, u, d] value_h(x)[b, u, t, d]

  then batch norm, a shortcut and ReLU, as in UNIK's S-LSU.

  Args:
    in_features: C.
    out_features: D.
    layout: joints and bones that the graph starts from.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  theta: HeadParams
  phi: HeadParams
  value: HeadParams
  refine: HeadParams

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    layout: Layout,
    dtype,
    rngs: nnx.Rngs,
  ):
    # The official code multiplies y = A x, this one y = x A. The official graph
    # is the untransposed one of 2s-AGCN, so ours is its transpose: parents are
    # computed from children, and children from parents.
    graph = graphs.directed(layout).transpose(0, 2, 1)
    self.dependency = nnx.Param(graph)
    self.alpha = nnx.Param(initializers.filled(0, 1))
    compared = 8 if in_features <= _NARROW else in_features // 8
    for name, channels, features in (
      ('theta', in_features, compared),
      ('phi', in_features, compared),
      ('value', in_features, out_features),
      ('refine', compared, out_features),
    ):
      std = math.sqrt(2 / features)
      heads = HeadParams(len(graph), channels, features, std=std, rngs=rngs)
      setattr(self, name, heads)
    self.bn = layers.BatchNorm(out_features, scale=1e-6, dtype=dtype)
    self.shortcut = layers.residual_branch(
      in_features, out_features, dtype=dtype, rngs=rngs
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    graph = self.dependency[...].transpose(0, 2, 1)[..., None]
    graph = graph.astype(x_bvtc.dtype) + self._refinement(x_bvtc)
    kernel_hcd, bias_hd = self.value.cast(x_bvtc.dtype)
    value = jnp.einsum('butc,hcd->bhutd', x_bvtc, kernel_hcd)
    value += bias_hd[:, None, None]
    y = jnp.einsum('bhpud,bhutd->bptd', graph, value)
    y = self.bn(y, train=train) + self.shortcut(x_bvtc, train=train)
    return self.ops.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns the learned graph, and its refinement, averaged over channels."""
    attention = None
    if x_bvtc is not None:
      attention = self._refinement(x_bvtc).mean(-1).transpose(0, 1, 3, 2)
    return Mixing(self.dependency[...], attention)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes`; `first` if the input is the keypoints."""
    axes: dict[tuple, tuple] = {('dependency',): ((), ('inputs',), ('joints',))}
    if first:
      for name in ('theta', 'phi', 'value'):
        axes[name, 'kernel'] = ((), ('channels',), ())
      if isinstance(self.shortcut, layers.ConvNorm):
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes

  def _refinement(self, x_bvtc):
    """Returns what is added to the graph, (B, H, P, U, D)."""
    pooled = x_bvtc.mean(2)
    embedded = []
    for unit in (self.theta, self.phi):
      kernel_hcr, bias_hr = unit.cast(pooled.dtype)
      y = jnp.einsum('bvc,hcr->bhvr', pooled, kernel_hcr)
      embedded.append(y + bias_hr[:, None])
    theta, phi = embedded
    difference = jnp.tanh(theta[:, :, :, None] - phi[:, :, None])
    kernel_hrd, bias_hd = self.refine.cast(pooled.dtype)
    refined = jnp.einsum('bhpur,hrd->bhpud', difference, kernel_hrd)
    refined += bias_hd[:, None, None]
    return self.alpha[...].astype(pooled.dtype) * refined


class Block(layers.Layer):
  """ReLU(MS-TCN(CTR-GC(x)) + residual(x)).

  Args:
    in_features: C.
    out_features: D, a multiple of four.
    layout: joints and bones that the graph starts from.
    stride: step between output frames.
    residual: adds the input.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    layout: Layout,
    stride: int,
    residual: bool,
    dtype,
    rngs: nnx.Rngs,
  ):
    options = {'dtype': dtype, 'rngs': rngs}
    self.spatial = GraphUnit(
      in_features, out_features, layout=layout, **options
    )
    self.temporal = multi_scale.TemporalUnit(
      out_features,
      out_features,
      **_TEMPORAL,
      stride=stride,
      residual=False,
      relu=False,
      normal=True,
      **options,
    )
    self.residual = layers.residual_branch(
      in_features, out_features, stride=stride, enabled=residual, **options
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.spatial(x_bvtc, train=train), train=train)
    return self.ops.relu(y + self.residual(x_bvtc, train=train))

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Same as `GraphUnit.mixing`."""
    return self.spatial.mixing(x_bvtc)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    axes = self.spatial.data_axes(first=first)
    return {('spatial', *path): value for path, value in axes.items()}


class CTRGCN(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, whose bones the graph starts from.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block, multiples of four.
    strides: temporal stride of each block.
    dtype: dtype of the computation; None for the inputs' dtype.
    rngs: source of the initial values (stream `params`).

  Raises:
    UserError: an option is out of range.
  """

  def __init__(
    self,
    num_classes: int,
    layout: str,
    num_persons: int = 2,
    in_channels: int = 3,
    *,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    joints, features, blocks = get_layout(layout), in_channels, []
    layers.check_blocks(
      widths=widths,
      strides=strides,
      min_width=_BRANCHES,
      width_multiple=_BRANCHES,
    )
    for width, stride in zip(widths, strides, strict=True):
      block = Block(
        features,
        width,
        layout=joints,
        stride=stride,
        residual=bool(blocks),
        dtype=dtype,
        rngs=rngs,
      )
      blocks.append(block)
      features = width
    super().__init__(
      num_classes,
      joints.num_joints,
      num_persons,
      in_channels,
      blocks=blocks,
      features=features,
      head_init=initializers.normal(math.sqrt(2 / num_classes)),
      dtype=dtype,
      rngs=rngs,
    )
