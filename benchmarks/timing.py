"""Timing that survives a noisy machine, and what the machine can do at best.

Calls that are compared run in turns, so that noise falls on all of them, and
each is judged by its median. The first call of a turn is not counted: it may
compile, and it finds the memory that the call before it had given back, which
a loop of the same call does not.
"""

import json
import resource
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np


def interleaved(
  calls: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, np.ndarray]:
  """Seconds of each call, (rounds,), the calls taking turns.

  Args:
    calls: each does its work before it returns, or returns JAX arrays that
      are waited for.
    rounds: how often each is timed, after one call that is not.
  """
  seconds = {name: np.zeros(rounds) for name in calls}
  for i in range(rounds):
    for name, call in calls.items():
      jax.block_until_ready(call())
      start = time.perf_counter()
      jax.block_until_ready(call())
      seconds[name][i] = time.perf_counter() - start
  return seconds


def spread(seconds: np.ndarray) -> str:
  """Median and quartiles in milliseconds, as text."""
  low, middle, high = 1000 * np.percentile(seconds, (25, 50, 75))
  return f'{middle:.1f} ms ({low:.1f} to {high:.1f})'


def peak_flops(dtype=jnp.float32) -> Callable[[], jax.Array]:
  """A call to be timed: a product of `PEAK_SIZE`^2 matrices."""
  size = peak_size()
  a = jnp.ones((size, size), dtype)
  product = jax.jit(lambda x: x @ a)
  return lambda: product(a)


def peak_size() -> int:
  """Rows of those matrices: enough to fill the device, and no more."""
  return 2048 if jax.default_backend() == 'cpu' else 8192


def peak_bytes() -> Callable[[], jax.Array]:
  """A call to be timed: reads and writes `BANDWIDTH_BYTES` in all."""
  x = jnp.ones(BANDWIDTH_BYTES // 8, jnp.float32)
  scaled = jax.jit(lambda x: 1.5 * x)
  return lambda: scaled(x)


BANDWIDTH_BYTES = 2**29


def peak_memory() -> int:
  """Bytes: the device's peak where it says, else this process's."""
  stats = jax.local_devices()[0].memory_stats()
  if stats:
    return stats['peak_bytes_in_use']
  return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def machine() -> str:
  """The device, and how many cores this process may use."""
  import os

  device = jax.devices()[0]
  cores = len(os.sched_getaffinity(0))
  return f'{device.device_kind}, {cores} cores, jax {jax.__version__}'


def print_table(head: tuple[str, ...], rows: list[tuple]) -> None:
  """Columns of text, the first to the left and the others to the right."""
  lines = [head, *(tuple(map(str, row)) for row in rows)]
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  for first, *rest in lines:
    cells = [first.ljust(widths[0])]
    cells += [c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
    print('  '.join(cells))


def print_json(figures: dict) -> None:
  """One line, the last, for programs to read."""
  print(json.dumps(figures), flush=True)
