"""MMPose's predictions of a video, as its inferencer and demos write them.

  {"meta_info": {...},
   "instance_info": [{"frame_id": 1,
                      "instances": [{"keypoints": [[x, y], ...],
                                     "keypoint_scores": [...]}, ...]}, ...]}

or the list under "instance_info" alone.
"""

from typing import Any

import numpy as np

from unik_jax.data.formats.user import alphapose, people
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError


def is_it(data: Any) -> bool:
  """Whether the value of a JSON file is of this form."""
  frames = _frames(data)
  return (
    isinstance(frames, list)
    and bool(frames)
    and isinstance(frames[0], dict)
    and ('instances' in frames[0] or 'keypoint_scores' in frames[0])
  )


def parse(data: dict | list, where: str, persons: int = 2) -> Found:
  """One clip, with persons told apart by `track_id` or by where they are.

  Args:
    data: the value of the JSON file, integers as floats.
    where: the file, to be named in errors.
    persons: how many are kept.

  Returns:
    (M, T, V, C): x, y (pixels), z if there, and confidence.

  Raises:
    UserError: bodies or frames that are not of the form, or nobody at all.
  """
  frames = _frames(data)
  poses, times, ids = [], [], []
  if 'instances' not in frames[0]:
    raise UserError(
      f"{where}: MMPose's bodies of a single image; a clip is what it writes of"
      ' a video'
    )
  for t, frame in enumerate(frames):
    bodies = frame.get('instances') if isinstance(frame, dict) else None
    number = frame.get('frame_id') if isinstance(frame, dict) else None
    if (
      not isinstance(bodies, list)
      or not isinstance(number, float)
      or not number.is_integer()
    ):
      raise UserError(
        f'{where}, record {t}: no frame with frame_id and instances, as MMPose'
        ' writes them'
      )
    for m, body in enumerate(bodies):
      pose = _pose(body, f'{where}, record {t}, instance {m}')
      if poses and pose.shape != poses[0].shape:
        raise UserError(
          f'{where}, record {t}, instance {m}: {len(pose)} joints or other'
          ' channels than before; a clip has one kind of skeleton'
        )
      poses.append(pose)
      times.append(t)
      ids.append(body.get('track_id'))
  if not poses:
    raise people.Nobody(
      f'{where}: nobody is seen in any of {len(frames)} frames; remove this'
      ' clip',
      len(frames),
    )
  places = people.places([int(frame['frame_id']) for frame in frames])
  clip = people.tracks(
    np.stack(poses),
    places[times],
    None if None in ids else list(map(str, ids)),
    length=int(places.max()) + 1,
    persons=persons,
    confidence=True,
  )
  flat = clip.shape[-1] == 3
  layout = alphapose.LAYOUTS.get(clip.shape[2], '') if flat else ''
  return Found(clip, True, layout, 'pixels' if flat else '')


def _frames(data):
  return data.get('instance_info') if isinstance(data, dict) else data


def _pose(body, where):
  """(V, C) with the confidence."""
  try:
    points = np.asarray(body['keypoints'])
    scores = np.asarray(body['keypoint_scores'])
    pose = np.column_stack([points, scores])
  except (TypeError, KeyError, ValueError):
    pose = np.zeros(0)
  if pose.ndim != 2 or pose.shape[1] not in (3, 4) or pose.dtype.kind != 'f':
    raise UserError(
      f'{where}: no keypoints [[x, y], ...] with keypoint_scores; write the'
      ' file again'
    )
  return pose
