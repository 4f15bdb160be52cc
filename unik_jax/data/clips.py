"""A clip on its way from a file to a prepared dataset, and its check.

What a prepared dataset holds of each clip:

  keypoints: (M, T, V, C) float32, tracked coordinates in the source's units;
    M persons (a missing one is all zeros), T frames as recorded, V joints,
    C channels.
  label: the class; subject: who acts, -1 where unknown; id: a unique name.
  image_size: (width, height) in pixels, zeros where unknown.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


@dataclasses.dataclass(frozen=True)
class ClipFile:
  """A clip that is to be read, as a builder lists it before any is read.

  Attributes:
    id: unique in the dataset.
    source: the argument of the reader: a `raw_files.RawFile`, or any small
      thing that can be pickled. Its `str` names the clip in errors.
    splits: all that the clip belongs to, such as ('xsub_train', 'xview_test').
    label: index of the class.
    subject: who acts.
    image_size: (width, height) in pixels, where it is known beforehand.
  """

  id: str
  source: Any
  splits: tuple[str, ...]
  label: int
  subject: int = -1
  image_size: tuple[int, int] = (0, 0)


class Recording(NamedTuple):
  """What a reader makes of a file.

  Attributes:
    keypoints: (M, T, V, C).
    image_size: (width, height) in pixels, where only the file itself tells.
  """

  keypoints: np.ndarray
  image_size: tuple[int, int] | None = None


class LeftOut(Exception):
  """Raised by a reader: the dataset's own rules leave this clip out."""


def read_clip(
  clip: ClipFile,
  *,
  reader: Callable[[Any], Recording | np.ndarray],
  layout: Layout,
  persons: int,
  channels: int,
) -> Recording:
  """Reads and checks one clip; runs in the worker processes.

  Args:
    clip: what is to be read.
    reader: called with its source.
    layout: of its joints.
    persons: M; a clip of fewer is padded with zeros.
    channels: C.

  Raises:
    UserError: as `check_clip`, or by the reader.
    LeftOut: by the reader.
  """
  read = reader(clip.source)
  recording = read if isinstance(read, Recording) else Recording(read)
  keypoints = check_clip(recording.keypoints, layout, str(clip.source))
  if len(keypoints) > persons or keypoints.shape[-1] != channels:
    raise UserError(
      f'{clip.source}: {len(keypoints)} persons and {keypoints.shape[-1]}'
      f' channels, where the dataset has at most {persons} and {channels}'
    )
  absent = persons - len(keypoints)
  keypoints = np.pad(keypoints, ((0, absent), (0, 0), (0, 0), (0, 0)))
  return Recording(keypoints, recording.image_size or clip.image_size)


def check_clip(keypoints: np.ndarray, layout: Layout, where: str) -> np.ndarray:
  """Returns (M, T, V, C) keypoints as float32, or says what is wrong.

  Args:
    keypoints: one clip.
    layout: the joint layout that it must have.
    where: the file (and place in it) to name in the error.

  Raises:
    UserError: no frames, a wrong number of joints, a value that is not
      finite, or nothing but zeros.
  """
  # What float32 cannot hold becomes infinite, and is found out as such below.
  with np.errstate(over='ignore'):
    keypoints = np.asarray(keypoints, np.float32)
  if keypoints.ndim != 4 or keypoints.shape[2] != layout.num_joints:
    raise UserError(
      f'{where}: keypoints of shape {keypoints.shape}, but layout'
      f' {layout.name!r} needs (persons, frames, {layout.num_joints}, channels)'
    )
  if keypoints.shape[1] == 0:
    raise UserError(f'{where}: no frames; remove this clip or record it again')
  if not np.isfinite(keypoints).all():
    m, t, v, _ = np.argwhere(~np.isfinite(keypoints))[0]
    raise UserError(
      f'{where}: NaN or infinity at person {m}, frame {t}, joint {v}'
      f' ({layout.joints[v]}); write 0 for a missing joint'
    )
  if not keypoints[..., :2].any():  # a confidence may be there all the same
    raise UserError(f'{where}: every coordinate is zero; remove this clip')
  return keypoints
