"""The device mesh, and how arrays are sharded over it.

The mesh has two axes. 'data' shards the batch. 'model' shards the output
channels of each large kernel, with its optimizer state. All other arrays are
replicated.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from unik_jax.errors import UserError

# Kernels with fewer values are replicated: gathering one would cost more than
# the memory that sharding saves.
_MIN_SHARDED_SIZE = 4096


def make_mesh(
  shape: Sequence[int], devices: Sequence[jax.Device] | None = None
) -> Mesh:
  """Returns a ('data', 'model') mesh of the devices.

  Args:
    shape: (data, model) sizes. One of them may be -1: all remaining devices.
    devices: the devices (default: all).

  Raises:
    UserError: the shape does not fit the devices.
  """
  devices = jax.devices() if devices is None else devices
  count = len(devices)
  sizes = list(shape)
  known = int(np.prod([n for n in sizes if n != -1]))
  if sizes.count(-1) == 1 and known > 0 and count % known == 0:
    sizes[sizes.index(-1)] = count // known
  if len(sizes) != 2 or min(sizes) < 1 or sizes[0] * sizes[1] != count:
    raise UserError(
      "config.mesh: expected ('data', 'model') sizes whose product is the"
      f' number of devices, {count}, got {tuple(shape)}. Use (-1, 1) to shard'
      ' the batch over all devices.'
    )
  # Auto: the compiler propagates shardings through the step from those of its
  # inputs and outputs.
  mesh = jax.make_mesh(
    tuple(sizes), ('data', 'model'), (AxisType.Auto,) * 2, devices=devices
  )
  if any(len({d.process_index for d in row}) > 1 for row in mesh.devices):
    raise UserError(
      'config.mesh: expected a model axis within one process, got'
      f' {tuple(shape)}, which spans several. Use a size that divides the'
      ' number of devices per process.'
    )
  return mesh


def check_batch_size(
  name: str, batch_size: int, mesh: Mesh, accumulate: int = 1
) -> None:
  """Raises a UserError unless a batch divides evenly over the mesh.

  Args:
    name: the setting's name.
    batch_size: its value, in clips over all devices.
    mesh: from `make_mesh`.
    accumulate: parts into which each device's clips are split.
  """
  parts = math.lcm(mesh.shape['data'], jax.process_count()) * accumulate
  if batch_size < 1 or batch_size % parts:
    near = max(round(batch_size / parts), 1) * parts
    factors = "the mesh's data axis" + ' x config.accumulate' * (accumulate > 1)
    raise UserError(
      f'config.{name}: expected a multiple of {parts} ({factors}), got'
      f' {batch_size}. Use a multiple such as {near}.'
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """Returns the sharding that splits an array's first axis over 'data'."""
  return NamedSharding(mesh, P('data'))


def replicated_sharding(mesh: Mesh) -> NamedSharding:
  """Returns the sharding that puts a copy of an array on every device."""
  return NamedSharding(mesh, P())


def state_shardings(abstract: Any, mesh: Mesh) -> Any:
  """Returns a sharding for each leaf of a training state.

  Args:
    abstract: the state's shapes, as from `jax.eval_shape`.
    mesh: from `make_mesh`.

  Returns:
    The same tree of NamedShardings.
  """
  size = mesh.shape['model']

  def sharding_of(path, leaf):
    is_kernel = str(getattr(path[-1], 'key', '')).endswith('kernel')
    is_large = leaf.size >= _MIN_SHARDED_SIZE
    if is_kernel and is_large and leaf.shape[-1] % size == 0:
      return NamedSharding(mesh, P(*[None] * (leaf.ndim - 1), 'model'))
    return replicated_sharding(mesh)

  return jax.tree_util.tree_map_with_path(sharding_of, abstract)


def put_batch(batch: Any, mesh: Mesh) -> Any:
  """Puts this process's part of a batch on the mesh, sharded over 'data'."""
  sharding = batch_sharding(mesh)
  return jax.tree.map(
    lambda a: jax.make_array_from_process_local_data(sharding, a), batch
  )
