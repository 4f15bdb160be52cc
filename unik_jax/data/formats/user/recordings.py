"""A user's own recordings, in the formats that pose estimators write.

`read` makes a clip of one file (or, of OpenPose, of a folder of files);
`survey` finds out what the clips of a dataset have in common.
"""

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import Recording
from unik_jax.data.formats.user import (
  arrays,
  json_files,
  openpose,
  people,
  tables,
)
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, Layout

SUFFIXES = ('.npz', '.npy', '.csv', '.json')


@dataclasses.dataclass(frozen=True)
class Source:
  """Where a clip lies.

  Attributes:
    path: of the file, or the folder of an OpenPose clip's frames.
    clip: in such a folder, the files that begin with it; None for all.
    image_size: (width, height) in pixels, where the user says.
  """

  path: str
  clip: str | None = None
  image_size: tuple[int, int] | None = None

  def __str__(self) -> str:
    return (
      self.path if self.clip is None else os.path.join(self.path, self.clip)
    )


@dataclasses.dataclass(frozen=True)
class Form:
  """What all clips of a dataset have in common.

  Attributes:
    layout: of the joints.
    channels: C, with the confidence.
    confidence: whether the last channel is one.
    persons: M, how many a clip has room for.
    units: of the coordinates.
    notes: what the user should know of how they are read.
  """

  layout: Layout
  channels: int
  confidence: bool
  persons: int
  units: str
  notes: tuple[str, ...] = ()


def find(
  source: Source,
  layout: Layout | None = None,
  *,
  persons: int = 2,
  confidence: bool | None = None,
) -> Found:
  """What a clip's file holds.

  Args:
    source: the file.
    layout: of its joints, needed for tables alone.
    persons: how many are kept, where the file does not say who is who.
    confidence: whether the last channel of an array or a table without header
      is one; None to take the fourth of four channels for it.

  Raises:
    UserError: as the reader of its format, or no format that is known.
  """
  where = str(source)
  if os.path.isdir(source.path):
    return openpose.read_frames(source.path, source.clip, persons)
  file = raw_files.RawFile(source.path)
  suffix = os.path.splitext(file.name)[1].lower()
  if suffix in ('.npz', '.npy'):
    return arrays.parse_numpy(file.read_bytes(), where, confidence)
  if suffix == '.csv':
    return tables.parse_csv(
      file.read_bytes(), where, layout, persons=persons, confidence=confidence
    )
  if suffix != '.json':
    raise UserError(
      f'{where}: unknown suffix {suffix!r}; use one of {", ".join(SUFFIXES)},'
      f" or a folder of OpenPose's *{openpose.SUFFIX} files"
    )
  return json_files.parse_json(file, persons, source.image_size)


def read(
  source: Source,
  *,
  layout: Layout,
  persons: int = 2,
  channels: int | None = None,
  confidence: bool | None = None,
) -> Recording:
  """One clip.

  Args:
    source: the file.
    layout: of its joints.
    persons: M at most; of more, the most confident are kept, or of whom most
      is seen.
    channels: that the clip should have; None for any.
    confidence: whether the last of them is one; None as in `find`.

  Returns:
    (M, T, V, C) with zeros for missing joints and absent persons, and the
    image size where it is known.

  Raises:
    UserError: as `find` and `people.without_missing`; other joints than the
      layout's, by number or by the format; or other channels.
  """
  found = find(source, layout, persons=persons, confidence=confidence)
  clip = found.keypoints
  if clip.shape[2] != layout.num_joints:
    turned = clip.shape[1] == layout.num_joints
    raise UserError(
      f'{source}: {clip.shape[2]} joints, but layout {layout.name!r} has'
      f' {layout.num_joints}; {_advice(clip.shape[2], turned)}'
    )
  if found.layout not in ('', layout.name) and layout.name in BUILT_IN:
    raise UserError(
      f'{source}: its format has the joints of {found.layout!r}, but'
      f' layout.yaml says {layout.name!r}; correct that, or leave `layout` out'
    )
  if channels and (clip.shape[-1], found.confidence) != (channels, confidence):
    names = people.channel_names
    raise UserError(
      f'{source}: joints have {names(clip.shape[-1], found.confidence)}, but in'
      f' the first clip {names(channels, confidence)}; all clips of a dataset'
      ' have the same'
    )
  clip = people.without_missing(clip, found.confidence, layout, str(source))
  clip = people.strongest(clip, persons, found.confidence)
  return Recording(clip, found.image_size or source.image_size)


def survey(
  sources: Iterable[Source],
  *,
  layout: Layout | None = None,
  persons: int | None = None,
  confidence: bool | None = None,
  units: str = '',
) -> Form:
  """What the clips have in common, by the first of them that can be read.

  Args:
    sources: of the clips, at least one.
    layout: as the user says; None to find it.
    persons: likewise; None for the most that any clip has, at most 2. Clips
      are read until one has 2.
    confidence: likewise, as in `find`.
    units: likewise; '' to find them.

  Raises:
    UserError: no clip can be read (the first one's error), the layout does
      not follow from the clip, or whether it has a confidence does not.
  """
  first, problem, most = None, None, persons or 1
  for source in sources:
    try:
      found = find(source, layout, confidence=confidence)
    except UserError as error:
      problem = problem or error
      continue
    first = first or found
    layout = layout or layout_of(found, source)
    _check_guess(found, confidence, source)
    if persons:
      break
    present = people.seen(found.keypoints, found.confidence).any((1, 2))
    most = max(most, min(int(present.sum()), 2))
    if most == 2:
      break
  if first is None:
    raise problem
  return Form(
    layout=layout,
    channels=first.keypoints.shape[-1],
    confidence=first.confidence,
    persons=most,
    units=units or first.units or 'as in the files',
    notes=first.notes,
  )


def _check_guess(found, confidence, source):
  """Raises a UserError where a confidence would be taken for z."""
  clip = found.keypoints
  if not found.is_open or confidence is not None or clip.shape[-1] != 3:
    return
  flat = clip[~np.isnan(clip).any(-1)]
  if len(flat) and np.abs(flat[:, :2]).max() > 2:
    if flat[:, 2].min() >= 0 and flat[:, 2].max() <= 1:
      raise UserError(
        f'{source}: of three channels, the third is from 0 to 1 everywhere, and'
        ' may be z or a confidence; write `confidence: true` (x y confidence)'
        ' or `confidence: false` (x y z) into layout.yaml'
      )


def layout_of(found: Found, source: Source) -> Layout:
  """The built-in layout of a clip, where format or joint count leave one."""
  joints = found.keypoints.shape[2]
  fitting = [found.layout] if found.layout else _with_joints(joints)
  if len(fitting) != 1:
    turned = bool(_with_joints(found.keypoints.shape[1]))
    raise UserError(f'{source}: {joints} joints; {_advice(joints, turned)}')
  return LAYOUTS[fitting[0]]


def _with_joints(joints):
  """Names of the built-in layouts with so many joints."""
  return sorted(n for n in BUILT_IN if LAYOUTS[n].num_joints == joints)


def _advice(joints, turned):
  fitting = _with_joints(joints)
  order = ''
  if turned:
    order = 'is the order (frames, joints, channels)? If it is, '
  if not fitting:
    return (
      f'{order}no built-in layout has as many: describe yours in layout.yaml,'
      ' as docs/own_data.md shows'
    )
  return (
    f'{order}built-in layouts with as many: {", ".join(fitting)}. Write the one'
    ' that is yours into layout.yaml in the folder of the clips, as in `layout:'
    f' {fitting[0]}`, or describe your own there'
  )
