"""MS-G3D: Liu et al., CVPR 2020.

Three stages. In each, one path mixes the joints of a frame at many scales,
which are numbers of hops (`graphs.disentangled`), and then has temporal units;
another mixes the joints of windows of 3 and of 5 frames, as one graph. The two
are added.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, K scales, W frames in a window, U and P = W * V joints (in and out).
"""

import functools
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import graphs, layers, official
from unik_jax.models.base import Mixing, Recognizer
from unik_jax.skeletons import Layout, get_layout

WIDTHS = (96, 192, 384)
STRIDES = (1, 2, 2)
WINDOWS = (3, 5)
DILATIONS = (1, 2, 3, 4)
_BRANCHES = len(DILATIONS) + 2


class ConvNorm(nnx.Module):
  """A convolution over time and batch norm, with PyTorch's initial values.

  Args:
    in_features: C.
    out_features: D.
    taps: of the kernel.
    stride: of the frames.
    dilation: distance between taps, in frames.
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
    dtype,
    rngs: nnx.Rngs,
  ):
    bound = layers.uniform((in_features * taps) ** -0.5)
    options = {'kernel_init': bound, 'bias_init': bound}
    options |= {'dtype': dtype, 'rngs': rngs}
    if taps > 1:
      self.conv = layers.TemporalConv(
        in_features,
        out_features,
        kernel_size=taps,
        stride=stride,
        dilation=dilation,
        **options,
      )
    else:
      self.conv = layers.Dense(in_features, out_features, **options)
    self.bn = layers.BatchNorm(out_features, dtype=dtype)
    self.skip = stride if taps == 1 else 1

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc[:, :, :: self.skip]), train=train)


class GraphUnit(ConvNorm):
  """MS-GCN: ReLU(bn([x A_1, ..., x A_K] W + b)), A_k = graph + learned mask.

  Args:
    in_features: C.
    out_features: D.
    layout: whose bones are the graph.
    scales: K.
    window: W, frames whose joints make one graph, in which a joint's
      neighbours, and it, are neighbours across frames too.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    layout: Layout,
    scales: int,
    window: int = 1,
    dtype,
    rngs: nnx.Rngs,
  ):
    super().__init__(
      scales * in_features, out_features, dtype=dtype, rngs=rngs
    )
    self.graph = layout, scales, window
    shape = _graph(*self.graph).shape
    self.mask = nnx.Param(layers.uniform(1e-6)(rngs.params(), shape))

  def __call__(self, x_butc: jax.Array, *, train: bool) -> jax.Array:
    mixing = self.matrices().astype(x_butc.dtype)
    y = jnp.einsum('butc,kup->bptkc', x_butc, mixing)
    y = y.reshape(*y.shape[:3], -1)
    return jax.nn.relu(super().__call__(y, train=train))

  def matrices(self) -> jax.Array:
    """The A_k, (K, U, P)."""
    return jnp.asarray(_graph(*self.graph)) + self.mask[...]

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`; `first` where the input's channels come in."""
    _, scales, window = self.graph
    axes = {('mask',): ((), (window, 'inputs'), (window, 'joints'))}
    if first:
      axes['conv', 'kernel'] = ((scales, 'channels'), ())
    return axes


class WindowUnit(nnx.Module):
  """G3D: MS-GCN in windows, whose frames a (W x 1) convolution makes one.

  Args:
    in_features: C.
    hidden: channels in between.
    out_features: D.
    window: W.
    stride: of the windows.
    layout: whose bones are the graph.
    scales: K.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    hidden: int,
    out_features: int,
    *,
    window: int,
    stride: int,
    layout: Layout,
    scales: int,
    dtype,
    rngs: nnx.Rngs,
  ):
    self.graph = GraphUnit(
      in_features,
      hidden,
      layout=layout,
      scales=scales,
      window=window,
      dtype=dtype,
      rngs=rngs,
    )
    bound = layers.uniform((window * hidden) ** -0.5)
    self.window_kernel = nnx.Param(
      bound(rngs.params(), (window, hidden, out_features))
    )
    self.window_bias = nnx.Param(bound(rngs.params(), (out_features,)))
    self.window_bn = layers.BatchNorm(out_features, dtype=dtype)
    self.window, self.stride = window, stride

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    b, v, *_ = x_bvtc.shape
    shifted = _shifted(x_bvtc, self.window, self.stride)
    y = self.graph(jnp.concatenate(shifted, axis=1), train=train)
    y = y.reshape(b, self.window, v, *y.shape[2:])
    kernel, bias = (
      param[...].astype(y.dtype)
      for param in (self.window_kernel, self.window_bias)
    )
    y = jnp.einsum('bwvtc,wcd->bvtd', y, kernel) + bias
    return self.window_bn(y, train=train)


class TemporalUnit(nnx.Module):
  """MS-TCN: ReLU([branches] + x), six branches of D / 6 channels each.

  Four are (3 x 1) convolutions, of different dilation, and one a maximum over
  three frames, each after a 1 x 1 convolution; the last is such a one alone.

  Args:
    in_features: C.
    out_features: D.
    stride: of the frames.
    relu: whether there is a ReLU at the end.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    stride: int = 1,
    relu: bool = True,
    dtype,
    rngs: nnx.Rngs,
  ):
    width = out_features // _BRANCHES
    options = {'dtype': dtype, 'rngs': rngs}
    # One product for five branches is much faster than five.
    self.embed = ConvNorm(in_features, (_BRANCHES - 1) * width, **options)
    self.dilated = nnx.List(
      ConvNorm(
        width, width, taps=3, stride=stride, dilation=dilation, **options
      )
      for dilation in DILATIONS
    )
    self.pool_bn = layers.BatchNorm(width, dtype=dtype)
    self.plain = ConvNorm(in_features, width, stride=stride, **options)
    if in_features != out_features or stride > 1:
      self.residual = ConvNorm(
        in_features, out_features, stride=stride, **options
      )
    else:
      self.residual = 'identity'
    self.stride, self.relu = stride, relu

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = jax.nn.relu(self.embed(x_bvtc, train=train))
    *parts, last = jnp.split(y, _BRANCHES - 1, axis=-1)
    parts = [
      branch(part, train=train)
      for branch, part in zip(self.dilated, parts, strict=True)
    ]
    # What stands beyond the ends is no maximum: the values are not negative.
    # The first of equal ones is taken, and has the gradient, as in PyTorch.
    most, *others = _shifted(last, 3, self.stride)
    for other in others:
      most = jnp.where(other > most, other, most)
    parts.append(self.pool_bn(most, train=train))
    parts.append(self.plain(x_bvtc, train=train))
    y = jnp.concatenate(parts, axis=-1)
    if self.residual == 'identity':
      y += x_bvtc
    else:
      y += self.residual(x_bvtc, train=train)
    return jax.nn.relu(y) if self.relu else y


class Stage(nnx.Module):
  """ReLU(MS-TCN(MS-TCN(MS-GCN(x))) + G3D_3(x) + G3D_5(x)), then MS-TCN.

  Args:
    in_features: C.
    out_features: D.
    first: whether the input is keypoints, which both paths take to D channels
      at once; else they stay at C for as long as joints are mixed.
    stride: of the frames.
    layout: whose bones are the graph.
    gcn_scales: K in a frame.
    g3d_scales: K in windows.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    first: bool,
    stride: int,
    layout: Layout,
    gcn_scales: int,
    g3d_scales: int,
    dtype,
    rngs: nnx.Rngs,
  ):
    hidden = out_features if first else in_features
    options = {'dtype': dtype, 'rngs': rngs}
    self.windows = nnx.List(
      WindowUnit(
        in_features,
        hidden,
        out_features,
        window=window,
        stride=stride,
        layout=layout,
        scales=g3d_scales,
        **options,
      )
      for window in WINDOWS
    )
    self.graph = GraphUnit(
      in_features, hidden, layout=layout, scales=gcn_scales, **options
    )
    self.temporal = nnx.List(
      [
        TemporalUnit(hidden, out_features, stride=stride, **options),
        TemporalUnit(out_features, out_features, relu=False, **options),
        TemporalUnit(out_features, out_features, **options),
      ]
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.graph(x_bvtc, train=train)
    for unit in self.temporal[:2]:
      y = unit(y, train=train)
    for unit in self.windows:
      y += unit(x_bvtc, train=train)
    return self.temporal[2](jax.nn.relu(y), train=train)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Those of the MS-GCN within frames, scale by scale; no attention.

    They show each number of hops by itself; those of the windows, of the same
    joints and frames several times, are left out.
    """
    del x_bvtc
    return Mixing(self.graph.matrices(), None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    units = {('graph',): self.graph}
    for i, unit in enumerate(self.windows):
      units['windows', i, 'graph'] = unit.graph
    return {
      (*path, *rest): made_of
      for path, unit in units.items()
      for rest, made_of in unit.data_axes(first=first).items()
    }


class MSG3D(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    layout: name of the joints' layout, whose bones are the graph.
    num_persons: M. Absent persons are zeros, and count in the mean.
    in_channels: C of the keypoints.
    num_gcn_scales: matrices by which joints of a frame are mixed; the authors
      have 13 on NTU RGB+D, and 8 on Kinetics.
    num_g3d_scales: those of the windows: 6, and 8.
    widths: output channels of each stage.
    strides: temporal stride of each stage.
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
    num_gcn_scales: int = 13,
    num_g3d_scales: int = 6,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    _check(num_gcn_scales, num_g3d_scales, widths, strides)
    joints, features, blocks = get_layout(layout), in_channels, []
    for i, (width, stride) in enumerate(zip(widths, strides, strict=True)):
      blocks.append(
        Stage(
          features,
          width,
          first=i == 0,
          stride=stride,
          layout=joints,
          gcn_scales=num_gcn_scales,
          g3d_scales=num_g3d_scales,
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
      dtype=dtype,
      rngs=rngs,
    )

  def official_tensors(self) -> Iterator[official.Tensor]:
    """The state dict of the official PyTorch MS-G3D, in its order."""
    yield from official.batch_norm('data_bn', ('input_bn',))
    for i, stage in enumerate(self.blocks):
      path = ('blocks', i)
      for j in range(len(stage.windows)):
        name, there = f'gcn3d{i + 1}.gcn3d.{j}', (*path, 'windows', j)
        yield from _graph_tensors(f'{name}.gcn3d.1', (*there, 'graph'))
        for kind, layout in (('weight', 'window'), ('bias', 'same')):
          ours = 'window_' + {'weight': 'kernel', 'bias': 'bias'}[kind]
          yield official.Tensor(
            f'{name}.out_conv.{kind}', ('params', *there, ours), layout
          )
        yield from official.batch_norm(f'{name}.out_bn', (*there, 'window_bn'))
      name = f'sgcn{i + 1}'
      yield from _graph_tensors(f'{name}.0', (*path, 'graph'))
      for j, name in enumerate((f'{name}.1', f'{name}.2', f'tcn{i + 1}')):
        there = (*path, 'temporal', j)
        yield from _temporal_tensors(name, there, stage.temporal[j])
    yield from official.conv('fc', ('head',), 'linear')

  @staticmethod
  def official_shape(tensors, options) -> dict[str, int] | None:
    """What a state dict's model was made for; None where it is no MS-G3D's."""
    del options
    try:
      nodes, joints = tensors['sgcn1.0.A_res'].shape
      inputs = tensors['sgcn1.0.mlp.layers.0.weight'].shape[1]
      channels = inputs * joints // nodes
      return {
        'num_classes': len(tensors['fc.weight']),
        'num_joints': joints,
        'num_persons': len(tensors['data_bn.weight']) // (joints * channels),
        'in_channels': channels,
      }
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
      return None


def _check(gcn_scales, g3d_scales, widths, strides):
  """Raises a UserError where the options cannot be."""
  if len(widths) != len(strides):
    raise UserError(
      'model.widths and model.strides need one entry for each stage: got'
      f' {len(widths)}, {len(strides)}'
    )
  for width in widths:
    if width < 1 or width % _BRANCHES:
      raise UserError(
        f'model.widths has {width}, which is no multiple of the {_BRANCHES}'
        ' branches of a temporal unit'
      )
  for key, value in (
    ('strides', min(strides, default=0)),
    ('num_gcn_scales', gcn_scales),
    ('num_g3d_scales', g3d_scales),
  ):
    if value < 1:
      raise UserError(f'model.{key} has {value}; the least is 1')


@functools.cache
def _graph(layout: Layout, scales: int, window: int) -> np.ndarray:
  """The graph's matrices in a window, (K, W * V, W * V)."""
  matrix = graphs.adjacency(layout)
  if window > 1:
    matrix = np.tile(matrix + np.eye(len(matrix)), (window, window))
  return graphs.disentangled(matrix, scales)


def _shifted(x_bvtc, window, stride):
  """Every `stride`-th frame, and its neighbours: W arrays, the earliest first.

  Zeros stand beyond the ends.
  """
  back, t = window // 2, x_bvtc.shape[2]
  padded = jnp.pad(x_bvtc, ((0, 0), (0, 0), (back, back), (0, 0)))
  return [padded[:, :, w : w + t : stride] for w in range(window)]


def _graph_tensors(name, path) -> Iterator[official.Tensor]:
  mask = ('params', *path, 'mask')
  yield official.Tensor(f'{name}.A_res', mask, 'matrices')
  yield from official.conv(f'{name}.mlp.layers.0', (*path, 'conv'))
  yield from official.batch_norm(f'{name}.mlp.layers.1', (*path, 'bn'))


def _temporal_tensors(name, path, unit) -> Iterator[official.Tensor]:
  def conv_norm(conv, bn, ours, layout='conv1x1', **place):
    there = (*path, *ours)
    yield from official.conv(conv, (*there, 'conv'), layout, **place)
    yield from official.batch_norm(bn, (*there, 'bn'), **place)

  embedded = _BRANCHES - 1
  for i in range(embedded):
    branch = f'{name}.branches.{i}'
    place = {'part': i, 'parts': embedded}
    yield from conv_norm(f'{branch}.0', f'{branch}.1', ('embed',), **place)
    if i < len(DILATIONS):
      branch += '.3'
      ours = ('dilated', i)
      yield from conv_norm(f'{branch}.conv', f'{branch}.bn', ours, 'temporal')
  yield from official.batch_norm(f'{branch}.4', (*path, 'pool_bn'))
  branch = f'{name}.branches.{embedded}'
  yield from conv_norm(f'{branch}.0', f'{branch}.1', ('plain',))
  if isinstance(unit.residual, ConvNorm):
    there = f'{name}.residual'
    yield from conv_norm(f'{there}.conv', f'{there}.bn', ('residual',))
