"""Reads all bodies that an estimator found in a video.

Coordinates are converted to pixels, joints to one layout. Frames are placed so
that the files of all estimators line up.

Shape legend: M bodies, T frames, V joints.
"""

import dataclasses
import os
from typing import NamedTuple

import numpy as np

from unik_jax.curate import pose_statistics
from unik_jax.curate.estimators import Estimator
from unik_jax.data import raw_files
from unik_jax.data.formats import lcrnet
from unik_jax.data.formats.user import (
  alphapose,
  frame_names,
  json_formats,
  recordings,
  scale,
  settings,
)
from unik_jax.data.formats.user.keypoints import (
  NobodySeenError,
  may_be_confidence,
  zero_missing_joints,
)
from unik_jax.data.formats.user.layout_inference import infer_layout
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import LAYOUTS, Layout, get_layout

MAX_BODIES = 16  # read from a file; in a crowd, further ones are fragments
_MAX_FRAMES = 100_000  # an hour; a larger number in a file name is a date
_COMMON = 'unik_17'  # Posetics' layout, if estimators differ in theirs


class Bodies(NamedTuple):
  """All bodies that an estimator found in a video.

  Attributes:
    poses: (M, T, V, 3) x, y in pixels and confidence, zeros where missing. The
      row of a body has no meaning.
    has_all_frames: whether the file covers all frames of the video. AlphaPose's
      ends with the last frame that shows a body.
    image_size: (width, height) in pixels, None if unknown.
  """

  poses: np.ndarray
  has_all_frames: bool
  image_size: tuple[int, int] | None = None


def common_layout(
  estimators: list[Estimator], entries: list[list[recordings.ClipSource]]
) -> Layout:
  """Returns the layout that all estimators share, else 'unik_17' of Posetics.

  Args:
    estimators: the estimators whose layouts are compared.
    entries: a few entries of each; the first readable one gives its layout.

  Raises:
    UserError: no entry of an estimator can be read. It is the first error.
  """
  layouts = set()
  for estimator, candidates in zip(estimators, entries, strict=True):
    first_error = None
    for entry in candidates:
      try:
        parsed = _parse_entry(estimator, entry)
        layouts.add(_own_layout(parsed, estimator, entry))
        break
      except NobodySeenError:
        continue
      except UserError as error:
        first_error = first_error or error
    else:
      if first_error:
        raise first_error
  return layouts.pop() if len(layouts) == 1 else get_layout(_COMMON)


def read_bodies(
  estimator: Estimator,
  source: recordings.ClipSource,
  layout: Layout,
  *,
  image_size: tuple[int, int] | None = None,
  first_frame: int = 0,
) -> Bodies:
  """Returns all bodies in a video, converted to a joint layout.

  Args:
    estimator: the estimator that found the bodies.
    source: the video's entry.
    layout: target joint layout. Joints that the estimator lacks are missing.
    image_size: (width, height) in pixels, if the file does not give it. Needed
      for MediaPipe, whose coordinates are fractions of the image.
    first_frame: number of a video's first frame, for a format that numbers its
      frames and leaves out empty ones (AlphaPose: 0).

  Raises:
    UserError: the file is malformed, some coordinates of a joint are NaN and
      others are not, or coordinates are not in the image.
  """
  where = str(source)
  source = dataclasses.replace(source, image_size=image_size)
  try:
    parsed = _parse_entry(estimator, source, first_frame)
  except NobodySeenError as nobody:
    empty = np.zeros((0, nobody.frames, layout.num_joints, 3))
    return Bodies(empty, nobody.frames > 0)
  own_layout = _own_layout(parsed, estimator, source)
  if parsed.keypoints.shape[2] != own_layout.num_joints:
    raise UserError(
      f'{where}: expected the {own_layout.num_joints} joints of layout'
      f' {own_layout.name!r}, got {parsed.keypoints.shape[2]}. Correct'
      f' {estimator.folder}/{settings.FILE_NAME}'
    )
  clip, confidence = parsed.keypoints, parsed.confidence
  if parsed.is_open and clip.shape[-1] == 3 and estimator.confidence is None:
    # Curation takes poses in the image only, so the third of three undescribed
    # channels must be a confidence, if it is not MediaPipe's z.
    confidence = parsed.units != 'image widths' or may_be_confidence(
      clip[..., 2]
    )
  clip = zero_missing_joints(clip, confidence, own_layout, where)
  if parsed.units == scale.FRACTIONS:
    raise UserError(
      f'{where}: expected pixels, got fractions of the image. Give its size:'
      ' --image_size=WIDTH,HEIGHT, or columns width and height in --labels'
    )
  clip = _image_poses(clip, confidence, parsed, where)
  size = parsed.image_size or image_size
  if parsed.units == 'image widths' and size:
    clip[..., :2] *= size[0]
  clip = joint_maps.convert_clip(
    clip, own_layout, layout, confidence=True, partial=True
  )
  visible = np.isfinite(pose_statistics.visible_points(clip)[..., :1])
  return Bodies(np.where(visible, clip, 0), parsed.has_all_frames, size)


