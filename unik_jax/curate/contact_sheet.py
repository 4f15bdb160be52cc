"""Pictures of the contact sheet: skeletons before and after refinement.

Shape legend: N estimators, M persons, T frames, V joints.
"""

import numpy as np
from markupsafe import Markup

from unik_jax.curate import pose_statistics
from unik_jax.html import strips
from unik_jax.skeletons.body import bounding_box
from unik_jax.skeletons.layouts import Layout

MOMENTS = 8  # per clip
_CELL, _MARGIN = 120, 8  # pixels
# Colours of the estimators, in order; with more of them they repeat. None looks
# like the colours of the sides, which mean left and right.
ESTIMATOR_COLORS = ('#3f8f5f', '#c9508f', '#93860f', '#8f5fc8', '#7f8a96')


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
  boxes = [np.stack(bounding_box(refined[:, t], (0, 1))) for t in moments]
  # One scale for all moments, with a margin for joints outside of the box.
  size = 1.15 * float(np.nanmax([np.ptp(box, 0) for box in boxes]))
  scale = (_CELL - 2 * _MARGIN) / (size or 1)
  above, below = [], []
  for t, box in zip(moments, boxes, strict=True):
    estimates, (pose,) = (
      (points[:, :, t] - box.mean(0)) * scale + _CELL / 2
      for points in (raw, refined[None])
    )
    above.append(
      [
        strips.draw_bones(
          estimate,
          layout.bone_indices,
          ESTIMATOR_COLORS[n % len(ESTIMATOR_COLORS)],
        )
        for n, estimate in enumerate(estimates)
      ]
    )
    below.append(strips.draw_sides(pose, layout.bone_indices, layout.sides))
  return strips.render_strip([above, below], label, _CELL)
