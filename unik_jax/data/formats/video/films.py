"""From a video file to the skeletons of the persons in it.

Frames are decoded one by one, so that memory does not grow with the film but
for its keypoints.
"""

import functools
import pathlib
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from unik_jax.data.formats.user import people
from unik_jax.data.formats.video import estimators
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files

SUFFIXES = ('.mp4', '.mov', '.m4v', '.mkv', '.webm', '.avi')
MOST_PERSONS = 64  # as many as are followed in one film


class Film(NamedTuple):
  """What was seen in a video.

  Attributes:
    keypoints: (M, T, V, 3) x, y in pixels, and confidence, of each frame that
      was decoded; zeros where a person is not seen.
    frames: (F,) index into T of what is seen at a constant rate: where the
      video's frames come late, one is there several times.
    rate: frames a second.
    image_size: (width, height), as the video is shown.
    milliseconds: that the estimator took for a frame, on average.
    note: what the user should know, or ''.
  """

  keypoints: np.ndarray
  frames: np.ndarray
  rate: float
  image_size: tuple[int, int]
  milliseconds: float
  note: str


@functools.cache  # what draws or saves asks again for what was answered for
def look(path: str) -> Film:
  """Finds the persons of a video, and follows them.

  Args:
    path: of the file.

  Raises:
    UserError: the extra is not installed, no video, no frame, or nobody in it.
  """
  _av()  # before the estimator, whose weights may take a while
  estimate = estimators.make()
  film = decode(path)
  count, rate = next(film)
  poses, which, seconds, spent, note = [], [], [], 0.0, ''
  size = (0, 0)
  try:
    with tqdm(film, desc=path, total=count or None, unit=' frames') as images:
      for at, image in images:
        began = time.perf_counter()
        found = estimate(image)
        spent += time.perf_counter() - began
        poses.append(found)
        which.append(np.full(len(found), len(seconds)))
        seconds.append(at)
        size = image.shape[1::-1]
  except UserError as error:
    if not seconds:
      raise
    note = str(error)
  decoded = len(seconds)
  if not decoded:
    raise UserError(f'{path}: no frame in this video; record it again')
  if not note and decoded < count:
    note = f'{path}: cut short: {decoded} of {count} frames are there'
  if not sum(map(len, poses)):
    raise people.Nobody(
      f'{path}: nobody is found in {decoded} frames', frames=decoded
    )
  keypoints = people.tracks(
    np.concatenate(poses),
    np.concatenate(which),
    None,
    length=decoded,
    persons=MOST_PERSONS,
    confidence=True,
  )
  return Film(
    keypoints,
    at_constant_rate(np.array(seconds), rate),
    rate,
    size,
    1000 * spent / decoded,
    note,
  )


def found(path: str) -> people.Found:
  """As a file of an estimator's output would be read."""
  film = look(path)
  return people.Found(
    film.keypoints[:, film.frames],
    confidence=True,
    layout=estimators.LAYOUT,
    units='pixels',
    image_size=film.image_size,
  )


def save(path: str, folder: str) -> pathlib.Path:
  """Writes the keypoints as FOLDER/NAME.npz, which `own_data` reads.

  Its arrays are `keypoints` (M, F, V, 3), x, y and confidence of COCO's 17
  joints, and `image_size`.

  Raises:
    UserError: it cannot be written.
  """
  film, name = look(path), pathlib.Path(path).stem
  file = pathlib.Path(folder).expanduser() / f'{name}.npz'
  with atomic_files.atomic_write(file) as part, part.open('wb') as opened:
    np.savez_compressed(
      opened,
      keypoints=np.float32(film.keypoints[:, film.frames]),
      image_size=np.int32(film.image_size),
    )
  return file


def decode(path: str) -> Iterator:
  """The frames of a video, upright.

  Yields:
    First (number of frames that it says it has, or 0; frames a second). Then
    of each (seconds from its start, (H, W, 3) uint8 red green blue).

  Raises:
    UserError: it cannot be read, at all or from some frame on.
  """
  av = _av()
  done = 0
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
        at = done / rate if frame.time is None else frame.time
        done += 1
        # Phones lay their videos on a side, and note which way is up.
        yield at, np.rot90(image, frame.rotation // 90)
  except (av.error.FFmpegError, OSError) as error:
    raise UserError(
      f'{path}: cannot be read as a video'
      + (f' from frame {done} on' if done else '')
      + f' ({error.strerror}); save it again, as with ffmpeg -i'
    ) from None


def at_constant_rate(seconds: np.ndarray, rate: float) -> np.ndarray:
  """(F,) the newest frame at each moment, at `rate` moments a second.

  Args:
    seconds: (T,) when each frame is shown.
    rate: moments a second.
  """
  seconds = np.maximum.accumulate(seconds - seconds[0])
  count = round(seconds[-1] * rate) + 1
  # Half a frame of grace for times that are rounded.
  moments = (np.arange(count) + 0.5) / rate
  return np.searchsorted(seconds, moments) - 1


def _av():
  try:
    import av
  except ImportError:
    raise UserError(f'reading a video takes av: {estimators.INSTALL}') from None
  return av
