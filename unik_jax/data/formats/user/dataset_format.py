"""The common format of a dataset's clips, detected from its files."""

import dataclasses
from collections.abc import Iterable

from unik_jax.data.formats.user.keypoints import (
  may_be_confidence,
  present_joints,
)
from unik_jax.data.formats.user.layout_inference import infer_layout
from unik_jax.data.formats.user.recordings import ClipSource, parse_clip
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


@dataclasses.dataclass(frozen=True)
class DatasetFormat:
  """The format that all clips of a dataset share.

  Attributes:
    layout: joint layout.
    channels: C, including the confidence.
    confidence: whether the last channel is a confidence.
    persons: M, the maximum number of persons in a clip.
    units: units of the coordinates.
    layout_is_assumed: whether only the number of joints tells the layout.
  """

  layout: Layout
  channels: int
  confidence: bool
  persons: int
  units: str
  layout_is_assumed: bool = False


def detect_format(
  sources: Iterable[ClipSource],
  *,
  layout: Layout | None = None,
  persons: int | None = None,
  confidence: bool | None = None,
) -> DatasetFormat:
  """Returns the format of the first clip that can be read.

  Args:
    sources: files of the clips, at least one.
    layout: the user's setting; None to infer it.
    persons: the user's setting; None for the highest number of persons in any
      clip, at most 2. Clips are read until one has 2.
    confidence: the user's setting, as in `parse_clip`.

  Raises:
    UserError: no clip can be read (the first clip's error), or the layout or
      the confidence cannot be inferred from the clip.
  """
  first, first_error, most = None, None, persons or 1
  is_stated = layout is not None
  for source in sources:
    try:
      clip = parse_clip(source, layout, confidence=confidence)
    except UserError as error:
      first_error = first_error or error
      continue
    first = first or clip
    layout = layout or infer_layout(clip, str(source))
    if confidence is None:
      _refuse_ambiguous_channels(clip, source)
    if persons:
      break
    present = present_joints(clip.keypoints, clip.confidence).any((1, 2))
    most = max(most, min(int(present.sum()), 2))
    if most == 2:
      break
  if first is None or layout is None:
    raise first_error or UserError('clips: expected at least one, got none')
  return DatasetFormat(
    layout=layout,
    channels=first.keypoints.shape[-1],
    confidence=first.confidence,
    persons=most,
    units=first.units or 'as in the files',
    layout_is_assumed=not is_stated and not first.layout,
  )


def _refuse_ambiguous_channels(clip, source):
  """Raises a UserError if the values do not tell what the last channel is."""
  keypoints = clip.keypoints
  if not clip.is_open or keypoints.shape[-1] not in (3, 4):
    return
  last = keypoints[..., -1][present_joints(keypoints, False)]
  low, high = (last.min(), last.max()) if last.size else (0, 0)
  if keypoints.shape[-1] == 3 and may_be_confidence(last):
    raise UserError(
      f'{source}: the third of three channels is from {low:g} to {high:g}, and'
      ' may be z or a confidence. Write `confidence: true` (x y confidence) or'
      ' `confidence: false` (x y z) into layout.yaml'
    )
  if keypoints.shape[-1] == 4 and low < 0:
    raise UserError(
      f'{source}: expected a confidence as the fourth of four channels, got'
      f' values from {low:g} to {high:g}. Remove the channel, or write'
      ' `confidence: true` into layout.yaml'
    )
