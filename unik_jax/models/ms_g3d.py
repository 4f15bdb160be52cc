"""MS-G3D: Liu et al., CVPR 2020.

Three stages. In each, one path mixes the joints of a frame at many scales (a
scale is a number of hops, `graphs.disentangled`) and has temporal units after
it. Another path mixes the joints of windows of 3 and of 5 frames as one graph.
The two are added.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, K scales, W frames in a window, U and P = W * V joints (in and out).
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.models import graphs, initializers, layers
from unik_jax.models.multi_scale import TemporalUnit, conv_norm
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.skeletons.layouts import Layout, get_layout

_WINDOWS = (3, 5)
_BRANCHES = 6  # of a temporal unit


class GraphUnit(layers.Layer):
  """MS-GCN: ReLU(bn([x A_1, ..., x A_K] W + b)), A_k = graph + learned mask.

  Args:
    in_features: C.
    out_features: D.
    graph: arguments of `_graph`.
    **options: `dtype` and `rngs`.
  """

  def __init__(self, in_features, out_features, graph, **options):
    matrices = _graph(*graph)
    unit = conv_norm(len(matrices) * in_features, out_features, **options)
    self.conv, self.bn = unit.conv, unit.bn
    key = options['rngs'].params()
    self.mask = nnx.Param(initializers.uniform(1e-6)(key, matrices.shape))
    self.graph = graph

  def __call__(self, x_butc: jax.Array, *, train: bool) -> jax.Array:
    mixing = self.matrices().astype(x_butc.dtype)
    y = jnp.einsum('butc,kup->bptkc', x_butc, mixing)
    y = y.reshape(*y.shape[:3], -1)
    return self.ops.relu(self.bn(self.conv(y), train=train))

  def matrices(self) -> jax.Array:
    """Returns the A_k, (K, U, P)."""
    return _graph(*self.graph) + self.mask[...]

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes`; `first` if the input is the keypoints."""
    _, scales, window = self.graph
    axes: dict[tuple, tuple] = {
      ('mask',): ((), (window, 'inputs'), (window, 'joints'))
    }
    if first:
      axes['conv', 'kernel'] = ((scales, 'channels'), ())
    return axes


class WindowUnit(layers.Layer):
  """G3D: MS-GCN in windows; a (W x 1) convolution merges their frames.

  Args:
    in_features: C.
    hidden: channels in between.
    out_features: D.
    graph: arguments of `_graph`.
    stride: step between windows, in frames.
    **options: `dtype` and `rngs`.
  """

  def __init__(
    self, in_features, hidden, out_features, graph, stride, **options
  ):
    *_, self.window = graph
    self.graph = GraphUnit(in_features, hidden, graph, **options)
    init = initializers.uniform((self.window * hidden) ** -0.5)
    rngs = options['rngs']
    # export folds a `window_bn` into a `window_kernel` by these names.
    shape = (self.window, hidden, out_features)
    self.window_kernel = nnx.Param(init(rngs.params(), shape))
    self.window_bias = nnx.Param(init(rngs.params(), (out_features,)))
    self.window_bn = layers.BatchNorm(out_features, dtype=options['dtype'])
    self.stride = stride

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    b, v, t, _ = x_bvtc.shape
    back = self.window // 2
    padded = jnp.pad(x_bvtc, ((0, 0), (0, 0), (back, back), (0, 0)))
    frames = [padded[:, :, w : w + t : self.stride] for w in range(self.window)]
    y = self.graph(jnp.concatenate(frames, axis=1), train=train)
    y = y.reshape(b, self.window, v, *y.shape[2:])
    kernel = self.window_kernel[...].astype(y.dtype)
    y = jnp.einsum('bwvtc,wcd->bvtd', y, kernel)
    y += self.window_bias[...].astype(y.dtype)
    return self.window_bn(y, train=train)


class Stage(layers.Layer):
  """ReLU(MS-TCN(MS-TCN(MS-GCN(x))) + G3D_3(x) + G3D_5(x)), then MS-TCN.

  Args:
    in_features: C.
    hidden: channels after the joints are mixed.
    out_features: D.
    stride: step between output frames.
    layout: joints and bones of the graph.
    scales: K within a frame, and in windows.
    **options: `dtype` and `rngs`.
  """

  def __init__(
    self, in_features, hidden, out_features, stride, layout, scales, **options
  ):
    self.graph = GraphUnit(
      in_features, hidden, (layout, scales[0], 1), **options
    )
    widths = in_features, hidden, out_features
    self.windows = nnx.List(
      WindowUnit(*widths, (layout, scales[1], window), stride, **options)
      for window in _WINDOWS
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
    return self.temporal[2](self.ops.relu(y), train=train)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns the matrices within a frame, scale by scale; no attention.

    Only there is a scale a number of hops and every joint present once. The
    matrices of the windows are left out.
    """
    del x_bvtc
    return Mixing(self.graph.matrices(), None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this stage."""
    units: dict[tuple, Any] = {('graph',): self.graph}
    for i, unit in enumerate(self.windows):
      units['windows', i, 'graph'] = unit.graph
    return {
      (*path, *rest): value
      for path, unit in units.items()
      for rest, value in unit.data_axes(first=first).items()
    }


class MSG3D(Recognizer):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, whose bones are the graph.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    num_gcn_scales: K within a frame (the authors use 13 on NTU RGB+D and 8 on
      Kinetics).
    num_g3d_scales: K in windows (the authors use 6 and 8).
    widths: output channels of each stage, multiples of six.
    strides: temporal stride of each stage.
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
    num_gcn_scales: int = 13,
    num_g3d_scales: int = 6,
    widths: Sequence[int] = (96, 192, 384),
    strides: Sequence[int] = (1, 2, 2),
    dtype=None,
    rngs: nnx.Rngs,
  ):
    layers.check_blocks(
      widths=widths,
      strides=strides,
      min_width=_BRANCHES,
      width_multiple=_BRANCHES,
    )
    layers.check_least('num_gcn_scales', num_gcn_scales, 1)
    layers.check_least('num_g3d_scales', num_g3d_scales, 1)
    joints, scales = get_layout(layout), (num_gcn_scales, num_g3d_scales)
    options = {'dtype': dtype, 'rngs': rngs}
    features, blocks = in_channels, []
    for width, stride in zip(widths, strides, strict=True):
      # Joints are mixed at the input's width, except the raw keypoints.
      hidden = features if blocks else width
      blocks.append(
        Stage(features, hidden, width, stride, joints, scales, **options)
      )
      features = width
    super().__init__(
      num_classes,
      joints.num_joints,
      num_persons,
      in_channels,
      blocks=blocks,
      features=features,
      **options,
    )


@functools.cache
def _graph(layout: Layout, scales: int, window: int) -> np.ndarray:
  """Returns the matrices of a graph, (K, W * V, W * V).

  In a window, a joint's neighbours are itself and its neighbours in every
  frame.
  """
  matrix = graphs.adjacency(layout)
  if window > 1:
    matrix = np.tile(matrix + np.eye(len(matrix)), (window, window))
  return graphs.disentangled(matrix, scales)
