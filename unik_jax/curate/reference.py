"""Where a joint is by what all experts say around a frame.

One outlier, or a swap of one expert, moves a median little: what decides what
is a swap or an outlier is therefore a median over experts and a few frames.
"""

import numpy as np

from unik_jax.skeletons.body import body_diagonals

WINDOW = 5  # frames, the one in question in their middle


def points_of(poses: np.ndarray) -> np.ndarray:
  """(..., 2) of (..., 3): NaN where a joint is missing.

  A joint is missing whose coordinates are both zero, or whose confidence is.
  """
  points = poses[..., :2]
  there = points.any(-1) & (poses[..., 2] > 0)
  return np.where(there[..., None], points, np.nan)


def body_size(points: np.ndarray) -> float:
  """The usual diagonal of the box around a body, in units of the points.

  Args:
    points: (..., V, 2), NaN where missing.

  Returns:
    The median over all bodies of which at least half is seen, or else over all
    of which anything is; 1 where there is none.
  """
  seen = np.isfinite(points[..., 0])
  share = seen.mean(-1)
  bodies = share >= 0.5 if (share >= 0.5).any() else share > 0
  if not bodies.any():
    return 1.0
  return float(np.median(body_diagonals(points[bodies]))) or 1.0


def median(values: np.ndarray) -> np.ndarray:
  """The median over the last axis, without NaN; NaN where nothing is left."""
  ordered = np.sort(values, -1)  # NaN go last
  count = np.isfinite(values).sum(-1, keepdims=True)
  low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, -1)
  high = np.take_along_axis(ordered, np.minimum(count // 2, count - 1), -1)
  return (0.5 * (low + high))[..., 0]


def around(points: np.ndarray, window: int = WINDOW) -> np.ndarray:
  """The median of each coordinate over experts and neighbouring frames.

  Args:
    points: (N, T, V, 2), NaN where missing.
    window: how many frames, an odd number.

  Returns:
    (T, V, 2), NaN where no expert has the joint in any frame of the window.
  """
  return median(samples(points, window))


def samples(points: np.ndarray, window: int = WINDOW) -> np.ndarray:
  """(T, V, 2, N window): what `around` takes the median of."""
  half = window // 2
  padded = np.pad(
    points,
    ((0, 0), (half, half), (0, 0), (0, 0)),
    constant_values=np.nan,
  )
  views = np.lib.stride_tricks.sliding_window_view(padded, window, 1)
  views = np.moveaxis(views, 0, -1)
  return views.reshape(*points.shape[1:], -1)
