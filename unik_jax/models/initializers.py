"""Initial values of parameters, drawn by a few compiled programs.

Compiling a random draw for each shape of a network took most of the time to
its first step. Threefry's n-th value depends on the key and n only, so the
first values of a longer draw are those of a shorter one: a few compiled sizes
serve all shapes, with the values of `jax.random`.

An initialiser is a function of (key, shape, dtype), as in
`jax.nn.initializers`. It returns numpy arrays unless the key is traced. A key
of None gives zeros, for when only the shapes are needed.
"""

import functools
import math
from collections.abc import Callable

import jax
import numpy as np

_SIZES = tuple(2**n for n in (16, 20, 24, 28))


def normal(std: float) -> Callable:
  """Returns an initialiser: normal with mean 0 and this deviation."""

  def init(key, shape, dtype=float):
    return std * _drawn(jax.random.normal, key, shape, dtype)

  return init


def uniform(bound: float) -> Callable:
  """Returns an initialiser: uniform in [-bound, bound]."""

  def init(key, shape, dtype=float):
    return 2 * bound * _drawn(jax.random.uniform, key, shape, dtype) - bound

  return init


def fan_out_normal(fan_out: int) -> Callable:
  """Returns an initialiser: normal with variance 2 / fan_out (Kaiming)."""
  return normal(math.sqrt(2.0 / fan_out))


def constant(value: float) -> Callable:
  """Returns an initialiser that ignores the key: this value throughout."""

  def init(key, shape, dtype=float):
    del key
    return np.full(shape, value, jax.dtypes.canonicalize_dtype(dtype))

  return init


zeros, ones = constant(0), constant(1)


def filled(value: float, *shape: int) -> np.ndarray:
  """Returns an array of this value."""
  return constant(value)(None, shape)


def _drawn(sample, key, shape, dtype):
  dtype = jax.dtypes.canonicalize_dtype(dtype)
  if key is None:
    return np.zeros(shape, dtype)
  if isinstance(key, jax.core.Tracer):
    return sample(key, shape, dtype)
  count = math.prod(shape)
  size = next(size for size in _SIZES if size >= count)
  return np.asarray(_compiled(sample, size, dtype)(key))[:count].reshape(shape)


@functools.cache
def _compiled(sample, size, dtype):
  return jax.jit(lambda key: sample(key, (size,), dtype))
