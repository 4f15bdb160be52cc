"""Animated skeletons of clips, as tables that the page's script draws."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report.mistakes import Mistake
from unik_jax.skeletons import projection
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout, get_layout

FRAMES = 100  # maximum per clip
FRAME_RATE = 30  # of playback; datasets do not record theirs
SIZE = 1000  # side of the square of rounded coordinates


def animate_clips(
  config: ConfigDict, mistakes: Sequence[Mistake]
) -> dict[str, Any]:
  """Returns the skeletons of some clips of the test split.

  Args:
    config: the `data` part of a config.
    mistakes: the clips, by row and id.

  Returns:
    `bones`: (child, parent, side), side -1 for left, 1 for right, 0 for
    neither. `size`: SIZE. `clips`: one result of `flatten_clip` each.

  Raises:
    UserError: the dataset is not prepared, or is not the one of the scores.
  """
  coordinates = config.channels - bool(config.confidence)
  if coordinates not in (2, 3):
    raise UserError(
      f'config.data.channels: expected 2 or 3 coordinates to draw, got'
      f' {coordinates}'
    )
  clips = PreparedSplit(config, config.test_split, config.test_subjects)
  layout = get_layout(config.layout)
  return {
    'size': SIZE,
    'bones': [(c, p, layout.sides[c]) for c, p in layout.bone_indices],
    'clips': [
      flatten_clip(
        record['keypoints'][: config.persons, ..., :coordinates], layout
      )
      for record in _find_records(clips, mistakes)
    ],
  }


def _find_records(
  clips: PreparedSplit, mistakes: Sequence[Mistake]
) -> Iterator[dict]:
  """Yields the clips' records, usually in the rows of the scores."""
  row_of_id = None
  for mistake in mistakes:
    row = mistake.row
    if row >= len(clips) or clips[row]['id'].decode() != mistake.id:
      # Reading all ids takes a pass over the split, so only on a mismatch.
      row_of_id = row_of_id or {id: row for row, id in enumerate(clips.ids())}
      row = row_of_id.get(mistake.id)
    if row is None:
      raise UserError(
        f'scores: clip {mistake.id!r} is not in the prepared dataset. Evaluate'
        ' the run again with --config.eval_only=true'
      )
    yield clips[row]


def flatten_clip(clip: np.ndarray, layout: Layout) -> dict[str, Any]:
  """Returns a clip as the page draws it.

  Args:
    clip: (M, T, V, C) of two or three coordinates; zeros are missing.
    layout: joint layout.

  Returns:
    `seconds`, and `frames`: at most FRAMES. A frame holds every person who is
    ever present, as a flat list x, y, x, y ... of integers from 0 to SIZE with
    y down, -1 where a joint is missing.
  """
  clip = clip[clip.any((1, 2, 3))]
  moments = np.flatnonzero(clip.any((0, 2, 3)))
  if not len(moments):  # all persons whom the model sees are absent
    return {'seconds': 0, 'frames': []}
  first, last = moments[0], moments[-1]
  length = last - first + 1
  shown = np.linspace(first, last, min(length, FRAMES)).round().astype(int)
  points = projection.project_poses(clip, layout)[:, shown] * [1, -1]
  low, high = bounding_box(points, (0, 1, 2))
  scale = SIZE / (max(high - low) or 1)
  points = (points - (low + high) / 2) * scale + SIZE / 2
  rounded = np.where(np.isnan(points), -1, points.round()).astype(int)
  frames = rounded.swapaxes(0, 1).reshape(len(shown), len(clip), -1)
  return {
    'seconds': round(float(length) / FRAME_RATE, 2),
    'frames': frames.tolist(),
  }
