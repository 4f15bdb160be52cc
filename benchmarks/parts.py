"""UNIK split into operations that run, and are timed and counted, alone.

The modules are the network's own. Only the code between them, in
`Block.__call__` and `SpatialUnit.__call__`, is repeated here.

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
    name: name of the computation.
    module: module whose weights it uses.
    call: function of (module, *inputs, *fixed, train=...) that computes it.
    inputs: shapes of the inputs with a gradient in training.
    fixed: shapes of the other inputs.
    uses: attributes of the module that it uses. (): all.
  """

  name: str
  module: nnx.Module
  call: Callable
  inputs: tuple = ()
  fixed: tuple = ()
  uses: tuple[str, ...] = ()

  def shape(self) -> Any:
    """Returns the shape of the result."""
    function, arguments = self.program('evaluation')
    return jax.eval_shape(function, *arguments)

  def program(self, mode: str) -> tuple[Callable, tuple]:
    """Returns a pure function and its arguments, with shapes as inputs.

    In evaluation the function returns the result. In training it also takes the
    gradient of the result, and returns the result, the new batch statistics and
    the gradients of weights and inputs: a forward and a backward pass.
    """
    graph, params, stats, rest = nnx.split(
      self.module, self._used(nnx.Param), self._used(nnx.BatchStat), ...
    )

    def forward(params, stats, inputs, fixed, *, train=False):
      # A copy, since flax refuses writes to variables of an outer trace.
      module = nnx.merge(graph, params, stats, rest, copy=True)
      result = self.call(module, *inputs, *fixed, train=train)
      new = nnx.state(module, self._used(nnx.BatchStat))
      return (result, new) if train else result

    def training(params, stats, inputs, fixed, gradient):
      result, pull, new = jax.vjp(
        lambda params, inputs: forward(
          params, stats, inputs, fixed, train=True
        ),
        params,
        inputs,
        has_aux=True,
      )
      return result, new, pull(gradient)

    arguments = (params, stats, self.inputs, self.fixed)
    if mode == 'evaluation':
      return forward, arguments
    return training, (*arguments, jax.eval_shape(forward, *arguments))

  def flops(self, mode: str) -> int:
    """Returns the FLOPs of products and convolutions; a multiply-add is two.

    A backward pass has twice those of the forward pass: the gradients of the
    weights and of the inputs.
    """
    function, arguments = self.program('evaluation')
    program = jax.make_jaxpr(function)(*arguments).jaxpr
    forward = 2 * costs.count_jaxpr_macs(program)
    return forward * (3 if mode == 'training' else 1)

  def bytes(self, mode: str) -> int:
    """Returns the bytes of inputs, weights and results, each moved once."""
    function, arguments = self.program(mode)
    moved = arguments, jax.eval_shape(function, *arguments)
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(moved))

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
  return Part(
    'network', model, lambda model, x, train: model(x, train=train), (),
    (x_nmtvc,),
  )  # fmt: skip


def input_and_head(
  model: UNIK, x_nmtvc: jax.ShapeDtypeStruct
) -> tuple[Part, Part]:
  """Returns the parts before the blocks (input) and after them (head)."""
  n, m, t, v, _ = x_nmtvc.shape
  first = Part(
    'input',
    model,
    lambda model, x, train: model.split_persons(x, train=train),
    fixed=(x_nmtvc,),
    uses=('input_bn',),
  )
  for block in model.blocks:
    t = -(-t // block.temporal.conv.stride)
  features = model.head.kernel.shape[0]
  last = jax.ShapeDtypeStruct((n * m, v, t, features), x_nmtvc.dtype)
  head = Part(
    'head',
    model.head,
    lambda head, x, train: head(
      x.reshape(n, -1, features).mean(1, dtype=jnp.float32)
    ),
    (last,),
  )
  return first, head


class Kind(NamedTuple):
  """Blocks with the same shapes.

  Attributes:
    numbers: their numbers, from 1.
    block: one of them, as one part.
    operations: its operations, as parts.
  """

  numbers: list[int]
  block: Part
  operations: list[Part]


def list_kinds(model: UNIK, x_bvtc: jax.ShapeDtypeStruct) -> list[Kind]:
  """Returns a network's kinds of blocks, in the order of their first block.

  Args:
    model: a UNIK whose S-LSUs have attention, and windows of one frame.
    x_bvtc: shape of the first block's input.
  """
  found = {}
  for number, block in enumerate(model.blocks, 1):
    part = Part(
      'block', block, lambda block, x, train: block(x, train=train), (x_bvtc,)
    )
    weights = jax.tree.leaves(nnx.state(block, nnx.Param))
    key = (
      x_bvtc.shape,
      part.shape().shape,
      tuple(leaf.shape for leaf in weights),
      isinstance(block.residual, Zero),
    )
    if key not in found:
      found[key] = Kind([], part, list(_operations(block, x_bvtc)))
    found[key].numbers.append(number)
    x_bvtc = part.shape()
  return list(found.values())


def _operations(block: Block, x) -> Iterator[Part]:
  """Yields the operations of a block, in the order in which they run."""
  unit, temporal = block.spatial, block.temporal
  attention = Part(
    'attention',
    unit,
    lambda unit, x, train: unit.mixing_matrices(x),
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
  beside = [u for u in (unit.shortcut, block.residual) if _is_norm(u)]
  strides = [u.stride for u in beside]
  shortcuts = Part(
    'shortcuts, 1 x 1',
    nnx.List([u.conv for u in beside]),
    lambda convs, x, train: tuple(
      conv(x[:, :, ::stride])
      for conv, stride in zip(convs, strides, strict=True)
    ),
    (x,),
  )
  if beside:
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
    nnx.List([unit.bn, temporal.bn, *(u.bn for u in beside)]),
    lambda norms, *arrays, train: tuple(
      norm(array, train=train)
      for norm, array in zip(norms, arrays, strict=True)
    ),
    (y, z, *(shortcuts.shape() if beside else ())),
  )
  # Both summands have the same gradient, which is written once.
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


def _is_norm(unit):
  return isinstance(unit, ConvNorm)


@functools.cache
def _values(shape, dtype):
  """Returns random values; one array per shape, to save memory."""
  return jax.random.normal(jax.random.key(math.prod(shape)), shape, dtype)


def _random_array(leaf):
  if isinstance(leaf, jax.ShapeDtypeStruct):
    return _values(leaf.shape, leaf.dtype)
  return jax.device_put(leaf)
