"""The block of Res-GCN: a graph unit and a temporal unit, and part attention.

Song et al., ACM MM 2020. The graph has matrices of 0, 1 and 2 hops with a
learned factor of each edge.

Shape legend: B clips x persons, V joints, T frames, C channels in, D channels
out, H hops, R channels of a bottleneck, Q body parts, U and P joints (in and
out).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.models import graphs, initializers, layers
from unik_jax.models.ops import at_least_float32
from unik_jax.models.recognizer import Mixing
from unik_jax.skeletons.body import body_parts
from unik_jax.skeletons.layouts import Layout

REDUCTION = 4  # of the attention, and of bottlenecks by default
_HOPS, COUNTED_HOPS = 2, 3
_TAPS = 9


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
    narrow, parts = features // REDUCTION, body_parts(layout)
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