class _ParsedEntry(NamedTuple):
  """`ParsedClip`, with what only curation needs.

  Attributes:
    has_all_frames: as in `Bodies`.
  """

  keypoints: np.ndarray
  confidence: bool
  layout: str
  units: str
  image_size: tuple[int, int] | None
  is_open: bool
  has_all_frames: bool = True


def _parse_entry(estimator, source, first_frame=0):
  path = source.path
  if os.path.isdir(path) or not path.lower().endswith('.json'):
    clip = recordings.parse_clip(
      source,
      estimator.layout,
      confidence=estimator.confidence,
      persons=MAX_BODIES,
    )
    return _ParsedEntry(*clip[:6])
  file = raw_files.RawFile(path)
  content = file.read_bytes()
  if b'"pose2d"' in content:
    poses = lcrnet.parse_poses(content, path, persons=MAX_BODIES)
    return _ParsedEntry(
      poses.astype(float), False, 'lcrnet_13', 'pixels', None, False
    )
  data = json_formats.load_json(file)
  clip = json_formats.parse_json_value(
    data,
    path,
    MAX_BODIES,
    source.image_size,
    estimator.confidence,
    estimator.layout and estimator.layout.num_joints,
  )
  clip = scale.resolve_scale(clip, source.image_size, path)
  if alphapose.is_alphapose(data):
    keypoints = _place_frames(clip.keypoints, data, first_frame, path)
    clip = clip._replace(keypoints=keypoints)
    return _ParsedEntry(*clip[:6], has_all_frames=False)
  return _ParsedEntry(*clip[:6])


def _place_frames(clip, data, first_frame, where):
  """Returns AlphaPose's frames at the positions that their names give.

  `parse_alphapose` starts with the first named frame, and removes the step if
  only every second or third frame was processed. Files of other estimators have
  all frames, and must line up.
  """
  names = list({body['image_id'] for body in data})
  numbers = names
  if isinstance(names[0], str):
    numbers = frame_names.find_numbers(names, where)
    if numbers is None:
      return clip
  numbers = sorted(map(int, numbers))
  first, last = numbers[0] - first_frame, numbers[-1] - first_frame
  if last >= _MAX_FRAMES:
    return clip
  if first < 0:
    raise UserError(
      f'{where}: expected frames from --first_frame={first_frame}, got frame'
      f' {numbers[0]}. Correct --first_frame'
    )
  length = clip.shape[1]
  if length > 1 and (last - first) % (length - 1):
    return clip
  step = (last - first) // max(length - 1, 1) or 1
  placed = np.zeros((len(clip), last + 1, *clip.shape[2:]))
  placed[:, first : last + 1 : step] = clip
  return placed


def _own_layout(parsed, estimator, source):
  if estimator.layout:
    if parsed.layout not in ('', estimator.layout.name):
      raise UserError(
        f'{source}: expected the joints of {estimator.layout.name!r}, as in'
        f' {estimator.folder}/{settings.FILE_NAME}; the format has those of'
        f' {parsed.layout!r}. Remove `layout` from {settings.FILE_NAME}'
      )
    return estimator.layout
  if parsed.layout:
    return LAYOUTS[parsed.layout]
  if parsed.keypoints.shape[2] == 17:  # several layouts have 17 joints
    return get_layout('coco_17')
  return infer_layout(parsed, str(source))


def _image_poses(clip, confidence, parsed, where):
  """Returns (M, T, V, 3): x, y and a confidence from 0 to 1."""
  has_depth = clip.shape[-1] - confidence != 2
  if parsed.units == 'metres' or has_depth:
    if parsed.units != 'image widths':  # MediaPipe's z is dropped
      raise UserError(
        f'{where}: expected poses in the image, got poses in space. Write x, y'
        ' and a confidence'
      )
  if not confidence:
    present = clip.any(-1, keepdims=True)
    return np.concatenate([clip[..., :2], present], -1)
  scores = clip[..., -1:]
  if scores.max(initial=0) == 2 and np.isin(scores, (0, 1, 2)).all():
    scores = scores / 2  # COCO's visibility: 0 unlabelled, 1 hidden, 2 visible
  elif parsed.is_open and (
    scores.min(initial=0) < 0 or scores.max(initial=0) > 2
  ):
    raise UserError(
      f'{where}: expected a confidence from 0 to 1 in the third channel, got'
      f' values from {scores.min():g} to {scores.max():g}. Write x, y and a'
      ' confidence'
    )
  return np.concatenate([clip[..., :2], np.clip(scores, 0, 1)], -1)
