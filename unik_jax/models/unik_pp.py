"""UNIK++: four streams in one network, on joints that it learns.

Our own network for some hundred clips. Like UNIK, it has no graph. Three things
are different:

- Each stream (joints, bones and their motions) has a branch of its own. In
  training, each branch recognises the action alone; a prediction is the mean of
  their logits. So one training gives what papers get from four.
- The first unit of a branch gathers the joints into a few latent joints, by
  learned dependency matrices that are not square. Later blocks are cheaper, and
  do not depend on the joint layout.
- The blocks have no attention, which small data does not support
  (docs/results.md, "From few clips").

Shape legend: N clips, M persons, B = N * M, T frames, V joints, P latent
joints, H heads, S streams, C channels, D features of a branch, K classes.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import check_choice
from unik_jax.models import initializers, layers
from unik_jax.models.branches import Branches
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.s_lsu import HeadParams, SpatialUnit
from unik_jax.models.unik import STRIDES, WIDTHS, Block, TemporalUnit
from unik_jax.skeletons.layouts import get_layout

STREAMS = ('joint', 'bone', 'joint_motion', 'bone_motion')


def make_streams(
  x_bvtc: jax.Array,
  streams: Sequence[str],
  parents: Sequence[int],
  *,
  confidence: bool = False,
) -> jax.Array:
  """Returns streams side by side, (B, V, T, S * C).

  They are those of `data.streams`, but the bone of the root is 0 in any layout.

  Args:
    x_bvtc: coordinates of the joints, and their confidence if there is one.
    streams: names of `STREAMS`.
    parents: index of each joint's parent; the root is its own.
    confidence: the last channel is a confidence, the same in each stream.
  """
  coordinates = x_bvtc.shape[-1] - confidence
  x_bvtc, score = x_bvtc[..., :coordinates], x_bvtc[..., coordinates:]

  def motion(x):
    return jnp.diff(x, axis=2, append=x[:, :, -1:])

  bones = x_bvtc - x_bvtc[:, np.asarray(parents)]
  made = {
    'joint': x_bvtc,
    'bone': bones,
    'joint_motion': motion(x_bvtc),
    'bone_motion': motion(bones),
  }
  parts = [part for name in streams for part in (made[name], score)]
  return jnp.concatenate(parts, -1)


class GatheringUnit(layers.Layer):
  """ReLU(bn(sum_h E_h(f_in W_h))): V joints to P latent joints.

  Eq. 2 of UNIK without attention, with matrices W_h of V rows and P columns.

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    latent_joints: P.
    num_heads: H.
    dtype: dtype of the computation.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    num_joints: int,
    latent_joints: int,
    num_heads: int,
    dtype,
    rngs: nnx.Rngs,
  ):
    bound = initializers.uniform(num_joints**-0.5)
    shape = (num_heads, num_joints, latent_joints)
    self.dependency = nnx.Param(bound(rngs.params(), shape))
    self.embed = HeadParams(
      num_heads,
      in_features,
      out_features,
      std=math.sqrt(1 / (in_features * num_heads)),
      rngs=rngs,
    )
    self.bn = layers.BatchNorm(out_features, dtype=dtype)
    self.dtype = dtype

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    mixing = self.dependency[...].astype(x_bvtc.dtype)
    embed = self.embed.cast(self.dtype)
    y = self.ops.mix_and_embed(x_bvtc, mixing, *embed)
    return self.ops.relu(self.bn(y, train=train))

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns W_h, (H, V, P); there is no attention."""
    del x_bvtc
    return Mixing(self.dependency[...], None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this unit, which is the first."""
    del first
    return {
      ('dependency',): ((), ('inputs',), ()),
      ('embed', 'kernel'): ((), ('channels',), ()),
    }


