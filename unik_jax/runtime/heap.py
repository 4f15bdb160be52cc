"""Memory of one step on a CPU is kept for the next, in large pages."""

import ctypes
import mmap
import os
import pathlib
import platform

import jax

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h
_OVERCOMMIT = pathlib.Path('/proc/sys/vm/overcommit_memory')


def keep_freed_memory() -> None:
  """Has this process keep what a step on the CPU frees, for the next step.

  XLA allocates a step's intermediate values anew each time; glibc takes as
  much from the kernel and gives it back, and up to a fifth of a training step
  goes by in making pages. Kept, the process stays at its peak.

  To be called after `jax.distributed.initialize` and before any other use of
  JAX. Without glibc, or on an accelerator, there is nothing to keep.
  """
  # Where JAX runs a step in a thread of its own, the memory is of that thread's
  # arena, which holds nothing of more than 64 MB.
  jax.config.update('jax_cpu_enable_async_dispatch', False)
  if platform.libc_ver()[0] == 'glibc' and jax.default_backend() == 'cpu':
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    _prefer_large_pages(libc)


def _prefer_large_pages(libc):
  """Asks Linux for pages of 2 MB in the part of the heap that steps will fill.

  Half of the machine's memory is set aside, which uses none of it, advised
  about, and left to malloc; not so where what is set aside is counted.
  """
  import resource  # which not every system has

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
  if start:  # else another limit is in the way, and pages stay small
    libc.madvise(-(-start // page) * page, size - page, mmap.MADV_HUGEPAGE)
    libc.free(start)
