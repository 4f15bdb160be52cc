"""Random parameters and batch statistics, for comparisons with numpy."""

import jax
import numpy as np
from flax import nnx


def random_values(shapes, scale=0.3, seed=0, dtype=np.float64):
  """Returns a tree of arrays, uniform from 0.05 to 0.05 + `scale`.

  Every path through a network matters with such values: none is 0, and no
  batch norm is the identity.
  """
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda a: (scale * rng.random(a.shape) + 0.05).astype(dtype), shapes
  )


def fill_unit(unit, scale=0.4):
  """Returns a module with random values, and these values as nested dicts."""
  graphdef, state = nnx.split(unit)
  values = random_values(nnx.to_pure_dict(state), scale)
  nnx.replace_by_pure_dict(state, values)
  return nnx.merge(graphdef, state), values


def evaluate_unit(unit, x):
  """Returns a module's output in evaluation mode."""
  return np.asarray(jax.jit(lambda x: unit(x, train=False))(x))
