"""Check that a dataset's clips have one unit and one scale.

A network cannot tell a change of scale from a movement. If the clips of one
class were in fractions of the image and those of another in pixels, it would
learn the units.
"""

from typing import Any

import numpy as np

from unik_jax.data.clips import Recording
from unik_jax.errors import UserError
from unik_jax.skeletons.body import body_diagonals

# Body sizes of a dataset, sorted, have no gap this large: bodies in images are
# near or far, bodies in space are all about as large. Pixels are at least 30
# times fractions, millimetres 1000 times metres.
_MAX_GAP = {2: 20.0, 3: 5.0}  # by number of coordinates


def median_body_size(clip: np.ndarray, coordinates: int) -> float:
  """Returns the median diagonal of a clip's bodies; 0 without any body.

  Args:
    clip: (M, T, V, C), zeros where missing.
    coordinates: D, the number of coordinates among the channels.
  """
  points = clip[..., :coordinates]
  points = np.where(points.any(-1, keepdims=True), points, np.nan)
  sizes = body_diagonals(points)
  return float(np.median(sizes[sizes > 0])) if sizes.any() else 0.0


class OneScale:
  """Compares the units, image sizes and body sizes of a dataset's clips.

  Args:
    coordinates: number of coordinates of a joint, 2 or 3.
    compares_bodies: whether to compare the sizes of bodies. For clips whose
      files do not define their units.
  """

  def __init__(self, coordinates: int, compares_bodies: bool):
    self._coordinates = coordinates
    self._compares_bodies = compares_bodies
    self._first: tuple[Any, Recording] | None = None
    self._sizes: list[tuple[float, str]] = []

  def add(self, where: Any, recording: Recording) -> None:
    """Compares a clip with the first one.

    Args:
      where: the clip, for errors.
      recording: its keypoints, and its image size, zeros if unknown.

    Raises:
      UserError: the clip's units differ, or the image size is known for one of
        the two only.
    """
    self._first = self._first or (where, recording)
    first_where, first = self._first
    if recording.units != first.units:
      raise UserError(
        f'{where}: expected {_name(first.units)}, as in {first_where}, got'
        f' {_name(recording.units)}. {_advise(first, recording)}'
      )
    has_size, had_size = map(_has_size, (recording, first))
    if self._coordinates == 2 and has_size != had_size:
      known, unknown = where, first_where
      if had_size:
        known, unknown = unknown, known
      raise UserError(
        f'{unknown}: expected an image size, as {known} has, got none, so the'
        ' two would be scaled differently. Give all clips of a dataset an image'
        ' size (`image_size: [WIDTH, HEIGHT]` in layout.yaml, for files that do'
        ' not state it), or none (`image_size: unknown`)'
      )
    # Fractions of an image of known size have become pixels.
    if self._compares_bodies and not (self._coordinates == 2 and has_size):
      size = median_body_size(recording.keypoints, self._coordinates)
      if size:
        self._sizes.append((size, str(where)))

  def finish(self) -> None:
    """Compares the sizes of all bodies.

    Raises:
      UserError: bodies are of two very different sizes, as in two units.
    """
    if len(self._sizes) < 2:
      return
    sizes, names = zip(*sorted(self._sizes), strict=True)
    gaps = np.divide(sizes[1:], sizes[:-1])
    n = int(gaps.argmax())
    if gaps[n] <= _MAX_GAP[self._coordinates]:
      return
    few = min(n + 1, len(sizes) - n - 1)
    raise UserError(
      f'{names[n + 1]}: expected one unit in all clips, got bodies of size'
      f' {sizes[n + 1]:.3g} beside {sizes[n]:.3g} in {names[n]}, and none'
      f' between ({few} of {len(sizes)} clips differ from the others). Convert'
      ' them to one unit, or remove them'
    )


def _has_size(recording):
  return recording.image_size is not None and all(recording.image_size)


def _name(units):
  return units or 'a format that does not state its units'


def _advise(first, recording):
  units = {first.units, recording.units}
  if 'fractions' in units and units & {'pixels', 'image widths'}:
    return (
      'Write `image_size: [WIDTH, HEIGHT]` into layout.yaml for the clips in'
      ' fractions of an image'
    )
  return 'Give all clips of a dataset the same units'
