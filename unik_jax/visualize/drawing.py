"""Pictures of matrices, as such and as lines on skeletons; the common style.

Nothing here knows a network: it draws plain arrays. Shape legend: M persons,
T frames, V joints, D coordinates.
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
# Blue for what is below 0, red for what is above.
DIVERGING = colors.LinearSegmentedColormap.from_list(
  'calm', ['#1f4e79', '#6f9fc8', '#f3f2ef', '#e59a72', '#a8322a']
)


class Row(NamedTuple):
  """A row of a picture: one block's matrices, on one scale.

  Attributes:
    name: stands at its left.
    matrices: (V, V) each, one a column; None leaves a gap.
  """

  name: str
  matrices: list[np.ndarray | None]

  def limit(self, *, off_diagonal: bool = False) -> float:
    """The largest magnitude in the row; 1 where all is 0."""
    found = [m for m in self.matrices if m is not None]
    if off_diagonal:
      found = [m * (1 - np.eye(len(m))) for m in found]
    return float(max((np.abs(m).max() for m in found), default=0)) or 1.0


def matrices(
  rows: Sequence[Row],
  columns: Sequence[str],
  layout: Layout,
  title: str,
  subtitle: str,
) -> Figure:
  """Matrices with the joints' names at the left and at the bottom.

  Args:
    rows: of as many matrices as there are columns.
    columns: what each column shows.
    layout: of the joints.
    title: of the picture.
    subtitle: below it.
  """
  names = [joint_name(joint) for joint in layout.joints]
  size = max(1.3, 0.088 * len(names))
  room = 0.05 * max(map(len, names)) + 0.08
  figure, axes = _grid(
    rows, columns, title, subtitle, cell=size, left=room, bottom=room
  )
  for row, line in zip(rows, axes, strict=True):
    limit = row.limit()
    paint = cm.ScalarMappable(colors.Normalize(-limit, limit), DIVERGING)
    left = next(filter(None, line))
    for axis, matrix in zip(line, row.matrices, strict=True):
      if axis:
        axis.imshow(matrix, norm=paint.norm, cmap=paint.cmap, aspect='auto')
        ticks = range(len(names))
        axis.set_xticks(ticks, names if line is axes[-1] else [], rotation=90)
        axis.set_yticks(ticks, names if axis is left else [])
        axis.tick_params(length=0, pad=2, labelsize=5.5, colors=INK)
        axis.spines[:].set_visible(False)
    _scale(figure, row, line, paint)
  return figure


def skeletons(
  rows: Sequence[Row],
  columns: Sequence[str],
  layout: Layout,
  title: str,
  subtitle: str,
  pose: np.ndarray,
  *,
  strongest: int = 10,
) -> Figure:
  """The strongest weights between different joints, as lines on a skeleton.

  Width and colour go by the weight, on one scale in a row.

  Args:
    rows: of as many matrices as there are columns.
    columns: what each column shows.
    layout: of the joints.
    title: of the picture.
    subtitle: below it.
    pose: (V, 2) y upwards; NaN where a joint is missing.
    strongest: lines in each.
  """
  figure, axes = _grid(
    rows, columns, title, subtitle, cell=1.5, left=0.05, bottom=0.1
  )
  for row, line in zip(rows, axes, strict=True):
    limit = row.limit(off_diagonal=True)
    paint = cm.ScalarMappable(colors.Normalize(-limit, limit), DIVERGING)
    for axis, matrix in zip(line, row.matrices, strict=True):
      if axis:
        axis.add_collection(bones(pose, layout, 3.0))
        _lines(axis, matrix, pose, paint, strongest)
        axis.scatter(*pose.T, s=5, color=INK, linewidths=0, zorder=4)
        fit(axis, pose)
    _scale(figure, row, line, paint)
  return figure


def save(figure: Figure, path: pathlib.Path, dpi: int = 150) -> None:
  """Writes a picture, and its folder if need be."""
  path.parent.mkdir(parents=True, exist_ok=True)
  figure.savefig(path, dpi=dpi)


def joint_name(joint: str) -> str:
  """As it is written in pictures."""
  return joint.replace('_', ' ')


def _grid(rows, columns, title, subtitle, *, cell, left, bottom):
  """A figure of square cells, with headings; axes are None for gaps.

  A column without a heading is a narrow space. All sizes are inches.
  """
  head, gap, tag, right = 0.95, 0.12, 0.3, 0.6
  widths = [cell if name else gap for name in columns]
  places = tag + left + np.cumsum([0, *(w + gap for w in widths)])
  # Never too narrow for what is written above.
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
    line = []
    for x, matrix in zip(places, row.matrices, strict=False):
      box = (x / width, y / height, cell / width, cell / height)
      line.append(None if matrix is None else figure.add_axes(box))
    axes.append(line)
  return figure, axes


def _lines(axis, matrix, pose, paint, strongest):
  """The largest weights between different joints that are seen."""
  seen = np.isfinite(pose).all(-1)
  weights = np.where(seen[:, None] & seen, np.abs(matrix), 0)
  np.fill_diagonal(weights, 0)
  # The largest last, on top.
  for place in np.argsort(weights, axis=None)[-strongest:]:
    u, p = np.unravel_index(place, weights.shape)
    if weights[u, p]:
      share = weights[u, p] / paint.norm.vmax
      axis.add_patch(
        FancyArrowPatch(
          pose[u],
          pose[p],
          arrowstyle='-',
          connectionstyle='arc3,rad=0.18',  # both ways are seen
          shrinkA=0,
          shrinkB=0,
          linewidth=0.5 + 1.7 * share,
          color=paint.to_rgba(matrix[u, p]),
          capstyle='round',
          zorder=2 + share,
        )
      )


def _scale(figure, row, line, paint):
  """A slim colour bar to the right of a row; of what is > 0, its upper half."""
  box = [axis for axis in line if axis][-1].get_position()
  inch = 1 / figure.get_figwidth()
  place = (box.x1 + 0.1 * inch, box.y0, 0.07 * inch, box.height)
  bar = figure.colorbar(paint, cax=figure.add_axes(place))
  bar.outline.set_visible(False)
  signed = any(m is not None and m.min() < 0 for m in row.matrices)
  limit = paint.norm.vmax
  ticks = (-limit, 0, limit) if signed else (0, limit)
  bar.ax.set_ylim(ticks[0], limit)
  bar.set_ticks(ticks, labels=[f'{tick:.2g}' for tick in ticks])
  bar.ax.tick_params(length=0, pad=2, labelsize=6, colors=QUIET)
  labels = bar.ax.get_yticklabels()
  labels[0].set_verticalalignment('bottom')
  labels[-1].set_verticalalignment('top')


def segments(pose: np.ndarray, layout: Layout) -> np.ndarray:
  """The ends (B, 2, 2) of the bones that are seen in a pose (V, 2)."""
  pairs = pose[np.array(layout.bone_indices, int).reshape(-1, 2)]
  return pairs[np.isfinite(pairs).all((1, 2))]


def bones(pose: np.ndarray, layout: Layout, width: float) -> LineCollection:
  """The bones of a pose (V, 2), quiet in the background."""
  return LineCollection(
    segments(pose, layout),
    colors=BONE,
    linewidths=width,
    capstyle='round',
    zorder=1,
  )


def fit(axis: Axes, points: np.ndarray) -> None:
  """Fits (N, 2) points into an axis, alike in both directions."""
  low, high = bounding_box(points)
  box = axis.get_window_extent()
  sides = np.array([box.width, box.height])
  scale = ((high - low) / sides).max() or 1 / sides.min()
  middle, half = (low + high) / 2, 0.56 * scale * sides
  axis.set_xlim(middle[0] - half[0], middle[0] + half[0])
  axis.set_ylim(middle[1] - half[1], middle[1] + half[1])
  axis.axis('off')
