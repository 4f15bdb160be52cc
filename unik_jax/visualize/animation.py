"""Clips that move: skeletons, joint by joint in the colour of a number.

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
  bones,
  fit,
  joint_name,
  segments,
)


def clip(
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
  """An animated clip whose joints are coloured by their importance.

  Beside it stand the joints of each person that matter most over the clip.

  Args:
    path: to write, .gif or .mp4.
    points: (M, T, V, 2) y upwards; NaN where a joint is missing.
    importance: (M, T, V).
    layout: of the joints.
    title: above.
    subtitle: below the title.
    meaning: of the colours.
    fps: frames a second.
    bars: joints in the list.

  Returns:
    How many frames were written: those between the first and the last in
    which anybody is seen.

  Raises:
    UserError: nobody in it, or no ffmpeg for an .mp4.
  """
  writer = _writer(path, fps)
  seen = np.isfinite(points).all(-1)
  moments = np.flatnonzero(seen.any((0, 2)))
  if not moments.size:
    raise UserError('nobody is seen in what the network takes of this clip')
  moments = np.arange(moments[0], moments[-1] + 1)
  persons = np.flatnonzero(seen.any((1, 2)))
  means = [importance[m][seen[m].any(-1)].mean(0) for m in persons]
  # Not the very largest: gradients have a few that leave all else pale.
  peak = np.quantile(np.abs(importance[seen]), 0.98) or 1.0
  paint = cm.ScalarMappable(colors.Normalize(-peak, peak), DIVERGING)

  figure = Figure(figsize=(6.4, 4.2), facecolor='white')
  FigureCanvasAgg(figure)
  figure.text(0.03, 0.94, title, size=11, color=INK, weight='bold', va='center')
  figure.text(0.03, 0.88, subtitle, size=8, color=QUIET, va='center')
  stage = figure.add_axes((0.02, 0.05, 0.58, 0.79))
  fit(stage, points.reshape(-1, 2))
  _list_joints(figure, persons, means, layout, bars, meaning)
  bodies = [_Body(stage, layout, paint, f'person {m + 1}') for m in persons]
  (line,) = stage.plot(
    [0, 0], [0, 0], color=QUIET, lw=2, transform=stage.transAxes, clip_on=False
  )
  path.parent.mkdir(parents=True, exist_ok=True)
  with writer.saving(figure, path, dpi=80):
    for step, t in enumerate(moments):
      for m, body in zip(persons, bodies, strict=True):
        body.show(points[m, t], importance[m, t], named=len(persons) > 1)
      line.set_data([0, (step + 1) / len(moments)], [0, 0])
      writer.grab_frame()
  return len(moments)


class _Body:
  """One person on the stage."""

  def __init__(self, stage, layout, paint, name):
    self._stage, self._layout, self._paint = stage, layout, paint
    self._name = name
    nowhere = np.full((layout.num_joints, 2), np.nan)
    self._bones = stage.add_collection(bones(nowhere, layout, 3))
    style = {'linewidths': 0.5, 'edgecolors': QUIET, 'zorder': 3}
    self._joints = stage.scatter([], [], **style)
    self._tag = stage.text(0, 0, '', size=7, color=QUIET, ha='center')

  def show(self, pose, weights, *, named):
    """Moves to a pose (V, 2), its joints coloured by weights (V,)."""
    there = np.isfinite(pose).all(-1)
    share = np.abs(weights[there]) / self._paint.norm.vmax
    self._bones.set_segments(segments(pose, self._layout))
    self._joints.set_offsets(pose[there])
    self._joints.set_sizes(18 + 90 * np.minimum(share, 1))
    self._joints.set_facecolors(self._paint.to_rgba(weights[there]))
    self._tag.set_text(self._name if named and there.any() else '')
    if there.any():
      low, high = self._stage.get_ylim()
      top = pose[there].max(0)[1] + 0.03 * (high - low)
      self._tag.set_position((pose[there].mean(0)[0], top))


def check_video(form: str) -> None:
  """Raises a UserError where a clip cannot be written as 'gif' or 'mp4'."""
  if form == 'mp4' and shutil.which('ffmpeg') is None:
    raise UserError(
      'an .mp4 needs ffmpeg on the path; install it, or use --video=gif'
    )


def _list_joints(figure, persons, means, layout, bars, meaning):
  """Each person's joints that matter most, as bars; of four persons at most."""
  persons, means = persons[:4], means[:4]
  peak = max(np.abs(mean).max() for mean in means) or 1.0
  paint = cm.ScalarMappable(colors.Normalize(-peak, peak), DIVERGING)
  share = 0.72 / len(persons)
  bars = min(layout.num_joints, max(2, bars // len(persons)))
  for i, (m, mean) in enumerate(zip(persons, means, strict=True)):
    top = np.argsort(np.abs(mean), kind='stable')[::-1][:bars]
    y = 0.1 + (len(persons) - 1 - i) * share
    axis = figure.add_axes((0.78, y, 0.19, share - 0.07))
    axis.barh(
      range(bars), mean[top], height=0.6, color=paint.to_rgba(mean[top])
    )
    axis.axvline(0, color=BONE, lw=0.8)
    axis.set_yticks(range(bars), [joint_name(layout.joints[j]) for j in top])
    axis.set_ylim(bars - 0.4, -0.6)
    axis.set_xlim(min(0, *(mean.min() for mean in means)), peak)
    axis.set_xticks([])
    axis.tick_params(length=0, labelsize=7, colors=INK)
    axis.spines[:].set_visible(False)
    if len(persons) > 1:
      axis.set_title(f'person {m + 1}', size=7, color=QUIET, loc='left', pad=2)
  figure.text(0.97, 0.05, meaning, size=7, color=QUIET, ha='right', va='center')


def _writer(path, fps):
  check_video(path.suffix[1:])
  if path.suffix == '.gif':
    return animation.PillowWriter(fps=fps)
  # Every player knows yuv420p, which needs even sizes.
  even = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-pix_fmt', 'yuv420p']
  return animation.FFMpegWriter(fps=fps, extra_args=even)
