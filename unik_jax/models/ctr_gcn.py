"""CTR-GCN: Chen et al., ICCV 2021.

Ten blocks of a graph convolution, whose learned graph is refined for each
channel by how joints differ, and of temporal convolutions of two dilations.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, R channels of the comparison, H slices of the graph, U and P joints (in
and out).
"""

import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import graphs, initializers, layers, multi_scale
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.s_lsu import Heads
from unik_jax.models.unik import STRIDES, WIDTHS
from unik_jax.official import state_dict
from unik_jax.skeletons.layouts import Layout, get_layout

_TEMPORAL = {'taps': 5, 'dilations': (1, 2)}
_BRANCHES = 4  # of a temporal unit
_FEW = 16  # channels, up to which R is 8


class GraphUnit(nnx.Module):
  """Joints mixed by a graph of each channel: CTR-GC, summed over H slices.

    R[b, h, p, u] = tanh(theta_h(mean_t x)[p] - phi_h(mean_t x)[u])
    G[b, h, p, u, d] = A[h, u, p] + alpha refine_h(R)[b, h, p, u, d]
    y[b, p, t, d] = sum_h sum_u G[b, h, p, u, d] value_h(x)[b, u, t, d]

  then batch norm, a shortcut and ReLU, as in UNIK's S-LSU.

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
    # The official code has its matrices' rows make joints, so that its graph
    # starts transposed: parents from children, and the other way round.
    graph = graphs.directed(layout).transpose(0, 2, 1)
    self.dependency = nnx.Param(graph)
    self.alpha = nnx.Param(initializers.filled(0, 1))
    compared = 8 if in_features <= _FEW else in_features // 8
    for name, channels, features in (
      ('theta', in_features, compared),
      ('phi', in_features, compared),
      ('value', in_features, out_features),
      ('refine', compared, out_features),
    ):
      std = math.sqrt(2 / features)
      heads = Heads(len(graph), channels, features, std=std, rngs=rngs)
      setattr(self, name, heads)
    self.bn = layers.BatchNorm(out_features, scale=1e-6, dtype=dtype)
    self.shortcut = (
      layers.ConvNorm(in_features, out_features, dtype=dtype, rngs=rngs)
      if in_features != out_features
      else None
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    graph = self.dependency[...].transpose(0, 2, 1)[..., None]
    graph = graph.astype(x_bvtc.dtype) + self._refined(x_bvtc)
    value = jnp.einsum('butc,hcd->bhutd', x_bvtc, self._cast(x_bvtc, 'value'))
    value += self._cast(x_bvtc, 'value', 'bias')[:, None, None]
    y = jnp.einsum('bhpud,bhutd->bptd', graph, value)
    y = self.bn(y, train=train)
    y += self.shortcut(x_bvtc, train=train) if self.shortcut else x_bvtc
    return layers.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """The learned graph, and the mean of its refinement over channels."""
    maps = None
    if x_bvtc is not None:
      maps = self._refined(x_bvtc).mean(-1).transpose(0, 1, 3, 2)
    return Mixing(self.dependency[...], maps)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`; `first` where the input's channels come in."""
    axes = {('dependency',): ((), ('inputs',), ('joints',))}
    if first:
      for name in ('theta', 'phi', 'value'):
        axes[name, 'kernel'] = ((), ('channels',), ())
      if self.shortcut is not None:
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes

  def _refined(self, x_bvtc):
    """What is added to the graph, (B, H, P, U, D)."""
    pooled = x_bvtc.mean(2)
    theta, phi = (
      jnp.einsum('bvc,hcr->bhvr', pooled, self._cast(pooled, name))
      + self._cast(pooled, name, 'bias')[:, None]
      for name in ('theta', 'phi')
    )
    apart = jnp.tanh(theta[:, :, :, None] - phi[:, :, None])
    refined = jnp.einsum(
      'bhpur,hrd->bhpud', apart, self._cast(pooled, 'refine')
    )
    refined += self._cast(pooled, 'refine', 'bias')[:, None, None]
    return self.alpha[...].astype(pooled.dtype) * refined

  def _cast(self, x, name, part='kernel'):
    return getattr(getattr(self, name), part)[...].astype(x.dtype)


class Block(nnx.Module):
  """ReLU(MS-TCN(CTR-GC(x)) + residual(x)).

  Args:
    in_features: C.
    out_features: D, a multiple of four.
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
    if residual and (in_features != out_features or stride > 1):
      self.residual = layers.ConvNorm(
        in_features, out_features, stride=stride, **options
      )
    else:
      self.residual = 'identity' if residual else None

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.spatial(x_bvtc, train=train), train=train)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc, train=train)
    return layers.relu(y)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """As of `GraphUnit`."""
    return self.spatial.mixing(x_bvtc)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    axes = self.spatial.data_axes(first=first)
    return {('spatial', *path): made_of for path, made_of in axes.items()}


class CTRGCN(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    layout: name of the joints' layout, from whose bones the graph starts.
    num_persons: M. Absent persons are zeros, and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block, multiples of four.
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
      if width < _BRANCHES or width % _BRANCHES:
        raise UserError(
          f'model.widths has {width}; use multiples of {_BRANCHES}'
        )
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

  def official_tensors(self) -> Iterator[state_dict.Tensor]:
    """The state dict of the official PyTorch CTR-GCN, in its order.

    Written after the official code; no file of the authors was at hand.
    """
    yield from state_dict.batch_norm('data_bn', ('input_bn',))
    for i, block in enumerate(self.blocks):
      yield from _block(f'l{i + 1}', ('blocks', i), block)
    yield from state_dict.conv('fc', ('head',), 'linear')

  @staticmethod
  def official_shape(tensors, options) -> dict[str, int] | None:
    """What a state dict's model was made for; None where it is no CTR-GCN's."""
    del options
    try:
      channels = tensors['l1.gcn1.convs.0.conv3.weight'].shape[1]
      joints = tensors['l1.gcn1.PA'].shape[-1]
      return {
        'num_classes': len(tensors['fc.weight']),
        'num_joints': joints,
        'num_persons': len(tensors['data_bn.weight']) // (joints * channels),
        'in_channels': channels,
      }
    except (KeyError, IndexError, TypeError, ZeroDivisionError):
      return None


def _block(name, path, block):
  there = (*path, 'spatial')
  unit = f'{name}.gcn1'
  yield state_dict.Tensor(
    f'{unit}.PA', ('params', *there, 'dependency'), 'transposed'
  )
  yield state_dict.Tensor(f'{unit}.alpha', ('params', *there, 'alpha'))
  names = (('conv1', 'theta'), ('conv2', 'phi'))
  names += (('conv3', 'value'), ('conv4', 'refine'))
  for head in range(len(block.spatial.dependency)):
    for theirs, ours in names:
      yield from state_dict.conv(
        f'{unit}.convs.{head}.{theirs}', (*there, ours), head=head
      )
  if block.spatial.shortcut is not None:
    yield from state_dict.conv(f'{unit}.down.0', (*there, 'shortcut', 'conv'))
    yield from state_dict.batch_norm(
      f'{unit}.down.1', (*there, 'shortcut', 'bn')
    )
  yield from state_dict.batch_norm(f'{unit}.bn', (*there, 'bn'))
  yield from multi_scale.official_tensors(
    f'{name}.tcn1', (*path, 'temporal'), block.temporal
  )
  if isinstance(block.residual, layers.ConvNorm):
    there = (*path, 'residual')
    yield from state_dict.conv(f'{name}.residual.conv', (*there, 'conv'))
    yield from state_dict.batch_norm(f'{name}.residual.bn', (*there, 'bn'))
