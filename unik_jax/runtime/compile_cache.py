"""Cache of compiled programs on disk, shared by all commands."""

import os
import pathlib

import jax


def enable_compile_cache() -> None:
  """Makes JAX cache compiled programs in ~/.cache/unik_jax.

  XDG_CACHE_HOME replaces ~/.cache. JAX_COMPILATION_CACHE_DIR names another
  folder; an empty value disables the cache.
  """
  if 'JAX_COMPILATION_CACHE_DIR' in os.environ:
    return
  caches = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  folder = pathlib.Path(caches) / 'unik_jax' / 'compiled'
  jax.config.update('jax_compilation_cache_dir', str(folder))
