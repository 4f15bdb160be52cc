"""The device mesh, and where arrays lie on it.

Over 'data' the batch is split; over 'model' the output channels of each large
kernel, with its optimizer state. Everything else is replicated.
"""

import math
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from unik_jax.errors import UserError

# Below this many values, gathering a kernel costs more than holding it.
_LARGE = 4096


def connect() -> None:
  """Joins the processes of a run, before anything else is asked of JAX.

  On Cloud TPU and under Slurm JAX finds the others by itself. Elsewhere the
  environment says it: JAX_COORDINATOR_ADDRESS (HOST:PORT of process 0),
  JAX_NUM_PROCESSES and JAX_PROCESS_ID.

  Raises:
    UserError: the others are not described, or cannot be reached.
  """
  names = ('JAX_NUM_PROCESSES', 'JAX_PROCESS_ID')
  try:
    numbers = [int(os.environ[name]) for name in names if name in os.environ]
    jax.distributed.initialize(None, *numbers)
  except (RuntimeError, ValueError) as error:
    raise UserError(
      f'--multihost: {str(error).splitlines()[0]} Set JAX_COORDINATOR_ADDRESS'
      ' (as in 10.0.0.1:8476), JAX_NUM_PROCESSES and JAX_PROCESS_ID for each'
      ' process, or leave --multihost out to run on this machine alone.'
    ) from error


def abandon(error: Exception) -> NoReturn:
  """Ends this process of several, at once, where JAX has failed it."""
  print(
    f'\nerror: {error}\nIf another process of the run has ended, see what it'
    ' printed. Start all of them again: the same command goes on from the'
    ' newest checkpoint.',
    file=sys.stderr,
    flush=True,
  )
  os._exit(1)  # JAX's own way out waits minutes for the others


def make_mesh(
  shape: Sequence[int], devices: Sequence[jax.Device] | None = None
) -> Mesh:
  """A ('data', 'model') mesh of all devices.

  Args:
    shape: (data, model); one of them may be -1, for the rest of the devices.
    devices: default all.

  Returns:
    The mesh.

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
      f'config.mesh is {tuple(shape)}, but there are {count} devices to lay'
      " out as ('data', 'model'); use (-1, 1) for all of them over the batch"
    )
  mesh = jax.make_mesh(
    tuple(sizes), ('data', 'model'), (AxisType.Auto,) * 2, devices=devices
  )
  if any(len({d.process_index for d in row}) > 1 for row in mesh.devices):
    raise UserError(
      f'config.mesh is {tuple(shape)}, which spreads the model axis over'
      ' several processes; make it divide the devices of one'
    )
  return mesh


def check_batch(
  name: str, batch_size: int, mesh: Mesh, accumulate: int = 1
) -> None:
  """Raises a UserError where a batch does not divide over the mesh.

  Args:
    name: of the setting.
    batch_size: its value.
    mesh: of the devices.
    accumulate: parts that each device's clips are taken in.
  """
  parts = math.lcm(mesh.shape['data'], jax.process_count()) * accumulate
  if batch_size < 1 or batch_size % parts:
    near = max(round(batch_size / parts), 1) * parts
    raise UserError(
      f'config.{name} is {batch_size}, which does not divide over the'
      f" {parts} parts of the mesh's data axis"
      + f' with config.accumulate={accumulate}' * (accumulate > 1)
      + f'; use a multiple such as {near}'
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
  """The first axis over 'data'."""
  return NamedSharding(mesh, P('data'))


def replicated(mesh: Mesh) -> NamedSharding:
  """A copy on every device."""
  return NamedSharding(mesh, P())


def state_shardings(abstract: Any, mesh: Mesh) -> Any:
  """A sharding for each leaf of a training state.

  Args:
    abstract: shapes, as from `jax.eval_shape`.
    mesh: from `make_mesh`.

  Returns:
    The same tree of NamedShardings.
  """
  size = mesh.shape['model']

  def rule(path, leaf):
    kernel = str(getattr(path[-1], 'key', '')).endswith('kernel')
    if kernel and leaf.size >= _LARGE and leaf.shape[-1] % size == 0:
      return NamedSharding(mesh, P(*[None] * (leaf.ndim - 1), 'model'))
    return replicated(mesh)

  return jax.tree_util.tree_map_with_path(rule, abstract)


def put_batch(batch: Any, mesh: Mesh) -> Any:
  """This process's part of a batch, laid on the mesh."""
  sharding = batch_sharding(mesh)
  return jax.tree.map(
    lambda a: jax.make_array_from_process_local_data(sharding, a), batch
  )
