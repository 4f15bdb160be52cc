"""Costs of a network: parameters and multiply-accumulates (MACs)."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from ml_collections import ConfigDict

from unik_jax.models.network import Network, network_from_config
from unik_jax.skeletons.layouts import get_layout


class Costs(NamedTuple):
  """Costs of a network.

  Attributes:
    params: number of trainable values.
    macs: multiply-accumulates of a forward pass of one clip.
  """

  params: int
  macs: int


def measure_costs(config: ConfigDict) -> Costs:
  """Returns the costs of the network that a config describes.

  The clip has the config's number of frames in training, and all persons are
  present. MACs are those of matrix products and convolutions. Papers that
  count a multiply and an add as two operations print twice as much.

  Args:
    config: an experiment whose data is fully described.
  """
  net, data = network_from_config(config), config.data
  layout = get_layout(data.joints or data.layout)
  shape = (data.persons, data.frames, layout.num_joints, data.channels)
  return Costs(net.num_params(), count_macs(net, shape))


def count_macs(net: Network, shape: tuple[int, int, int, int]) -> int:
  """Returns the multiply-accumulates of a forward pass of one clip.

  Args:
    net: the network.
    shape: (M, T, V, C) of the clip.
  """

  def forward(params, stats, x_nmtvc):
    return net.apply(params, stats, x_nmtvc, train=False)[0]

  x_nmtvc = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
  return count_jaxpr_macs(jax.make_jaxpr(forward)(*net.shapes, x_nmtvc).jaxpr)


def count_jaxpr_macs(jaxpr: core.Jaxpr) -> int:
  """Returns the multiply-accumulates of a program.

  The programs inside it (of jit, custom gradients and so on) count once.
  """
  total = 0
  for equation in jaxpr.eqns:
    shapes = [np.shape(variable.aval) for variable in equation.invars]
    outputs = math.prod(np.shape(equation.outvars[0].aval))
    if equation.primitive.name == 'dot_general':
      (contracted, _), _ = equation.params['dimension_numbers']
      total += outputs * math.prod(shapes[0][axis] for axis in contracted)
    elif equation.primitive.name == 'conv_general_dilated':
      # Each output sums over the kernel's taps and input channels.
      out_axis = equation.params['dimension_numbers'].rhs_spec[0]
      total += outputs * (math.prod(shapes[1]) // shapes[1][out_axis])
    for value in equation.params.values():
      inner = getattr(value, 'jaxpr', value)
      if isinstance(inner, core.Jaxpr):
        total += count_jaxpr_macs(inner)
  return total
