"""AlphaPose's results: alphapose-results.json, a list of bodies.

Fang et al., "AlphaPose: Whole-Body Regional Multi-Person Pose Estimation and
Tracking in Real-Time", TPAMI 2022:

  [{"image_id": "0.jpg", "category_id": 1, "score": 2.9, "idx": [1.0],
    "keypoints": [x, y, confidence, ...]}, ...]

The list has no entry for a frame without a person. COCO's results format,
which other estimators write, is the same with numbers for `image_id`. PoseFlow,
AlphaPose's tracker, writes the bodies of each frame under the frame's name:

  {"0.jpg": [{"keypoints": [x, y, confidence, ...], "scores": 2.9, "idx": 1},
             ...], ...}

Files of tracked persons, as for ShanghaiTech's videos (MPED-RNN, STG-NF), have
the same bodies by person and frame:

  {"1": {"0": {"keypoints": [x, y, confidence, ...], "scores": 2.9}, ...}, ...}
"""

from typing import Any

import numpy as np

from unik_jax.data.formats.user.fields import parse_body
from unik_jax.data.formats.user.frame_names import place_frames
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

LAYOUTS = {  # by number of joints
  17: 'coco_17',
  26: 'halpe_26',
  133: 'coco_wholebody_133',
  136: 'halpe_136',
}


def is_alphapose(data: Any) -> bool:
  """Returns whether a JSON value has this format."""
  return (
    isinstance(data, list)
    and bool(data)
    and isinstance(data[0], dict)
    and {'image_id', 'keypoints'} <= data[0].keys()
  )


def is_poseflow(data: Any) -> bool:
  """Returns whether a JSON value has PoseFlow's format."""
  if not isinstance(data, dict):
    return False
  bodies = [
    body for frame in data.values() if isinstance(frame, list) for body in frame
  ]
  return bool(bodies) and all(
    isinstance(body, dict) and isinstance(body.get('keypoints'), list)
    for body in bodies
  )


def parse_poseflow(data: dict, where: str, persons: int = 2) -> ParsedClip:
  """Same as `parse_alphapose`, for bodies under the names of their frames."""
  records = []
  for name, bodies in data.items():
    if not isinstance(bodies, list):
      raise UserError(
        f'{where}, {name!r}: expected a list of the bodies in a frame'
      )
    for body in bodies or [{'keypoints': []}]:
      if not isinstance(body, dict):
        raise UserError(f'{where}, {name!r}: expected objects for bodies')
      records.append(body | {'image_id': name})
  return parse_alphapose(records, where, persons)


def is_by_person(data: Any) -> bool:
  """Returns whether a JSON value has bodies by person and frame."""
  return (
    isinstance(data, dict)
    and all(isinstance(frames, dict) for frames in data.values())
    and is_poseflow({name: [*frames.values()] for name, frames in data.items()})
  )


def parse_by_person(data: dict, where: str, persons: int = 2) -> ParsedClip:
  """Same as `parse_alphapose`, for bodies by person and frame."""
  records = [
    body | {'image_id': name, 'idx': person}
    for person, frames in data.items()
    for name, body in frames.items()
  ]
  return parse_alphapose(records, where, persons)


def parse_alphapose(data: list, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of a list of bodies.

  Persons are identified by `idx` if AlphaPose tracked them (without tracking,
  it is 0 for all), and otherwise linked from frame to frame (`track_persons`).

  Args:
    data: the JSON value, integers as floats.
    where: the file, for errors.
    persons: maximum number of persons.

  Returns:
    (M, T, V, 3): x, y in pixels and confidence (which may exceed 1).

  Raises:
    UserError: a body has another form, other joints than the first one, or is
      from another video; or no body has keypoints.
  """
  poses, times, images, ids = [], [], [], []
  for n, body in enumerate(data):
    place = f'{where}, record {n}'
    if not isinstance(body, dict):
      raise UserError(f'{place}: expected an object, as AlphaPose writes')
    images.append(_parse_image_id(body.get('image_id'), place))
    if body.get('keypoints') == []:
      continue
    expected = len(poses[0]) if poses else None
    poses.append(parse_body(body.get('keypoints'), place, expected))
    times.append(n)
    ids.append(str(_unwrap(body.get('idx', body.get('track_id')))))
  if len(set(map(type, images))) > 1:
    raise UserError(
      f'{where}: image_id: expected either text or a number in all bodies, got'
      ' both'
    )
  frames, notes = place_frames(images, where)
  if not poses:
    raise NobodySeenError.in_file(where, int(frames.max()) + 1)
  clip = track_persons(
    np.stack(poses),
    frames[times],
    None if 'None' in ids else ids,
    length=int(frames.max()) + 1,
    persons=persons,
    confidence=True,
  )
  layout = LAYOUTS.get(clip.shape[2], '')
  return ParsedClip(clip, True, layout, 'pixels', notes=notes)


def _unwrap(value):
  """Returns x from x, [x] or [[x], ...]; the last form is a merged body."""
  while isinstance(value, list) and value:
    value = value[0]
  return value


def _parse_image_id(value, place):
  if isinstance(value, float) and value.is_integer():
    return int(value)
  if not isinstance(value, str):
    raise UserError(
      f'{place}: image_id: expected the name or number of a frame, got'
      f' {value!r}'
    )
  return value
