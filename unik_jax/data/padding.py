"""Padding by repetition: the published scripts' answer to clips of all lengths.

2s-AGCN's scripts, and UNIK's after them, write every clip into an array of as
many frames as the longest has (NTU RGB+D 300, Smarthome 4000), and fill each
person's empty frames with that person's own movement, over and over.
"""

import numpy as np


def repeat_tracks(clip: np.ndarray, frames: int) -> np.ndarray:
  """Each person's track, repeated to a number of frames.

  A person who is not there in frame 0 has all frames without it taken out of
  the track. Of any other person the empty frames at the end are taken off,
  and those in between stay. What is left begins again where it ends. Each
  person has a track of another length, so that persons who met no longer need
  to meet.

  Source: 2s-AGCN's data_gen/preprocess.py, first step. There a clip of more
  frames is an error.

  Args:
    clip: (M, T, V, C) coordinates; a frame is empty where all are 0.
    frames: how many there are to be. Of a longer clip the first are used.

  Returns:
    (M, frames, V, C); an empty person stays empty.
  """
  clip = clip[:, :frames]
  persons, length, *_ = clip.shape
  seen = clip.any((2, 3))
  late = ~seen[:, 0]
  order = np.where(
    late[:, None], np.argsort(~seen, 1, kind='stable'), np.arange(length)
  )
  last = length - seen[:, ::-1].argmax(1)
  # One frame of an empty person is as good as all of them.
  used = np.where(late, np.maximum(seen.sum(1), 1), last)
  index = np.take_along_axis(order, np.arange(frames) % used[:, None], 1)
  return clip[np.arange(persons)[:, None], index]
