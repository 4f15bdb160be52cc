"""MediaPipe's pose landmarks, as users write them to JSON.

MediaPipe itself writes no file. Read are a list of frames, or an object with
"frames" (a list, or an object of frames by number) and the `width` and
`height` of the image, where a frame is

  [{"x": 0.5, "y": 0.4, "z": -0.1, "visibility": 0.99}, ...]  one person
  [[0.5, 0.4, -0.1, 0.99], ...]                               likewise
  [[...], [...]]                                              several
  {"landmarks": any of these}      or another of _KEYS, maybe with "frame": 7
  null, or []                                                 nobody

x and y are fractions of the image's width and height; z is about in the units
of x, relative to the hips. World landmarks are in metres.
"""

import operator
from typing import Any

import numpy as np

from unik_jax.data.formats.user import people
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError

_WORLD = ('pose_world_landmarks', 'poseWorldLandmarks')
_KEYS = (
  'landmarks',
  'pose_landmarks',
  'poseLandmarks',
  'landmark',
  'keypoints',
  *_WORLD,
)
_NUMBERS = ('frame', 'frame_id', 'frame_index')
_PLACES = ('id', 'index')
_SIZES = (('width', 'height'), ('frame_width', 'frame_height'))
_AXES = ('x', 'y', 'z', 'visibility')
_SURE = ('visibility', 'score', 'confidence')  # one of them is a channel
_FAR = 5  # image widths, which nobody is outside the image


def is_it(data: Any) -> bool:
  """Whether the value of a JSON file is of this form."""
  frames = _frames(data)
  if frames is None:
    return False
  return not frames[0] or _people(frames[0][0]) is not None


def parse(
  data: dict | list,
  where: str,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
) -> Found:
  """One clip, in image widths (of world landmarks, in metres).

    (x, y, z) -> (x, y height / width, z)

  so that bodies keep their shape whatever the image's; where its size is not
  known, it is taken to be square. Persons are told apart by where they are
  (`people.tracks`). Frames that have a number are put in its place.

  Args:
    data: the value of the JSON file, integers as floats.
    where: the file, to be named in errors.
    persons: how many are kept.
    image_size: (width, height), where the file does not say.

  Returns:
    (M, T, V, C): x, y and as far as given z and visibility.

  Raises:
    UserError: a landmark is not of the form, frames differ in kind, or
      coordinates are in pixels.
  """
  frames, numbers = _frames(data)
  if numbers is None:
    frames, numbers = _numbered(frames, where)
  places = people.places(numbers) if numbers else np.arange(len(frames))
  poses, times, axes, order = [], [], None, None
  for t, (frame, place) in enumerate(zip(frames, places, strict=True)):
    found = _people(frame)
    if found is None:
      raise UserError(
        f'{where}, frame {t}: not a list of landmarks (null where nobody is'
        ' seen)'
      )
    for m, person in enumerate(found):
      here = f'{where}, frame {t}, person {m}'
      axes = axes or _axes_of(person[0])
      pose, marks = _pose(person, axes, here)
      if poses and len(pose) != len(poses[0]):
        raise UserError(
          f'{here}: {len(pose)} landmarks, where those before have'
          f' {len(poses[0])}; write the file again'
        )
      if poses and marks != order:
        raise UserError(
          f'{here}: other id or index of landmarks than before; write the same'
          ' ones for all frames'
        )
      order = marks
      poses.append(pose)
      times.append(place)
  if not poses:
    raise people.Nobody(
      f'{where}: nobody is seen in any of {len(frames)} frames; remove this'
      ' clip',
      len(frames),
    )
  poses = np.stack(poses)
  if np.mean(np.abs(poses[..., :2]).max(-1) > _FAR) > 0.5:
    raise UserError(
      f'{where}: x and y are pixels, it seems, where fractions of the image'
      ' are due; divide them by its width and height'
    )
  world = any(map(_is_world, frames))
  width, height = stated_size(data, where) or image_size or (1, 1)
  if not world:
    poses[..., 1] *= height / width
  confidence = axes[-1] in _SURE
  clip = people.tracks(
    poses,
    np.array(times),
    None,
    length=int(max(places)) + 1,
    persons=persons,
    confidence=confidence,
  )
  layout = 'mediapipe_33' if clip.shape[2] == 33 else ''
  units = 'metres' if world else 'image widths'
  return Found(clip, confidence, layout, units, (1, 1))


