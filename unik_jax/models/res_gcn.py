"""Res-GCN: Song et al., ACM MM 2020; with part attention, PA-ResGCN.

The network makes three inputs of the joints: positions, velocities and bones.
Each has a branch of its own, and the main stream gets all three together. The
graph has matrices of 0, 1 and 2 hops with a learned factor of each edge.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, H hops, R channels of a bottleneck, Q body parts, U and P joints (in and
out).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import UserError, check_choice
from unik_jax.models import graphs, initializers, layers
from unik_jax.models.ops import at_least_float32
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.skeletons.body import body_parts
from unik_jax.skeletons.layouts import Layout, get_layout

# Blocks of each stage, by the layers of a network of basic ('b') or bottleneck
# ('n') blocks.
KINDS = {
  **dict.fromkeys(('b15', 'n39'), (1, 2, 2, 2)),
  **dict.fromkeys(('b19', 'n51'), (1, 2, 3, 3)),
  **dict.fromkeys(('b23', 'n57'), (1, 3, 4, 3)),
  **dict.fromkeys(('b29', 'n75'), (1, 3, 6, 4)),
}
WIDTHS, STRIDES = (64, 32, 128, 256), (1, 1, 2, 2)
INPUTS = 3
_HOPS, COUNTED_HOPS = 2, 3
_TAPS = 9
_REDUCTION = 4  # of the attention, and of bottlenecks by default
_EPSILON = 1e-4  # added to a bone's length, as in the official loader


def make_inputs(
  x_bvtc: jax.Array, center: int, parents: Sequence[int]
) -> jax.Array:
  """Returns the three inputs of the official loader, (B, V, T, 3 * 2C).

  Positions, and positions relative to the center; differences to the next
  frame, and to the next but one; bones, and their angles with each axis:

    angle_c = arccos(bone_c / (|bone| + 0.0001))

  Args:
    x_bvtc: positions.
    center: index of the joint that is the origin.
    parents: for each joint, the joint at the other end of its bone.
  """
  relative = x_bvtc - x_bvtc[:, center, None]
  now = x_bvtc[:, :, :-2]
  ahead = [x_bvtc[:, :, 1:-1] - now, x_bvtc[:, :, 2:] - now]
  frames = x_bvtc.shape[2]
  # The official loader leaves the last two frames zero in both.
  ahead = [
    jnp.pad(a, ((0, 0), (0, 0), (0, 2), (0, 0)))[:, :, :frames] for a in ahead
  ]
  bone = x_bvtc - x_bvtc[:, np.asarray(parents)]
  square = (bone**2).sum(-1, keepdims=True)
  # Two `where`, or the gradient of a bone of no length is NaN.
  length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
  # arccos(b / h) = atan2(sqrt(h^2 - b^2), b), which is accurate, and has a
  # finite gradient, where the bone lies along the axis.
  other = square - bone**2 + 2 * length * _EPSILON + _EPSILON**2
  angle = jnp.arctan2(jnp.sqrt(other), bone)
  return jnp.concatenate([x_bvtc, relative, *ahead, bone, angle], -1)


class GraphUnit(layers.Layer):
  """bn(sum_h (x W_h + b_h) (A_h * E_h)); the factors E are learned.

  Args:
    in_features: C.
    out_features: D.
    layout: joints and bones of the graph.
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
    # The official code also has factors for three hops, and never uses them.
    joints = layout.num_joints
    self.edge = nnx.Param(
      initializers.filled(1, COUNTED_HOPS + 1, joints, joints)
    )
    # Not named `conv`: export folds a `bn` into the `conv` before it, which
    # fails here because the joints are mixed in between.
    self.entry = layers.dense(
      in_features, (_HOPS + 1) * out_features, dtype=dtype, rngs=rngs
    )
    self.bn = layers.BatchNorm(out_features, dtype=dtype)
    self.layout = layout

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.entry(x_bvtc)
    mixing = self.matrices().astype(y.dtype)
    y = y.reshape(*y.shape[:-1], len(mixing), -1)
    return self.bn(jnp.einsum('buthd,hup->bptd', y, mixing), train=train)

  def matrices(self) -> jax.Array:
    """Returns A * E of the hops in use, (H, U, P)."""
    graph = graphs.by_hops(self.layout, COUNTED_HOPS)
    return (jnp.asarray(graph) * self.edge[...])[: _HOPS + 1]


