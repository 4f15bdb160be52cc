"""Skeletons in a row of moments, as one SVG."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from unik_jax.html import pages

# Colours of bones: neither side, left, right.
SIDE_COLORS = {0: '#1d2733', -1: '#2a6191', 1: '#b8571b'}

Bones = Sequence[tuple[int, int]]


def draw_bones(
  points: np.ndarray, bones: Bones, color: str, *, width=1.4, opacity=0.75
) -> dict[str, Any]:
  """Returns the bones of all persons in one colour, for `render_strip`.

  Args:
    points: (M, V, 2) in pixels of the cell, y down; NaN where missing.
    bones: pairs of joint indices.
    color: of the lines.
    width: of the lines, in pixels.
    opacity: of the lines.
  """
  lines = []
  for person in points:
    for child, parent in bones:
      ends = person[[child, parent]]
      if np.isfinite(ends).all():
        (a, b), (c, d) = ends.round(1).tolist()
        lines.append(f'M{a:g} {b:g}L{c:g} {d:g}')
  path = ''.join(lines)
  return {'path': path, 'color': color, 'width': width, 'opacity': opacity}


def draw_sides(
  points: np.ndarray, bones: Bones, sides: Sequence[int]
) -> list[dict[str, Any]]:
  """Returns the bones of all persons in the colours of their sides.

  Args:
    points: as in `draw_bones`.
    bones: (child, parent) joint indices.
    sides: of each joint, a key of SIDE_COLORS. A bone has its child's.
  """
  by_side = {
    side: [bone for bone in bones if sides[bone[0]] == side]
    for side in SIDE_COLORS
  }
  return [
    draw_bones(points, by_side[side], color, width=2, opacity=1)
    for side, color in SIDE_COLORS.items()
    if by_side[side]
  ]


def render_strip(
  rows: Sequence[Sequence[list[dict[str, Any]]]], label: str, cell: int
) -> Markup:
  """Returns an SVG of rows of pictures.

  Args:
    rows: the strokes of each picture (from `draw_bones`), by row and column.
      The upper rows have a grey ground, the last one has none.
    label: text for screen readers.
    cell: side of a picture, in pixels.
  """
  pictures = [
    {'column': column, 'row': row, 'strokes': strokes}
    for row, cells in enumerate(rows)
    for column, strokes in enumerate(cells)
  ]
  template = pages.load_templates('unik_jax.html').get_template('strip.svg')
  return Markup(
    template.render(
      label=label,
      width=len(rows[0]) * cell,
      height=len(rows) * cell,
      cell=cell,
      pictures=pictures,
    )
  )
