"""Gaps in tracks: joints lost for a while, frames with nobody in them.

A joint whose coordinates are all exactly zero is missing.
"""

import numpy as np


def interpolate_gaps(clip: np.ndarray) -> np.ndarray:
  """Joints lost for a while, put on the straight line between their ends.

    x[t] = ((b - t) x[a] + (t - a) x[b]) / (b - a)

  with a and b the last frame before t and the first after it in which the
  same joint of the same person is seen. Before a joint is first seen and
  after it is last seen it stays missing; so does a person who enters late.

  Args:
    clip: (M, T, V, C).

  Returns:
    (M, T, V, C); seen joints as they were.
  """
  seen = clip.any(-1)
  length = clip.shape[1]
  time = np.arange(length)[:, None]
  before = np.maximum.accumulate(np.where(seen, time, -1), 1)
  after = np.where(seen, time, length)[:, ::-1]
  after = np.minimum.accumulate(after, 1)[:, ::-1]
  gap = ~seen & (before >= 0) & (after < length)
  m, t, v = np.nonzero(gap)
  a, b = before[gap], after[gap]
  share = ((t - a) / (b - a))[:, None]
  filled = clip.copy()
  filled[gap] = (1 - share) * clip[m, a, v] + share * clip[m, b, v]
  return filled


def occupied_frames(clip: np.ndarray) -> slice:
  """From the first to the last frame of (M, T, V, C) with anybody in it.

  All frames where nobody is ever seen.
  """
  seen = clip.any((0, 2, 3))
  return slice(seen.argmax(), len(seen) - seen[::-1].argmax())
