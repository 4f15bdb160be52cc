"""MediaPipe's pose landmarks, as users write them to JSON.

MediaPipe itself writes no file. Supported are a list of frames, or an object
with "frames" (a list, or an object of frames by number) and the `width` and
`height` of the image. A frame is one of

  [{"x": 0.5, "y": 0.4, "z": -0.1, "visibility": 0.99}, ...]  one person
  [[0.5, 0.4, -0.1, 0.99], ...]                               one person
  [[...], [...]]                                              several persons
  {"landmarks": any of these}      or another of _KEYS, maybe with "frame": 7
  null, or []                                                 nobody

x and y are fractions of the image's width and height. z is roughly in the units
of x, relative to the hips. World landmarks are in metres.
"""

import operator
from typing import Any

import numpy as np

from unik_jax.data.formats.user.fields import parse_image_size
from unik_jax.data.formats.user.frame_names import FramePlaces, place_frames
from unik_jax.data.formats.user.keypoints import (
  NobodySeenError,
  ParsedClip,
  check_channels,
)
from unik_jax.data.formats.user.scale import FRACTIONS, scale_fractions
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

_WORLD_KEYS = ('pose_world_landmarks', 'poseWorldLandmarks')
# MediaPipe's own names; landmarks under others may be of any program.
_IMAGE_KEYS = ('pose_landmarks', 'poseLandmarks')
_OWN_KEYS = (*_IMAGE_KEYS, *_WORLD_KEYS)
_KEYS = ('landmarks', *_IMAGE_KEYS, 'landmark', 'keypoints', *_WORLD_KEYS)
_NUMBER_KEYS = ('frame', 'frame_id', 'frame_index')
_ID_KEYS = ('id', 'index')
_SIZE_KEYS = (('width', 'height'), ('frame_width', 'frame_height'))
_AXES = ('x', 'y', 'z', 'visibility')
_CONFIDENCES = ('visibility', 'score', 'confidence')  # the first one present
# A body this many image widths away is not in the image: x and y are pixels.
_MAX_DISTANCE = 5


def is_mediapipe(data: Any) -> bool:
  """Returns whether a JSON value has this format."""
  frames = split_frames(data)
  if frames is None:
    return False
  return not frames[0] or parse_persons(frames[0][0]) is not None


def parse_mediapipe(
  data: dict | list,
  where: str,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
  confidence: bool | None = None,
) -> ParsedClip:
  """Returns the clip of a list of frames, in pixels, image widths or metres.

  Image landmarks are scaled (`scale_fractions`) if the image's size is known.
  World landmarks stay in metres. Persons are linked from frame to frame
  (`track_persons`). Frame numbers, if given, decide where frames go.

  Args:
    data: the JSON value, integers as floats.
    where: the file, for errors.
    persons: maximum number of persons.
    image_size: (width, height), for files that do not state it.
    confidence: whether the last number of landmarks without keys, and not under
      a name of MediaPipe's, is a confidence; None means that the fourth of four
      is.

  Returns:
    (M, T, V, C): x, y, and z and visibility if present.

  Raises:
    UserError: a landmark has another form, frames differ in kind or are both
      in the image and in metres, or coordinates are in pixels.
  """
  frames, numbers = split_frames(data) or ([], None)
  if numbers is None:
    frames, numbers = _number_frames(frames, where)
  places = FramePlaces(np.arange(len(frames)))
  if numbers:
    places = place_frames(numbers, where)
  poses, times, first_ids = [], [], None
  axes: tuple[str, ...] = ()
  is_open = False
  for t, (frame, index) in enumerate(zip(frames, places.indices, strict=True)):
    bodies = parse_persons(frame)
    if bodies is None:
      raise UserError(
        f'{where}, frame {t}: expected a list of landmarks, or null if nobody'
        ' is seen'
      )
    for m, body in enumerate(bodies):
      place = f'{where}, frame {t}, person {m}'
      if not axes:
        axes, is_open = axes_of(body[0]), _is_open(frame, body[0])
      pose, ids = _parse_pose(body, axes, place)
      if poses and len(pose) != len(poses[0]):
        raise UserError(
          f'{place}: expected {len(poses[0])} landmarks, as before, got'
          f' {len(pose)}. Write the file again'
        )
      if poses and ids != first_ids:
        raise UserError(
          f'{place}: id or index: expected the same landmarks as before. Write'
          ' the same ones for all frames'
        )
      first_ids = ids
      poses.append(pose)
      times.append(index)
  if not poses:
    raise NobodySeenError.in_file(where, len(frames))
  poses = np.stack(poses)
  if np.mean(np.abs(poses[..., :2]).max(-1) > _MAX_DISTANCE) > 0.5:
    raise UserError(
      f'{where}: expected x and y as fractions of the image, got what looks'
      ' like pixels. Divide them by its width and height'
    )
  if is_open:
    confidence = check_channels(len(axes), confidence, where)
  else:
    confidence = axes[-1] in _CONFIDENCES
  size, units = read_image_size(data, where) or image_size, FRACTIONS
  is_world = {_is_world(frame) for frame in frames if parse_persons(frame)}
  if len(is_world) > 1:
    raise UserError(
      f'{where}: expected either image or world landmarks, got frames of both.'
      ' Write the same in all frames'
    )
  if any(is_world):
    size, units = None, 'metres'
  elif size:
    poses, units = scale_fractions(poses, len(axes) - confidence, size)
  clip = track_persons(
    poses,
    np.array(times),
    None,
    length=int(max(places.indices)) + 1,
    persons=persons,
    confidence=confidence,
  )
  layout = 'mediapipe_33' if clip.shape[2] == 33 else ''
  return ParsedClip(
    clip,
    confidence,
    layout,
    units,
    size,
    is_open=is_open,
    notes=places.notes,
  )


