"""Base class of all networks: input batch norm, blocks, pooling, classifier.

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels,
D features, K classes, H matrices with which a block mixes joints, U and P
joints (in and out).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import initializers, layers, ops

# Present persons are computed in this many parts of a batch. More parts waste
# less work on absent persons, fewer keep the products large.
_PARTS = 8


class Mixing(NamedTuple):
  """The matrices with which a block mixes joints: their sum, head by head.

  Column p holds the weights with which the joints u make joint p. A window of
  tau frames has tau * V joints, frame by frame.

  Attributes:
    dependency: (H, U, P), the same for all clips: learned, a graph, or both.
    attention: (N, M, H, U, P), one per clip and person; None without attention
      or without a clip.
  """

  dependency: jax.Array
  attention: jax.Array | None


class Recognizer(nnx.Module):
  """A network: (N, M, T, V, C) keypoints to (N, K) logits.

  Its blocks are called as `block(x_bvtc, train=...)`. They offer
  `mixing(x_bvtc)`, a `Mixing` whose attention is (B, H, U, P), and
  `data_axes(first=...)`, as `data_axes` here with paths within the block.

  Args:
    num_classes: K.
    num_joints: V.
    num_persons: M. Absent persons are zeros and count in the mean, as in the
      official code.
    in_channels: C of the keypoints.
    blocks: layers, applied one after the other.
    features: D, channels of the last block.
    norm_per_person: input batch norm has statistics for each person; else it
      has the same for all.
    head_init: initializer of the classifier's kernel (default: PyTorch's).
    head_bias_init: initializer of the classifier's bias (default: PyTorch's).
    dtype: dtype of the computation; None for the inputs' dtype.
    rngs: source of the initial values (stream `params`).
  """

  # Set by `Network`, which describes them.
  remat: bool
  norm_present: bool

  # The network makes bones and motions itself, and expects the joint stream.
  makes_streams = False
  # Dependency matrices are over the joints of the layout.
  mixes_joints = True
  dropout = 0.0  # a network with dropout passes a `key` to its blocks

  def __init__(
    self,
    num_classes: int,
    num_joints: int,
    num_persons: int,
    in_channels: int,
    *,
    blocks: Sequence[Any],
    features: int,
    norm_per_person: bool = True,
    head_init=None,
    head_bias_init=None,
    dtype,
    rngs: nnx.Rngs,
  ):
    self.input_shape = (num_persons, None, num_joints, in_channels)
    persons = num_persons if norm_per_person else 1
    self.input_bn = layers.BatchNorm(
      persons * num_joints * in_channels, dtype=dtype
    )
    self.blocks = nnx.List(blocks)
    default = initializers.uniform(features**-0.5)
    self.head = layers.dense(
      features,
      num_classes,
      kernel_init=head_init or default,
      bias_init=head_bias_init or default,
      rngs=rngs,
    )
    self.norm_per_person, self.dtype = norm_per_person, dtype
    self.remat = self.norm_present = False

  def __call__(
    self,
    x_nmtvc: jax.Array,
    *,
    train: bool = False,
    key: jax.Array | None = None,
  ) -> jax.Array:
    """Returns logits, as `classify`; without a `key` nothing is dropped."""
    return self.with_features(x_nmtvc, train=train, key=key)[0]

  def with_features(
    self, x_nmtvc: jax.Array, *, train: bool, key: jax.Array | None = None
  ) -> tuple[jax.Array, jax.Array]:
    """Returns logits, as `classify`, and features (N, M, D) of each person.

    The classifier gets the mean of the persons' features.
    """
    if train and self.norm_present:
      self._mask_absent_persons(x_nmtvc)
    x_bvtc = self.split_persons(x_nmtvc, train=train)
    features = self._features(x_bvtc, train=train, key=key)
    features = features.reshape(*x_nmtvc.shape[:2], -1)
    return self.classify(features.mean(1), train=train), features

  def classify(self, features_nd: jax.Array, *, train: bool) -> jax.Array:
    """Returns logits (N, K).

    A network of S branches that are trained to classify alone returns their
    logits (N, S, K) if `train`.
    """
    del train
    return self.head(features_nd)

  def present_only(
    self, x_nmtvc: jax.Array, absent: jax.Array, find: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Evaluates without computing absent persons.

    With running statistics in batch norm, a person's features depend on no
    other person. The features of an absent person are therefore one constant
    for given weights and frames. Present persons are sorted to the front, and
    only the parts of the batch that hold them are computed. One compiled
    program serves any number of present persons.

    Args:
      x_nmtvc: as in a call. A person of zeros only is absent.
      absent: features (M, D) of an absent person in each place.
      find: a boolean; True computes `absent` instead of logits.

    Returns:
      Logits (N, K) and features (N, M, D). If `find`, the features of the
      first clip are those of absent persons, and the rest is undefined.
    """
    n, m = x_nmtvc.shape[:2]
    rows, part = n * m, max(n * m // _PARTS, 1)
    x = jnp.where(find, 0, x_nmtvc)
    present = jnp.where(
      find, jnp.arange(rows) < m, (x != 0).any((2, 3, 4)).ravel()
    )
    x_bvtc = self.split_persons(x, train=False)
    order = jnp.argsort(~present, stable=True)
    x_bvtc = x_bvtc[order]

    def compute_part(i, features):
      # Both slices clamp a start beyond the last full part in the same way.
      x = jax.lax.dynamic_slice_in_dim(x_bvtc, i * part, part)
      y = self._features(x, train=False).astype(features.dtype)
      return jax.lax.dynamic_update_slice_in_dim(features, y, i * part, axis=0)

    features = jnp.zeros((rows, absent.shape[-1]), absent.dtype)
    num_parts = -(-present.sum() // part)
    features = jax.lax.fori_loop(0, num_parts, compute_part, features)
    features = jnp.zeros_like(features).at[order].set(features)
    features = jnp.where(
      present.reshape(n, m, 1), features.reshape(n, m, -1), absent
    )
    return self.classify(features.mean(1), train=False), features

  def mixing(self, x_nmtvc: jax.Array | None = None) -> list[Mixing]:
    """Returns each block's mixing matrices; attention needs the clips."""
    if x_nmtvc is None:
      return [block.mixing(None) for block in self.blocks]
    x_bvtc, out = self.split_persons(x_nmtvc, train=False), []
    for block in self.blocks:
      dependency, attention = block.mixing(x_bvtc)
      if attention is not None:
        shape = (*x_nmtvc.shape[:2], *attention.shape[1:])
        attention = attention.reshape(shape)
      out.append(Mixing(dependency, attention))
      x_bvtc = block(x_bvtc, train=False)
    return out

  def data_axes(self) -> dict[tuple, tuple]:
    """Maps each data-dependent parameter's path to its axes' data dimensions.

    Transfer to another joint layout uses it.

    Returns:
      For each axis, its data dimensions, slowest-varying first; () for an axis
      that does not depend on the data. Dimensions are 'persons', 'joints',
      'inputs' (joints that are summed over), 'channels', 'reach' (taps over
      joints: V, or V - 1 if V is even; the middle one is the joint itself),
      and integers for sizes that do not depend on the data.
    """
    norm = (('persons',) * self.norm_per_person + ('joints', 'channels'),)
    axes: dict[tuple, tuple] = {
      (tree, 'input_bn', name): norm
      for tree, name in (
        ('params', 'scale'),
        ('params', 'bias'),
        ('batch_stats', 'mean'),
        ('batch_stats', 'var'),
      )
    }
    for i, block in enumerate(self.blocks):
      for path, value in block.data_axes(first=i == 0).items():
        axes['params', 'blocks', i, *path] = value
    return axes

  def norms(self) -> list[layers.BatchNorm]:
    """Returns all batch norms of the network."""
    modules = (module for _, module in nnx.iter_modules(self))
    return [m for m in modules if isinstance(m, layers.BatchNorm)]

  def split_persons(self, x_nmtvc: jax.Array, *, train: bool) -> jax.Array:
    """Applies the input batch norm; splits clips into persons (B, V, T, C)."""
    self.check_input(x_nmtvc)
    n, m, t, v, c = x_nmtvc.shape
    if self.dtype is not None:
      x_nmtvc = x_nmtvc.astype(self.dtype)
    if not self.norm_per_person:
      x_nmtvc = x_nmtvc.reshape(n * m, 1, t, v, c)
      n, m = n * m, 1
    x = x_nmtvc.transpose(0, 2, 1, 3, 4).reshape(n, t, m * v * c)
    x = self.input_bn(x, train=train)
    x = x.reshape(n, t, m, v, c).transpose(0, 2, 3, 1, 4)
    return x.reshape(n * m, v, t, c)

  def check_input(self, x_nmtvc: jax.Array) -> None:
    """Raises a UserError if persons, joints or channels differ from ours."""
    _, m, _, v, c = x_nmtvc.shape
    persons, _, joints, channels = self.input_shape
    if (m, v, c) != (persons, joints, channels):
      raise UserError(
        f'this model: expected keypoints of {persons} persons, {joints} joints'
        f' and {channels} channels, got (N, M, T, V, C) = {x_nmtvc.shape}'
      )

  def _features(self, x_bvtc, *, train, key=None):
    """Returns (B, D): the blocks' output, averaged over joints and frames."""
    for i, block in enumerate(self.blocks):
      drops = key is not None and self.dropout > 0
      options = {'key': jax.random.fold_in(key, i)} if drops else {}

      def call(block, x, options=options):
        return block(x, train=train, **options)

      with jax.named_scope(f'block{i}'):
        x_bvtc = (nnx.remat(call) if self.remat else call)(block, x_bvtc)
    return x_bvtc.mean((1, 2), dtype=ops.at_least_float32(x_bvtc.dtype))

  def _mask_absent_persons(self, x_nmtvc):
    """Excludes absent persons, who are zeros, from batch norm's statistics."""
    present = x_nmtvc.any((2, 3, 4))
    for norm in self.norms():
      norm.where = present.reshape(-1, 1, 1)
    if self.norm_per_person:
      features = self.input_bn.scale.size // present.shape[1]
      self.input_bn.where = jnp.repeat(present, features, 1)[:, None]
