"""Drawing primitives: grids of matrices, lines on skeletons, colours.

They draw plain arrays and know nothing of a network. Shape legend: V joints, B
bones, N points.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout

try:
  from matplotlib import cm, colors
  from matplotlib.axes import Axes
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.collections import LineCollection
  from matplotlib.figure import Figure
  from matplotlib.patches import FancyArrowPatch
except ImportError:
  raise UserError(
    "pictures need matplotlib; pip install 'unik_jax[plot]'"
  ) from None

INK, QUIET, BONE = '#33373d', '#8a9099', '#c9cdd3'
# Blue below 0, red above.
DIVERGING = colors.LinearSegmentedColormap.from_list(
  'calm', ['#1f4e79', '#6f9fc8', '#f3f2ef', '#e59a72', '#a8322a']
)


class Row(NamedTuple):
  """A row of a picture: the matrices of one block.

  Attributes:
    name: text at its left.
    matrices: one (V, V) per column; None leaves a gap.
  """

  name: str
  matrices: list[np.ndarray | None]


def draw_matrices(
  rows: Sequence[Row],
  columns: Sequence[str],
  layout: Layout,
  title: str,
  subtitle: str,
) -> Figure:
  """Draws matrices with the joints' names at the left and at the bottom.

  All matrices share one scale, with a colour bar at the right.

  Args:
    rows: each with one matrix per column.
    columns: headings; a column without one is a narrow gap.
    layout: joint layout.
    title: title of the picture.
    subtitle: below the title.
  """
  names = [joint_label(joint) for joint in layout.joints]
  cell = max(1.3, 0.088 * len(names))  # inches, as are the margins
  margin = 0.05 * max(map(len, names)) + 0.08
  figure, axes = _grid(
    rows, columns, title, subtitle, cell=cell, left=margin, bottom=margin
  )
  weights = _present_matrices(rows)
  paint = _make_paint(weights)
  for row, row_axes in zip(rows, axes, strict=True):
    left = next(filter(None, row_axes))
    for axis, matrix in zip(row_axes, row.matrices, strict=True):
      if axis:
        axis.imshow(matrix, norm=paint.norm, cmap=paint.cmap, aspect='auto')
        ticks = range(len(names))
        axis.set_xticks(
          ticks, names if row_axes is axes[-1] else [], rotation=90
        )
        axis.set_yticks(ticks, names if axis is left else [])
        axis.tick_params(length=0, pad=2, labelsize=5.5, colors=INK)
        axis.spines[:].set_visible(False)
  _draw_scale(figure, weights, axes, paint)
  return figure


def draw_skeletons(
  rows: Sequence[Row],
  columns: Sequence[str],
  layout: Layout,
  title: str,
  subtitle: str,
  pose: np.ndarray,
  *,
  strongest: int = 10,
) -> Figure:
  """Draws the largest weights between different joints as lines on a skeleton.

  The weight sets a line's width and colour. All skeletons share one scale, with
  a colour bar at the right.

  Args:
    rows: each with one matrix per column.
    columns: headings; a column without one is a narrow gap.
    layout: joint layout.
    title: title of the picture.
    subtitle: below the title.
    pose: (V, 2) with y up; NaN where a joint is missing.
    strongest: number of lines per matrix.
  """
  figure, axes = _grid(
    rows, columns, title, subtitle, cell=1.5, left=0.05, bottom=0.1
  )
  weights = [m * (1 - np.eye(len(m))) for m in _present_matrices(rows)]
  paint = _make_paint(weights)
  for row, row_axes in zip(rows, axes, strict=True):
    for axis, matrix in zip(row_axes, row.matrices, strict=True):
      if axis:
        axis.add_collection(make_bone_lines(pose, layout, 3.0))
        _draw_lines(axis, matrix, pose, paint, strongest)
        axis.scatter(*pose.T, s=5, color=INK, linewidths=0, zorder=4)
        fit_axis(axis, pose)
  _draw_scale(figure, weights, axes, paint)
  return figure


def save_figure(figure: Figure, path: pathlib.Path, dpi: int = 150) -> None:
  """Writes a picture; makes its folder if it is missing."""
  path.parent.mkdir(parents=True, exist_ok=True)
  figure.savefig(path, dpi=dpi)


def joint_label(joint: str) -> str:
  """Returns a joint's name as written in pictures."""
  return joint.replace('_', ' ')


