"""Filling short gaps, and smoothing jitter.

The smoother is scipy's Savitzky-Golay filter: a polynomial fitted to the frames
around each frame. It needs the frames after the current one. Curation has them,
so it avoids the lag of a live filter such as One-Euro.

Shape legend: M persons, T frames, V joints.
"""

import numpy as np
from scipy import signal

from unik_jax.data import gaps

GAP = 10  # frames, a third of a second
WINDOW = 7  # frames
ORDER = 2
_FILLED_CONFIDENCE = 0.5  # relative to the interpolated confidence


def fill_short_gaps(clip: np.ndarray, max_gap: int = GAP) -> np.ndarray:
  """Interpolates joints that are missing for a few frames.

  Same as `data.gaps.interpolate_gaps`, but leaves long gaps.

  Args:
    clip: (M, T, V, 3), zeros where missing.
    max_gap: longest gap to fill, in frames.

  Returns:
    (M, T, V, 3). A filled joint has half of the interpolated confidence.
  """
  filled = gaps.interpolate_gaps(clip)
  is_filled = filled.any(-1) & ~clip.any(-1)
  is_filled &= _run_lengths(is_filled) <= max_gap
  filled[..., 2] *= _FILLED_CONFIDENCE
  return np.where(is_filled[..., None], filled, clip)


def smooth_clip(
  clip: np.ndarray, window: int = WINDOW, order: int = ORDER
) -> np.ndarray:
  """Smooths coordinates; confidences and missing joints stay unchanged.

  The filter never crosses a gap: each run of frames in which a joint is present
  is filtered separately. A run shorter than the window stays unchanged.

  Args:
    clip: (M, T, V, 3), zeros where missing.
    window: number of frames, odd; below 3 for no smoothing.
    order: order of the polynomial, less than the window.

  Returns:
    (M, T, V, 3).
  """
  if window < 3:
    return clip
  out = clip.copy()
  present = clip.any(-1)
  has_no_gap = present.all(1)  # (M, V)
  # Most joints have no gap, and are filtered in one call: a call per joint
  # would take most of the time.
  if clip.shape[1] >= window:
    tracks = clip.swapaxes(1, 2)[has_no_gap][..., :2]
    out.swapaxes(1, 2)[has_no_gap, :, :2] = _filter(tracks, window, order)
  for m, v in np.argwhere(~has_no_gap & present.any(1)):
    # Frames at which the joint appears or disappears, in turn.
    edges = np.flatnonzero(
      np.diff(present[m, :, v], prepend=False, append=False)
    )
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
  """Returns (M, T, V): the length of each true flag's run in time, else 0."""
  length = flags.shape[1]
  time = np.arange(length)[:, None]
  # The nearest false flags before and after each frame bound its run.
  before = np.maximum.accumulate(np.where(flags, -1, time), 1)
  after = np.where(flags, length, time)[:, ::-1]
  after = np.minimum.accumulate(after, 1)[:, ::-1]
  return np.where(flags, after - before - 1, 0)
