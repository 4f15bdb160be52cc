"""Memory of one step on a CPU is kept for the next."""

import ctypes
import platform

import jax

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # malloc.h


def keep() -> None:
  """Has this process keep what a step on the CPU frees, for the next step.

  XLA allocates a step's intermediate values anew each time, and glibc takes as
  large a piece from the kernel and gives it back: an eighth to a sixth of a
  training step, spent on pages of zeros. Kept, the process stays at its peak.

  To be called after `jax.distributed.initialize` and before any other use of
  JAX. Without glibc, or on an accelerator, there is nothing to keep.
  """
  # Where JAX runs a step in a thread of its own, the memory is of that thread's
  # arena, which holds nothing of more than 64 MB.
  jax.config.update('jax_cpu_enable_async_dispatch', False)
  if platform.libc_ver()[0] == 'glibc' and jax.default_backend() == 'cpu':
    malloc = ctypes.CDLL(None)
    malloc.mallopt(_MMAP_MAX, 0)
    malloc.mallopt(_TRIM_THRESHOLD, -1)
