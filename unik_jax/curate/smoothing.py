"""Short gaps filled, and jitter taken out of what is there.

Savitzky and Golay's filter, scipy's: a polynomial fitted to the frames around
each one. All frames of a clip are known, so that nothing lags behind, as it
would with a filter for live use such as the One-Euro filter.
"""

import numpy as np
from scipy import signal

from unik_jax.data import gaps

GAP = 10  # frames, a third of a second
WINDOW = 7
ORDER = 2
_UNSURE = 0.5  # of the confidence of what a gap lies between


def fill_short(clip: np.ndarray, most: int = GAP) -> np.ndarray:
  """Joints that are lost for a few frames, as of `data.gaps.interpolate_gaps`.

  Args:
    clip: (M, T, V, 3), zeros where missing.
    most: how many frames a gap may have; a longer one stays.

  Returns:
    (M, T, V, 3). A filled joint is half as sure as those around it.
  """
  filled = gaps.interpolate_gaps(clip)
  new = filled.any(-1) & ~clip.any(-1)
  new &= _run_lengths(new) <= most
  filled[..., 2] *= _UNSURE
  return np.where(new[..., None], filled, clip)


def smooth(
  clip: np.ndarray, window: int = WINDOW, order: int = ORDER
) -> np.ndarray:
  """Coordinates with less jitter; confidences and missing joints stay.

  Each joint is filtered between the frames in which it is missing; where it is
  there for fewer frames than the window, it stays as it is.

  Args:
    clip: (M, T, V, 3), zeros where missing.
    window: frames, an odd number; less than 3 for no smoothing.
    order: of the polynomial, less than the window.

  Returns:
    (M, T, V, 3).
  """
  if window < 3:
    return clip
  out = clip.copy()
  seen = clip.any(-1)
  whole = seen.all(1)  # (M, V): most joints, filtered at one stroke
  if clip.shape[1] >= window:
    tracks = clip.swapaxes(1, 2)[whole][..., :2]
    out.swapaxes(1, 2)[whole, :, :2] = _filter(tracks, window, order)
  for m, v in np.argwhere(~whole & seen.any(1)):
    edges = np.flatnonzero(np.diff(seen[m, :, v], prepend=False, append=False))
    for start, end in edges.reshape(-1, 2):
      if end - start >= window:
        run = clip[m, start:end, v, :2]
        out[m, start:end, v, :2] = _filter(run[None], window, order)[0]
  return out


def _filter(tracks, window, order):
  if not len(tracks):
    return tracks
  return signal.savgol_filter(tracks, window, order, axis=1, mode='interp')


def _run_lengths(flags):
  """(M, T, V): for each frame that is set, how many are set in its run."""
  length = flags.shape[1]
  time = np.arange(length)[:, None]
  before = np.maximum.accumulate(np.where(flags, -1, time), 1)
  after = np.where(flags, length, time)[:, ::-1]
  after = np.minimum.accumulate(after, 1)[:, ::-1]
  return np.where(flags, after - before - 1, 0)
