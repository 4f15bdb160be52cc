"""Batches on a mesh, made by the host or on the devices."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import ml_collections
from jax.sharding import Mesh

from unik_jax.data import loader
from unik_jax.data.on_device import DeviceSplit
from unik_jax.runtime import sharding


class MeshBatches:
  """A split, as the batches of a run.

  Args:
    clips: records by index.
    config: the `data` part of a config.
    mesh: that the batches are laid on.
    train: whether they are to train on.

  Attributes:
    on_devices: the clips on the devices, if that is where they are.

  Raises:
    UserError: as `DeviceSplit`.
  """

  on_devices: DeviceSplit | None = None

  def __init__(
    self,
    clips: Sequence[dict],
    config: ml_collections.ConfigDict,
    mesh: Mesh,
    *,
    train: bool,
  ):
    self._clips, self._config, self._mesh = clips, config, mesh
    self._extra = {'process': (jax.process_index(), jax.process_count())}
    self._put = lambda batch: sharding.put_batch(batch, mesh)
    if config.on_device:
      held = self.on_devices = DeviceSplit(clips, config, mesh, train=train)
      # Every process knows what is drawn for all rows, and none reads any.
      self._clips, self._extra = range(len(clips)), {'make': held.choose}
      if not train:
        self._extra['lengths'] = held.lengths.tolist()
      self._put = held.batch

  def train_batches(
    self, *, batch_size: int, seed: int, start: int
  ) -> Iterator[dict[str, Any]]:
    """Batch `start` and all that follow it (`loader.train_batches`)."""
    batches = loader.train_batches(
      self._clips,
      self._config,
      batch_size=batch_size,
      seed=seed,
      start=start,
      **self._extra,
    )
    return map(self._put, batches)

  def eval_batches(self, *, batch_size: int) -> Iterator[dict[str, Any]]:
    """Every clip once (`loader.eval_batches`)."""
    batches = loader.eval_batches(
      self._clips, self._config, batch_size=batch_size, **self._extra
    )
    return map(self._put, batches)
