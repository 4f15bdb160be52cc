"""Batches of numpy arrays from prepared clips.

A batch is a dict: `x` (N, M, T, V, C) float32, `label` (N,) int32, and other
arrays of N rows. `mesh_batches` puts batches on the devices.

A batch depends only on the seed and its index. A run resumes at any step by
asking for the batches from that step on.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import jax
import ml_collections
import numpy as np

from unik_jax.data.clips import Records
from unik_jax.data.transform import WHOLE_CLIP, Transform
from unik_jax.errors import UserError

MakeRow = Callable[..., dict[str, Any]]


def steps_per_epoch(clips: Records, batch_size: int) -> int:
  """Returns the number of whole batches in an epoch.

  Raises:
    UserError: there is not even one.
  """
  if len(clips) < batch_size:
    raise UserError(
      f'config.batch_size: expected at most {len(clips)}, the number of'
      f' training clips, got {batch_size}. Set'
      f' --config.batch_size={len(clips)} or less'
    )
  return len(clips) // batch_size


def train_batches(
  clips: Records,
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  seed: int,
  start: int = 0,
  process: tuple[int, int] = (0, 1),
  make_row: MakeRow | None = None,
) -> Iterator[dict]:
  """Returns an endless iterator over shuffled, augmented batches.

  Each epoch's last clips that do not fill a batch are dropped.

  Args:
    clips: records by index, or the inputs of `make_row`.
    config: the `data` part of a config.
    batch_size: clips per batch, over all processes.
    seed: seed of the order and the augmentation.
    start: index of the first batch.
    process: (index, count); each process gets its rows of every batch.
    make_row: maps (clip, rng) to one row of a batch (default: a `Transform`).

  Returns:
    An iterator over this process's rows of batch `start`, `start + 1`, ...

  Raises:
    UserError: fewer clips than `batch_size`.
  """
  steps = steps_per_epoch(clips, batch_size)
  index, count = process
  records: Any = clips  # grain's type names the index otherwise
  rows = (
    grain.MapDataset.source(records)
    .seed(seed)
    .shuffle()
    .random_map(make_row or Transform(config, train=True))
  )
  # Each process takes a contiguous block of every batch, so that a row's place
  # in the global batch, which mixup and dropout depend on, does not depend on
  # the number of processes. Cut to whole batches before, so that all processes
  # agree on where an epoch ends.
  blocks = rows[: steps * batch_size].batch(batch_size // count)
  batches = blocks[index::count]
  return iter(batches.repeat()[start:].to_iter_dataset(_read_options(config)))


def eval_batches(
  clips: Records,
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  process: tuple[int, int] = (0, 1),
  make_row: MakeRow | None = None,
  lengths: Sequence[int] | None = None,
) -> Iterator[dict]:
  """Returns an iterator over batches that hold every clip once.

  The last batch is padded with repeated rows.

  Clips come in their order, unless they keep their lengths (`test_frames` is
  -1). Then clips of one rounded length are batched together, shortest first.

  Args:
    clips: records by index, or the inputs of `make_row`.
    config: the `data` part of a config.
    batch_size: clips per batch, over all processes.
    process: (index, count); each process gets its rows of every batch.
    make_row: maps (clip, rng, view) to one row of a batch (default: a
      `Transform`).
    lengths: frames of each clip before sampling (default: read from the
      clips, if needed).

  Returns:
    An iterator over this process's rows of each batch; all processes get the
    same number of batches. `clip` (N,) is the index of the clip, -1 in padding
    rows. With K > 1 views (`test_clips` or `test_crops`), all arrays but
    `label` and `clip` are (N, K, ...). Random views are the same each time.
  """
  transform = Transform(config, train=False)
  make_row = make_row or transform

  def read_row(entry):
    i, is_real = entry
    rng = np.random.default_rng(i) if config.test_clips > 1 else None
    views = [make_row(clips[i], rng, view) for view in range(transform.views)]
    label = views[0]['label']
    row = views[0]
    if transform.views > 1:
      row = jax.tree.map(lambda *v: np.stack(v), *views)
    return {**row, 'label': label, 'clip': np.int32(i if is_real else -1)}

  groups = [range(len(clips))]
  if transform.frames == WHOLE_CLIP:
    if lengths is None:
      lengths = [transform.standardize(clip).shape[1] for clip in clips]
    rounded = np.array([transform.output_length(n) for n in lengths])
    groups = [np.flatnonzero(rounded == n).tolist() for n in np.unique(rounded)]
  entries = []
  for group in groups:
    entries += [(i, True) for i in group]
    entries += [(group[0], False)] * (-len(group) % batch_size)
  # Each process takes a contiguous block of every batch.
  index, count = process
  rows = batch_size // count
  own_entries = [
    entry
    for start in range(index * rows, len(entries), batch_size)
    for entry in entries[start : start + rows]
  ]
  batches = grain.MapDataset.source(own_entries).map(read_row).batch(rows)
  if len(batches) == 1:  # a single prediction: starting threads costs more
    only: Any = batches[0]
    return iter([only])
  return iter(batches.to_iter_dataset(_read_options(config)))


def _read_options(config):
  return grain.ReadOptions(
    num_threads=config.threads, prefetch_buffer_size=config.prefetch
  )
