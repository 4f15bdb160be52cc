"""ST-GCN: Yan et al., AAAI 2018.

Ten blocks of a graph convolution and a temporal convolution. Each of the
graph's three slices (`graphs.partitioned`) has its own kernel and its own
weights of the edges.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, S slices, U and P joints (in and out).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import graphs, initializers, layers
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.skeletons.layouts import Layout, get_layout

_SMALL = initializers.normal(0.02)


class Block(layers.Layer):
  """ReLU(dropout(bn(conv(ReLU(bn(sum_s (x W_s + b_s) (A_s * E_s)))))) + x).

  Args:
    in_features: C.
    out_features: D.
    layout: joints and bones of the graph.
    stride: step between output frames.
    temporal_kernel: taps of the temporal convolution.
    importance: learns weights E of the edges.
    dropout: share of values dropped in training.
    residual: adds the input at the end.
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
    temporal_kernel: int,
    importance: bool,
    dropout: float,
    residual: bool,
    dtype,
    rngs: nnx.Rngs,
  ):
    slices, joints, _ = graphs.partitioned(layout).shape
    # One kernel of S * D channels, slice by slice, like the official one.
    self.graph_conv = layers.dense(
      in_features,
      slices * out_features,
      kernel_init=_SMALL,
      dtype=dtype,
      rngs=rngs,
    )
    if importance:
      self.edge_importance = nnx.Param(
        initializers.filled(1, slices, joints, joints)
      )
    self.graph_bn = layers.scattered_norm(out_features, dtype=dtype, rngs=rngs)
    self.temporal = layers.ConvNorm(
      layers.TemporalConv(
        out_features,
        out_features,
        kernel_size=temporal_kernel,
        stride=stride,
        kernel_init=_SMALL,
        dtype=dtype,
        rngs=rngs,
      ),
      layers.scattered_norm(out_features, dtype=dtype, rngs=rngs),
    )
    self.residual = layers.residual_branch(
      in_features,
      out_features,
      stride=stride,
      enabled=residual,
      projection=_conv_norm,
      dtype=dtype,
      rngs=rngs,
    )
    self.layout, self.importance, self.dropout = layout, importance, dropout

  def __call__(
    self, x_bvtc: jax.Array, *, train: bool, key: jax.Array | None = None
  ) -> jax.Array:
    mixing = self.mixing(x_bvtc).dependency.astype(x_bvtc.dtype)
    y = self.graph_conv(x_bvtc)
    y = y.reshape(*y.shape[:-1], len(mixing), -1)
    y = jnp.einsum('butsd,sup->bptd', y, mixing)
    y = self.ops.relu(self.graph_bn(y, train=train))
    y = self.temporal(y, train=train)
    if key is not None and self.dropout:
      mask = jax.random.bernoulli(key, 1 - self.dropout, y.shape)
      y = jnp.where(mask, y / (1 - self.dropout), 0)
    return self.ops.relu(y + self.residual(x_bvtc, train=train))

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns A_s * E_s; there is no attention."""
    del x_bvtc
    graph = jnp.asarray(graphs.partitioned(self.layout))
    if self.importance:
      graph = graph * self.edge_importance[...]
    return Mixing(graph, None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    axes: dict[tuple, tuple] = {}
    if self.importance:
      axes['edge_importance',] = ((), ('joints',), ('joints',))
    if first:
      axes['graph_conv', 'kernel'] = (('channels',), ())
    return axes


class STGCN(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, whose bones are the graph. Its centre is
      the root of the bones.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block.
    strides: temporal stride of each block.
    temporal_kernel: taps of the temporal convolution.
    edge_importance_weighting: every block learns weights of the edges.
    dropout: share of values that all blocks except the first drop in training
      (the authors use 0.5 on NTU RGB+D and 0 on Kinetics).
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
    temporal_kernel: int = 9,
    edge_importance_weighting: bool = True,
    dropout: float = 0.0,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    layers.check_blocks(widths=widths, strides=strides)
    joints, features, blocks = get_layout(layout), in_channels, []
    for i, (width, stride) in enumerate(zip(widths, strides, strict=True)):
      blocks.append(
        Block(
          features,
          width,
          layout=joints,
          stride=stride,
          temporal_kernel=temporal_kernel,
          importance=edge_importance_weighting,
          dropout=dropout if i else 0.0,
          residual=i > 0,
          dtype=dtype,
          rngs=rngs,
        )
      )
      features = width
    super().__init__(
      num_classes,
      joints.num_joints,
      num_persons,
      in_channels,
      blocks=blocks,
      features=features,
      norm_per_person=False,
      head_init=_SMALL,
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )
    self.dropout = dropout


def _conv_norm(in_features, out_features, *, stride, dtype, rngs):
  """Returns a 1 x 1 convolution and batch norm, initialised as in ST-GCN."""
  conv = layers.dense(
    in_features, out_features, kernel_init=_SMALL, dtype=dtype, rngs=rngs
  )
  norm = layers.scattered_norm(out_features, dtype=dtype, rngs=rngs)
  return layers.ConvNorm(conv, norm, stride=stride)
