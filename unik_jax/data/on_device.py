"""A split in the devices' own memory: batches are cut out and changed there.

All frames of all clips lie one after the other, and each device of the mesh's
data axis holds as many of them. The host says which frames a batch has and
what was drawn for it, some kilobytes; the devices gather, augment and make the
stream, by the functions that the host has for it (`data.transform`).
"""

from collections.abc import Sequence
from typing import Any

import grain
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from unik_jax.data import sampling
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.runtime import sharding

# No frame: beyond the end of any device's part, so that it is read as zeros.
_NOWHERE = np.uint32(2**32 - 1)
_LARGEST = 2**15 - 1  # of int16, and as far below zero
_PART = 0.9  # of a device's memory that can be used at all


class DeviceSplit:
  """The clips of a split, held by the devices of a mesh.

  Args:
    clips: records by index, such as `PreparedSplit`.
    config: the `data` part of a config; `on_device` is the dtype: 'float32',
      or 'int16' with a scale for each frame and channel, half the memory for
      an error of at most 1 / 65534 of the largest coordinate of the frame.
    mesh: as from `parallel.make_mesh`.
    train: whether random choices are made.

  Attributes:
    lengths: frames of each clip.
    nbytes: that all devices of the data axis hold together.

  Raises:
    UserError: more than the devices have memory for.
  """

  def __init__(
    self,
    clips: Sequence[dict],
    config: ml_collections.ConfigDict,
    mesh: Mesh,
    *,
    train: bool,
  ):
    self._transform, self._mesh = Transform(config, train=train), mesh
    small = config.on_device == 'int16'
    # An epoch may have a clip several times; one copy serves them all.
    rows = getattr(clips, 'rows', range(len(clips)))
    _, first, which = np.unique(rows, return_index=True, return_inverse=True)
    frames, scales, labels = _read(
      clips, first.tolist(), self._transform, small, config.threads, mesh
    )
    lengths = np.array([len(f) for f in frames])
    starts = np.cumsum(lengths) - lengths
    self.lengths, self._starts = lengths[which], starts[which]
    self._labels = np.array(labels, np.int32)[which]
    self._frames = _spread(frames, mesh)
    self._scales = _spread(scales, mesh) if small else None
    held = (self._frames, self._scales)
    self.nbytes = sum(a.nbytes for a in jax.tree.leaves(held))
    self._make = jax.jit(
      self._batch, out_shardings=sharding.batch_sharding(mesh)
    )

  def choose(
    self, clip: int, rng: np.random.Generator | None, view: int = 0
  ) -> dict[str, Any]:
    """What the devices need to know to make one sampling of a clip.

    Args:
      clip: its index.
      rng: as of `Transform.choose`.
      view: likewise.

    Returns:
      `label`; `index` (F,) uint32 of its frames; where frames are
      interpolated, `after` (F,) and `part` (F,) too; and what is drawn.
    """
    length = int(self.lengths[clip])
    choices = self._transform.choose(length, rng, view)
    before, after, part, inside = sampling.split_times(
      choices.pop('times'), length
    )
    start = self._starts[clip]
    choices = {k: np.float32(v) for k, v in choices.items()}
    choices['index'] = np.where(inside, start + before, _NOWHERE).astype('u4')
    # By the sampler's name, since all rows of a batch need the same arrays.
    if self._transform.interpolates:
      choices['after'] = (start + after).astype('u4')
      choices['part'] = np.float32(part)
    return {**choices, 'label': self._labels[clip]}

  def batch(self, chosen: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    """A batch over the mesh's data axis.

    Args:
      chosen: what `choose` gave for all of its rows, on every process; and
        whatever else goes with a row.

    Returns:
      `x` (N, M, F, V, C), or (N, K, M, F, V, C) of K views; and the rest.
    """
    everywhere = sharding.replicated(self._mesh)
    chosen = jax.tree.map(
      lambda a: jax.make_array_from_process_local_data(everywhere, a), chosen
    )
    return self._make(self._frames, self._scales, chosen)

  def _batch(self, frames, scales, chosen):
    """What is compiled: gather, then change each clip for itself."""
    kept = {k: chosen.pop(k) for k in ('label', 'clip') if k in chosen}
    n, *views, _ = chosen['index'].shape
    chosen = jax.tree.map(
      lambda a: a.reshape(-1, *a.shape[1 + len(views) :]), chosen
    )
    clips = self._gather(frames, scales, chosen.pop('index'))
    if 'part' in chosen:
      part = chosen.pop('part')[:, :, None, None, None]
      after = self._gather(frames, scales, chosen.pop('after'))
      clips = clips * (1 - part) + after * part
    x = jax.vmap(self._transform.finish)(clips.swapaxes(1, 2), chosen)
    return {**kept, 'x': x.reshape(n, *views, *x.shape[1:])}

  def _gather(self, frames, scales, index):
    """Frames (N, F, M, V, C) by index (N, F), each from where it is held."""

    def local(frames, scales, index):
      # Below its part, an unsigned number comes out beyond the end of it.
      first = jax.lax.axis_index('data').astype(jnp.uint32) * len(frames)
      where = index - first
      taken = frames.at[where].get(mode='fill', fill_value=0)
      if scales is not None:
        scale = scales.at[where].get(mode='fill', fill_value=0)
        taken = taken.astype(jnp.float32) * scale[:, :, None, None]
      # Each device has its own frames of all rows; each gets all of its rows.
      return jax.lax.psum_scatter(taken, 'data', tiled=True)

    return jax.shard_map(
      local,
      mesh=self._mesh,
      in_specs=(P('data'), P('data'), P()),
      out_specs=P('data'),
    )(frames, scales, index)


def _read(clips, rows, transform, small, threads, mesh):
  """Each clip's frames (T, M, V, C), scales (T, C) and label, in order."""

  def read(row):
    record = clips[row]
    clip = np.float32(transform.standardize(record).swapaxes(0, 1))
    scale = np.zeros((len(clip), clip.shape[-1]), np.float32)
    if small:
      scale = np.abs(clip).max((1, 2)) / np.float32(_LARGEST)
      unit = np.where(scale, scale, 1)[:, None, None]
      clip = np.rint(clip / unit).astype(np.int16)
    return clip, scale, record['label']

  dataset = grain.MapDataset.source(rows).map(read)
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=64)
  room, held = _room(mesh), 0
  read_all = []
  for item in tqdm(
    dataset.to_iter_dataset(options),
    desc='To the devices',
    total=len(rows),
    unit=' clips',
    disable=jax.process_index() > 0,
  ):
    read_all.append(item)
    held += item[0].nbytes
    if held > room:
      needed = held / len(read_all) * len(rows)
      raise UserError(
        f'about {needed / 2**30:.1f} GiB of clips do not fit into the devices,'
        f' which have {room / 2**30:.1f} GiB; use config.data.on_device=int16,'
        " or '' to load from the host"
      )
  return zip(*read_all, strict=True)


def _room(mesh) -> float:
  """Bytes that the devices of the data axis have; infinite if unknown."""
  stats = mesh.local_devices[0].memory_stats()
  if not stats or 'bytes_limit' not in stats:
    return float('inf')
  return _PART * stats['bytes_limit'] * mesh.shape['data']


def _spread(arrays, mesh):
  """All rows one after the other, as many on each device of the data axis."""
  whole = np.concatenate(arrays)
  parts = mesh.shape['data']
  whole = np.pad(
    whole, ((0, -len(whole) % parts), *[(0, 0)] * (whole.ndim - 1))
  )
  return jax.make_array_from_callback(
    whole.shape, sharding.batch_sharding(mesh), lambda part: whole[part]
  )
