"""Pictures of the contact sheet: skeletons before and after refinement.

Shape legend: N estimators, M persons, T frames, V joints.
"""

import numpy as np
from markupsafe import Markup

from unik_jax.curate import pose_statistics
from unik_jax.html import pages
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout

MOMENTS = 8  # per clip
_CELL, _MARGIN = 120, 8  # pixels
# Colours of the estimators, in order; with more of them they repeat. None looks
# like the colours of the sides, which mean left and right.
ESTIMATOR_COLORS = ('#3f8f5f', '#c9508f', '#93860f', '#8f5fc8', '#7f8a96')
# Colours of the refined pose: neither side, left, right.
SIDE_COLORS = {0: '#1d2733', -1: '#2a6191', 1: '#b8571b'}


def draw_strip(
  tracks: np.ndarray, clip: np.ndarray, layout: Layout, label: str
) -> Markup:
  """Returns an SVG of one clip: estimators above, the refined pose below.

  Both rows of a moment are centred on the box of its refined bodies, so that
  differences between the estimators can be seen.

  Args:
    tracks: (M, N, T, V, 3) of the estimators, zeros where missing.
    clip: (M, T, V, 3) refined.
    layout: joint layout.
    label: text for screen readers.
  """
  body_frames = np.flatnonzero(clip.any((0, 2, 3)))
  if not len(body_frames):
    return Markup()
  places = np.linspace(0, len(body_frames) - 1, MOMENTS).round().astype(int)
  moments = body_frames[places]
  raw = pose_statistics.visible_points(tracks).swapaxes(0, 1)  # by estimator
  refined = pose_statistics.visible_points(clip)
  boxes = [_box(refined[:, t]) for t in moments]
  # One scale for all moments, with a margin for joints outside of the box.
  size = 1.15 * float(np.nanmax([np.ptp(box, 0) for box in boxes]))
  scale = (_CELL - 2 * _MARGIN) / (size or 1)
  pictures = []
  for column, (t, box) in enumerate(zip(moments, boxes, strict=True)):
    estimates, (pose,) = (
      (points[:, :, t] - box.mean(0)) * scale + _CELL / 2
      for points in (raw, refined[None])
    )
    above = [
      {
        'path': _path(estimate, layout.bone_indices),
        'color': ESTIMATOR_COLORS[n % len(ESTIMATOR_COLORS)],
        'width': 1.4,
        'opacity': 0.75,
      }
      for n, estimate in enumerate(estimates)
    ]
    below = [
      {'path': _path(pose, bones), 'color': color, 'width': 2, 'opacity': 1}
      for side, color in SIDE_COLORS.items()
      if (
        bones := [b for b in layout.bone_indices if layout.sides[b[0]] == side]
      )
    ]
    pictures += [
      {'column': column, 'row': row, 'strokes': strokes}
      for row, strokes in enumerate((above, below))
    ]
  return Markup(
    pages.load_templates('unik_jax.curate')
    .get_template('strip.svg')
    .render(label=label, width=MOMENTS * _CELL, cell=_CELL, pictures=pictures)
  )


def _box(points):
  """Returns the (2, 2) lowest and highest coordinates, ignoring NaN."""
  return np.stack(bounding_box(points, (0, 1)))


def _path(points, bones):
  """Returns an SVG path of the bones of all persons (M, V, 2)."""
  lines = []
  for person in points:
    for child, parent in bones:
      ends = person[[child, parent]]
      if np.isfinite(ends).all():
        (a, b), (c, d) = ends.round(1).tolist()
        lines.append(f'M{a:g} {b:g}L{c:g} {d:g}')
  return ''.join(lines)
