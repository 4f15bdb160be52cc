"""Normalisation presets: from a dataset's units to the network's input.

A preset maps one clip (M, T, V, C), its layout and its image size (width,
height) in pixels, (0, 0) if unknown, to a clip of the same shape. A joint is
missing if all its coordinates are exactly zero. It stays zero, unless `clean`
or `body` interpolates it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unik_jax.data import gaps
from unik_jax.data.normalize_official import (
  agcn,
  check_space,
  kinetics,
  rotation_about,
  screen_640,
  unik,
)
from unik_jax.errors import UserError, check_choice
from unik_jax.skeletons.body import body_diagonals, bounding_box
from unik_jax.skeletons.layouts import Layout

Preset = Callable[[np.ndarray, Layout, Sequence[int]], np.ndarray]


def none(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Returns the coordinates unchanged."""
  del layout, image_size
  return clip


def center_first(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Subtracts the first person's body centre in its first frame.

  Movement through space is kept. If the centre is missing in the first frame,
  the first frame that has it is used. If no frame has it, the clip is returned
  unchanged.

  Args:
    clip: (M, T, V, C).
    layout: names the body centre.
    image_size: not used.

  Returns:
    (M, T, V, C).
  """
  del image_size
  centers = clip[0, :, layout.index(layout.center)]
  seen = centers.any(-1)
  if not seen.any():
    return clip
  present = clip.any(-1, keepdims=True)
  return np.where(present, clip - centers[seen.argmax()], 0)


def facing(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Centres as `center_first`, and turns the main person to one side.

  All points rotate about the y axis, which must be vertical, by one angle: the
  line `layout.across`, averaged over the frames of the first person who is
  present, then has no z component and points to +x. Where the camera stood no
  longer matters; upright stays upright. Skipped if the layout has no such line
  or no frame has both its joints.

  Args:
    clip: (M, T, V, 3).
    layout: names the body centre and the joints of across.
    image_size: not used.

  Returns:
    (M, T, V, 3).

  Raises:
    UserError: not three channels.
  """
  check_space(clip, 'facing')
  if layout.across and clip.any():
    body = clip[clip.any((1, 2, 3)).argmax()]
    left, right = (body[:, layout.index(name)] for name in layout.across)
    both = left.any(-1) & right.any(-1)
    x, _, z = (right - left)[both].sum(0, dtype=np.float64)
    turn = rotation_about((0, 1, 0), np.arctan2(z, x))
    clip = (clip @ turn.T).astype(clip.dtype)
  return center_first(clip, layout, image_size)


def clean(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Normalises any layout, in 3-D space or in the image.

  First, missing joints are interpolated linearly in time; a person who enters
  late stays absent before (`gaps.interpolate_gaps`).

  3-D: the main person is the first one who is present in any frame. Each step
  uses the first frame in which the main person has the joints it needs, and is
  skipped if there is none:

  1. Subtract the body centre from everything. Movement is kept.
  2. Rotate `layout.up` (first to second joint) to +z, by the smallest angle.
  3. Rotate about z so that `layout.across` has no y component and points to
     +x; up stays up. Skipped if up is unknown or parallel to across.

  Image, of width w and height h:

    x -> (x - w / 2) / (w / 2),  y -> (y - h / 2) / (w / 2)

  If the image size is unknown, the smallest square around all joints of the
  clip is used instead.

  Args:
    clip: (M, T, V, 3), or (M, T, V, 2) in pixels.
    layout: names the body centre and the joints of up and across.
    image_size: (width, height) in pixels, (0, 0) if unknown; used for two
      channels only.

  Returns:
    (M, T, V, C). Missing joints and absent persons stay zero.

  Raises:
    UserError: neither two channels nor three.
  """
  _check_coordinates(clip, 'clean')
  clip = gaps.interpolate_gaps(clip)
  present = clip.any(-1)
  if not present.any():
    return clip
  # In float64, so that the rotations lose nothing before the final rounding.
  points = clip.astype(np.float64)
  if clip.shape[-1] == 2:
    points = _normalize_image(points, present, image_size)
  else:
    points = _normalize_body(points, present, layout)
  return np.where(present[..., None], points, 0).astype(clip.dtype)


def _normalize_body(points, present, layout):
  """Centres and rotates 3-D points by the main person's joints."""
  main = present.any((1, 2)).argmax()
  body, present = points[main], present[main]

  def direction(ends):
    """Returns the line (3,) between joints in the first frame that has it."""
    if ends is None:
      return np.zeros(3)
    start, end = map(layout.index, ends)
    both = present[:, start] & present[:, end]
    line = np.where(both[:, None], body[:, end] - body[:, start], 0)
    return line[line.any(-1).argmax()]

  rotation = np.eye(3)
  up = direction(layout.up)
  if up.any():
    # The axis is horizontal and perpendicular to up. A vertical up has azimuth
    # 0, so that it has an axis too.
    x, y, z = up
    azimuth, tilt = np.arctan2(y, x), np.arctan2(np.hypot(x, y), z)
    rotation = rotation_about((np.sin(azimuth), -np.cos(azimuth), 0), tilt)
  # Without up, z is unknown, and a rotation about it could roll the body.
  x, y, z = rotation @ direction(layout.across if layout.up else None)
  if np.hypot(x, y) > 1e-6 * abs(z):
    rotation = rotation_about((0, 0, 1), -np.arctan2(y, x)) @ rotation
  center = layout.index(layout.center)
  # Zeros if the centre is never present.
  origin = body[present[:, center].argmax(), center]
  return (points - origin) @ rotation.T


def _normalize_image(points, present, image_size):
  """Converts pixels to half widths from the centre of the image or square."""
  size = np.asarray(image_size, np.float64)
  middle, half = size / 2, size[0] / 2
  if not size.all():
    low, high = bounding_box(points[present])
    middle, half = (low + high) / 2, max(high - low) / 2
  return (points - middle) / (half or 1)


def body(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Makes clips of any sensor comparable; the default of configs/own.py.

  The main person is the first one who is present in any frame. Missing joints
  are interpolated as in `clean`. Then

    x -> (x - c) / s

  with c the main person's body centre in the first frame that has it, and s the
  median size of the main person: the diagonal of the box around all joints. So
  units, the distance from a camera and the size of its image do not matter.
  Image coordinates, whose y points down, are turned by 180 degrees: x then
  points to the camera's left and y up, as in a Kinect's 3-D coordinates. Bodies
  are not rotated, since an image cannot be.

  Args:
    clip: (M, T, V, 3) with y up, or (M, T, V, 2) in the image.
    layout: names the body centre.
    image_size: not used.

  Returns:
    (M, T, V, C) in body sizes.

  Raises:
    UserError: neither two channels nor three.
  """
  del image_size
  _check_coordinates(clip, 'body')
  clip = gaps.interpolate_gaps(clip)
  present = clip.any(-1)
  if not present.any():
    return clip
  points = np.where(present[..., None], clip.astype(np.float64), np.nan)
  main = points[present.any((1, 2)).argmax()]
  centers = main[:, layout.index(layout.center)]
  seen = ~np.isnan(centers[:, 0])
  center = centers[seen.argmax()]
  if not seen.any():  # the middle of all joints that are there
    center = np.nanmean(main, (0, 1))
  sizes = body_diagonals(main)
  size = np.median(sizes[sizes > 0]) if sizes.any() else 1.0
  if clip.shape[-1] == 2:
    size = -size
  return np.nan_to_num((points - center) / size).astype(clip.dtype)


def _check_coordinates(clip, name):
  if clip.shape[-1] not in (2, 3):
    raise UserError(
      f'normalisation {name}: expected 2 or 3 coordinates, got'
      f' {clip.shape[-1]} channels. Set config.data.channels (and'
      ' config.data.confidence, if the last channel is one), or use none'
    )


def fit_axes(clip: Any, whole: Any = None) -> Any:
  """Scales each axis to [-1, 1] by its least and greatest coordinate.

  They are those of all frames and persons, without missing joints (zeros). It
  removes a body's size and proportions, and where it is. Not a preset:
  CTR-GCN's feeder for NW-UCLA does it after the rotations of augmentation, and
  before frames are sampled.

  Args:
    clip: (M, T, V, C), numpy's or JAX's.
    whole: (M, T', V, C), all frames of the clip, if `clip` has only some.

  Returns:
    (M, T, V, C), the same kind of array.
  """
  xp = clip.__array_namespace__()
  whole = clip if whole is None else whole
  present = whole.any(-1, keepdims=True)
  low = xp.where(present, whole, xp.inf).min((0, 1, 2))
  high = xp.where(present, whole, -xp.inf).max((0, 1, 2))
  extent = xp.where(high > low, high - low, 1)
  fitted = (clip - low) / extent * 2 - 1
  return xp.where(clip.any(-1, keepdims=True), fitted, 0).astype(clip.dtype)


PRESETS: dict[str, Preset] = {
  'none': none,
  'center_first': center_first,
  'facing': facing,
  'screen_640': screen_640,
  'kinetics': kinetics,
  'agcn': agcn,
  'unik': unik,
  'clean': clean,
  'body': body,
}


def get_preset(name: str) -> Preset:
  """Returns the preset with this name.

  Raises:
    UserError: the name is unknown.
  """
  check_choice('config.data.normalize', name, sorted(PRESETS))
  return PRESETS[name]
