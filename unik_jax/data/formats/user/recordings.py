"""One clip of a user's own, read from a file of any supported format."""

import dataclasses
import os

from unik_jax.data import raw_files
from unik_jax.data.clips import Recording
from unik_jax.data.formats import ntu
from unik_jax.data.formats.user import (
  annotations,
  arrays,
  deeplabcut,
  frame_folders,
  hdf5,
  json_formats,
  named_points,
  stacks,
  tables,
)
from unik_jax.data.formats.user.keypoints import (
  ParsedClip,
  channel_names,
  note_unconfident,
  select_persons,
  zero_missing_joints,
)
from unik_jax.data.formats.user.layout_inference import advise_on_layout
from unik_jax.data.formats.user.scale import FRACTIONS, resolve_scale
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, Layout

SUFFIXES = ('.npz', '.npy', '.csv', '.json', '.skeleton', *hdf5.SUFFIXES)


@dataclasses.dataclass(frozen=True)
class ClipSource:
  """The file or files that hold a clip.

  Attributes:
    path: path of the file, or of the folder with a clip's frames.
    clip: prefix of the frames' file names in such a folder, None for all; or
      the place of a clip in a file of several (`stacks.Stack.clip_names`,
      `annotations.list_clips`).
    image_size: (width, height) in pixels, if the user states it.
    units: units of the coordinates, in formats that do not define them.
    checks_units: whether a format that defines other units is an error.
    confidence: whether the last channel is a confidence, in formats that do not
      define it; None if the user does not state it.
  """

  path: str
  clip: str | None = None
  image_size: tuple[int, int] | None = None
  units: str = ''
  checks_units: bool = False
  confidence: bool | None = None

  def __str__(self) -> str:
    return (
      self.path if self.clip is None else os.path.join(self.path, self.clip)
    )


def parse_clip(
  source: ClipSource,
  layout: Layout | None = None,
  *,
  persons: int = 2,
  confidence: bool | None = None,
) -> ParsedClip:
  """Returns the contents of a clip's file, scaled by `resolve_scale`.

  Args:
    source: the file.
    layout: joint layout of the clip; only tables need it.
    persons: maximum number of persons in formats that list bodies.
    confidence: whether the last channel is a confidence, in formats that do
      not define it; None means that the fourth of four channels is.

  Raises:
    UserError: the format is unknown, its reader refuses the file, or it has
      other units than stated (`ClipSource.checks_units`).
  """
  parsed = _parse_file(source, layout, persons, confidence)
  parsed = parsed._replace(units=parsed.units or source.units)
  scaled = resolve_scale(parsed, source.image_size, str(source))
  is_scaled = scaled.keypoints is not parsed.keypoints
  is_fraction = is_scaled or scaled.units == FRACTIONS
  check_units(source, FRACTIONS if is_fraction else parsed.units)
  return scaled


def check_units(source: ClipSource, units: str) -> None:
  """Raises a UserError if the user states other units than a file has.

  Args:
    source: the file, and what the user states.
    units: units of the file.
  """
  if source.checks_units and source.units != units:
    raise UserError(
      f'{source}: expected {source.units}, as in --units, got {units}.'
      ' Leave --units out for this file'
    )


def _parse_file(source, layout, persons, confidence):
  """Returns the contents of a clip's file, by its format."""
  where = str(source)
  if os.path.isdir(source.path):
    joints = layout.num_joints if layout else None
    return frame_folders.read_frames(source.path, source.clip, persons, joints)
  if source.clip is not None and source.path.endswith(annotations.SUFFIX):
    return annotations.read_annotation(source.path, source.clip, persons)
  if source.clip is not None:
    return stacks.read_stacked_clip(source.path, source.clip, where, confidence)
  file = raw_files.RawFile(source.path)
  suffix = os.path.splitext(file.name)[1].lower()
  if suffix in ('.npz', '.npy'):
    return arrays.parse_numpy(file.read_bytes(), where, confidence)
  if suffix == '.skeleton':
    keypoints = ntu.read_skeletons(file)
    return ParsedClip(keypoints.astype(float), False, 'ntu_25', 'metres')
  if suffix in hdf5.SUFFIXES:
    return hdf5.read_hdf5(source.path, where, persons)
  if suffix == '.csv' and deeplabcut.is_deeplabcut(file.read_bytes()):
    return deeplabcut.parse_csv(file.read_bytes(), where)
  if suffix == '.csv':
    return tables.parse_csv(
      file.read_bytes(), where, layout, persons=persons, confidence=confidence
    )
  if suffix != '.json':
    raise UserError(
      f'{where}: unknown suffix {suffix!r}. Use one of {", ".join(SUFFIXES)},'
      f' or a folder of {frame_folders.KINDS}'
    )
  joints = layout.num_joints if layout else None
  return json_formats.parse_json(
    file, persons, source.image_size, confidence, joints
  )


def read_recording(
  source: ClipSource,
  *,
  layout: Layout,
  persons: int = 2,
  channels: int | None = None,
  confidence: bool | None = None,
  uses_image_size: bool = True,
) -> Recording:
  """Returns one clip of a dataset.

  Args:
    source: the file.
    layout: joint layout of the clip.
    persons: M at most, chosen as in `keypoints.select_persons`.
    channels: expected number of channels; None for any.
    confidence: whether the last channel is a confidence; None as in
      `parse_clip`.
    uses_image_size: whether to keep the image's size.

  Returns:
    (M, T, V, C) with zeros for missing joints and absent persons, and the
    image size if it is known.

  Raises:
    UserError: from `parse_clip` or `zero_missing_joints`; or the number of
      joints, the format's layout or the channels differ from the arguments.
  """
  parsed = parse_clip(source, layout, persons=persons, confidence=confidence)
  _check_joints(parsed, layout, source)
  clip = parsed.keypoints
  if channels and (clip.shape[-1], parsed.confidence) != (channels, confidence):
    expected = channel_names(channels, bool(confidence))
    raise UserError(
      f'{source}: expected the channels {expected},'
      ' as in the first clip, got'
      f' {channel_names(clip.shape[-1], parsed.confidence)}. Give all clips of'
      ' a dataset the same'
    )
  notes = (*parsed.notes, *note_unconfident(clip, parsed.confidence))
  clip = zero_missing_joints(clip, parsed.confidence, layout, str(source))
  clip = select_persons(clip, persons, parsed.confidence)
  size = parsed.image_size if uses_image_size else None
  if parsed.units not in ('', 'pixels', FRACTIONS):
    size = None  # would not be in the units of the coordinates
  return Recording(clip, size, parsed.units, notes)


def _check_joints(parsed, layout, source):
  """Raises a UserError if a clip has other joints than the layout."""
  _, frames, joints, _ = parsed.keypoints.shape
  if joints != layout.num_joints:
    is_transposed = frames == layout.num_joints
    raise UserError(
      f'{source}: expected {layout.num_joints} joints, as layout'
      f' {layout.name!r} has, got {joints}:'
      f' {advise_on_layout(joints, is_transposed)}'
    )
  origin = 'layout.yaml or the first clip'
  named_points.check_points(parsed.layout, layout, origin, str(source))
  if named_points.is_named_points(parsed.layout):
    return
  if parsed.layout not in ('', layout.name) and layout.name in BUILT_IN:
    raise UserError(
      f'{source}: expected the joints of {layout.name!r}, as in layout.yaml,'
      f' got a format with those of {parsed.layout!r}. Correct `layout` there,'
      ' or leave it out'
    )
