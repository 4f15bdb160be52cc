"""2s-AGCN, one stream of it (Shi et al., CVPR 2019), and AAGCN (TIP 2020).

UNIK's ten blocks with a graph in them: each of three heads mixes the joints by
a slice of the graph of bones (`graphs.directed`), a learned part and
attention. UNIK is this network without the slices.

Shape legend: B clips x persons, V joints, T frames, C channels, H slices.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import initializers, layers
from unik_jax.models.s_lsu import SpatialUnit
from unik_jax.models.unik import STRIDES, UNIK, WIDTHS
from unik_jax.skeletons.layouts import get_layout


class AGCN(UNIK):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: number of actions.
    layout: name of the joint layout, whose bones are the graph.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block.
    strides: temporal stride of each block.
    temporal_kernel: taps of the temporal convolution.
    dtype: dtype of the computation; None for the inputs' dtype.
    rngs: source of the initial values (stream `params`).
  """

  matrices = {'matrix': 'adaptive'}

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
    dtype=None,
    rngs: nnx.Rngs,
  ):
    super().__init__(
      num_classes,
      get_layout(layout).num_joints,
      num_persons,
      in_channels,
      widths=widths,
      strides=strides,
      temporal_kernel=temporal_kernel,
      **self.matrices,
      layout=layout,
      dtype=dtype,
      rngs=rngs,
    )


class GatedUnit(SpatialUnit):
  """AAGCN's spatial unit: other attention than `SpatialUnit`, then gates.

  Attention is tanh instead of softmax, times a learned number that starts at
  0. A gate g in (0, 1) maps y to y + g y. There are three: g per joint, from
  means over frames; per frame, from means over joints; per channel, from means
  over both.

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    dtype: dtype of the computation.
    rngs: source of the initial values.
    **options: of `SpatialUnit`.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    num_joints: int,
    dtype,
    rngs: nnx.Rngs,
    **options,
  ):
    super().__init__(
      in_features,
      out_features,
      num_joints=num_joints,
      dtype=dtype,
      rngs=rngs,
      **options,
    )
    self.alpha = nnx.Param(initializers.filled(0, 1))
    taps = num_joints - 1 + num_joints % 2  # the largest odd number up to V
    std = math.sqrt(2 / (taps * (out_features + 1)))
    self.joint_gate, self.frame_gate = (
      layers.TemporalConv(
        out_features,
        1,
        kernel_size=size,
        kernel_init=init,
        dtype=dtype,
        rngs=rngs,
      )
      for size, init in (
        (taps, initializers.normal(std)),
        (9, initializers.zeros),
      )
    )
    half = out_features // 2
    self.squeeze = layers.dense(
      out_features,
      half,
      kernel_init=initializers.fan_out_normal(out_features),
      dtype=dtype,
      rngs=rngs,
    )
    self.excite = layers.dense(
      half,
      out_features,
      kernel_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = super().__call__(x_bvtc, train=train)
    gate = jax.nn.sigmoid(self.joint_gate(y.mean(2)[:, None]))
    y += y * gate.transpose(0, 2, 1, 3)
    y += y * jax.nn.sigmoid(self.frame_gate(y.mean(1, keepdims=True)))
    hidden = self.ops.relu(self.squeeze(y.mean((1, 2), keepdims=True)))
    return y + y * jax.nn.sigmoid(self.excite(hidden))

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this unit."""
    axes = super().data_axes(first=first)
    return axes | {('joint_gate', 'kernel'): (('reach',), (), ())}

  def normalize_scores(self, scores_bhup: jax.Array) -> jax.Array:
    """Returns tanh of the scores, times a learned number."""
    return self.alpha[...] * jnp.tanh(scores_bhup)


class AAGCN(AGCN):
  """AAGCN: 2s-AGCN with a graph that is learned from the bones, and gates.

  The authors freeze the matrices for the first five epochs. That belongs to
  the recipe and is not done here. Arguments are those of `AGCN`.
  """

  matrices = {'matrix': 'dependency', 'dependency_init': 'graph'}
  spatial_unit = GatedUnit
