"""Res-GCN: Song et al., ACM MM 2020; with part attention, PA-ResGCN.

The network makes three inputs of the joints: positions, velocities and bones.
Each has a branch of its own, and the main stream gets all three together. The
block of both is in `res_gcn_block`.

Shape legend: N clips, M persons, B = N * M, V joints, T frames, C channels.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import UserError, check_choice
from unik_jax.models import graphs, initializers, layers
from unik_jax.models.branches import Branches
from unik_jax.models.recognizer import Recognizer
from unik_jax.models.res_gcn_block import REDUCTION, Block
from unik_jax.skeletons.layouts import get_layout

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
    reduction: int = REDUCTION,
    part_attention: bool = True,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    check_choice('model.kind', kind, KINDS)
    layers.check_least('reduction', reduction, 1)
    layers.check_blocks(
      widths=widths, strides=strides, min_width=max(REDUCTION, reduction)
    )
    if len(widths) != len(WIDTHS):
      raise UserError(
        f'model.widths: expected {len(WIDTHS)} entries, got {len(widths)}'
      )
    joints = get_layout(layout)
    options: dict[str, Any] = {'layout': joints, 'dtype': dtype, 'rngs': rngs}
    if kind.startswith('n'):
      deep: dict[str, Any] = {**options, 'reduction': reduction}
    elif reduction == REDUCTION:
      deep = options
    else:
      raise UserError(
        f'model.reduction: expected {REDUCTION} with model.kind={kind}, whose'
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
