"""From prepared clips to batches.

A batch is a dict of numpy arrays: `x` (N, M, T, V, C) float32 and `label` (N,)
int32, and whatever else is made of each clip.

Everything follows from the seed and the batch's index, so a run resumes at
any step by asking for the batches from there on.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grain
import jax
import ml_collections
import numpy as np

from unik_jax.data.transform import WHOLE_CLIP, Transform
from unik_jax.errors import UserError

MakeRow = Callable[..., dict[str, Any]]


def steps_per_epoch(clips: Sequence[dict], batch_size: int) -> int:
  """Whole batches in an epoch; a UserError where there is not even one."""
  if len(clips) < batch_size:
    raise UserError(
      f'{len(clips)} training clips do not fill one batch of {batch_size}; set'
      ' a smaller one, as with --config.batch_size=8'
    )
  return len(clips) // batch_size


def train_batches(
  clips: Sequence[Any],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  seed: int,
  start: int = 0,
  process: tuple[int, int] = (0, 1),
  make: MakeRow | None = None,
) -> Iterator[dict]:
  """Shuffled, augmented batches without end; an epoch's odd rest is dropped.

  Args:
    clips: records by index, or whatever `make` takes.
    config: the `data` part of a config.
    batch_size: of all processes together.
    seed: of order and augmentation.
    start: index of the first batch.
    process: (index, count); each gets its part of every batch.
    make: of a clip and a random generator, its part of a batch; default a
      `Transform`.

  Returns:
    An iterator over this process's part of batch `start`, `start + 1`, ...

  Raises:
    UserError: fewer clips than a batch holds.
  """
  steps = steps_per_epoch(clips, batch_size)
  index, count = process
  batches = (
    grain.MapDataset.source(clips)
    .seed(seed)
    .shuffle()
    # Whole batches only, before the split, so that all processes agree on
    # where an epoch ends.
    .random_map(make or Transform(config, train=True))[: steps * batch_size][
      index::count
    ]
    .batch(batch_size // count, drop_remainder=True)
    .repeat()[start:]
  )
  return iter(batches.to_iter_dataset(_threads(config)))


def eval_batches(
  clips: Sequence[Any],
  config: ml_collections.ConfigDict,
  *,
  batch_size: int,
  process: tuple[int, int] = (0, 1),
  make: MakeRow | None = None,
  lengths: Sequence[int] | None = None,
) -> Iterator[dict]:
  """Every clip once; the rest of a last batch is filled up.

  Clips come in their order, unless they keep their lengths (`test_frames` is
  -1): then those of one rounded length are together, the shortest first.

  Args:
    clips: records by index, or whatever `make` takes.
    config: the `data` part of a config.
    batch_size: of all processes together.
    process: (index, count); each gets its part of every batch.
    make: of a clip, a random generator and the number of a view, its part of
      a batch; default a `Transform`.
    lengths: frames of each clip, where that is known, before any are sampled.

  Returns:
    An iterator over this process's part of each batch; all processes get as
    many. Where `test_clips` or `test_crops` is K > 1, all but the label is
    (N, K, ...), for the answers to be averaged; random samplings are the same
    each time. `clip` (N,) is the index of the clip, -1 in rows that fill up.
  """
  transform = Transform(config, train=False)
  make = make or transform

  def row(entry):
    i, real = entry
    rng = np.random.default_rng(i) if config.test_clips > 1 else None
    views = [make(clips[i], rng, view) for view in range(transform.views)]
    label = views[0]['label']
    made = jax.tree.map(lambda *v: np.stack(v), *views)
    if transform.views == 1:
      made = views[0]
    return {**made, 'label': label, 'clip': np.int32(i if real else -1)}

  groups = [range(len(clips))]
  if transform.frames == WHOLE_CLIP:
    if lengths is None:
      lengths = [transform.standardize(clip).shape[1] for clip in clips]
    kept = np.array([transform.output_length(n) for n in lengths])
    groups = [np.flatnonzero(kept == n).tolist() for n in np.unique(kept)]
  entries = []
  for group in groups:
    entries += [(i, True) for i in group]
    entries += [(group[0], False)] * (-len(group) % batch_size)
  index, count = process
  rows = batch_size // count
  mine = [
    entry
    for start in range(index * rows, len(entries), batch_size)
    for entry in entries[start : start + rows]
  ]
  batches = grain.MapDataset.source(mine).map(row).batch(rows)
  if len(batches) == 1:  # a single answer does not wait for threads to start
    return iter([batches[0]])
  return iter(batches.to_iter_dataset(_threads(config)))


def _threads(config):
  return grain.ReadOptions(
    num_threads=config.threads, prefetch_buffer_size=config.prefetch
  )