class LatentBlock(Block):
  """UNIK's block on latent joints, of which no array depends on the data."""

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of this block."""
    del first
    return {}


class UNIKPP(Recognizer):
  """The network: (N, M, T, V, C) joints to (N, num_classes) logits.

  In training, `__call__` returns the logits of each stream, (N, S, K).

  Args:
    num_classes: K.
    layout: name of the joint layout, whose bones the bone streams are.
    num_persons: M. Absent persons are zeros and count in the mean.
    in_channels: C of the keypoints.
    confidence: the last of them is a confidence.
    streams: streams that have a branch.
    latent_joints: P.
    num_heads: H, at least 1.
    widths: output channels of each block of a branch.
    strides: temporal stride of each block.
    temporal_kernel: taps of the temporal convolution.
    dtype: dtype of the computation; None for the inputs' dtype.
    rngs: source of the initial values (stream `params`).

  Raises:
    UserError: an option is out of range.
  """

  makes_streams = True
  mixes_joints = False

  def __init__(
    self,
    num_classes: int,
    layout: str,
    num_persons: int = 2,
    in_channels: int = 3,
    *,
    confidence: bool = False,
    streams: Sequence[str] = STREAMS,
    latent_joints: int = 8,
    num_heads: int = 3,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    temporal_kernel: int = 9,
    dtype=None,
    rngs: nnx.Rngs,
  ):
    joints = get_layout(layout)
    for name in streams:
      check_choice('model.streams', name, STREAMS)
    for key, value in (
      ('latent_joints', latent_joints),
      ('num_heads', num_heads),
      ('temporal_kernel', temporal_kernel),
    ):
      layers.check_least(key, value, 1)
    layers.check_blocks(widths=widths, strides=strides)

    def branch(make_block):
      return Branches([make_block() for _ in streams])

    def gathering():
      return GatheringUnit(
        in_channels,
        widths[0],
        num_joints=joints.num_joints,
        latent_joints=latent_joints,
        num_heads=num_heads,
        dtype=dtype,
        rngs=rngs,
      )

    def block(features, width, stride):
      spatial = SpatialUnit(
        features,
        width,
        num_joints=latent_joints,
        num_heads=num_heads,
        tau=1,
        attention=False,
        attention_scale=True,
        dependency_init='code',
        matrix='dependency',
        layout=None,
        dtype=dtype,
        rngs=rngs,
      )
      temporal = TemporalUnit(
        width,
        kernel_size=temporal_kernel,
        stride=stride,
        dilation=1,
        dtype=dtype,
        rngs=rngs,
      )
      residual = layers.residual_branch(
        features, width, stride=stride, dtype=dtype, rngs=rngs
      )
      return LatentBlock(spatial, temporal, residual)

    features, blocks = widths[0], [branch(gathering)]
    for width, stride in zip(widths, strides, strict=True):
      blocks.append(
        branch(lambda f=features, w=width, s=stride: block(f, w, s))
      )
      features = width
    super().__init__(
      num_classes,
      joints.num_joints,
      num_persons,
      in_channels,
      blocks=blocks,
      features=len(streams) * features,
      norm_per_person=False,
      head_init=initializers.normal(0.01),
      head_bias_init=initializers.zeros,
      dtype=dtype,
      rngs=rngs,
    )
    self.input_bn = layers.BatchNorm(
      joints.num_joints * len(streams) * in_channels, dtype=dtype
    )
    self.streams, self.parents = tuple(streams), tuple(joints.parents)
    self.confidence = confidence

  def split_persons(self, x_nmtvc: jax.Array, *, train: bool) -> jax.Array:
    """Makes the streams and applies their batch norm; (B, V, T, S * C)."""
    self.check_input(x_nmtvc)
    n, m, t, v, c = x_nmtvc.shape
    x_bvtc = x_nmtvc.reshape(n * m, t, v, c).transpose(0, 2, 1, 3)
    x_bvtc = make_streams(
      x_bvtc, self.streams, self.parents, confidence=self.confidence
    )
    if self.dtype is not None:  # after differences, which lose digits
      x_bvtc = x_bvtc.astype(self.dtype)
    x = x_bvtc.transpose(0, 2, 1, 3).reshape(n * m, t, -1)
    x = self.input_bn(x, train=train)
    return x.reshape(n * m, t, v, -1).transpose(0, 2, 1, 3)

  def classify(self, features_nd: jax.Array, *, train: bool) -> jax.Array:
    """Returns logits (N, K), the mean over streams; in training (N, S, K)."""
    count = len(self.streams)
    if not train:
      return self.head(features_nd / count)
    # Each stream's features with zeros for the others: its rows of the
    # classifier, as if it were the only one.
    parts = features_nd.reshape(len(features_nd), 1, count, -1)
    alone = parts * jnp.eye(count, dtype=parts.dtype)[:, :, None]
    return self.head(alone.reshape(len(features_nd), count, -1))

  def data_axes(self) -> dict[tuple, tuple]:
    """See `Recognizer.data_axes`; the input's norm is of all streams."""
    norm = (('joints', len(self.streams), 'channels'),)
    return {
      path: norm if path[1] == 'input_bn' else value
      for path, value in super().data_axes().items()
    }
