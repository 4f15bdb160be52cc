"""Keeps freed heap memory between CPU steps (glibc), backed by huge pages."""

import ctypes
import importlib.metadata
import importlib.util
import mmap
import os
import pathlib
import platform

import jax
from jax.extend.backend import clear_backends

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h
_OVERCOMMIT = pathlib.Path('/proc/sys/vm/overcommit_memory')


def keep_freed_memory() -> None:
  """Keeps the memory that a step on a CPU frees for the next step.

  XLA allocates a step's intermediate values anew each time. By default glibc
  returns freed memory to the kernel, and up to a fifth of a training step is
  spent on page faults. With this setting the process stays at its peak memory.

  Call it after `jax.distributed.initialize` and before any other use of JAX.
  Does nothing if JAX's default backend is an accelerator.
  """
  # A step that JAX dispatches asynchronously runs in another thread, whose
  # malloc arena returns blocks above 64 MB to the kernel. JAX reads this
  # setting when it creates the CPU client, so it has to be set before.
  only_cpu = _may_use_only_cpu()
  if only_cpu:
    jax.config.update('jax_cpu_enable_async_dispatch', False)
  if jax.default_backend() != 'cpu':
    return
  if not only_cpu and not jax.distributed.is_initialized():
    # A plugin found no accelerator. A client that has not yet joined other
    # processes can be created again.
    jax.config.update('jax_cpu_enable_async_dispatch', False)
    clear_backends()
  if platform.libc_ver()[0] == 'glibc':
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    _prefer_huge_pages(libc)


def _may_use_only_cpu():
  """Whether JAX will choose the CPU, known without starting its clients."""
  if jax.config.jax_platforms:
    return jax.config.jax_platforms.split(',')[0] == 'cpu'
  plugins = importlib.metadata.entry_points(group='jax_plugins')
  packages = map(importlib.util.find_spec, ('jax_plugins', 'libtpu'))
  return not plugins and not any(packages)


def _prefer_huge_pages(libc):
  """Advises Linux to back the heap that steps will fill with 2 MB pages.

  Reserves half of RAM without touching it, advises huge pages, and returns it
  to malloc. Skipped under strict overcommit or an address-space limit, where a
  reservation counts.
  """
  import resource  # missing on Windows

  limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
  counted = _OVERCOMMIT.exists() and _OVERCOMMIT.read_text().strip() == '2'
  if limited or counted:
    return
  libc.malloc.restype = ctypes.c_void_p
  libc.malloc.argtypes = [ctypes.c_size_t]
  libc.free.argtypes = [ctypes.c_void_p]
  libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
  page = mmap.PAGESIZE
  size = os.sysconf('SC_PHYS_PAGES') // 2 * page
  start = libc.malloc(size)
  if start:  # None under another limit; pages stay small
    libc.madvise(-(-start // page) * page, size - page, mmap.MADV_HUGEPAGE)
    libc.free(start)
