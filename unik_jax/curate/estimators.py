"""The output of a pose estimator for a folder of videos, read.

An expert is a folder with an entry for each video: what `skeleton_folder`
reads (docs/own_data.md has the formats), or LCR-Net's JSON. Which joint is
where follows from the format, or stands in a layout.yaml in that folder.
"""

import dataclasses
import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from unik_jax.curate import reference
from unik_jax.data import raw_files
from unik_jax.data.formats import lcrnet
from unik_jax.data.formats.user import (
  alphapose,
  json_files,
  mediapipe,
  openpose,
  people,
  recordings,
  settings,
)
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import LAYOUTS, Layout, get_layout

BODIES = 16  # read of a file at most; more are crumbs of a crowd
_ALPHAPOSE = 'alphapose-results'  # what AlphaPose calls all its files
_OTHER = ('__MACOSX', '__pycache__', 'manifest.csv', 'manifest.json')
_MOST_FRAMES = 100_000  # an hour; a frame's number beyond is a date
_COMMON = 'unik_17'  # where experts have several layouts: Posetics' own


@dataclasses.dataclass(frozen=True)
class Expert:
  """A pose estimator, by the folder of its output.

  Attributes:
    folder: of the output.
    layout: of the joints, where layout.yaml says; None where formats do.
    confidence: whether the last channel of an array is one; None to find out.
  """

  folder: str
  layout: Layout | None = None
  confidence: bool | None = None

  @property
  def name(self) -> str:
    return pathlib.Path(self.folder).name


class Bodies(NamedTuple):
  """What an expert sees in a video.

  Attributes:
    poses: (M, T, V, 3) in pixels, zeros where missing; in which row a body
      stands means nothing.
    is_whole: whether the file tells how many frames the video has. AlphaPose's
      ends with the last frame in which somebody is seen.
    image_size: (width, height) in pixels, where the file tells.
  """

  poses: np.ndarray
  is_whole: bool
  image_size: tuple[int, int] | None = None


def open_expert(folder: str | os.PathLike) -> Expert:
  """The expert of a folder; a UserError where it or its layout.yaml is bad."""
  path = pathlib.Path(folder).expanduser()
  if not path.is_dir():
    raise UserError(f'{path}: no such folder; name one for each expert')
  stated = settings.read(path)
  return Expert(str(path), stated.layout, stated.confidence)


def find(expert: Expert) -> dict[str, recordings.Source]:
  """The videos' entries by the videos' names: paths below the folder.

  Raises:
    UserError: none there, or a video has two.
  """
  found = {}
  for source in _entries(expert.folder):
    path = pathlib.Path(str(source)).relative_to(expert.folder)
    if source.clip is None and not os.path.isdir(source.path):
      path = path.with_suffix('')
      if path.name == _ALPHAPOSE and path.parent.name:
        path = path.parent
    name = path.as_posix()
    if name in found:
      raise UserError(
        f'{source}: video {name!r} has another file, {found[name]}; remove one'
        ' of the two'
      )
    found[name] = source
  if not found:
    raise UserError(
      f'{expert.folder}: no video in this folder; looked for were'
      f" {', '.join(recordings.SUFFIXES)} and OpenPose's *{openpose.SUFFIX}"
    )
  return found


def _entries(root):
  """All entries below a folder, a folder at a time: frames may be millions."""
  visited = set()
  for folder, folders, names in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    if real in visited:  # links may lead in a circle
      folders.clear()
      continue
    visited.add(real)
    folders[:] = [name for name in folders if _is_seen(name)]
    names = [name for name in names if _is_seen(name)]
    frames = [name for name in names if name.endswith(openpose.SUFFIX)]
    videos = set(map(openpose.clip_of, frames))
    for video in videos:
      yield recordings.Source(folder, None if len(videos) == 1 else video)
    for name in names:
      if name.lower().endswith(recordings.SUFFIXES):
        if not name.endswith(openpose.SUFFIX):
          yield recordings.Source(os.path.join(folder, name))


def _is_seen(name):
  return not name.startswith('.') and name not in _OTHER


def common_layout(
  experts: list[Expert], entries: list[list[recordings.Source]]
) -> Layout:
  """The layout that all experts have, or else the 17 joints of Posetics.

  Args:
    experts: of the videos.
    entries: some of each, of which the first that can be read tells.

  Raises:
    UserError: none of an expert's can be read; the first one's error.
  """
  layouts = set()
  for expert, some in zip(experts, entries, strict=True):
    problem = None
    for entry in some:
      try:
        layouts.add(_layout(_find(expert, entry), expert, entry))
        break
      except people.Nobody:
        continue
      except UserError as error:
        problem = problem or error
    else:
      if problem:
        raise problem
  return layouts.pop() if len(layouts) == 1 else get_layout(_COMMON)