class Bottleneck(layers.Layer):
  """ReLU(bn(conv(ReLU(inner(ReLU(bn(conv(x))))))) + residual(x)).

  Args:
    inner: unit of R channels in and out, without ReLU.
    in_features: C.
    out_features: D.
    narrow: R.
    stride: step between the inner unit's output frames.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    inner: nnx.Module,
    in_features: int,
    out_features: int,
    narrow: int,
    *,
    stride: int = 1,
    dtype,
    rngs: nnx.Rngs,
  ):
    options = {'dtype': dtype, 'rngs': rngs}
    self.residual = layers.residual_branch(
      in_features, out_features, stride=stride, **options
    )
    self.down = layers.pointwise_norm(in_features, narrow, **options)
    self.inner = inner
    # A scale of zero: each bottleneck starts as its residual branch.
    self.up = layers.ConvNorm(
      layers.dense(narrow, out_features, **options),
      layers.BatchNorm(out_features, scale=0.0, dtype=dtype),
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.ops.relu(self.down(x_bvtc, train=train))
    y = self.ops.relu(self.inner(y, train=train))
    y = self.up(y, train=train) + self.residual(x_bvtc, train=train)
    return self.ops.relu(y)


class PartAttention(layers.Layer):
  """ReLU(bn(x * a) + x), with weights a of each channel and body part.

    a = softmax_q(ReLU(bn(mean_vt(x) W)) W_q), at each joint its part's

  Args:
    features: D, in and out.
    layout: joints, from whose names their parts follow.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(self, features: int, *, layout: Layout, dtype, rngs: nnx.Rngs):
    options = {'dtype': dtype, 'rngs': rngs}
    narrow, parts = features // _REDUCTION, body_parts(layout)
    self.squeeze = layers.pointwise_norm(features, narrow, **options)
    self.expand = layers.dense(narrow, features * len(parts), **options)
    self.bn = layers.BatchNorm(features, dtype=dtype)
    self.parts = len(parts)
    part_of = {joint: q for q, part in enumerate(parts) for joint in part}
    self.part_of = tuple(part_of[j] for j in range(layout.num_joints))

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    mean = x_bvtc.mean((1, 2), dtype=at_least_float32(x_bvtc.dtype))
    y = self.squeeze(mean.astype(x_bvtc.dtype)[:, None, None], train=train)
    y = self.expand(self.ops.relu(y[:, 0, 0]))
    weights_bdq = jax.nn.softmax(y.reshape(y.shape[0], -1, self.parts), -1)
    weights_bvd = weights_bdq.transpose(0, 2, 1)[:, np.asarray(self.part_of)]
    y = self.bn(x_bvtc * weights_bvd[:, :, None], train=train)
    return self.ops.relu(y + x_bvtc)


