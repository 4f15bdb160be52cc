"""UNIK split into operations that can be run, timed and counted one by one.

The modules are the network's own. Only the code that connects
them, in `Block.__call__` and `SpatialUnit.__call__`, is repeated here.

Shape legend: N clips, M persons, B = N * M, V joints, T frames, C channels.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.models.layers import ConvNorm, Zero
from unik_jax.models.unik import UNIK, Block
from unik_jax.tables import costs

MODES = ('evaluation', 'training')


class Part(NamedTuple):
  """A computation of a network.

  Attributes:
    name: the computation's name in the printed table.
    module: module whose weights it uses.
    call: function of (module, *inputs, *fixed, train=...) that computes it.
    inputs: shapes of the inputs that have a gradient in training.
    fixed: shapes of the inputs without a gradient.
    uses: attributes of `module` whose weights it uses; () means all.
  """

  name: str
  module: nnx.Module
  call: Callable
  inputs: tuple = ()
  fixed: tuple = ()
  uses: tuple[str, ...] = ()

  def shape(self) -> Any:
    """Returns the shapes and dtypes of the result."""
    function, arguments = self.program('evaluation')
    return jax.eval_shape(function, *arguments)

  def program(self, mode: str) -> tuple[Callable, tuple]:
    """Returns a pure function, and its arguments with shapes as inputs.

    In evaluation mode, the function returns the result. In training mode, it
    also takes the gradient of the result. It then returns the result, the new
    batch statistics, and the gradients of weights and inputs.
    """
    graph, params, stats, rest = nnx.split(
      self.module, self._used(nnx.Param), self._used(nnx.BatchStat), ...
    )

    def forward(params, stats, inputs, fixed, *, train=False):
      # `copy`, since flax refuses writes to variables of an outer trace.
      module = nnx.merge(graph, params, stats, rest, copy=True)
      result = self.call(module, *inputs, *fixed, train=train)
      new_stats = nnx.state(module, self._used(nnx.BatchStat))
      return (result, new_stats) if train else result

    def forward_and_backward(params, stats, inputs, fixed, gradient):
      result, backward, new_stats = jax.vjp(
        lambda params, inputs: forward(
          params, stats, inputs, fixed, train=True
        ),
        params,
        inputs,
        has_aux=True,
      )
      return result, new_stats, backward(gradient)

    arguments = (params, stats, self.inputs, self.fixed)
    if mode == 'evaluation':
      return forward, arguments
    gradient = jax.eval_shape(forward, *arguments)
    return forward_and_backward, (*arguments, gradient)

  def flops(self, mode: str) -> int:
    """Returns the FLOPs of products and convolutions; a multiply-add is two.

    A backward pass has twice the FLOPs of the forward pass: once for the
    gradients of the weights, once for those of the inputs.
    """
    function, arguments = self.program('evaluation')
    program = jax.make_jaxpr(function)(*arguments).jaxpr
    forward = 2 * costs.count_jaxpr_macs(program)
    return forward * (3 if mode == 'training' else 1)

  def bytes(self, mode: str) -> int:
    """Returns the bytes of inputs, weights and results, each moved once."""
    function, arguments = self.program(mode)
    arrays = jax.tree.leaves((arguments, jax.eval_shape(function, *arguments)))
    return sum(a.size * a.dtype.itemsize for a in arrays)

  def compiled(self, mode: str) -> Callable[[], Any]:
    """Returns a compiled call of the part on random inputs."""
    function, arguments = self.program(mode)
    arguments = jax.tree.map(_random_array, arguments)
    program = jax.jit(function).lower(*arguments).compile()
    return functools.partial(program, *arguments)

  def _used(self, kind):
    def by_name(path, _):
      return not self.uses or path[0] in self.uses

    return nnx.All(kind, by_name)


def network_part(model: UNIK, x_nmtvc: jax.ShapeDtypeStruct) -> Part:
  """Returns the whole network as a part, without loss and optimizer."""
  return Part('network', model, _call_module, fixed=(x_nmtvc,))


def split_input_and_head(
  model: UNIK, x_nmtvc: jax.ShapeDtypeStruct
) -> tuple[Part, Part]:
  """Returns the parts before the first block and after the last one."""
  n, m, t, v, _ = x_nmtvc.shape
  input_part = Part(
    'input',
    model,
    lambda model, x, train: model.split_persons(x, train=train),
    fixed=(x_nmtvc,),
    uses=('input_bn',),
  )
  for block in model.blocks:
    t = -(-t // block.temporal.conv.stride)
  features = model.head.kernel.shape[0]
  last_bvtc = jax.ShapeDtypeStruct((n * m, v, t, features), x_nmtvc.dtype)

  def pool_and_classify(head, x_bvtc, train):
    del train
    return head(x_bvtc.reshape(n, -1, features).mean(1, dtype=jnp.float32))

  head_part = Part('head', model.head, pool_and_classify, (last_bvtc,))
  return input_part, head_part


class BlockKind(NamedTuple):
  """Blocks of a network that have the same shapes.

  Attributes:
    numbers: the blocks' positions in the network, from 1.
    block: one of the blocks, as one part.
    operations: the operations of that block, as parts.
  """

  numbers: list[int]
  block: Part
  operations: list[Part]


def list_block_kinds(
  model: UNIK, x_bvtc: jax.ShapeDtypeStruct
) -> list[BlockKind]:
  """Returns a network's kinds of blocks, in the order of their first block.

  Args:
    model: a UNIK with attention and tau = 1.
    x_bvtc: shape of the first block's input.
  """
  kinds = {}
  for number, block in enumerate(model.blocks, 1):
    part = Part('block', block, _call_module, (x_bvtc,))
    weights = jax.tree.leaves(nnx.state(block, nnx.Param))
    key = (
      x_bvtc.shape,
      part.shape().shape,
      tuple(leaf.shape for leaf in weights),
      isinstance(block.residual, Zero),
    )
    if key not in kinds:
      kinds[key] = BlockKind([], part, list(_split_block(block, x_bvtc)))
    kinds[key].numbers.append(number)
    x_bvtc = part.shape()
  return list(kinds.values())


def _split_block(block: Block, x) -> Iterator[Part]:
  """Yields the operations of a block, in the order in which they run."""
  unit, temporal = block.spatial, block.temporal
  attention = Part(
    'attention',
    unit,
    lambda unit, x, train: unit.mixing_sum(x),
    (x,),
    uses=('dependency', 'theta', 'phi'),
  )
  yield attention
  mixed = Part(
    'mix and embed',
    unit,
    lambda unit, x, mixing, train: unit.ops.mix_and_embed(
      x, mixing, *unit.embed.cast(unit.dtype)
    ),
    (x, attention.shape()),
    uses=('embed',),
  )
  yield mixed
  y = mixed.shape()
  # The shortcut of the S-LSU and the residual branch of the block, if they have
  # weights. Both read x.
  branches = [
    branch
    for branch in (unit.shortcut, block.residual)
    if isinstance(branch, ConvNorm)
  ]
  strides = [branch.stride for branch in branches]
  shortcuts = Part(
    'shortcuts, 1 x 1',
    nnx.List([branch.conv for branch in branches]),
    lambda convs, x, train: tuple(
      conv(x[:, :, ::stride])
      for conv, stride in zip(convs, strides, strict=True)
    ),
    (x,),
  )
  if branches:
    yield shortcuts
  convolution = Part(
    'temporal',
    temporal.conv,
    lambda conv, y, train: conv(y),
    (y,),
  )
  yield convolution
  z = convolution.shape()
  yield Part(
    'batch norm',
    nnx.List([unit.bn, temporal.bn, *(branch.bn for branch in branches)]),
    lambda norms, *arrays, train: tuple(
      norm(array, train=train)
      for norm, array in zip(norms, arrays, strict=True)
    ),
    (y, z, *(shortcuts.shape() if branches else ())),
  )
  # The gradient of a sum is the same array for both summands, so only y and z
  # count as inputs with a gradient.
  residual = () if isinstance(block.residual, Zero) else (z,)
  yield Part(
    'add and ReLU',
    nnx.List([]),
    lambda _, y, z, a, b=0.0, *, train: (
      block.ops.relu(y + a),
      block.ops.relu(z + b),
    ),
    (y, z),
    (y, *residual),
  )


def _call_module(module, x, train):
  return module(x, train=train)


@functools.cache
def _shared_values(shape, dtype):
  """Returns random values; inputs of one shape share an array."""
  return jax.random.normal(jax.random.key(math.prod(shape)), shape, dtype)


def _random_array(leaf):
  if isinstance(leaf, jax.ShapeDtypeStruct):
    return _shared_values(leaf.shape, leaf.dtype)
  return jax.device_put(leaf)