def read(
  expert: Expert,
  source: recordings.Source,
  layout: Layout,
  *,
  image_size: tuple[int, int] | None = None,
  first_frame: int = 0,
) -> Bodies:
  """All bodies in a video, in a layout.

  Args:
    expert: who has seen them.
    source: the video's entry.
    layout: that they are to have; joints that cannot be made of the expert's
      are missing.
    image_size: (width, height) in pixels, where the file does not say; needed
      for MediaPipe, which counts in fractions of the image.
    first_frame: the number of a video's first frame, where the format names
      frames and leaves out those without anybody (AlphaPose: 0).

  Raises:
    UserError: as the reader of the format, NaN in a part of a joint, or
      coordinates that are not in the image.
  """
  where = str(source)
  source = dataclasses.replace(source, image_size=image_size)
  try:
    found = _find(expert, source, first_frame)
  except people.Nobody as nobody:
    return Bodies(
      np.zeros((0, nobody.frames, layout.num_joints, 3)), nobody.frames > 0
    )
  own_layout = _layout(found, expert, source)
  if found.keypoints.shape[2] != own_layout.num_joints:
    raise UserError(
      f'{where}: {found.keypoints.shape[2]} joints, where layout'
      f' {own_layout.name!r} of {expert.folder} has {own_layout.num_joints}'
    )
  clip, confidence = found.keypoints, found.confidence
  if found.is_open and clip.shape[-1] == 3 and expert.confidence is None:
    confidence = True
  clip = people.without_missing(clip, confidence, own_layout, where)
  clip = _flat(clip, confidence, found, where)
  size = found.image_size
  if found.units == 'image widths':
    size = found.stated_size or image_size
    if size is None:
      raise UserError(
        f'{where}: coordinates are fractions of the image; say its size with'
        ' --image_size=WIDTH,HEIGHT, or as width and height in --labels'
      )
    clip[..., :2] *= size[0]
  clip = joint_maps.convert_clip(
    clip, own_layout, layout, confidence=True, partial=True
  )
  seen = np.isfinite(reference.points_of(clip)[..., :1])
  return Bodies(np.where(seen, clip, 0), found.is_whole, size or image_size)


class _Read(NamedTuple):
  """As `people.Found`, with what curation needs besides."""

  keypoints: np.ndarray
  confidence: bool
  layout: str
  units: str
  image_size: tuple[int, int] | None
  is_open: bool
  is_whole: bool = True
  stated_size: tuple[int, int] | None = None


def _find(expert, source, first_frame=0):
  path, options = source.path, {'persons': BODIES}
  if os.path.isdir(path) or not path.lower().endswith('.json'):
    found = recordings.find(
      source, expert.layout, confidence=expert.confidence, **options
    )
    return _Read(*found[:6])
  file = raw_files.RawFile(path)
  content = file.read_bytes()
  if b'"pose2d"' in content:
    poses = lcrnet.parse_poses(content, path, **options)
    return _Read(poses.astype(float), False, 'lcrnet_13', 'pixels', None, False)
  data = json_files.load(file)
  found = json_files.parse(data, path, BODIES, source.image_size)
  if alphapose.is_it(data):
    clip = _in_place(found.keypoints, data, first_frame, path)
    found = found._replace(keypoints=clip)
    return _Read(*found[:6], is_whole=False)
  stated = None
  if found.units == 'image widths':
    stated = mediapipe.stated_size(data, path)
  return _Read(*found[:6], stated_size=stated)


def _in_place(clip, data, first_frame, where):
  """AlphaPose's frames by their numbers: those before the first are not in it.

  `alphapose.parse` begins with the first frame that is named, and leaves the
  step between frames out where only every second or third is.
  """
  names = {body['image_id'] for body in data}
  numbers = [
    re.findall('[0-9]{1,18}', os.path.splitext(name)[0])
    if isinstance(name, str)
    else [int(name)]
    for name in names
  ]
  if not all(numbers):
    return clip
  numbers = sorted({int(found[-1]) for found in numbers})
  first, last = numbers[0] - first_frame, numbers[-1] - first_frame
  if last >= _MOST_FRAMES:
    return clip
  if first < 0:
    raise UserError(
      f'{where}: frame {numbers[0]}, where --first_frame={first_frame} says'
      ' that counting begins later; correct one of them'
    )
  length = clip.shape[1]
  if length > 1 and (last - first) % (length - 1):
    return clip
  step = (last - first) // max(length - 1, 1) or 1
  out = np.zeros((len(clip), last + 1, *clip.shape[2:]))
  out[:, first : last + 1 : step] = clip
  return out


def _layout(found, expert, source):
  if expert.layout:
    if found.layout not in ('', expert.layout.name):
      raise UserError(
        f'{source}: its format has the joints of {found.layout!r}, but'
        f' {expert.folder}/{settings.NAME} says {expert.layout.name!r}; correct'
        ' that, or leave `layout` out'
      )
    return expert.layout
  if found.layout:
    return LAYOUTS[found.layout]
  if found.keypoints.shape[2] == 17:  # of what has several, the usual one
    return get_layout('coco_17')
  return recordings.layout_of(found, source)


def _flat(clip, confidence, found, where):
  """(M, T, V, 3): x, y and a confidence from 0 to 1."""
  if found.units == 'metres' or clip.shape[-1] - confidence != 2:
    if found.units != 'image widths':
      raise UserError(
        f'{where}: poses in space, where those in the image are needed; write'
        ' x, y and a confidence'
      )
  if not confidence:
    seen = clip.any(-1, keepdims=True)
    return np.concatenate([clip[..., :2], seen], -1)
  sure = clip[..., -1:]
  if sure.max(initial=0) == 2 and np.isin(sure, (0, 1, 2)).all():
    sure = sure / 2  # COCO's visibility
  elif found.is_open and (sure.min(initial=0) < 0 or sure.max(initial=0) > 2):
    raise UserError(
      f'{where}: the third of three channels goes from {sure.min():g} to'
      f' {sure.max():g}, which is no confidence; write x, y and a confidence'
      ' from 0 to 1'
    )
  return np.concatenate([clip[..., :2], np.clip(sure, 0, 1)], -1)
