"""Timing for a noisy machine, and the machine's own peak rates.

Calls that are compared take turns, so that noise falls on all of them, and
each is judged by its median. Each turn makes the call twice and times the
second: the first may compile, and it has to get back the memory that the call
before it freed, which a loop over one call does not.
"""

import json
import os
import resource
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

COPY_BYTES = 2**29  # read and written by `copy_call`


def time_calls(
  calls: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, np.ndarray]:
  """Times calls that take turns; returns the seconds (rounds,) of each.

  Args:
    calls: each finishes its work before it returns, or returns JAX arrays,
      which are waited for.
    rounds: timed calls of each, after one untimed call a round.
  """
  seconds = {name: np.zeros(rounds) for name in calls}
  for i in range(rounds):
    for name, call in calls.items():
      jax.block_until_ready(call())
      start = time.perf_counter()
      jax.block_until_ready(call())
      seconds[name][i] = time.perf_counter() - start
  return seconds


def format_spread(seconds: np.ndarray) -> str:
  """Returns the median and quartiles in milliseconds, as text."""
  low, median, high = 1000 * np.percentile(seconds, (25, 50, 75))
  return f'{median:.1f} ms ({low:.1f} to {high:.1f})'


def product_call(dtype=jnp.float32) -> Callable[[], jax.Array]:
  """Returns a call that multiplies two square matrices, for peak FLOP/s."""
  size = product_size()
  a = jnp.ones((size, size), dtype)
  product = jax.jit(lambda x: x @ a)
  return lambda: product(a)


def product_size() -> int:
  """Returns the rows of `product_call`'s matrices, which fill the device."""
  return 2048 if jax.default_backend() == 'cpu' else 8192


def copy_call() -> Callable[[], jax.Array]:
  """Returns a call that moves `COPY_BYTES`, for peak memory bandwidth."""
  x = jnp.ones(COPY_BYTES // 8, jnp.float32)
  scaled = jax.jit(lambda x: 1.5 * x)
  return lambda: scaled(x)


def peak_memory() -> int:
  """Returns the device's peak bytes, or this process's if it has no count."""
  stats = jax.local_devices()[0].memory_stats()
  if stats:
    return stats['peak_bytes_in_use']
  return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def describe_machine() -> str:
  """Returns the device, the cores this process may use, and jax's version."""
  device = jax.devices()[0]
  cores = len(os.sched_getaffinity(0))
  return f'{device.device_kind}, {cores} cores, jax {jax.__version__}'


def print_table(head: tuple[str, ...], rows: list[tuple]) -> None:
  """Prints aligned columns: the first to the left, the others to the right."""
  lines = [head, *(tuple(map(str, row)) for row in rows)]
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  for first, *rest in lines:
    cells = [first.ljust(widths[0])]
    cells += [c.rjust(w) for c, w in zip(rest, widths[1:], strict=True)]
    print('  '.join(cells))


def print_json(figures: dict) -> None:
  """Prints one line of JSON, the last line, for programs to read."""
  print(json.dumps(figures), flush=True)
