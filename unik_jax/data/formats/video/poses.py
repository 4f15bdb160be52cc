"""Tracked keypoints of the persons in a video.

Frames are decoded one by one, so memory grows only with the keypoints.
"""

import functools
import pathlib
import time
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.data.formats.video import estimators
from unik_jax.data.formats.video.decoding import (
  decode_frames,
  resample_frames,
)
from unik_jax.errors import UserError
from unik_jax.runtime.atomic_files import atomic_write

MAX_PERSONS = 64  # tracked in one video


class VideoPoses(NamedTuple):
  """Keypoints estimated from a video.

  Attributes:
    keypoints: (M, T, V, 3) x, y in pixels, and confidence, for each decoded
      frame; zeros where a person is absent.
    frames: (F,) indices into T that give a constant frame rate. A frame that
      is shown for long has several.
    rate: frames per second.
    image_size: (width, height) of the upright video.
    milliseconds: mean time of the estimator per frame.
    note: a sentence for the user, or ''.
  """

  keypoints: np.ndarray
  frames: np.ndarray
  rate: float
  image_size: tuple[int, int]
  milliseconds: float
  note: str


@functools.cache  # drawing and saving reuse the poses of the prediction
def estimate_poses(path: str) -> VideoPoses:
  """Estimates and tracks the persons of a video.

  Args:
    path: path of the file.

  Raises:
    UserError: the extra is not installed, or there is no video, frame or
      person in the file.
  """
  check_video(path)  # before the estimator, whose weights may take a while
  estimate = estimators.load_estimator()
  stream = decode_frames(path)
  count, rate = next(stream)
  poses, indices, seconds, estimating, note = [], [], [], 0.0, ''
  size = (0, 0)
  try:
    with tqdm(stream, desc=path, total=count or None, unit=' frames') as images:
      for shown_at, image in images:
        began = time.perf_counter()
        bodies = estimate(image)
        estimating += time.perf_counter() - began
        poses.append(bodies)
        indices.append(np.full(len(bodies), len(seconds)))
        seconds.append(shown_at)
        size = image.shape[1::-1]
  except UserError as error:
    if not seconds:
      raise
    note = str(error)  # the frames before the damage are used
  decoded = len(seconds)
  if not note and decoded < count:
    note = f'{path}: cut short: decoded {decoded} of {count} frames'
  if not sum(map(len, poses)):
    raise NobodySeenError.in_file(path, decoded)
  keypoints = track_persons(
    np.concatenate(poses),
    np.concatenate(indices),
    None,
    length=decoded,
    persons=MAX_PERSONS,
    confidence=True,
  )
  return VideoPoses(
    keypoints,
    resample_frames(np.array(seconds), rate),
    rate,
    size,
    1000 * estimating / decoded,
    note,
  )


def check_video(path: str) -> None:
  """Raises a UserError if no pose can be estimated from a video.

  Decodes its first frame only.

  Args:
    path: path of the file.
  """
  stream = decode_frames(path)
  next(stream)
  if next(stream, None) is None:
    raise UserError(f'{path}: no frame in this video. Record it again')
  estimators.check_installed()


def parse_video(path: str) -> ParsedClip:
  """Returns a video's clip, as if read from an estimator's output file."""
  video = estimate_poses(path)
  return ParsedClip(
    video.keypoints[:, video.frames],
    confidence=True,
    layout=estimators.LAYOUT,
    units='pixels',
    image_size=video.image_size,
  )


def save_keypoints(path: str, folder: str) -> pathlib.Path:
  """Writes a video's keypoints to FOLDER/NAME.npz and returns that path.

  The arrays are `keypoints` (M, F, V, 3), x, y and confidence of COCO's 17
  joints, and `image_size`. The file is a clip for `skeleton_folder`.

  Raises:
    UserError: the file cannot be written.
  """
  video, name = estimate_poses(path), pathlib.Path(path).stem
  file = pathlib.Path(folder).expanduser() / f'{name}.npz'
  with atomic_write(file) as part, part.open('wb') as opened:
    np.savez_compressed(
      opened,
      keypoints=np.float32(video.keypoints[:, video.frames]),
      image_size=np.int32(video.image_size),
    )
  return file
