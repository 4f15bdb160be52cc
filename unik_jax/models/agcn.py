"""2s-AGCN, one stream of it: Shi et al., CVPR 2019; and AAGCN, TIP 2020.

UNIK's ten blocks with a graph in them: three heads, each of which mixes the
joints by a slice of the graph of bones (`graphs.directed`), a learned part and
attention. UNIK is this network without the slices.

Shape legend: B clips x persons, V joints, T frames, C channels, H slices.
"""

import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import initializers, layers
from unik_jax.models.s_lsu import SpatialUnit
from unik_jax.models.unik import STRIDES, UNIK, WIDTHS
from unik_jax.official import state_dict, unik
from unik_jax.skeletons.layouts import get_layout

_OFFICIAL = unik.Names(
  spatial='gcn1', temporal='tcn1', dependency='PA', unused_bias=False
)


class AGCN(UNIK):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    layout: name of the joints' layout, whose bones are the graph.
    num_persons: M. Absent persons are zeros, and count in the mean.
    in_channels: C of the keypoints.
    widths: output channels of each block.
    strides: temporal stride of each block.
    temporal_kernel: taps of the temporal convolution.
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
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

  def official_tensors(self) -> Iterator[state_dict.Tensor]:
    """The state dict of the official PyTorch 2s-AGCN, in its order."""
    return unik.tensors(self, _OFFICIAL)

  @staticmethod
  def official_shape(tensors, options) -> dict[str, int] | None:
    """What a state dict's model was made for; None where it is no AGCN's."""
    del options
    return unik.shape(tensors, {'tau': 1}, _OFFICIAL)


class GatedUnit(SpatialUnit):
  """AAGCN's spatial unit: `SpatialUnit`, other attention, and gates after it.

  Attention is tanh in the place of softmax, times a number that is learned and
  starts at 0. A gate g between 0 and 1 makes y of its input: y g + y; first one
  for each joint, of means over frames; then each frame, of means over joints;
  then each channel, of means over both.

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    dtype: of the computation.
    rngs: where the initial values come from.
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
    taps = num_joints - 1 + num_joints % 2  # odd
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
    self.squeeze = layers.Dense(
      out_features,
      half,
      kernel_init=initializers.fan_out_normal(out_features),
      dtype=dtype,
      rngs=rngs,
    )
    self.excite = layers.Dense(
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
    hidden = layers.relu(self.squeeze(y.mean((1, 2), keepdims=True)))
    return y + y * jax.nn.sigmoid(self.excite(hidden))

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`."""
    axes = super().data_axes(first=first)
    return axes | {('joint_gate', 'kernel'): (('reach',), (), ())}

  def _normalized(self, scores):
    return self.alpha[...] * jnp.tanh(scores)


class AAGCN(AGCN):
  """AAGCN: 2s-AGCN with the graph learned from where it starts, and gates.

  The authors hold the matrices for the first five epochs; that is a matter of
  the recipe, and is not done here. Arguments are those of `AGCN`.
  """

  matrices = {'matrix': 'dependency', 'dependency_init': 'graph'}
  spatial_unit = GatedUnit

  official_tensors = None  # no official file was at hand to compare with