def _grid(rows, columns, title, subtitle, *, cell, left, bottom):
  """Returns a figure of square cells with headings, and its axes by row.

  Axes are None for gaps. All sizes are inches.
  """
  head, gap, tag, right = 0.95, 0.12, 0.3, 0.6  # tag: a row's name
  widths = [cell if name else gap for name in columns]
  places = tag + left + np.cumsum([0, *(w + gap for w in widths)])
  # At least as wide as the texts above.
  width = max(places[-1] + right, 0.09 * len(title), 0.062 * len(subtitle))
  height = head + len(rows) * (cell + gap) + bottom
  figure = Figure(figsize=(width, height), facecolor='white')
  FigureCanvasAgg(figure)

  def write(x, y, text, **style):
    figure.text(x / width, y / height, text, va='center', **style)

  write(0.12, height - 0.22, title, size=10, color=INK, weight='bold')
  write(0.12, height - 0.43, subtitle, size=7, color=QUIET)
  for x, size, name in zip(places, widths, columns, strict=False):
    y = height - head + 0.12
    write(x + size / 2, y, name, size=8, color=QUIET, ha='center')
  axes = []
  for i, row in enumerate(rows):
    y = height - head - i * (cell + gap) - cell
    style = {'size': 8, 'color': INK, 'rotation': 90, 'ha': 'center'}
    write(0.2, y + cell / 2, row.name, **style)
    row_axes = []
    for x, matrix in zip(places, row.matrices, strict=False):
      box = (x / width, y / height, cell / width, cell / height)
      row_axes.append(None if matrix is None else figure.add_axes(box))
    axes.append(row_axes)
  return figure, axes


def _draw_lines(axis, matrix, pose, paint, strongest):
  """Draws the largest weights between different joints that are present."""
  seen = np.isfinite(pose).all(-1)
  weights = np.where(seen[:, None] & seen, np.abs(matrix), 0)
  np.fill_diagonal(weights, 0)
  # In rising order, so that the largest is drawn on top.
  for place in np.argsort(weights, axis=None)[-strongest:]:
    u, p = np.unravel_index(place, weights.shape)
    if weights[u, p]:
      share = weights[u, p] / paint.norm.vmax
      axis.add_patch(
        FancyArrowPatch(
          pose[u],
          pose[p],
          arrowstyle='-',
          # Curved, so that u -> p and p -> u do not cover each other.
          connectionstyle='arc3,rad=0.18',
          shrinkA=0,
          shrinkB=0,
          linewidth=0.5 + 1.7 * share,
          color=paint.to_rgba(matrix[u, p]),
          capstyle='round',
          zorder=2 + share,
        )
      )


def _present_matrices(rows):
  return [m for row in rows for m in row.matrices if m is not None]


def _make_paint(weights):
  """Maps weights to colours, up to the largest magnitude of all matrices."""
  limit = max((float(np.abs(m).max()) for m in weights), default=0) or 1.0
  return cm.ScalarMappable(colors.Normalize(-limit, limit), DIVERGING)


def _draw_scale(figure, weights, axes, paint):
  """Draws the colour bar, right of all rows; its upper half if none is < 0."""
  boxes = [axis.get_position() for row in axes for axis in row if axis]
  right = max(box.x1 for box in boxes)
  top, bottom = max(box.y1 for box in boxes), min(box.y0 for box in boxes)
  inch = 1 / figure.get_figwidth()
  place = (right + 0.1 * inch, bottom, 0.07 * inch, top - bottom)
  bar = figure.colorbar(paint, cax=figure.add_axes(place))
  bar.outline.set_visible(False)
  limit = paint.norm.vmax
  signed = any(m.min() < 0 for m in weights)
  ticks = np.linspace(-limit, limit, 5) if signed else np.linspace(0, limit, 3)
  bar.ax.set_ylim(ticks[0], limit)
  bar.set_ticks(ticks, labels=[f'{tick:.2g}' for tick in ticks])
  bar.ax.tick_params(length=0, pad=2, labelsize=6, colors=QUIET)
  labels = bar.ax.get_yticklabels()
  labels[0].set_verticalalignment('bottom')
  labels[-1].set_verticalalignment('top')


def bone_segments(pose: np.ndarray, layout: Layout) -> np.ndarray:
  """Returns the ends (B, 2, 2) of the bones present in a pose (V, 2)."""
  pairs = pose[np.array(layout.bone_indices, int).reshape(-1, 2)]
  return pairs[np.isfinite(pairs).all((1, 2))]


def make_bone_lines(
  pose: np.ndarray, layout: Layout, width: float
) -> LineCollection:
  """Returns the bones of a pose (V, 2) as grey lines in the background."""
  return LineCollection(
    bone_segments(pose, layout),
    colors=BONE,
    linewidths=width,
    capstyle='round',
    zorder=1,
  )


def fit_axis(axis: Axes, points: np.ndarray) -> None:
  """Sets an axis to show (N, 2) points with equal scales in x and y."""
  low, high = bounding_box(points)
  box = axis.get_window_extent()
  sides = np.array([box.width, box.height])
  scale = ((high - low) / sides).max() or 1 / sides.min()
  middle, half = (low + high) / 2, 0.56 * scale * sides
  axis.set_xlim(middle[0] - half[0], middle[0] + half[0])
  axis.set_ylim(middle[1] - half[1], middle[1] + half[1])
  axis.axis('off')
