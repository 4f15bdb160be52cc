"""How large the same body is in the data of two runs."""

from typing import NamedTuple

from ml_collections import ConfigDict

Sizes = list[tuple[int, int]]

UNSTATED_UNITS = ('', 'as in the files')
# Metres in a unit.
METRES = {'metres': 1.0, 'centimetres': 0.01, 'millimetres': 0.001}
_UNKNOWN = (0, 0)
# Typical bodies of two datasets differ less, and two metric units more.
_MAX_RATIO = 3


class DataScale(NamedTuple):
  """What the size of a body in a network's input follows from.

  Attributes:
    data: the `data` part of a run's config.
    units: units of the coordinates; one of `UNSTATED_UNITS` if not known.
    image_sizes: the different (width, height) of the clips, (0, 0) if unknown;
      None if not recorded.
  """

  data: ConfigDict
  units: str
  image_sizes: Sizes | None = None

  @property
  def is_relative_to_image(self) -> bool:
    """Whether the normalisation removes the units and the image's size."""
    in_image = self.data.channels - bool(self.data.confidence) == 2
    return in_image and self.data.normalize == 'clean'


def explain_other_scale(here: DataScale, there: DataScale | None) -> str | None:
  """Returns how data differ in scale from those of the weights, and a remedy.

  Args:
    here: the data.
    there: the data that the weights were trained on; None if not known.

  Returns:
    A sentence and its remedy; None if the scale is the same, or not known.
  """
  if there is None:
    return None
  # Coordinates in body sizes have no units and no image.
  in_bodies = [side.data.normalize == 'body' for side in (here, there)]
  if any(in_bodies):
    set_scale = f'--config.data.scale={there.data.scale:g}'
    if not all(in_bodies):
      which = 'the data' if in_bodies[0] else 'its training clips'
      return (
        f'only {which} are in body sizes (normalize=body). Set'
        f' --config.data.normalize={there.data.normalize} {set_scale}'
      )
    if here.data.scale != there.data.scale:
      return (
        f'body sizes are divided by {here.data.scale:g} here, and by'
        f' {there.data.scale:g} in its training clips. Set {set_scale}'
      )
    return None
  sizes, trained_sizes = here.image_sizes, there.image_sizes
  if here.is_relative_to_image and there.is_relative_to_image:
    if sizes and trained_sizes:
      unknown = _UNKNOWN in sizes, _UNKNOWN in trained_sizes
      if unknown in ((True, False), (False, True)):
        which = ('the data', 'its training clips')[unknown[1]]
        return (
          f'the image size is not known for {which} only: these are scaled by'
          ' the box around their joints. State it (image_size in layout.yaml)'
        )
    return None
  units, trained = here.units, there.units
  if units in UNSTATED_UNITS or trained in UNSTATED_UNITS:
    return None
  if units != trained:
    start = f'the data are in {units}, its training clips in {trained}. '
    if not {units, trained} <= METRES.keys():
      return f'{start}Convert the data, or set --config.data.scale'
    scale = there.data.scale * METRES[trained] / METRES[units]
    if 1 / _MAX_RATIO < here.data.scale / scale < _MAX_RATIO:
      return None
    return (
      f'{start}Set --config.data.scale={scale:g} (here {here.data.scale:g})'
    )
  if units == 'pixels' and sizes and trained_sizes:
    are_known = _UNKNOWN not in sizes + trained_sizes
    if are_known and not set(sizes) <= set(trained_sizes):
      return (
        f'the images have up to {_largest(sizes)} pixels, those of its training'
        f' clips up to {_largest(trained_sizes)}. Use'
        ' --config.data.normalize=clean in both, or set --config.data.scale'
      )
  return None


def _largest(sizes):
  width, height = max(sizes)
  return f'{width} x {height}'
