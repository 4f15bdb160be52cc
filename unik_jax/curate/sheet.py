"""A contact sheet: skeletons before and after refinement, as SVG."""

from html import escape

import numpy as np

from unik_jax.curate import pose_statistics
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout

MOMENTS = 8  # of a clip
_CELL, _MARGIN = 120, 8  # pixels
# Of the experts, as far as they go; sides of the refined pose.
EXPERTS = ('#3f7f5f', '#b8571b', '#2a6191', '#8a5aa5', '#5b6875')
_SIDES = {0: '#1d2733', -1: '#2a6191', 1: '#b8571b'}


def strip(
  before: np.ndarray, clip: np.ndarray, layout: Layout, label: str
) -> str:
  """One clip: a row of what the experts see, and below it what was made of it.

  Both rows are drawn in one frame, that of the refined clip's bodies in the
  moment, so that what lies apart in the first row can be told.

  Args:
    before: (M, N, T, V, 3), zeros where missing.
    clip: (M, T, V, 3).
    layout: of the joints.
    label: for those who cannot see it.
  """
  seen = np.flatnonzero(clip.any((0, 2, 3)))
  if not len(seen):
    return ''
  moments = seen[np.linspace(0, len(seen) - 1, MOMENTS).round().astype(int)]
  raw, made = (
    pose_statistics.visible_points(before),
    pose_statistics.visible_points(clip),
  )
  raw = raw.swapaxes(0, 1)  # by expert
  bones = layout.bone_indices
  size = 1.15 * max(
    float(np.nanmax(np.ptp(bounding_box(made[:, t], (0, 1)), 0)))
    for t in moments
  )
  cells = []
  for column, t in enumerate(moments):
    middle = np.mean(bounding_box(made[:, t], (0, 1)), 0)
    scale = (_CELL - 2 * _MARGIN) / (size or 1)
    experts, (pose,) = (
      (points[:, :, t] - middle) * scale + _CELL / 2
      for points in (raw, made[None])
    )
    lines = [
      _stroke(_path(each, bones), EXPERTS[n % len(EXPERTS)], 1.4, 0.75)
      for n, each in enumerate(experts)
    ]
    cells.append(_cell(column, 0, lines))
    lines = [
      _stroke(
        _path(pose, [b for b in bones if layout.sides[b[0]] == side]),
        color,
        2,
        1,
      )
      for side, color in _SIDES.items()
    ]
    cells.append(_cell(column, 1, lines))
  width, height = MOMENTS * _CELL, 2 * _CELL
  return (
    f'<svg class="chart" viewBox="0 0 {width} {height}" role="img"'
    f' aria-label="{escape(label)}">'
    f'<rect width="{width}" height="{_CELL}" fill="#f5f7f9"/>'
    f'{"".join(cells)}</svg>'
  )


def _cell(column, row, lines):
  """A picture in its place; what leads out of it is cut off."""
  return (
    f'<svg x="{column * _CELL}" y="{row * _CELL}" width="{_CELL}"'
    f' height="{_CELL}" overflow="hidden">{"".join(lines)}</svg>'
  )


def _path(points, bones):
  """Lines of all persons (M, V, 2) in one path."""
  lines = []
  for person in points:
    for child, parent in bones:
      ends = person[[child, parent]]
      if np.isfinite(ends).all():
        (a, b), (c, d) = ends.round(1).tolist()
        lines.append(f'M{a:g} {b:g}L{c:g} {d:g}')
  return ''.join(lines)


def _stroke(path, color, width, opacity):
  if not path:
    return ''
  return (
    f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}"'
    f' stroke-opacity="{opacity}" stroke-linecap="round"/>'
  )
