"""Freed heap memory is kept between calls, measured in fresh processes."""

import os
import platform
import subprocess
import sys
import types

import pytest

from unik_jax.runtime import heap

pytestmark = pytest.mark.slow

PAGES = """
import resource
import sys
from unik_jax.runtime import heap
if sys.argv[1] == 'keep':
  heap.keep_freed_memory()
import jax
import jax.numpy as jnp
x = jnp.ones((4000, 4000))
sort = jax.jit(lambda x: jnp.sort(x, 0)[::-1].sum(0)).lower(x).compile()
assert sort.memory_analysis().temp_size_in_bytes >= x.nbytes
def pages():
  before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
  sort(x).block_until_ready()
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
pages(), pages()
print(min(pages() for _ in range(3)) * resource.getpagesize() / x.nbytes)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_a_call_reuses_the_memory_of_the_call_before():
  env = {**os.environ, 'XLA_FLAGS': ''}
  share = {
    word: float(
      subprocess.run(
        [sys.executable, '-c', PAGES, word],
        env=env,
        capture_output=True,
        check=True,
      ).stdout
    )
    for word in ('keep', 'as-it-is')
  }
  assert share['keep'] < 0.1 < 0.9 < share['as-it-is']


def test_an_accelerator_keeps_asynchronous_dispatch(monkeypatch):
  updates = []
  monkeypatch.setattr(heap.jax, 'default_backend', lambda: 'gpu')
  monkeypatch.setattr(heap, '_may_use_only_cpu', lambda: False)
  monkeypatch.setattr(heap.jax.config, 'update', lambda *a: updates.append(a))
  heap.keep_freed_memory()
  assert not updates


@pytest.mark.parametrize(
  'platforms, only_cpu', [('cpu', True), ('cuda,cpu', False), ('tpu', False)]
)
def test_platform_is_known_before_jax_starts(monkeypatch, platforms, only_cpu):
  monkeypatch.setattr(
    heap.jax, 'config', types.SimpleNamespace(jax_platforms=platforms)
  )
  assert heap._may_use_only_cpu() == only_cpu
