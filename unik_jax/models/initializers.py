"""Initial values of parameters, drawn without compiling anything anew.

Compiled as a whole, the draws of a network took most of the time to its first
step. Threefry's n-th value follows from the key and n alone, so that the first
values of a longer draw are those of a shorter one: a few compiled sizes serve
all shapes, and the values are those of `jax.random`.

An initialiser is a function of (key, shape, dtype), as in
`jax.nn.initializers`; arrays are numpy's, but for traced keys. A key of None
stands for zeros, where the shapes alone are asked for.
"""

import functools
import math
from collections.abc import Callable

import jax
import numpy as np

_SIZES = tuple(2**n for n in (16, 20, 24, 28))


def normal(std: float) -> Callable:
  """Normal, of mean 0 and this standard deviation."""

  def init(key, shape, dtype=float):
    return std * _drawn(jax.random.normal, key, shape, dtype)

  return init


def uniform(bound: float) -> Callable:
  """Uniform in [-bound, bound]."""

  def init(key, shape, dtype=float):
    return 2 * bound * _drawn(jax.random.uniform, key, shape, dtype) - bound

  return init


def fan_out_normal(fan_out: int) -> Callable:
  """Normal of variance 2 / fan_out (Kaiming, mode fan_out)."""
  return normal(math.sqrt(2.0 / fan_out))


def constant(value: float) -> Callable:
  """This value; the key may be None."""

  def init(key, shape, dtype=float):
    del key
    return np.full(shape, value, jax.dtypes.canonicalize_dtype(dtype))

  return init


zeros, ones = constant(0), constant(1)


def filled(value: float, *shape: int) -> np.ndarray:
  """An array of this value."""
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