def read_image_size(data: Any, where: str) -> tuple[int, int] | None:
  """Returns the (width, height) that the file states, or None."""
  if not isinstance(data, dict):
    return None
  for table in (data, data.get('metadata')):
    if not isinstance(table, dict):
      continue
    for keys in _SIZE_KEYS:
      if size := parse_image_size([table.get(key) for key in keys], where):
        return size
  return None


def split_frames(data: Any) -> tuple[list, list[int] | None] | None:
  """Returns (frames, their numbers or None), or None if there are no frames."""
  frames = data
  if isinstance(data, dict) and 'frames' in data:
    frames = data['frames']
  if isinstance(frames, list):
    return frames, None
  if isinstance(frames, dict) and frames:
    if all(key.isdecimal() and len(key) < 10 for key in frames):
      return list(frames.values()), list(map(int, frames))
  return None


def _number_frames(frames, where):
  """Returns the frames, and the number that each states, or None."""
  numbers = [_first_value(frame, _NUMBER_KEYS) for frame in frames]
  if all(number is None for number in numbers):
    return frames, None
  # Among numbered frames, null has no place in time, and is dropped.
  rows = [(f, n) for f, n in zip(frames, numbers, strict=True) if f is not None]
  kind = type(next(n for n in numbers if n is not None))
  for t, (_, number) in enumerate(rows):
    if type(number) is not kind or kind not in (str, float):
      raise UserError(
        f'{where}, record {t}: frame: expected a number, as in other frames,'
        f' got {number!r}. Number all frames, or none'
      )
    if kind is float and not number.is_integer():
      raise UserError(
        f'{where}, record {t}: frame: expected a whole number, got {number}.'
        ' Number the frames instead of giving times'
      )
  names = [number if kind is str else int(number) for _, number in rows]
  return [frame for frame, _ in rows], names


def _first_value(table, keys):
  if isinstance(table, dict):
    return next((table[key] for key in keys if key in table), None)
  return None


def _is_world(frame):
  return isinstance(frame, dict) and _landmarks_key(frame) in _WORLD_KEYS


def _is_open(frame, landmark):
  """Returns whether it is not defined what a landmark's numbers mean."""
  if isinstance(landmark, dict):
    return False
  return not isinstance(frame, dict) or _landmarks_key(frame) not in _OWN_KEYS


def parse_persons(frame: Any) -> list[list] | None:
  """Returns a list of landmarks per person; None if it is not a frame."""
  frame = _unwrap(frame)
  if frame is None or frame == []:
    return []
  if not isinstance(frame, list):
    return None
  if axes_of(frame[0]):
    frame = [frame]
  else:
    frame = [_unwrap(person) for person in frame]
  is_valid = all(
    isinstance(person, list) and person and axes_of(person[0])
    for person in frame
  )
  return frame if is_valid else None


def _landmarks_key(value):
  return next((key for key in _KEYS if key in value), None)


def _unwrap(value):
  """Returns what {"landmarks": ...} holds, and any other value unchanged."""
  while isinstance(value, dict) and _landmarks_key(value):
    value = value[_landmarks_key(value)]
  return value


def axes_of(landmark: Any) -> tuple[str, ...]:
  """Returns the channels of a landmark; empty if it is not one."""
  if isinstance(landmark, dict) and {'x', 'y'} <= landmark.keys():
    confidence = [key for key in _CONFIDENCES if key in landmark][:1]
    return tuple(axis for axis in (*_AXES[:3], *confidence) if axis in landmark)
  if isinstance(landmark, list) and 2 <= len(landmark) <= 4:
    if not any(isinstance(value, dict | list) for value in landmark):
      return _AXES[: len(landmark)]
  return ()


def _parse_pose(person, axes, where):
  """Returns (V, C), and the sorted ids of the landmarks, or None."""
  ids = [_first_value(landmark, _ID_KEYS) for landmark in person]
  sorted_ids = None
  if any(i is not None for i in ids):
    if not all(type(i) is float for i in ids) or len(set(ids)) < len(ids):
      raise UserError(
        f'{where}: id or index: expected a different number for each landmark,'
        ' or none at all. Write the file again'
      )
    sorted_ids = sorted(ids)
    person = [person[i] for i in np.argsort(ids)]
  rows = person
  try:
    if isinstance(person[0], dict):
      rows = list(map(operator.itemgetter(*axes), person))
    pose = np.array(rows)
  except (TypeError, KeyError, ValueError):
    pose = np.zeros(0)
  if pose.shape == (len(person), len(axes)) and pose.dtype.kind == 'f':
    return pose, sorted_ids
  # The person is malformed: find the first bad landmark, for the error.
  is_valid = [
    type(landmark) is type(person[0])
    and axes_of(landmark) == axes
    and all(type(v) is float for v in _values(landmark, axes))
    for landmark in person
  ]
  bad = is_valid.index(False)
  raise UserError(
    f'{where}: landmark {bad}: expected numbers {", ".join(axes)}, got'
    f' {str(person[bad])[:60]}'
  )


def _values(landmark, axes):
  if isinstance(landmark, dict):
    return [landmark[axis] for axis in axes]
  return landmark
