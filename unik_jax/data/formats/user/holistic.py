"""MediaPipe's holistic landmarks, as users write them to JSON: body and hands.

Frames are as in `mediapipe`, each with parts under MediaPipe's names:

  {"pose_landmarks": [33 landmarks], "left_hand_landmarks": [21],
   "right_hand_landmarks": [21], ...}

or poseLandmarks etc. A part that is not seen is null, [] or absent. Points of
the face are not read. z is not read either: the body's is relative to the hips,
a hand's to its wrist. Landmarks of hands have no visibility, or a constant one.
"""

from typing import Any

from unik_jax.data.formats.user import mediapipe
from unik_jax.errors import UserError

LAYOUT = 'mediapipe_75'
NOTE = (
  'body and hands are read, as x and y. `layout: mediapipe_33` reads the body'
  ' only, with z'
)
_POSE = ('pose_landmarks', 'poseLandmarks')
_LEFT = ('left_hand_landmarks', 'leftHandLandmarks')
_RIGHT = ('right_hand_landmarks', 'rightHandLandmarks')
_PARTS = ((_POSE, 33), (_LEFT, 21), (_RIGHT, 21))
_MISSING = {'x': 0.0, 'y': 0.0, 'visibility': 0.0}


def is_holistic(data: Any) -> bool:
  """Returns whether a frame of a JSON value has a body and hands."""
  frames, _ = mediapipe.split_frames(data) or ([], None)
  names = [frame.keys() for frame in frames if isinstance(frame, dict)]
  return any(
    not keys.isdisjoint(_POSE) and not keys.isdisjoint(_LEFT + _RIGHT)
    for keys in names
  )


def merge_parts(data: Any, where: str) -> Any:
  """Returns the same frames with 75 landmarks each: body, left, right hand.

  Args:
    data: the JSON value, for which `is_holistic` is true.
    where: the file, for errors.

  Returns:
    A value for `mediapipe.parse_mediapipe`, with x, y and visibility: that of
    the body's landmarks, 1 for those of hands, and 0 for parts not seen.

  Raises:
    UserError: a part has another number of landmarks, or several bodies.
  """
  if isinstance(data, dict) and 'frames' in data:
    return data | {'frames': merge_parts(data['frames'], where)}
  if isinstance(data, dict):
    return {key: _merge(data[key], f'{where}, frame {key}') for key in data}
  return [_merge(f, f'{where}, frame {t}') for t, f in enumerate(data)]


def _merge(frame, where):
  if not isinstance(frame, dict):
    return frame
  merged, is_seen = [], False
  for keys, count in _PARTS:
    place = f'{where}: {keys[0]}'
    part = next((frame[key] for key in keys if key in frame), None)
    bodies = mediapipe.parse_persons(part)
    if bodies == []:
      merged += [_MISSING] * count
      continue
    if bodies is None or len(bodies) > 1 or len(bodies[0]) != count:
      raise UserError(
        f'{place}: expected {count} landmarks of one person, or null, got'
        f' {str(part)[:60]}. Write the file again'
      )
    is_seen = True
    merged += [
      _parse_landmark(landmark, n, keys, place)
      for n, landmark in enumerate(bodies[0])
    ]
  return frame | {_POSE[0]: merged if is_seen else []}


def _parse_landmark(landmark, number, keys, where):
  """Returns a landmark's x, y and visibility."""
  axes, values, stated = mediapipe.axes_of(landmark), landmark, number
  if axes and isinstance(landmark, dict):
    values = [landmark[axis] for axis in axes]
    stated = landmark.get('id', landmark.get('index', number))
  if not axes or stated != number:
    raise UserError(
      f'{where}: expected landmark {number} with x and y, got'
      f' {str(landmark)[:60]}. Write the file again'
    )
  has_visibility = keys == _POSE and axes[-1] not in ('x', 'y', 'z')
  visibility = values[-1] if has_visibility else 1.0
  return {'x': values[0], 'y': values[1], 'visibility': visibility}
