"""ST-GCN++: Duan et al., "PYSKL", ACM MM 2022.

ST-GCN with a graph that is learned from where it starts, a shortcut around the
graph convolution, and temporal convolutions of several dilations.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, S slices of the graph, U and P joints (in and out).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import graphs, initializers, layers
from unik_jax.models.multi_scale import ConvNorm, max_pool
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.skeletons.layouts import Layout, get_layout

_TAPS, _DILATIONS = 3, (1, 2, 3, 4)
_BRANCHES = len(_DILATIONS) + 2


class GraphUnit(nnx.Module):
  """ReLU(bn(sum_s (x W_s + b_s) A_s) + shortcut(x)); A is learned.

  Args:
    in_features: C.
    out_features: D.
    layout: from whose bones the graph starts.
    dtype: of the computation.
    rngs: where the initial values come from.
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
    # Not called `conv`: what `bn` is of is mixed, and not by weights of sum 1.
    self.entry = _dense(in_features, len(graph) * out_features, **options)
    self.bn = layers.BatchNorm(out_features, dtype=dtype)
    self.shortcut = (
      ConvNorm(in_features, out_features, **options)
      if in_features != out_features
      else None
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.entry(x_bvtc)
    mixing = self.dependency[...].astype(y.dtype)
    y = y.reshape(*y.shape[:-1], len(mixing), -1)
    y = self.bn(jnp.einsum('butsd,sup->bptd', y, mixing), train=train)
    y += self.shortcut(x_bvtc, train=train) if self.shortcut else x_bvtc
    return layers.relu(y)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`; `first` where the input's channels come in."""
    axes = {('dependency',): ((), ('inputs',), ('joints',))}
    if first:
      axes['entry', 'kernel'] = (('channels',), ())
      if self.shortcut is not None:
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes


class TemporalUnit(nnx.Module):
  """bn(conv(ReLU(bn([branches])))): convolutions of four dilations, a maximum
  over three frames, each after a 1 x 1 convolution; and such a one alone.

  The branches have a sixth of the channels each, the first what is left over.

  Args:
    features: D, in and out.
    stride: of the frames.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(self, features: int, *, stride: int, dtype, rngs: nnx.Rngs):
    options = {'dtype': dtype, 'rngs': rngs}
    width = features // _BRANCHES
    first = features - (_BRANCHES - 1) * width
    # As one, whose product is faster than five narrow ones.
    self.entry = ConvNorm(features, first + 4 * width, **options)
    self.dilated = nnx.List(
      _temporal(size, stride, dilation, **options)
      for size, dilation in zip(
        (first, width, width, width), _DILATIONS, strict=True
      )
    )
    self.plain = _dense(features, width, **options)
    self.joined_bn = layers.BatchNorm(features, dtype=dtype)
    self.exit = ConvNorm(features, features, **options)
    self.stride, self.ends = stride, [first + n * width for n in range(4)]

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = layers.relu(self.entry(x_bvtc, train=train))
    *parts, pooled = jnp.split(y, self.ends, axis=-1)
    parts = [conv(p) for conv, p in zip(self.dilated, parts, strict=True)]
    parts.append(max_pool(pooled, self.stride))
    parts.append(self.plain(x_bvtc[:, :, :: self.stride]))
    y = self.joined_bn(jnp.concatenate(parts, axis=-1), train=train)
    return self.exit(layers.relu(y), train=train)


class Block(nnx.Module):
  """ReLU(temporal(graph(x)) + residual(x)).

  Args:
    in_features: C.
    out_features: D, six at the least.
    layout: from whose bones the graph starts.
    stride: of the frames.
    residual: whether the input is added.
    dtype: of the computation.
    rngs: where the initial values come from.
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
    if residual and (in_features != out_features or stride > 1):
      self.residual = ConvNorm(
        in_features, out_features, stride=stride, **options
      )
    else:
      self.residual = 'identity' if residual else None

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.graph(x_bvtc, train=train), train=train)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc, train=train)
    return layers.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """The learned graph; there is no attention."""
    del x_bvtc
    return Mixing(self.graph.dependency[...], None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    axes = self.graph.data_axes(first=first)
    return {('graph', *path): made_of for path, made_of in axes.items()}


class STGCNPP(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    layout: name of the joints' layout, from whose bones the graph starts.
    num_persons: M. Absent persons are zeros, and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block, six at the least.
    strides: temporal stride of each block.
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).

  Raises:
    UserError: an option's value is refused.
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
    if len(widths) != len(strides) or not widths:
      raise UserError(
        'model.widths and model.strides need one entry for each block: got'
        f' {len(widths)}, {len(strides)}'
      )
    for width, stride in zip(widths, strides, strict=True):
      if width < _BRANCHES:
        raise UserError(f'model.widths has {width}; the least is {_BRANCHES}')
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
      persons_apart=False,
      head_init=initializers.normal(0.01),
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )


def _dense(in_features, out_features, **options):
  """A 1 x 1 convolution with PyTorch's initial values."""
  bound = initializers.uniform(in_features**-0.5)
  return layers.Dense(
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
