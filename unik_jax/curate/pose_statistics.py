"""Medians and body sizes of poses with missing joints.

A median over several estimators and a few frames hardly moves if one estimator
has an outlier or a swapped limb. Later steps therefore compare each estimator
with this median to find outliers and swaps.

Shape legend: N estimators, T frames, V joints.
"""

import numpy as np

from unik_jax.skeletons.body import body_diagonals

WINDOW = 5  # frames, centred on each frame


def visible_points(poses: np.ndarray) -> np.ndarray:
  """Returns the coordinates (..., 2) of poses (..., 3), NaN where missing.

  A joint is missing if both coordinates are zero or its confidence is zero.
  """
  points = poses[..., :2]
  visible = points.any(-1) & (poses[..., 2] > 0)
  return np.where(visible[..., None], points, np.nan)


def body_size(points: np.ndarray) -> float:
  """Returns the median diagonal of the bodies' bounding boxes.

  A partly visible body has a small box. Bodies with fewer than half of their
  joints are therefore left out, unless there are no others.

  Args:
    points: (..., V, 2), NaN where missing.

  Returns:
    The size in units of the points; 1 if no joint is visible.
  """
  visible_share = np.isfinite(points[..., 0]).mean(-1)
  bodies = visible_share >= 0.5
  if not bodies.any():
    bodies = visible_share > 0
  if not bodies.any():
    return 1.0
  return float(np.median(body_diagonals(points[bodies]))) or 1.0


def nan_median(values: np.ndarray) -> np.ndarray:
  """Returns the median over the last axis, ignoring NaN.

  Same values as `np.nanmedian`, without its warning where all values are NaN.
  """
  ordered = np.sort(values, -1)  # puts NaN last
  count = np.isfinite(values).sum(-1, keepdims=True)
  low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, -1)
  high = np.take_along_axis(ordered, np.minimum(count // 2, count - 1), -1)
  return (0.5 * (low + high))[..., 0]


def local_median(points: np.ndarray, window: int = WINDOW) -> np.ndarray:
  """Returns each coordinate's median over estimators and neighbouring frames.

  Args:
    points: (N, T, V, 2), NaN where missing.
    window: number of frames, odd.

  Returns:
    (T, V, 2), NaN where no estimator has the joint in the window.
  """
  return nan_median(window_samples(points, window))


def window_samples(points: np.ndarray, window: int = WINDOW) -> np.ndarray:
  """Returns each joint's coordinates in a window, from all estimators.

  `local_median` takes the median over the last axis.

  Args:
    points: (N, T, V, 2), NaN where missing.
    window: number of frames, odd.

  Returns:
    (T, V, 2, N * window). Frames before the first and after the last are NaN.
  """
  half = window // 2
  padded = np.pad(
    points,
    ((0, 0), (half, half), (0, 0), (0, 0)),
    constant_values=np.nan,
  )
  windows = np.lib.stride_tricks.sliding_window_view(padded, window, 1)
  windows = np.moveaxis(windows, 0, -1)
  return windows.reshape(*points.shape[1:], -1)
