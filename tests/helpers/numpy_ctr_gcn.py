"""Shared by tests: from test_ctr_gcn."""

import jax
import numpy as np
from flax import nnx
from helpers.numpy_unik import norm

from unik_jax.skeletons.layouts import get_layout

LAYOUT = get_layout('unik_17')


def filled(unit):
  """A unit of random values, and those, as dicts."""
  graphdef, state = nnx.split(unit)
  rng = np.random.default_rng(0)
  values = jax.tree.map(
    lambda a: 0.4 * rng.random(a.shape) + 0.05, nnx.to_pure_dict(state)
  )
  nnx.replace_by_pure_dict(state, values)
  return nnx.merge(graphdef, state), values


def evaluated(unit, x):
  return np.asarray(jax.jit(lambda x: unit(x, train=False))(x))


def conv_norm(p, x):
  return norm(p['bn'], p['bn'], x @ p['conv']['kernel'] + p['conv']['bias'])
