"""Missing joints and empty frames in tracked clips.

A joint is missing if all its coordinates are exactly zero. A frame is empty if
every joint of every person is missing in it.
"""

import numpy as np


def interpolate_gaps(clip: np.ndarray) -> np.ndarray:
  """Interpolates missing joints linearly in time.

    x[t] = ((b - t) x[a] + (t - a) x[b]) / (b - a)

  Here a < t < b are the nearest frames in which the same joint of the same
  person is present. A joint stays missing before its first and after its last
  present frame, so a person who enters late stays absent until then.

  Args:
    clip: (M, T, V, C).

  Returns:
    (M, T, V, C); present joints are unchanged.
  """
  present = clip.any(-1)
  length = clip.shape[1]
  time = np.arange(length)[:, None]
  # Running maxima and minima give each frame its nearest present neighbours
  # without a loop over joints; -1 and T mean that there is none.
  before = np.maximum.accumulate(np.where(present, time, -1), 1)
  after = np.where(present, time, length)[:, ::-1]
  after = np.minimum.accumulate(after, 1)[:, ::-1]
  gap = ~present & (before >= 0) & (after < length)
  m, t, v = np.nonzero(gap)
  a, b = before[gap], after[gap]
  share = ((t - a) / (b - a))[:, None]
  filled = clip.copy()
  filled[gap] = (1 - share) * clip[m, a, v] + share * clip[m, b, v]
  return filled


def occupied_frames(clip: np.ndarray) -> slice:
  """Returns the slice from the first to the last non-empty frame.

  Args:
    clip: (M, T, V, C).

  Returns:
    A slice of T; all frames if every frame is empty.
  """
  occupied = clip.any((0, 2, 3))
  return slice(occupied.argmax(), len(occupied) - occupied[::-1].argmax())