class Block(layers.Layer):
  """A spatial and a temporal unit, both basic or both bottlenecks.

    basic: ReLU(bn(conv(ReLU(graph(x)))) + residual(x))
    bottleneck: Bottleneck(bn(conv))(Bottleneck(graph)(x))

  Args:
    in_features: C.
    out_features: D.
    layout: joints and bones of the graph.
    stride: step between output frames.
    reduction: D / R of the bottlenecks; 0 for basic units.
    residual: adds the input of basic units.
    attention: applies `PartAttention` at the end.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    layout: Layout,
    stride: int = 1,
    reduction: int = 0,
    residual: bool = True,
    attention: bool = False,
    dtype,
    rngs: nnx.Rngs,
  ):
    options = {'dtype': dtype, 'rngs': rngs}
    width, source = out_features, in_features
    if reduction:
      width = source = out_features // reduction
    graph = GraphUnit(source, width, layout=layout, **options)
    temporal = layers.ConvNorm(
      layers.TemporalConv(
        width, width, kernel_size=_TAPS, stride=stride, **options
      ),
      layers.BatchNorm(width, dtype=dtype),
    )
    if reduction:
      self.spatial = Bottleneck(
        graph, in_features, out_features, width, **options
      )
      self.temporal = Bottleneck(
        temporal, out_features, out_features, width, stride=stride, **options
      )
    else:
      self.spatial, self.temporal = graph, temporal
      self.residual = layers.residual_branch(
        in_features, out_features, stride=stride, enabled=residual, **options
      )
    self.attention = (
      PartAttention(out_features, layout=layout, **options)
      if attention
      else layers.Identity()
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.spatial(x_bvtc, train=train)
    if isinstance(self.spatial, Bottleneck):
      y = self.temporal(y, train=train)
    else:
      y = self.temporal(self.ops.relu(y), train=train)
      y = self.ops.relu(y + self.residual(x_bvtc, train=train))
    return self.attention(y, train=train)

  @property
  def graph(self) -> GraphUnit:
    """The unit that mixes joints."""
    unit: Any = self.spatial
    return getattr(unit, 'inner', unit)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns A * E; the attention weighs parts, and mixes no joints."""
    del x_bvtc
    return Mixing(self.graph.matrices(), None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    wrapped = isinstance(self.spatial, Bottleneck)
    path = ('spatial', 'inner') if wrapped else ('spatial',)
    axes: dict[tuple, tuple] = {(*path, 'edge'): ((), ('joints',), ('joints',))}
    if first:  # always basic
      axes['spatial', 'entry', 'kernel'] = ((2, 'channels'), ())
    return axes


class Branches(nnx.Module):
  """One block for each of the three inputs, which share the channels.

  Args:
    blocks: a block for each input.
  """

  def __init__(self, blocks: Sequence[Block]):
    self.blocks = nnx.List(blocks)

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    parts = jnp.split(x_bvtc, len(self.blocks), axis=-1)
    pairs = zip(self.blocks, parts, strict=True)
    return jnp.concatenate([b(x, train=train) for b, x in pairs], axis=-1)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns the matrices of all three, one input after the other."""
    matrices = [block.mixing(x_bvtc).dependency for block in self.blocks]
    return Mixing(jnp.concatenate(matrices), None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of these blocks."""
    return {
      ('blocks', i, *path): value
      for i, block in enumerate(self.blocks)
      for path, value in block.data_axes(first=first).items()
    }


class ResGCN(Recognizer):
  """The network: (N, M, T, V, C) joints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, which has the bones of the graph and the
      body parts.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    kind: blocks of the network, a key of `KINDS`: 'b' for basic blocks, 'n'
      for bottlenecks, and the number of layers.
    reduction: channels of a block per channel of its bottleneck.
    part_attention: adds `PartAttention` to each block of the main stream.
    widths: channels of the branches' blocks, of their last block, and of the
      two stages of the main stream.
    strides: temporal stride of the first block of each of these widths.
    dtype: dtype of the computation; None for the inputs' dtype.
    rngs: source of the initial values (stream `params`).

  Raises:
    UserError: an option is out of range.
  """

  makes_streams = True

  def __init__(
    self,
    num_classes: int,
    layout: str,
    num_persons: int = 2,
    in_channels: int = 3,
    *,
    kind: str = 'b19',
    reduction: int = _REDUCTION,
    part_attention: bool = True,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    check_choice('model.kind', kind, KINDS)
    layers.check_least('reduction', reduction, 1)
    layers.check_blocks(
      widths=widths, strides=strides, min_width=max(_REDUCTION, reduction)
    )
    if len(widths) != len(WIDTHS):
      raise UserError(
        f'model.widths: expected {len(WIDTHS)} entries, got {len(widths)}'
      )
    joints = get_layout(layout)
    options: dict[str, Any] = {'layout': joints, 'dtype': dtype, 'rngs': rngs}
    if kind.startswith('n'):
      deep: dict[str, Any] = {**options, 'reduction': reduction}
    elif reduction == _REDUCTION:
      deep = options
    else:
      raise UserError(
        f'model.reduction: expected {_REDUCTION} with model.kind={kind}, whose'
        f' blocks have no bottleneck, got {reduction}'
      )
    initial, *numbers = KINDS[kind]
    entry, narrow, *main = widths
    first, second, *main_strides = strides
    features, blocks = 2 * in_channels, []

    def add(width, stride, **settings):
      nonlocal features
      branches = [
        Block(features, width, stride=stride, **settings) for _ in range(INPUTS)
      ]
      blocks.append(Branches(branches))
      features = width

    for i in range(initial):  # without residual branches
      add(entry, 1 if i else first, residual=False, **options)
    for _ in range(numbers[0] - 1):
      add(entry, 1, **deep)
    add(narrow, second, **deep)
    features *= INPUTS
    for number, width, stride in zip(
      numbers[1:], main, main_strides, strict=True
    ):
      for i in range(number):
        block = Block(
          features,
          width,
          stride=1 if i else stride,
          attention=part_attention,
          **deep,
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
      head_init=initializers.normal(0.001),
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )
    self.input_bn = layers.BatchNorm(INPUTS * 2 * in_channels, dtype=dtype)
    # The official code takes joint 2 of its layouts: the middle of the spine,
    # or the neck. `up` is from the body's bottom to that joint.
    self.center = joints.index(joints.up[1] if joints.up else joints.center)
    self.parents = graphs.parents_towards(joints, self.center)

  def split_persons(self, x_nmtvc: jax.Array, *, train: bool) -> jax.Array:
    """Makes the inputs and applies their batch norm; (B, V, T, 3 * 2C)."""
    self.check_input(x_nmtvc)
    x_bvtc = x_nmtvc.reshape(-1, *x_nmtvc.shape[2:]).transpose(0, 2, 1, 3)
    x_bvtc = make_inputs(x_bvtc, self.center, self.parents)
    if self.dtype is not None:  # after differences, which lose digits
      x_bvtc = x_bvtc.astype(self.dtype)
    return self.input_bn(x_bvtc, train=train)

  def data_axes(self) -> dict[tuple, tuple]:
    """See `Recognizer.data_axes`; the input's norm is the same for joints."""
    norm = ((INPUTS * 2, 'channels'),)
    return {
      path: norm if path[1] == 'input_bn' else value
      for path, value in super().data_axes().items()
    }
