"""Coordinates as fractions of an image, converted to pixels.

Pose estimators write x and y in pixels, or as fractions of the image's width
and height. Fractions become pixels if the image's size is known. Whether
coordinates are fractions follows from their values: no body is a few pixels
large.
"""

import numpy as np

from unik_jax.data.formats.user.keypoints import ParsedClip, present_joints
from unik_jax.errors import UserError

# Joints outside of the image may be this many image sizes away.
_MAX_FRACTION = 3
_MIN_SHARE = 0.9  # of the joints
# Of the coordinates. Fractions have few negative ones, of joints outside.
_MAX_NEGATIVE = 0.25

FRACTIONS = 'fractions'
# Of coordinates that are fractions of an unknown image: it counts as square.
UNIT_SIZE = (1, 1)

_UNKNOWN_NOTE = (
  'x and y are fractions of an image of unknown size, which counts as square.'
  ' State its size: `image_size: [WIDTH, HEIGHT]` in layout.yaml'
)
_NOTE = (
  'x and y are fractions of the image, and are multiplied by its width and'
  ' height'
)


def resolve_scale(
  parsed: ParsedClip, image_size: tuple[int, int] | None, where: str
) -> ParsedClip:
  """Returns a clip in pixels if it is in the image and the size is known.

  Fractions of an image of unknown size keep their values.

  Args:
    parsed: the contents of a file.
    image_size: (width, height) in pixels, if the user states it.
    where: the file, for errors.

  Returns:
    The clip, with the image size in pixels (UNIT_SIZE for fractions), None if
    unknown.

  Raises:
    UserError: coordinates are within [-1, 1], so their origin is unknown.
  """
  size, units = parsed.image_size or image_size, parsed.units
  clip, confidence = parsed.keypoints, parsed.confidence
  coordinates = clip.shape[-1] - confidence
  # Without units or a size, it does not matter what the values are.
  may_be_fractions = units == 'pixels' or (not units and size)
  if may_be_fractions and coordinates == 2:
    if has_fractions(clip, confidence, where):
      units = FRACTIONS
  if units != FRACTIONS:
    return parsed._replace(image_size=size)
  if size is None:
    return parsed._replace(
      units=FRACTIONS,
      image_size=UNIT_SIZE,
      notes=(*parsed.notes, _UNKNOWN_NOTE),
    )
  clip, units = scale_fractions(clip, coordinates, size)
  return parsed._replace(
    keypoints=clip,
    units=units,
    image_size=size,
    notes=(*parsed.notes, _NOTE),
  )


def has_fractions(clip: np.ndarray, confidence: bool, where: str) -> bool:
  """Returns whether coordinates in an image are fractions of its size.

  Args:
    clip: (..., V, C), two coordinates and maybe a confidence. A missing joint
      is NaN or zero.
    confidence: whether the last channel is a confidence.
    where: the clip, for errors.

  Raises:
    UserError: coordinates are within [-1, 1], so their origin is unknown.
  """
  points = clip[present_joints(clip, confidence)][:, :2]
  if not len(points):
    return False
  if np.mean(np.abs(points).max(-1) <= _MAX_FRACTION) < _MIN_SHARE:
    return False
  if np.mean(points < 0) > _MAX_NEGATIVE:
    raise UserError(
      f'{where}: expected x and y in pixels, or as fractions of the image from'
      f' 0 to 1, got values from {points.min():.3g} to {points.max():.3g}.'
      ' Convert them (OpenPose: --keypoint_scale 0 or 3)'
    )
  return True


def scale_fractions(
  clip: np.ndarray, coordinates: int, size: tuple[int, int]
) -> tuple[np.ndarray, str]:
  """Scales fractions of an image so that bodies have their true proportions.

    (x, y) -> (x width, y height)           in pixels
    (x, y, z) -> (x, y height / width, z)   in image widths

  z is in widths. In space nothing is divided by the image's size later, and
  bodies in a larger video shall not be larger.

  Args:
    clip: (..., C).
    coordinates: 2 or 3 of the channels.
    size: (width, height) of the image in pixels.

  Returns:
    The scaled clip, and its units.
  """
  width, height = size
  factors = np.ones(clip.shape[-1])
  if coordinates == 2:
    factors[:2] = size
    return clip * factors, 'pixels'
  factors[1] = height / width
  return clip * factors, 'image widths'
