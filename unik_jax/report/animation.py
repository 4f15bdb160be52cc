"""Clips as flat, animated skeletons: small tables that the page draws from."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report.mistakes import Wrong
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout, get_layout
from unik_jax.visualize import projection

FRAMES = 100  # the most that is shown of a clip
FRAME_RATE = 30  # at which clips are played; datasets don't say theirs
SIZE = 1000  # of the square that coordinates are rounded in


def animate(config: ConfigDict, wrong: Sequence[Wrong]) -> dict[str, Any]:
  """The skeletons of some clips of the test split.

  Args:
    config: the `data` part of a config.
    wrong: names the clips.

  Returns:
    `bones`, (child, parent, side) with side -1 for left, 1 for right, 0 for
    neither; `size`; and `clips`, one of `flatten` each.

  Raises:
    UserError: the dataset is not prepared, or is not that of the run.
  """
  coordinates = config.channels - bool(config.confidence)
  if coordinates not in (2, 3):
    raise UserError(f'{coordinates} coordinates of a joint cannot be drawn')
  clips = PreparedSplit(config, config.test_split, config.test_subjects)
  layout = get_layout(config.layout)
  return {
    'size': SIZE,
    'bones': [(c, p, layout.sides[c]) for c, p in layout.bone_indices],
    'clips': [
      flatten(record['keypoints'][: config.persons, ..., :coordinates], layout)
      for record in _find(clips, wrong)
    ],
  }


def _find(clips: PreparedSplit, wrong: Sequence[Wrong]) -> Iterator[dict]:
  """The clips' records; in the rows that they have in the scores, as a rule."""
  rows = None
  for item in wrong:
    row = item.row
    if row >= len(clips) or clips[row]['id'].decode() != item.id:
      rows = rows or {name: row for row, name in enumerate(clips.ids())}
      row = rows.get(item.id)
    if row is None:
      raise UserError(
        f'clip {item.id!r} of the scores is not in the prepared dataset;'
        ' evaluate the run again, with --config.eval_only=true'
      )
    yield clips[row]


def flatten(clip: np.ndarray, layout: Layout) -> dict[str, Any]:
  """A clip as the page draws it.

  Args:
    clip: (M, T, V, C) of two or three coordinates.
    layout: of the joints.

  Returns:
    `seconds`, and `frames`, at most FRAMES of them, each of the persons who
    are ever seen, each a flat list x, y, x, y ... of whole numbers from 0 to
    SIZE, y downwards, -1 where a joint is missing.
  """
  clip = clip[clip.any((1, 2, 3))]
  moments = np.flatnonzero(clip.any((0, 2, 3)))
  if not len(moments):  # nobody among the persons that the model is given
    return {'seconds': 0, 'frames': []}
  first, last = moments[0], moments[-1]
  length = last - first + 1
  kept = np.linspace(first, last, min(length, FRAMES)).round().astype(int)
  points = projection.to_screen(clip, layout)[:, kept] * [1, -1]
  low, high = bounding_box(points, (0, 1, 2))
  scale = SIZE / (max(high - low) or 1)
  points = (points - (low + high) / 2) * scale + SIZE / 2
  whole = np.where(np.isnan(points), -1, points.round()).astype(int)
  frames = whole.swapaxes(0, 1).reshape(len(kept), len(clip), -1)
  return {
    'seconds': round(float(length) / FRAME_RATE, 2),
    'frames': frames.tolist(),
  }
