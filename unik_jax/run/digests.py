"""Digests of arrays, which show that a file's bytes have changed."""

import hashlib
import json
import zlib
from typing import Any

import jax
import numpy as np


def digest_leaves(tree: Any) -> dict[str, str]:
  """Maps the path of each leaf, such as 'params/head/bias', to its digest.

  A digest is a CRC-32: any changed bit changes it, and other damage goes
  unnoticed once in four billion times. It does not depend on the mesh.

  Args:
    tree: a pytree of arrays and numbers.
  """
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): _digest(leaf)
    for path, leaf in leaves
  }


def changed_leaves(tree: Any, digests: dict[str, str] | None) -> list[str]:
  """Returns the paths of the leaves whose digest differs.

  Args:
    tree: as in `digest_leaves`.
    digests: from `digest_leaves`; None if there are none to compare.
  """
  if digests is None:
    return []
  found = digest_leaves(tree)
  return [path for path in found if found[path] != digests.get(path)]


def digest_weights(params: Any, batch_stats: Any) -> str:
  """Returns a digest of a network's weights."""
  digests = digest_leaves({'params': params, 'batch_stats': batch_stats})
  text = json.dumps(digests, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _digest(leaf):
  array = np.ascontiguousarray(_to_host(leaf))
  return f'{zlib.crc32(array.view(np.uint8).data):08x}'


def _to_host(leaf):
  """Returns a leaf as a numpy array, without the other processes' help.

  The mesh keeps its model axis within a process, so every process has all
  shards of every leaf.
  """
  if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
    return np.asarray(leaf)
  whole = np.empty(leaf.shape, leaf.dtype)
  for shard in leaf.addressable_shards:
    whole[shard.index] = shard.data
  return whole
