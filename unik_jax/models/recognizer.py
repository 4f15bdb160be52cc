"""What all the networks share: input batch norm, blocks, pooling, classifier.

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels,
H matrices by which a block mixes joints, U and P joints (in and out).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import initializers, layers

_PARTS = 8  # of a batch, in which persons who are there are tested


class Mixing(NamedTuple):
  """The matrices by which a block mixes joints: their sum, head by head.

  Column p holds the weights with which the joints u make joint p. With a
  window of W frames there are W * V joints, frame by frame.

  Attributes:
    dependency: (H, U, P), the same for all clips: learned, or a graph, or both.
    attention: (N, M, H, U, P), of each clip's persons. None where there is no
      attention, or no clip.
  """

  dependency: jax.Array
  attention: jax.Array | None


class Recognizer(nnx.Module):
  """A network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Its blocks are called as `block(x_bvtc, train=...)`, and offer
  `mixing(x_bvtc)`, a Mixing whose attention is (B, H, U, P), and
  `data_axes(first=...)`, as `data_axes` here, by their own paths.

  Args:
    num_classes: how many actions.
    num_joints: V.
    num_persons: M. Absent persons are zeros, and count in the mean, as in the
      official code.
    in_channels: C of the keypoints.
    blocks: one after the other.
    features: channels of the last one.
    persons_apart: whether the input's batch norm has statistics for each
      person, or the same for all.
    head_init: of the classifier's kernel.
    head_bias_init: of its bias; default PyTorch's.
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
  """

  # Set by `models.Network`, which says what they are.
  remat: bool
  norm_present: bool

  dropout = 0.0  # a network that drops values gives its blocks a `key`
  official_tensors = None  # of networks with an official state dict, a method

  @staticmethod
  def official_shape(tensors, options):
    """What a state dict's model was made for; None where it is not of this."""
    del tensors, options

  def __init__(
    self,
    num_classes: int,
    num_joints: int,
    num_persons: int,
    in_channels: int,
    *,
    blocks: Sequence[nnx.Module],
    features: int,
    persons_apart: bool = True,
    head_init=None,
    head_bias_init=None,
    dtype,
    rngs: nnx.Rngs,
  ):
    self.input_shape = (num_persons, None, num_joints, in_channels)
    apart = num_persons if persons_apart else 1
    self.input_bn = layers.BatchNorm(
      apart * num_joints * in_channels, dtype=dtype
    )
    self.blocks = nnx.List(blocks)
    default = initializers.uniform(features**-0.5)
    self.head = layers.Dense(
      features,
      num_classes,
      kernel_init=head_init or default,
      bias_init=head_bias_init or default,
      rngs=rngs,
    )
    self.persons_apart, self.dtype = persons_apart, dtype
    self.remat = self.norm_present = False

  def __call__(
    self, x_nmtvc: jax.Array, *, train: bool, key: jax.Array | None = None
  ) -> jax.Array:
    """Logits; `key` is for dropout, which there is none of without it."""
    if train and self.norm_present:
      self._leave_out(x_nmtvc)
    x_bvtc = self._persons(x_nmtvc, train=train)
    features = self._features(x_bvtc, train=train, key=key)
    return self.head(features.reshape(*x_nmtvc.shape[:2], -1).mean(1))

  def present_only(
    self, x_nmtvc: jax.Array, absent: jax.Array, find: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """To test: logits as without it, but without work for absent persons.

    With batch norm's running statistics a person's features depend on no other
    person, so those of one who is absent are the same in all clips of as many
    frames. Those who are there are taken in parts of the batch, as many as it
    takes, so that one program serves any number of them.

    Args:
      x_nmtvc: as in a call. A person who is zeros throughout is absent.
      absent: (M, D) features of absent persons, in each place.
      find: a boolean; true to find these features, instead of any answer.

    Returns:
      Logits (N, K), and features (N, M, D). Where `find`, the first clip's
      are those of absent persons, and all else has no meaning.
    """
    n, m = x_nmtvc.shape[:2]
    rows, part = n * m, max(n * m // _PARTS, 1)
    x = jnp.where(find, 0, x_nmtvc)
    present = jnp.where(
      find, jnp.arange(rows) < m, (x != 0).any((2, 3, 4)).ravel()
    )
    x_bvtc = self._persons(x, train=False)
    order = jnp.argsort(~present, stable=True)
    x_bvtc = x_bvtc[order]

    def some(i, features):
      # A start beyond the last one that fits is moved back, alike in both.
      x = jax.lax.dynamic_slice_in_dim(x_bvtc, i * part, part)
      of_some = self._features(x, train=False).astype(features.dtype)
      return jax.lax.dynamic_update_slice_in_dim(
        features, of_some, i * part, axis=0
      )

    features = jnp.zeros((rows, absent.shape[-1]), absent.dtype)
    parts = -(-present.sum() // part)
    features = jax.lax.fori_loop(0, parts, some, features)
    features = jnp.zeros_like(features).at[order].set(features)
    features = features.reshape(n, m, -1)
    present = present.reshape(n, m, 1)
    features = jnp.where(present, features, absent)
    return self.head(features.mean(1)), features

  def _features(self, x_bvtc, *, train, key=None):
    """(B, D): the blocks, and the mean over joints and frames."""
    for i, block in enumerate(self.blocks):
      drops = key is not None and self.dropout > 0
      extra = {'key': jax.random.fold_in(key, i)} if drops else {}

      def call(block, x, extra=extra):
        return block(x, train=train, **extra)

      x_bvtc = (nnx.remat(call) if self.remat else call)(block, x_bvtc)
    wide = layers.at_least_float32(x_bvtc.dtype)
    return x_bvtc.mean((1, 2), dtype=wide)

  def mixing(self, x_nmtvc: jax.Array | None = None) -> list[Mixing]:
    """Each block's matrices, and given clips' attention."""
    if x_nmtvc is None:
      return [block.mixing(None) for block in self.blocks]
    x_bvtc, out = self._persons(x_nmtvc, train=False), []
    for block in self.blocks:
      dependency, attention = block.mixing(x_bvtc)
      if attention is not None:
        shape = (*x_nmtvc.shape[:2], *attention.shape[1:])
        attention = attention.reshape(shape)
      out.append(Mixing(dependency, attention))
      x_bvtc = block(x_bvtc, train=False)
    return out

  def data_axes(self) -> dict[tuple, tuple]:
    """The arrays that depend on persons, joints or channels of the data.

    Returns:
      By path, what each axis is made of, the slowest first: some of 'persons',
      'joints', 'inputs' (joints that are summed over), 'reach' (taps over
      joints: as many, or one less if that is even; their middle is the joint
      itself), 'channels', and sizes of what does not depend on the data; ()
      for an axis that does not at all.
    """
    norm = (('persons',) * self.persons_apart + ('joints', 'channels'),)
    axes = {
      (tree, 'input_bn', name): norm
      for tree, name in (
        ('params', 'scale'),
        ('params', 'bias'),
        ('batch_stats', 'mean'),
        ('batch_stats', 'var'),
      )
    }
    for i, block in enumerate(self.blocks):
      for path, made_of in block.data_axes(first=i == 0).items():
        axes['params', 'blocks', i, *path] = made_of
    return axes

  def norms(self) -> list[layers.BatchNorm]:
    """All of its batch norms."""
    modules = (module for _, module in nnx.iter_modules(self))
    return [m for m in modules if isinstance(m, layers.BatchNorm)]

  def _leave_out(self, x_nmtvc):
    """Has absent persons, who are zeros, count in no batch norm."""
    there = x_nmtvc.any((2, 3, 4))
    for norm in self.norms():
      norm.where = there.reshape(-1, 1, 1)
    if self.persons_apart:
      features = self.input_bn.scale.size // there.shape[1]
      self.input_bn.where = jnp.repeat(there, features, 1)[:, None]

  def _persons(self, x_nmtvc, *, train):
    """Clips through the input batch norm, and taken apart: (B, V, T, C)."""
    n, m, t, v, c = x_nmtvc.shape
    persons, _, joints, channels = self.input_shape
    if (m, v, c) != (persons, joints, channels):
      raise UserError(
        f'this model takes keypoints of {persons} persons, {joints} joints'
        f' and {channels} channels; got (N, M, T, V, C) = {x_nmtvc.shape}'
      )
    if self.dtype is not None:
      x_nmtvc = x_nmtvc.astype(self.dtype)
    if not self.persons_apart:
      x_nmtvc = x_nmtvc.reshape(n * m, 1, t, v, c)
      n, m = n * m, 1
    x = x_nmtvc.transpose(0, 2, 1, 3, 4).reshape(n, t, m * v * c)
    x = self.input_bn(x, train=train)
    x = x.reshape(n, t, m, v, c).transpose(0, 2, 3, 1, 4)
    return x.reshape(n * m, v, t, c)
