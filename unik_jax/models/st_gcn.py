"""ST-GCN: Yan et al., AAAI 2018.

Ten blocks of a graph convolution, whose three slices (`graphs.partitioned`)
each have a kernel of their own and weights of their edges, and a temporal
convolution.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, S slices, U and P joints (in and out).
"""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import graphs, initializers, layers
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.official import state_dict
from unik_jax.skeletons.layouts import Layout, get_layout

_SMALL = initializers.normal(0.02)


class Block(nnx.Module):
  """ReLU(dropout(bn(conv(ReLU(bn(sum_s (x W_s + b_s) (A_s * E_s)))))) + x).

  Args:
    in_features: C.
    out_features: D.
    layout: whose bones are the graph.
    stride: of the frames.
    temporal_kernel: taps of the temporal convolution.
    importance: whether the edges have learned weights E.
    dropout: share of values that are dropped in training.
    residual: whether the input is added at the end.
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
    temporal_kernel: int,
    importance: bool,
    dropout: float,
    residual: bool,
    dtype,
    rngs: nnx.Rngs,
  ):
    slices, joints, _ = graphs.partitioned(layout).shape
    # As one kernel of S * D channels, slice by slice, like the official one.
    self.graph_conv = layers.Dense(
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
    self.temporal = _ConvNorm(
      layers.TemporalConv(
        out_features,
        out_features,
        kernel_size=temporal_kernel,
        stride=stride,
        kernel_init=_SMALL,
        dtype=dtype,
        rngs=rngs,
      ),
      out_features,
      dtype,
      rngs,
    )
    if residual and (in_features != out_features or stride > 1):
      conv = layers.Dense(
        in_features, out_features, kernel_init=_SMALL, dtype=dtype, rngs=rngs
      )
      self.residual = _ConvNorm(conv, out_features, dtype, rngs)
    else:
      self.residual = 'identity' if residual else None
    self.layout, self.stride, self.importance = layout, stride, importance
    self.dropout = dropout

  def __call__(
    self, x_bvtc: jax.Array, *, train: bool, key: jax.Array | None = None
  ) -> jax.Array:
    mixing = self.mixing(x_bvtc).dependency.astype(x_bvtc.dtype)
    y = self.graph_conv(x_bvtc)
    y = y.reshape(*y.shape[:-1], len(mixing), -1)
    y = jnp.einsum('butsd,sup->bptd', y, mixing)
    y = layers.relu(self.graph_bn(y, train=train))
    y = self.temporal(y, train=train)
    if key is not None and self.dropout:
      kept = jax.random.bernoulli(key, 1 - self.dropout, y.shape)
      y = jnp.where(kept, y / (1 - self.dropout), 0)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc[:, :, :: self.stride], train=train)
    return layers.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """A_s * E_s; there is no attention."""
    del x_bvtc
    graph = jnp.asarray(graphs.partitioned(self.layout))
    if self.importance:
      graph = graph * self.edge_importance[...]
    return Mixing(graph, None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    axes = {}
    if self.importance:
      axes['edge_importance',] = ((), ('joints',), ('joints',))
    if first:
      axes['graph_conv', 'kernel'] = (('channels',), ())
    return axes


class STGCN(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    layout: name of the joints' layout, whose bones are the graph. Its centre
      is the root of the bones.
    num_persons: M. Absent persons are zeros, and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block.
    strides: temporal stride of each block.
    temporal_kernel: taps of the temporal convolution.
    edge_importance_weighting: whether each block learns weights of the edges.
    dropout: share of values that all blocks but the first drop in training:
      0.5 on NTU RGB+D and 0 on Kinetics, in the authors' recipes.
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
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
      persons_apart=False,
      head_init=_SMALL,
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )
    self.dropout = dropout

  def official_tensors(self) -> Iterator[state_dict.Tensor]:
    """The state dict of the official PyTorch ST-GCN, in its order."""
    graph = graphs.partitioned(self.blocks[0].layout)
    yield state_dict.Tensor('A', None, constant=graph)
    yield from state_dict.batch_norm('data_bn', ('input_bn',))
    for i, block in enumerate(self.blocks):
      name, path = f'st_gcn_networks.{i}', ('blocks', i)
      yield from state_dict.conv(f'{name}.gcn.conv', (*path, 'graph_conv'))
      yield from state_dict.batch_norm(f'{name}.tcn.0', (*path, 'graph_bn'))
      there = (*path, 'temporal')
      yield from state_dict.conv(f'{name}.tcn.2', (*there, 'conv'), 'temporal')
      yield from state_dict.batch_norm(f'{name}.tcn.3', (*there, 'bn'))
      if isinstance(block.residual, _ConvNorm):
        there = (*path, 'residual')
        yield from state_dict.conv(f'{name}.residual.0', (*there, 'conv'))
        yield from state_dict.batch_norm(f'{name}.residual.1', (*there, 'bn'))
    for i, block in enumerate(self.blocks):
      if block.importance:
        yield state_dict.Tensor(
          f'edge_importance.{i}', ('params', 'blocks', i, 'edge_importance')
        )
    yield from state_dict.conv('fcn', ('head',))

  @staticmethod
  def official_shape(tensors, options) -> dict[str, int] | None:
    """What a state dict's model was made for; None where it is no ST-GCN's."""
    del options
    try:
      channels = tensors['st_gcn_networks.0.gcn.conv.weight'].shape[1]
      return {
        'num_classes': len(tensors['fcn.weight']),
        'num_joints': len(tensors['data_bn.weight']) // channels,
        'in_channels': channels,
      }
    except (KeyError, IndexError, TypeError):
      return None


class _ConvNorm(nnx.Module):
  """A convolution and batch norm."""

  def __init__(self, conv, features, dtype, rngs):
    self.conv = conv
    self.bn = layers.scattered_norm(features, dtype=dtype, rngs=rngs)

  def __call__(self, x_bvtc, *, train):
    return self.bn(self.conv(x_bvtc), train=train)
