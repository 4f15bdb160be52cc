"""AlphaPose's results: alphapose-results.json, a list of bodies.

Fang et al., "AlphaPose: Whole-Body Regional Multi-Person Pose Estimation and
Tracking in Real-Time", TPAMI 2022:

  [{"image_id": "0.jpg", "category_id": 1, "score": 2.9, "idx": [1.0],
    "keypoints": [x, y, confidence, ...]}, ...]

Frames without anybody are not in it. COCO's results format, which other
estimators write, is the same with numbers for `image_id`.
"""

from typing import Any

import numpy as np

from unik_jax.data.formats.user import people
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError

LAYOUTS = {17: 'coco_17', 26: 'halpe_26'}


def is_it(data: Any) -> bool:
  """Whether the value of a JSON file is of this form."""
  return (
    isinstance(data, list)
    and bool(data)
    and isinstance(data[0], dict)
    and {'image_id', 'keypoints'} <= data[0].keys()
  )


def parse(data: list, where: str, persons: int = 2) -> Found:
  """One clip.

  Persons are told apart by `idx` where AlphaPose tracked them (without
  tracking, it is 0 for all), and else by where they are (`people.tracks`).

  Args:
    data: the value of the JSON file, integers as floats.
    where: the file, to be named in errors.
    persons: how many are kept.

  Returns:
    (M, T, V, 3): x, y in pixels and confidence (which may exceed 1).

  Raises:
    UserError: a body is not of the form, of another kind than the first, or of
      another video.
  """
  poses, images, ids = [], [], []
  for n, body in enumerate(data):
    place = f'{where}, record {n}'
    if not isinstance(body, dict):
      raise UserError(f'{place}: not a body of the form that AlphaPose writes')
    expected = len(poses[0]) if poses else None
    poses.append(people.body(body.get('keypoints'), place, expected))
    images.append(_image(body.get('image_id'), place))
    ids.append(str(_first(body.get('idx', body.get('track_id')))))
  if len(set(map(type, images))) > 1:
    raise UserError(f'{where}: image_id is text in some bodies, not in others')
  if isinstance(images[0], str):
    people.check_one_video(images, where)
  frames = people.places(images)
  clip = people.tracks(
    np.stack(poses),
    frames,
    None if 'None' in ids else ids,
    length=int(frames.max()) + 1,
    persons=persons,
    confidence=True,
  )
  return Found(clip, True, LAYOUTS.get(clip.shape[2], ''), 'pixels')


def _first(value):
  """Of a number, [number], or [[number], ...], which are bodies merged."""
  while isinstance(value, list) and value:
    value = value[0]
  return value


def _image(value, place):
  if isinstance(value, float) and value.is_integer():
    return int(value)
  if not isinstance(value, str):
    raise UserError(
      f'{place}: image_id is {value!r}, where the name or number of a frame is'
      ' due'
    )
  return value
