"""A clip's coordinates, converted to the scale of a model's training clips.

Pixels, fractions of the image and image widths follow from each other if the
image's size is known: from the file, the user, or the run if all its training
clips have one size. So do metres and millimetres. Other units do not.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from unik_jax.data.formats.user.scale import (
  FRACTIONS,
  UNIT_SIZE,
  has_fractions,
)
from unik_jax.errors import UserError
from unik_jax.run.data_scale import METRES, UNSTATED_UNITS
from unik_jax.run.restore import Run

Size = tuple[int, int]

_UNKNOWN = (0, 0)
_MAX_OUTSIDE = 0.1  # of the joints; estimators place few outside of the image
_REMEDY = 'Give --image_size=WIDTH,HEIGHT (in Python image_size=)'


class ConvertedClip(NamedTuple):
  """A clip in the scale of the training clips.

  Attributes:
    keypoints: (M, T, V, C).
    units: units of the coordinates, '' if unknown.
    image_size: (width, height) as the record of a training clip has it.
  """

  keypoints: np.ndarray
  units: str
  image_size: Size


def convert_clip(
  clip: np.ndarray,
  run: Run,
  *,
  units: str = '',
  image_size: Size | None = None,
  where: str = 'keypoints',
) -> ConvertedClip:
  """Converts a clip to the units and the image size of a run's clips.

  Args:
    clip: (M, T, V, C) from `adapt_clip`, zeros where missing.
    run: the run.
    units: units of the coordinates; '' if the format does not define them.
    image_size: (width, height) in pixels; None for that of the training clips.
    where: the clip, for errors.

  Raises:
    UserError: the image's size is needed, and unknown.
  """
  data = run.config.data
  confidence = bool(data.confidence)
  coordinates = data.channels - confidence
  stated = None
  if image_size is not None:
    stated = int(image_size[0]), int(image_size[1])
  is_unknown = stated in (None, _UNKNOWN, UNIT_SIZE)
  real_size = _only_size(run) if is_unknown else stated
  size = real_size or stated
  trained = _training_units(run, coordinates)
  if not units and real_size and trained in ('pixels', FRACTIONS):
    if coordinates == 2:
      is_fraction = has_fractions(clip, confidence, where)
      units = FRACTIONS if is_fraction else 'pixels'
  if units != trained and {units, trained} <= {*_CONVERTIBLE}:
    if real_size:
      factors = np.ones(clip.shape[-1], clip.dtype)
      factors[:coordinates] = (
        _pixels_per_unit(units, real_size)
        / _pixels_per_unit(trained, real_size)
      )[:coordinates]
      clip, units = clip * factors, trained
    elif run.image_sizes is None:
      units = trained  # an older run, which took all images for square
    else:
      raise UserError(
        f'{where}: expected {trained}, as the model was trained on, got {units}'
        f' of an image of unknown size. {_REMEDY}'
      )
  if units != trained and {units, trained} <= METRES.keys():
    factors = np.ones(clip.shape[-1], clip.dtype)
    factors[:coordinates] = METRES[units] / METRES[trained]
    clip, units = clip * factors, trained
  if coordinates == 2 and is_unknown and real_size and units == 'pixels':
    _check_inside(clip, real_size, where)
  if coordinates == 2:
    size = _record_size(run, trained, size, where)
  return ConvertedClip(clip, units, size or _UNKNOWN)


def check_stated_units(units: str, run: Run, key: str) -> None:
  """Raises a UserError for units that are neither known nor the run's.

  Args:
    units: what the user states; '' for nothing.
    run: the run.
    key: the option, for the error.
  """
  known = [*_CONVERTIBLE, *METRES]
  if run.units not in (*UNSTATED_UNITS, *known):
    known.append(run.units)
  if units and units not in known:
    raise UserError(f'{key}: expected one of {", ".join(known)}; got {units!r}')


def explain_other_units(units: Iterable[str], run: Run) -> str | None:
  """Returns a note if units cannot be converted to those of training clips.

  Args:
    units: units of clips, '' if unknown.
    run: the run.
  """
  trained = run.units
  if trained in UNSTATED_UNITS:
    return None
  for other in sorted({*units} - {'', trained}):
    pair = {other, trained}
    if not (pair <= {*_CONVERTIBLE} or pair <= METRES.keys()):
      return (
        f'clips are in {other}, but the model was trained on {trained}. Convert'
        ' the clips; otherwise the predictions are meaningless'
      )
  return None


_CONVERTIBLE = ('pixels', FRACTIONS, 'image widths')


def _pixels_per_unit(units, size):
  width, height = size
  return np.array(
    {
      'pixels': (1, 1, 1),
      FRACTIONS: (width, height, width),
      'image widths': (width, width, width),
    }[units]
  )


def _only_size(run):
  """Returns the size in pixels of all training images; None without one."""
  sizes = run.image_sizes or []
  return sizes[0] if len(sizes) == 1 and sizes[0] > UNIT_SIZE else None


def _training_units(run, coordinates):
  """Returns the units of the training clips; '' if nobody stated them."""
  if run.units != 'as in the files':
    return run.units
  has_sizes = any(size > UNIT_SIZE for size in run.image_sizes or [])
  return 'pixels' if coordinates == 2 and has_sizes else ''


def _check_inside(clip, size, where):
  """Raises a UserError if pixels do not fit the training clips' images."""
  points = clip[clip[..., :2].any(-1)][:, :2]
  if len(points) and np.mean((points > size).any(-1)) > _MAX_OUTSIDE:
    x, y = points.max(0)
    raise UserError(
      f'{where}: expected pixels of an image of {size[0]} x {size[1]}, as in'
      f' training, got x up to {x:g} and y up to {y:g}. {_REMEDY}'
    )


def _record_size(run, trained, size, where):
  """Returns the image size of a clip in the image, as in its training record.

  Clips without a size are scaled by the box around their joints.
  """
  if trained == FRACTIONS:
    return UNIT_SIZE
  if trained == 'image widths':
    return _UNKNOWN if run.image_sizes else UNIT_SIZE
  if run.image_sizes is None:  # of an older run
    return size
  if _UNKNOWN in run.image_sizes:
    return size if len(run.image_sizes) > 1 else _UNKNOWN
  if size is None and run.config.data.normalize == 'clean':
    raise UserError(
      f'{where}: expected an image size, since the model was trained on images'
      f' of several sizes, got none. {_REMEDY}'
    )
  return size
