import zlib

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from unik_jax.run.digests import changed_leaves, digest_leaves
from unik_jax.runtime.sharding import make_mesh


def test_digests_are_of_the_bytes_whatever_the_mesh():
  value = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
  expected = {'a/0': f'{zlib.crc32(value.tobytes()):08x}'}
  assert digest_leaves({'a': [value]}) == expected
  mesh = make_mesh((4, 2))
  for spec in ((), ('data',), (None, 'model'), ('data', 'model')):
    put = jax.device_put(value, NamedSharding(mesh, PartitionSpec(*spec)))
    assert digest_leaves({'a': [put]}) == expected
  assert digest_leaves({'a': [np.asfortranarray(value)]}) == expected


def test_each_changed_bit_is_found():
  tree = {
    'w': np.linspace(0, 1, 5, dtype=np.float32),
    'n': 0.25,
    'i': np.int32(7),
  }
  digests = digest_leaves(tree)
  assert changed_leaves(tree, digests) == []
  for bit in range(5 * 32):
    bits = tree['w'].view(np.uint32).copy()
    bits[bit // 32] ^= np.uint32(1 << bit % 32)
    changed = {**tree, 'w': bits.view(np.float32)}
    assert changed_leaves(changed, digests) == ['w']
  assert changed_leaves({**tree, 'n': 0.5, 'new': 1}, digests) == ['n', 'new']
  assert changed_leaves(tree, None) == []  # nothing to compare
