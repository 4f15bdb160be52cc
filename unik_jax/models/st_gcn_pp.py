"""ST-GCN++: Duan et al., "PYSKL", ACM MM 2022.

ST-GCN with a graph that is learned from the bones, a shortcut around the graph
convolution, and temporal convolutions with several dilations.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, S slices of the graph, U and P joints (in and out).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import graphs, initializers, layers
from unik_jax.models.multi_scale import conv_norm, max_pool
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.skeletons.layouts import Layout, get_layout

_TAPS, _DILATIONS = 3, (1, 2, 3, 4)
_BRANCHES = len(_DILATIONS) + 2


class GraphUnit(layers.Layer):
  """ReLU(bn(sum_s (x W_s + b_s) A_s) + shortcut(x)); A is learned.

  Args:
    in_features: C.
    out_features: D.
    layout: joints and bones that the graph starts from.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    layout: Layout,
    dtype,
    rngs: nnx.Rngs,
  ):
    graph = jnp.asarray(graphs.directed(layout))
    self.dependency = nnx.Param(graph)
    options = {'dtype': dtype, 'rngs': rngs}
    # Not named `conv`: export folds a `bn` into the `conv` before it, which
    # fails here because the joints are mixed in between.
    self.entry = _dense(in_features, len(graph) * out_features, **options)
    self.bn = layers.BatchNorm(out_features, dtype=dtype)
    self.shortcut = layers.residual_branch(
      in_features, out_features, projection=conv_norm, **options
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.entry(x_bvtc)
    mixing = self.dependency[...].astype(y.dtype)
    y = y.reshape(*y.shape[:-1], len(mixing), -1)
    y = self.bn(jnp.einsum('butsd,sup->bptd', y, mixing), train=train)
    return self.ops.relu(y + self.shortcut(x_bvtc, train=train))

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes`; `first` if the input is the keypoints."""
    axes: dict[tuple, tuple] = {('dependency',): ((), ('inputs',), ('joints',))}
    if first:
      axes['entry', 'kernel'] = (('channels',), ())
      if isinstance(self.shortcut, layers.ConvNorm):
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes


class TemporalUnit(layers.Layer):
  """bn(conv(ReLU(bn([branches])))), with six branches.

  Four are convolutions of one dilation each and one is a maximum over three
  frames, all after a 1 x 1 convolution. The sixth is a 1 x 1 convolution only.
  Each has a sixth of the channels; the first also has the remainder.

  Args:
    features: D, in and out.
    stride: step between output frames.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(self, features: int, *, stride: int, dtype, rngs: nnx.Rngs):
    options = {'dtype': dtype, 'rngs': rngs}
    width = features // _BRANCHES
    first = features - (_BRANCHES - 1) * width
    # The 1 x 1 convolutions of five branches as one: one product is faster
    # than five narrow ones.
    self.entry = conv_norm(features, first + 4 * width, **options)
    self.dilated = nnx.List(
      _temporal(size, stride, dilation, **options)
      for size, dilation in zip(
        (first, width, width, width), _DILATIONS, strict=True
      )
    )
    self.plain = _dense(features, width, **options)
    self.joined_bn = layers.BatchNorm(features, dtype=dtype)
    self.exit = conv_norm(features, features, **options)
    self.stride, self.ends = stride, [first + n * width for n in range(4)]

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.ops.relu(self.entry(x_bvtc, train=train))
    *parts, pooled = jnp.split(y, self.ends, axis=-1)
    parts = [conv(p) for conv, p in zip(self.dilated, parts, strict=True)]
    parts.append(max_pool(pooled, self.stride))
    parts.append(self.plain(x_bvtc[:, :, :: self.stride]))
    y = self.joined_bn(jnp.concatenate(parts, axis=-1), train=train)
    return self.exit(self.ops.relu(y), train=train)


class Block(layers.Layer):
  """ReLU(temporal(graph(x)) + residual(x)).

  Args:
    in_features: C.
    out_features: D, at least six.
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
    self.graph = GraphUnit(in_features, out_features, layout=layout, **options)
    self.temporal = TemporalUnit(out_features, stride=stride, **options)
    self.residual = layers.residual_branch(
      in_features,
      out_features,
      stride=stride,
      enabled=residual,
      projection=conv_norm,
      **options,
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.graph(x_bvtc, train=train), train=train)
    return self.ops.relu(y + self.residual(x_bvtc, train=train))

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns the learned graph; there is no attention."""
    del x_bvtc
    return Mixing(self.graph.dependency[...], None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    axes = self.graph.data_axes(first=first)
    return {('graph', *path): value for path, value in axes.items()}


class STGCNPP(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, whose bones the graph starts from.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block, at least six.
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
    layers.check_blocks(widths=widths, strides=strides, min_width=_BRANCHES)
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
      norm_per_person=False,
      head_init=initializers.normal(0.01),
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )


def _dense(in_features, out_features, **options):
  """Returns a 1 x 1 convolution with PyTorch's initial values."""
  bound = initializers.uniform(in_features**-0.5)
  return layers.dense(
    in_features, out_features, kernel_init=bound, bias_init=bound, **options
  )


def _temporal(features, stride, dilation, **options):
  bound = initializers.uniform((features * _TAPS) ** -0.5)
  return layers.TemporalConv(
    features,
    features,
    kernel_size=_TAPS,
    stride=stride,
    dilation=dilation,
    kernel_init=bound,
    bias_init=bound,
    **options,
  )
