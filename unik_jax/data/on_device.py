"""A split in device memory, where batches are gathered and augmented.

The frames of all clips are concatenated and sharded over the mesh's data axis.
For each batch, the host sends the frame indices and the random choices, a few
kilobytes. The devices gather the frames, augment them and derive the stream
with the same functions as the host (`transform`).
"""

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
from unik_jax.data.clips import Records
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.runtime import sharding

# Index of a frame of zeros: outside every device's shard.
_NO_FRAME = np.uint32(2**32 - 1)
_INT16_LIMIT = 2**15 - 1  # quantised values are in [-limit, limit]
_MEMORY_SHARE = 0.9  # of a device's memory that clips may fill


class DeviceSplit:
  """The clips of a split, sharded over the devices of a mesh.

  Args:
    clips: records by index, such as a `PreparedSplit`.
    config: the `data` part of a config. `on_device` is the dtype: 'float32',
      or 'int16' with one scale per frame and channel. The latter takes half
      the memory, for an error of at most 1 / 65534 of the largest coordinate
      in the frame.
    mesh: from `sharding.make_mesh`.
    train: whether to augment, and to sample frames at random.

  Attributes:
    lengths: (len(clips),) frames of each clip.
    nbytes: memory used by the devices of the data axis together.

  Raises:
    UserError: the devices do not have enough memory.
  """

  def __init__(
    self,
    clips: Records,
    config: ml_collections.ConfigDict,
    mesh: Mesh,
    *,
    train: bool,
  ):
    self._transform, self._mesh = Transform(config, train=train), mesh
    quantize = config.on_device == 'int16'
    # An epoch may repeat a clip (`repeats`); one copy of it is enough.
    rows = getattr(clips, 'rows', range(len(clips)))
    _, first, copy_of = np.unique(rows, return_index=True, return_inverse=True)
    frames, scales, labels = _read_clips(
      clips, first.tolist(), self._transform, quantize, config.threads, mesh
    )
    lengths = np.array([len(f) for f in frames])
    starts = np.cumsum(lengths) - lengths
    self.lengths, self._starts = lengths[copy_of], starts[copy_of]
    self._labels = np.array(labels, np.int32)[copy_of]
    self._frames = _shard_rows(frames, mesh)
    self._scales = _shard_rows(scales, mesh) if quantize else None
    arrays = (self._frames, self._scales)
    self.nbytes = sum(a.nbytes for a in jax.tree.leaves(arrays))
    self._make_batch = jax.jit(
      self._batch, out_shardings=sharding.batch_sharding(mesh)
    )

  def choose(
    self, clip: int, rng: np.random.Generator | None, view: int = 0
  ) -> dict[str, Any]:
    """Chooses the frames and the augmentation of one view of a clip.

    Args:
      clip: index of the clip.
      rng: see `Transform.choose`.
      view: see `Transform.choose`.

    Returns:
      `label`; `index` (F,) uint32, the frames' places in device memory; the
      random choices of `Transform.choose`. If frames are interpolated, also
      `after` (F,), the next frames, and `part` (F,), their weights. If all
      frames are needed, also `whole`, their places, as many as the longest
      clip has.
    """
    length = int(self.lengths[clip])
    choices = self._transform.choose(length, rng, view)
    times = choices.pop('times')
    before, after, part, inside = sampling.split_times(times, length)
    start = self._starts[clip]
    choices = {k: np.float32(v) for k, v in choices.items()}
    choices['index'] = np.where(inside, start + before, _NO_FRAME).astype('u4')
    # Decided by the sampler, not by `part.any()`: all rows of a batch need the
    # same arrays.
    if self._transform.interpolates:
      choices['after'] = (start + after).astype('u4')
      choices['part'] = np.float32(part)
    if self._transform.needs_whole:
      frame = np.arange(self.lengths.max())
      whole = np.where(frame < length, start + frame, _NO_FRAME)
      choices['whole'] = whole.astype('u4')
    return {**choices, 'label': self._labels[clip]}

  def make_batch(self, choices: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    """Builds a batch, sharded over the mesh's data axis.

    Args:
      choices: from `choose`, stacked over all rows of the batch and the same
        on every process; may include `clip`.

    Returns:
      `x` (N, M, F, V, C), or (N, K, M, F, V, C) with K views; `label`; `clip`
      if given.
    """
    everywhere = sharding.replicated_sharding(self._mesh)
    choices = jax.tree.map(
      lambda a: jax.make_array_from_process_local_data(everywhere, a), choices
    )
    return self._make_batch(self._frames, self._scales, choices)

  def _batch(self, frames, scales, choices):
    """Gathers the frames of each row, then transforms each row (compiled)."""
    passed = {k: choices.pop(k) for k in ('label', 'clip') if k in choices}
    # Views become rows, and are split off again at the end.
    n, *views, _ = choices['index'].shape
    choices = jax.tree.map(
      lambda a: a.reshape(-1, *a.shape[1 + len(views) :]), choices
    )
    clips = self._gather(frames, scales, choices.pop('index'))
    if 'part' in choices:
      part = choices.pop('part')[:, :, None, None, None]
      after = self._gather(frames, scales, choices.pop('after'))
      clips = sampling.mix_frames(clips, after, part)
    whole = None
    if 'whole' in choices:
      whole = self._gather(frames, scales, choices.pop('whole')).swapaxes(1, 2)
    x = jax.vmap(self._transform.finish)(clips.swapaxes(1, 2), choices, whole)
    return {**passed, 'x': x.reshape(n, *views, *x.shape[1:])}

  def _gather(self, frames, scales, index):
    """Returns frames (N, F, M, V, C) by index (N, F), from all shards."""

    def gather_from_shard(frames, scales, index):
      # An index before this shard wraps around to a large unsigned number, so
      # it is out of bounds and read as zeros, as is one after it.
      first = jax.lax.axis_index('data').astype(jnp.uint32) * len(frames)
      local = index - first
      taken = frames.at[local].get(mode='fill', fill_value=0)
      if scales is not None:
        scale = scales.at[local].get(mode='fill', fill_value=0)
        taken = taken.astype(jnp.float32) * scale[:, :, None, None]
      # Each device has its own frames of all rows. The sum over devices has
      # all frames, and each device gets its rows of it.
      return jax.lax.psum_scatter(taken, 'data', tiled=True)

    return jax.shard_map(
      gather_from_shard,
      mesh=self._mesh,
      in_specs=(P('data'), P('data'), P()),
      out_specs=P('data'),
    )(frames, scales, index)


def _read_clips(clips, rows, transform, quantize, threads, mesh):
  """Returns each clip's frames (T, M, V, C), scales (T, C) and label."""

  def read_row(row):
    record = clips[row]
    clip = np.float32(transform.standardize(record).swapaxes(0, 1))
    scale = np.zeros((len(clip), clip.shape[-1]), np.float32)
    if quantize:
      scale = np.abs(clip).max((1, 2)) / np.float32(_INT16_LIMIT)
      unit = np.where(scale, scale, 1)[:, None, None]
      clip = np.rint(clip / unit).astype(np.int16)
    return clip, scale, record['label']

  dataset = grain.MapDataset.source(rows).map(read_row)
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=64)
  available, nbytes = _available_bytes(mesh), 0
  items = []
  for item in tqdm(
    dataset.to_iter_dataset(options),
    desc='To the devices',
    total=len(rows),
    unit=' clips',
    disable=jax.process_index() > 0,
  ):
    items.append(item)
    nbytes += item[0].nbytes
    # Checked while reading, so that the host's memory does not fill up first.
    if nbytes > available:
      needed = nbytes / len(items) * len(rows)
      raise UserError(
        f'config.data.on_device: expected at most {available / 2**30:.1f} GiB'
        f' of clips, the memory of the devices, got about'
        f" {needed / 2**30:.1f} GiB. Set it to int16, or to '' to load clips"
        ' on the host'
      )
  return zip(*items, strict=True)


def _available_bytes(mesh) -> float:
  """Returns the memory of the data axis's devices; infinity if unknown."""
  stats = mesh.local_devices[0].memory_stats()
  if not stats or 'bytes_limit' not in stats:
    return float('inf')
  return _MEMORY_SHARE * stats['bytes_limit'] * mesh.shape['data']


def _shard_rows(arrays, mesh):
  """Concatenates arrays, pads the rows, and shards them over the data axis."""
  rows = np.concatenate(arrays)
  shards = mesh.shape['data']
  padding = ((0, -len(rows) % shards), *[(0, 0)] * (rows.ndim - 1))
  rows = np.pad(rows, padding)
  return jax.make_array_from_callback(
    rows.shape, sharding.batch_sharding(mesh), lambda shard: rows[shard]
  )