def _frames(data):
  """(frames, their numbers or None), or None where there are none."""
  frames = data
  if isinstance(data, dict) and 'frames' in data:
    frames = data['frames']
  if isinstance(frames, list):
    return frames, None
  if isinstance(frames, dict) and frames:
    if all(key.isdecimal() and len(key) < 10 for key in frames):
      return list(frames.values()), list(map(int, frames))
  return None


def _numbered(frames, where):
  """Frames, and the number that each has of its own, if they have any."""
  numbers = [_first(frame, _NUMBERS) for frame in frames]
  if all(number is None for number in numbers):
    return frames, None
  # Where others have a number, null says nothing.
  rows = [(f, n) for f, n in zip(frames, numbers, strict=True) if f is not None]
  kind = type(next(n for n in numbers if n is not None))
  for t, (_, number) in enumerate(rows):
    if type(number) is not kind or kind not in (str, float):
      raise UserError(
        f'{where}, record {t}: its frame is {number!r}; give the number of the'
        ' frame in all of them, or in none'
      )
    if kind is float and not number.is_integer():
      raise UserError(
        f'{where}, record {t}: its frame is {number}, no whole number; count'
        ' frames there'
      )
  names = [number if kind is str else int(number) for _, number in rows]
  return [frame for frame, _ in rows], names


def _first(value, keys):
  if isinstance(value, dict):
    return next((value[key] for key in keys if key in value), None)
  return None


def stated_size(data: Any, where: str) -> tuple[int, int] | None:
  """(width, height) that the file states, or None."""
  if not isinstance(data, dict):
    return None
  for table in (data, data.get('metadata')):
    for keys in _SIZES if isinstance(table, dict) else ():
      if size := people.image_size([table.get(key) for key in keys], where):
        return size
  return None


def _is_world(frame):
  return isinstance(frame, dict) and _key_of(frame) in _WORLD


def _people(frame):
  """Lists of landmarks, one a person; None where the frame is no such thing."""
  frame = _unwrapped(frame)
  if frame is None or frame == []:
    return []
  if not isinstance(frame, list):
    return None
  if not _axes_of(frame[0]):
    frame = [_unwrapped(person) for person in frame]
  else:
    frame = [frame]
  good = all(
    isinstance(person, list) and person and _axes_of(person[0])
    for person in frame
  )
  return frame if good else None


def _key_of(value):
  return next((key for key in _KEYS if key in value), None)


def _unwrapped(value):
  """What {"landmarks": ...} holds; an object without them as it is."""
  while isinstance(value, dict) and _key_of(value):
    value = value[_key_of(value)]
  return value


def _axes_of(mark):
  """The channels of a landmark; empty where it is none."""
  if isinstance(mark, dict) and {'x', 'y'} <= mark.keys():
    sure = [key for key in _SURE if key in mark][:1]
    return tuple(axis for axis in (*_AXES[:3], *sure) if axis in mark)
  if isinstance(mark, list) and 2 <= len(mark) <= 4:
    if not any(isinstance(value, dict | list) for value in mark):
      return _AXES[: len(mark)]
  return ()


def _pose(person, axes, where):
  """(V, C) of a person's landmarks, and the id of each (None without)."""
  places = [_first(mark, _PLACES) for mark in person]
  order = None
  if any(place is not None for place in places):
    if not all(type(place) is float for place in places) or len(
      set(places)
    ) < len(places):
      raise UserError(
        f'{where}: landmarks have an id or index each, all different numbers,'
        ' or none; write the file again'
      )
    order = sorted(places)
    person = [person[i] for i in np.argsort(places)]
  rows = person
  try:
    if isinstance(person[0], dict):
      rows = list(map(operator.itemgetter(*axes), person))
    pose = np.array(rows)
  except (TypeError, KeyError, ValueError):
    pose = np.zeros(0)
  if pose.shape == (len(person), len(axes)) and pose.dtype.kind == 'f':
    return pose, order
  good = [
    type(mark) is type(person[0])
    and _axes_of(mark) == axes
    and all(type(v) is float for v in _numbers(mark, axes))
    for mark in person
  ]
  bad = good.index(False)
  raise UserError(
    f'{where}: landmark {bad} is {str(person[bad])[:60]}, where numbers'
    f' {", ".join(axes)} are due'
  )


def _numbers(mark, axes):
  return [mark[axis] for axis in axes] if isinstance(mark, dict) else mark
