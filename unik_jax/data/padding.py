"""Padding by repetition, as in the published preprocessing scripts.

The scripts of 2s-AGCN and UNIK write every clip into an array as long as the
dataset's longest clip (300 frames for NTU RGB+D, 4000 for Smarthome) and fill
each person's empty frames by repeating that person's track.
"""

import numpy as np


def repeat_tracks(clip: np.ndarray, frames: int) -> np.ndarray:
  """Repeats each person's track until it fills a number of frames.

  If a person is absent in frame 0, all frames without that person are removed
  from the track. Otherwise only the empty frames at the end are removed. The
  rest is repeated. Since each track has its own length, persons who met in the
  recording may no longer meet in the result.

  Source: 2s-AGCN's data_gen/preprocess.py, first step. There, a clip with more
  frames is an error.

  Args:
    clip: (M, T, V, C) coordinates; a frame is empty if all are 0.
    frames: length of the result. A longer clip is cut to its first frames.

  Returns:
    (M, frames, V, C); an absent person stays all zeros.
  """
  clip = clip[:, :frames]
  persons, length, *_ = clip.shape
  present = clip.any((2, 3))
  late = ~present[:, 0]
  # A stable sort moves the present frames to the front, in their order.
  order = np.where(
    late[:, None], np.argsort(~present, 1, kind='stable'), np.arange(length)
  )
  last = length - present[:, ::-1].argmax(1)
  # An absent person repeats one empty frame, so that the modulus is not 0.
  used = np.where(late, np.maximum(present.sum(1), 1), last)
  index = np.take_along_axis(order, np.arange(frames) % used[:, None], 1)
  return clip[np.arange(persons)[:, None], index]
