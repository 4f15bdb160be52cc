"""Compiled programs are kept between commands."""

import os
import pathlib

import jax


def enable() -> None:
  """Has what JAX compiles kept in ~/.cache/unik_jax (XDG_CACHE_HOME).

  JAX_COMPILATION_CACHE_DIR names another folder, or '' for none.
  """
  if 'JAX_COMPILATION_CACHE_DIR' in os.environ:
    return
  caches = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
  folder = pathlib.Path(caches) / 'unik_jax' / 'compiled'
  jax.config.update('jax_compilation_cache_dir', str(folder))
