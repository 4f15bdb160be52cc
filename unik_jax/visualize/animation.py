"""Animated clips whose joints are coloured by their importance.

Shape legend: M persons, T frames, V joints.
"""

import pathlib
import shutil

import numpy as np
from matplotlib import animation, cm, colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout
from unik_jax.visualize.drawing import (
  BONE,
  DIVERGING,
  INK,
  QUIET,
  bone_segments,
  fit_axis,
  joint_label,
  make_bone_lines,
)


def write_clip(
  path: pathlib.Path,
  points: np.ndarray,
  importance: np.ndarray,
  layout: Layout,
  *,
  title: str,
  subtitle: str,
  meaning: str,
  fps: int = 12,
  bars: int = 8,
) -> int:
  """Writes an animated clip whose joints are coloured by their importance.

  Bars beside the skeleton show the most important joints of each person, as
  means over the clip.

  Args:
    path: path of the file, .gif or .mp4.
    points: (M, T, V, 2) with y up; NaN where a joint is missing.
    importance: (M, T, V).
    layout: joint layout.
    title: text above the skeleton.
    subtitle: text below the title.
    meaning: text that explains the colours.
    fps: frames per second.
    bars: number of bars of all persons together.

  Returns:
    The number of written frames, from the first to the last with a person.

  Raises:
    UserError: all persons are absent, or .mp4 is chosen and ffmpeg is missing.
  """
  writer = _writer(path, fps)
  is_visible = np.isfinite(points).all(-1)
  frames = np.flatnonzero(is_visible.any((0, 2)))
  if not frames.size:
    raise UserError(
      f'{path.stem}: expected a person in the frames of the network input, got'
      ' none. Choose another clip with --clip=ID'
    )
  frames = np.arange(frames[0], frames[-1] + 1)
  persons = np.flatnonzero(is_visible.any((1, 2)))
  means = [importance[m][is_visible[m].any(-1)].mean(0) for m in persons]
  # A quantile instead of the maximum: a few huge gradients would leave all
  # other joints pale.
  peak = np.quantile(np.abs(importance[is_visible]), 0.98) or 1.0
  color_map = cm.ScalarMappable(colors.Normalize(-peak, peak), DIVERGING)

  figure = Figure(figsize=(6.4, 4.2), facecolor='white')
  FigureCanvasAgg(figure)
  figure.text(0.03, 0.94, title, size=11, color=INK, weight='bold', va='center')
  figure.text(0.03, 0.88, subtitle, size=8, color=QUIET, va='center')
  stage = figure.add_axes((0.02, 0.05, 0.58, 0.79))
  fit_axis(stage, points.reshape(-1, 2))
  _draw_bars(figure, persons, means, layout, bars, meaning)
  bodies = [_Body(stage, layout, color_map, f'person {m + 1}') for m in persons]
  (progress,) = stage.plot(
    [0, 0], [0, 0], color=QUIET, lw=2, transform=stage.transAxes, clip_on=False
  )
  path.parent.mkdir(parents=True, exist_ok=True)
  with writer.saving(figure, path, dpi=80):
    for step, t in enumerate(frames):
      for m, body in zip(persons, bodies, strict=True):
        body.move_to(points[m, t], importance[m, t], named=len(persons) > 1)
      progress.set_data([0, (step + 1) / len(frames)], [0, 0])
      writer.grab_frame()
  return len(frames)


class _Body:
  """One drawn person."""

  def __init__(self, stage, layout, color_map, name):
    self._stage, self._layout, self._color_map = stage, layout, color_map
    self._name = name
    missing_pose = np.full((layout.num_joints, 2), np.nan)
    self._bones = stage.add_collection(make_bone_lines(missing_pose, layout, 3))
    style = {'linewidths': 0.5, 'edgecolors': QUIET, 'zorder': 3}
    self._joints = stage.scatter([], [], **style)
    self._tag = stage.text(0, 0, '', size=7, color=QUIET, ha='center')

  def move_to(self, pose, weights, *, named):
    """Moves to a pose (V, 2) and colours its joints by weights (V,)."""
    is_visible = np.isfinite(pose).all(-1)
    share = np.abs(weights[is_visible]) / self._color_map.norm.vmax
    self._bones.set_segments(bone_segments(pose, self._layout))
    self._joints.set_offsets(pose[is_visible])
    self._joints.set_sizes(18 + 90 * np.minimum(share, 1))
    self._joints.set_facecolors(self._color_map.to_rgba(weights[is_visible]))
    self._tag.set_text(self._name if named and is_visible.any() else '')
    if is_visible.any():
      low, high = self._stage.get_ylim()
      top = pose[is_visible].max(0)[1] + 0.03 * (high - low)
      self._tag.set_position((pose[is_visible].mean(0)[0], top))


def check_video_format(video_format: str) -> None:
  """Raises a UserError if 'gif' or 'mp4' cannot be written on this machine."""
  if video_format == 'mp4' and shutil.which('ffmpeg') is None:
    raise UserError(
      '--video=mp4: expected ffmpeg on the path, found none. Install it, or use'
      ' --video=gif'
    )


def _draw_bars(figure, persons, means, layout, bars, meaning):
  """Draws each person's most important joints as bars.

  Args:
    figure: figure to draw into.
    persons: indices of the persons.
    means: (V,) importance of each person's joints, the mean over the clip.
    layout: joint layout.
    bars: number of bars of all persons together.
    meaning: text below the bars.
  """
  persons, means = persons[:4], means[:4]  # the figure has no room for more
  peak = max(np.abs(mean).max() for mean in means) or 1.0
  color_map = cm.ScalarMappable(colors.Normalize(-peak, peak), DIVERGING)
  share = 0.72 / len(persons)
  bars = min(layout.num_joints, max(2, bars // len(persons)))
  for i, (m, mean) in enumerate(zip(persons, means, strict=True)):
    top = np.argsort(np.abs(mean), kind='stable')[::-1][:bars]
    y = 0.1 + (len(persons) - 1 - i) * share
    axis = figure.add_axes((0.78, y, 0.19, share - 0.07))
    bar_colors = color_map.to_rgba(mean[top])
    axis.barh(range(bars), mean[top], height=0.6, color=bar_colors)
    axis.axvline(0, color=BONE, lw=0.8)
    axis.set_yticks(range(bars), [joint_label(layout.joints[j]) for j in top])
    axis.set_ylim(bars - 0.4, -0.6)
    axis.set_xlim(min(0, *(mean.min() for mean in means)), peak)
    axis.set_xticks([])
    axis.tick_params(length=0, labelsize=7, colors=INK)
    axis.spines[:].set_visible(False)
    if len(persons) > 1:
      axis.set_title(f'person {m + 1}', size=7, color=QUIET, loc='left', pad=2)
  figure.text(0.97, 0.05, meaning, size=7, color=QUIET, ha='right', va='center')


def _writer(path, fps):
  check_video_format(path.suffix[1:])
  if path.suffix == '.gif':
    return animation.PillowWriter(fps=fps)
  # All players support yuv420p, which requires even sizes.
  even = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-pix_fmt', 'yuv420p']
  return animation.FFMpegWriter(fps=fps, extra_args=even)
