"""What a network costs: parameters and multiply-accumulates."""

import math

import jax
import jax.numpy as jnp
from jax.extend import core
from ml_collections import ConfigDict

from unik_jax.models.network import Network, network_from_config
from unik_jax.skeletons.layouts import get_layout


def costs(config: ConfigDict) -> tuple[int, int]:
  """Trainable values, and multiply-accumulates of a forward pass of a clip.

  Those of matrix products and convolutions, by the frames that the network is
  trained with and with all of its persons; papers that count two operations
  for each print twice as much as this.

  Args:
    config: an experiment whose data is fully described.
  """
  net, data = network_from_config(config), config.data
  layout = get_layout(data.joints or data.layout)
  shape = (data.persons, data.frames, layout.num_joints, data.channels)
  return net.num_params(), multiply_accumulates(net, shape)


def multiply_accumulates(net: Network, shape: tuple[int, int, int, int]) -> int:
  """Those of a forward pass of one clip of this shape, (M, T, V, C)."""

  def forward(params, stats, x):
    return net.apply(params, stats, x, train=False)[0]

  state = net.shapes
  x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
  return _count(jax.make_jaxpr(forward)(*state, x).jaxpr)


def _count(jaxpr) -> int:
  """Multiply-accumulates of a program, those within it included."""
  total = 0
  for equation in jaxpr.eqns:
    shapes = [variable.aval.shape for variable in equation.invars]
    out = math.prod(equation.outvars[0].aval.shape)
    if equation.primitive.name == 'dot_general':
      (summed, _), _ = equation.params['dimension_numbers']
      total += out * math.prod(shapes[0][axis] for axis in summed)
    elif equation.primitive.name == 'conv_general_dilated':
      features = equation.params['dimension_numbers'].rhs_spec[0]
      kernel = math.prod(shapes[1]) // shapes[1][features]
      total += out * kernel
    for value in equation.params.values():
      inner = getattr(value, 'jaxpr', value)
      if isinstance(inner, core.Jaxpr):
        total += _count(inner)
  return total
