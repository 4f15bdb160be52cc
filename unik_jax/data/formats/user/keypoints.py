"""Clips as parsed from a file: their channels and their missing joints."""

from typing import NamedTuple

import numpy as np

from unik_jax.data.clips import MAX_VALUE
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

_MAX_UNCONFIDENT = 0.2  # share of joints
_MAX_CONFIDENCE = 1.25


class ParsedClip(NamedTuple):
  """The contents of one clip's file, before it is checked against a dataset.

  Attributes:
    keypoints: (M, T, V, C) float64. A missing joint is NaN or zero.
    confidence: whether the last channel is a confidence.
    layout: name of the built-in layout that the file format implies, or ''.
    units: units of the coordinates: 'pixels', 'fractions' (of the image's width
      and height), 'image widths' or 'metres'; '' if the format does not define
      them.
    image_size: (width, height) in pixels, if the file states it. From
      `recordings.parse_clip`, as `scale.resolve_scale` returns it.
    is_open: whether the format does not define what the channels mean.
    notes: sentences to show to the user.
  """

  keypoints: np.ndarray
  confidence: bool
  layout: str = ''
  units: str = ''
  image_size: tuple[int, int] | None = None
  is_open: bool = False
  notes: tuple[str, ...] = ()


class NobodySeenError(UserError):
  """A valid file without a person in any frame.

  Attributes:
    frames: number of frames in the file.
  """

  def __init__(self, message: str, frames: int = 0):
    super().__init__(message)
    self.frames = frames

  @classmethod
  def in_file(cls, where: str, frames: int) -> 'NobodySeenError':
    """Returns the error of a file with that number of frames."""
    return cls(
      f'{where}: nobody is seen in any of {frames} frames. Remove this clip',
      frames,
    )


def channel_names(channels: int, confidence: bool) -> str:
  """Returns the names of a joint's channels, such as 'x y confidence'."""
  names = 'x y z'.split()[: channels - confidence]
  return ' '.join(names + ['confidence'] * confidence)


def may_be_confidence(values: np.ndarray) -> bool:
  """Returns whether values of a channel look like confidences.

  They do if they are within [0, 1] (heatmaps exceed 1 a little), or are COCO's
  flags 0, 1 and 2.

  Args:
    values: of present joints, in any shape. NaN is ignored.
  """
  values = values[~np.isnan(values)]
  if not values.size or values.min() < 0:
    return False
  return values.max() <= _MAX_CONFIDENCE or bool(
    np.isin(values, (0, 1, 2)).all()
  )


def check_channels(channels: int, confidence: bool | None, where: str) -> bool:
  """Returns whether the last channel is a confidence.

  Args:
    channels: C, in a format that does not define their meaning.
    confidence: the user's setting; None means that the fourth of four channels
      is a confidence.
    where: the file, for errors.

  Raises:
    UserError: the number of coordinates is not 2 or 3.
  """
  confidence = channels == 4 if confidence is None else confidence
  if channels - confidence not in (2, 3):
    raise UserError(
      f'{where}: expected 2 or 3 coordinates, optionally with a confidence; got'
      f' {channels} channels. Check the array, or set `confidence` in'
      ' layout.yaml'
    )
  return confidence


def present_joints(poses: np.ndarray, confidence: bool) -> np.ndarray:
  """Returns a mask (..., V) of the joints of (..., V, C) that are not missing.

  A joint is present if its coordinates are finite and not all zero, and its
  confidence, if there is one, is positive.
  """
  points = poses[..., :-1] if confidence else poses
  present = np.isfinite(points).all(-1) & (points != 0).any(-1)
  return present & (poses[..., -1] > 0) if confidence else present


def joint_weights(poses: np.ndarray, confidence: bool) -> np.ndarray:
  """Returns (..., V): the confidence of each joint, and 0 for a missing one.

  Without a confidence channel, every present joint weighs 1.
  """
  # Clipped so that sums stay finite; absurd values are refused later.
  weights = np.clip(poses[..., -1], 0, 1e9) if confidence else 1.0
  return np.where(present_joints(poses, confidence), weights, 0)


def note_unconfident(clip: np.ndarray, confidence: bool) -> tuple[str, ...]:
  """Returns a note if many joints with coordinates will count as missing.

  Some sensors write confidence 0 for joints that they infer from others.

  Args:
    clip: (M, T, V, C).
    confidence: whether the last channel is a confidence.
  """
  if not confidence:
    return ()
  points = clip[..., :-1]
  given = np.isfinite(points).all(-1) & (points != 0).any(-1)
  if (clip[..., -1] == 0)[given].sum() <= _MAX_UNCONFIDENT * given.sum():
    return ()
  return (
    f'more than {_MAX_UNCONFIDENT:.0%} of the joints that have coordinates have'
    ' confidence 0, and count as missing. If the coordinates are right, leave'
    ' the confidence out',
  )


def zero_missing_joints(
  clip: np.ndarray, confidence: bool, layout: Layout, where: str
) -> np.ndarray:
  """Returns the clip with zeros for missing joints.

  A joint is missing if its coordinates are all NaN or all zero, or if its
  confidence is zero.

  Args:
    clip: (M, T, V, C).
    confidence: whether the last channel is a confidence.
    layout: joint layout, which names the joints.
    where: the file, for errors.

  Raises:
    UserError: NaN in only some of a joint's coordinates, infinity, or a value
      beyond `clips.MAX_VALUE`.
  """
  points = clip[..., : clip.shape[-1] - confidence]
  missing = np.isnan(points).all(-1) | (points == 0).all(-1)
  if confidence:
    missing |= clip[..., -1] == 0
  clip = np.where(missing[..., None], 0, clip)
  bad = np.argwhere(~(np.abs(clip) <= MAX_VALUE))
  if len(bad):
    m, t, v, c = bad[0]
    channel = channel_names(clip.shape[-1], confidence).split()[c]
    raise UserError(
      f'{where}, frame {t}, person {m}: {channel} of joint {v}'
      f' ({layout.joints[v]}): expected a finite number, at most'
      f' {MAX_VALUE:g}, got {clip[m, t, v, c]:g}. Correct it, or mark the joint'
      ' as missing: set all its coordinates to NaN or 0'
    )
  return clip


def select_persons(
  clip: np.ndarray, persons: int, confidence: bool
) -> np.ndarray:
  """Returns at most `persons` persons of (M, T, V, C), in their order.

  Keeps the persons with the highest confidence, summed over joints and frames;
  without a confidence, those with the most present joints.
  """
  weights = joint_weights(clip, confidence).sum((1, 2))
  return clip[np.sort(np.argsort(-weights, kind='stable')[:persons])]
