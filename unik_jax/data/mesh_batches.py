"""Batches on a mesh, built on the host or on the devices."""

from collections.abc import Iterator
from typing import Any

import jax
import ml_collections
from jax.sharding import Mesh

from unik_jax.data import loader
from unik_jax.data.clips import Records
from unik_jax.data.on_device import DeviceSplit
from unik_jax.runtime import sharding


class MeshBatches:
  """The batches of a split, sharded over a mesh.

  Args:
    clips: records by index.
    config: the `data` part of a config.
    mesh: the mesh that the batches are sharded over.
    train: whether the batches are for training.

  Attributes:
    on_devices: the split in device memory if `config.on_device`, else None.

  Raises:
    UserError: see `DeviceSplit`.
  """

  on_devices: DeviceSplit | None = None

  def __init__(
    self,
    clips: Records,
    config: ml_collections.ConfigDict,
    mesh: Mesh,
    *,
    train: bool,
  ):
    self._clips, self._config, self._mesh = clips, config, mesh
    self._options: dict[str, Any] = {
      'process': (jax.process_index(), jax.process_count())
    }
    self._put = lambda batch: sharding.put_batch(batch, mesh)
    if config.on_device:
      split = self.on_devices = DeviceSplit(clips, config, mesh, train=train)
      # Every process draws the choices of all rows, and none reads a clip.
      self._clips = range(len(clips))
      self._options = {'make_row': split.choose}
      if not train:
        self._options['lengths'] = split.lengths.tolist()
      self._put = split.make_batch

  def train_batches(
    self, *, batch_size: int, seed: int, start: int
  ) -> Iterator[dict[str, Any]]:
    """Returns the batches of `loader.train_batches` on the mesh."""
    batches = loader.train_batches(
      self._clips,
      self._config,
      batch_size=batch_size,
      seed=seed,
      start=start,
      **self._options,
    )
    return map(self._put, batches)

  def eval_batches(self, *, batch_size: int) -> Iterator[dict[str, Any]]:
    """Returns the batches of `loader.eval_batches` on the mesh."""
    batches = loader.eval_batches(
      self._clips, self._config, batch_size=batch_size, **self._options
    )
    return map(self._put, batches)
