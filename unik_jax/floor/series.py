"""Clips of a split as series for MiniRocket and MultiRocket, and scores."""

from collections.abc import Callable, Iterable

import numpy as np

from unik_jax.data.clips import Records
from unik_jax.data.transform import Transform
from unik_jax.models import rocket

# With more, MultiRocket's 50,000 features of each clip (1 GB for 5,000 clips in
# float32, and several copies) fill the memory of a small machine.
MAX_TRAINING_CLIPS = 5000
_TEST_CLIPS = 1000  # classified at a time


def spread_rows(count: int) -> list[int]:
  """Returns at most `MAX_TRAINING_CLIPS` indices of clips, evenly spread."""
  if count <= MAX_TRAINING_CLIPS:
    return list(range(count))
  step = count / MAX_TRAINING_CLIPS
  return [int(i * step) for i in range(MAX_TRAINING_CLIPS)]


def read_series(
  clips: Records, rows: Iterable[int], transform: Transform
) -> tuple[np.ndarray, np.ndarray]:
  """Returns series (N, M * V * C, T) and labels (N,) of some clips.

  Args:
    clips: records by index.
    rows: indices of the clips.
    transform: makes a clip (M, T, V, C) of a record.
  """
  read = [transform(clips[i]) for i in rows]
  labels = np.array([row['label'] for row in read])
  return rocket.make_series(np.stack([row['x'] for row in read])), labels


def score_clips(
  classify: Callable[[np.ndarray], np.ndarray],
  clips: Records,
  transform: Transform,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns labels (N,) and logits (N, K) of all clips.

  Args:
    classify: a fitted `Rocket`.
    clips: records by index.
    transform: as in `read_series`.
  """
  labels, logits = [], []
  for start in range(0, len(clips), _TEST_CLIPS):
    block = range(start, min(start + _TEST_CLIPS, len(clips)))
    series, block_labels = read_series(clips, block, transform)
    labels.append(block_labels)
    logits.append(classify(series))
  return np.concatenate(labels), np.concatenate(logits)
