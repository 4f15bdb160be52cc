"""Parallel branches of a network, each with its own share of the channels.

Shape legend: B clips x persons, V joints, T frames, C channels.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models import layers
from unik_jax.models.recognizer import Mixing


class Branches(layers.Layer):
  """One block for each of several inputs, which share the channels equally.

  Args:
    blocks: a block for each input.
  """

  def __init__(self, blocks: Sequence[Any]):
    self.blocks = nnx.List(blocks)

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    parts = jnp.split(x_bvtc, len(self.blocks), axis=-1)
    pairs = zip(self.blocks, parts, strict=True)
    return jnp.concatenate([b(x, train=train) for b, x in pairs], axis=-1)

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns the matrices of all blocks, one input after the other."""
    matrices = [block.mixing(x_bvtc).dependency for block in self.blocks]
    return Mixing(jnp.concatenate(matrices), None)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes` of these blocks."""
    return {
      ('blocks', i, *path): value
      for i, block in enumerate(self.blocks)
      for path, value in block.data_axes(first=first).items()
    }
