"""Frames of a video file, one by one."""

from collections.abc import Iterator

import numpy as np

from unik_jax.data.formats.video import estimators
from unik_jax.errors import UserError

SUFFIXES = ('.mp4', '.mov', '.m4v', '.mkv', '.webm', '.avi')


def decode_frames(path: str) -> Iterator:
  """Decodes a video, upright.

  Yields:
    First (number of frames that the file states, or 0; frames per second).
    Then, per frame, (seconds from the start, (H, W, 3) uint8 in RGB).

  Raises:
    UserError: the file cannot be read, at all or from some frame on.
  """
  av = import_av()
  decoded = 0
  try:
    with av.open(path) as container:
      if not container.streams.video:
        raise UserError(f'{path}: no video in this file')
      stream = container.streams.video[0]
      stream.thread_type = 'AUTO'
      rate = float(stream.average_rate or 25)
      yield stream.frames, rate
      for frame in container.decode(stream):
        image = frame.to_ndarray(format='rgb24')
        seconds = decoded / rate if frame.time is None else frame.time
        decoded += 1
        # Phones store videos on their side, with the rotation to apply.
        yield seconds, np.rot90(image, frame.rotation // 90)
  except (av.error.FFmpegError, OSError) as error:
    raise UserError(
      f'{path}: cannot be read as a video'
      + (f' from frame {decoded} on' if decoded else '')
      + f' ({error.strerror}). Save it again, as with ffmpeg -i'
    ) from None


def resample_frames(seconds: np.ndarray, rate: float) -> np.ndarray:
  """Returns (F,) the latest frame at each moment, at a constant rate.

  Args:
    seconds: (T,) when each frame is shown.
    rate: moments per second.
  """
  seconds = np.maximum.accumulate(seconds - seconds[0])
  count = round(seconds[-1] * rate) + 1
  # Half a frame of tolerance for rounded times.
  moments = (np.arange(count) + 0.5) / rate
  return np.searchsorted(seconds, moments) - 1


def import_av():
  """Returns the module `av`; UserError if the extra is not installed."""
  try:
    import av
  except ImportError:
    raise UserError(f'reading a video needs av: {estimators.INSTALL}') from None
  return av
