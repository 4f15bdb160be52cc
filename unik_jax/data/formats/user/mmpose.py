"""MMPose's predictions for a video, as its inferencer and demos write them.

  {"meta_info": {"dataset_name": "coco", "keypoint_id2name": {...}, ...},
   "instance_info": [{"frame_id": 1,
                      "instances": [{"keypoints": [[x, y], ...],
                                     "keypoint_scores": [...]}, ...]}, ...]}

or only the list under "instance_info". `meta_info` names the joints, which are
those of the model's training data.
"""

from typing import Any

import numpy as np

from unik_jax.data.formats.user import alphapose
from unik_jax.data.formats.user.frame_names import place_frames
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.named_points import register_points
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, get_layout

# Layouts of MMPose's datasets. The joints of others are taken from the file.
_LAYOUTS = {
  'coco': 'coco_17',
  'coco_wholebody': 'coco_wholebody_133',
  'coco_wholebody_hand': 'hand_21',
  'h36m': 'human36m_17',
  'halpe': 'halpe_136',
  'halpe26': 'halpe_26',
  'mpii': 'mpii_16',
}


def is_mmpose(data: Any) -> bool:
  """Returns whether a JSON value has this format."""
  frames = _frames(data)
  return (
    isinstance(frames, list)
    and bool(frames)
    and isinstance(frames[0], dict)
    and ('instances' in frames[0] or 'keypoint_scores' in frames[0])
  )


def parse_mmpose(data: dict | list, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of a list of frames.

  Persons are identified by `track_id`, or else linked from frame to frame
  (`track_persons`).

  Args:
    data: the JSON value, integers as floats.
    where: the file, for errors.
    persons: maximum number of persons.

  Returns:
    (M, T, V, C): x, y (pixels), z if present, and confidence.

  Raises:
    UserError: a body or a frame has another form, or there is no person.
  """
  frames = _frames(data)
  poses, times, ids = [], [], []
  if 'instances' not in frames[0]:
    raise UserError(
      f"{where}: expected MMPose's output for a video, got that for a single"
      ' image'
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
        f'{where}, record {t}: expected a frame with frame_id and instances, as'
        ' MMPose writes'
      )
    for m, body in enumerate(bodies):
      place = f'{where}, record {t}, instance {m}'
      if isinstance(body, dict) and body.get('keypoints') == []:
        continue
      pose = _parse_pose(body, place)
      if poses and pose.shape != poses[0].shape:
        joints, channels = poses[0].shape
        raise UserError(
          f'{place}: expected {joints} joints with {channels} channels, as'
          f' before, got {len(pose)} with {pose.shape[1]}. Use one joint layout'
          ' per clip'
        )
      poses.append(pose)
      times.append(t)
      ids.append(body.get('track_id'))
  if not poses:
    raise NobodySeenError.in_file(where, len(frames))
  numbers = [int(frame['frame_id']) for frame in frames]
  indices, notes = place_frames(numbers, where)
  clip = track_persons(
    np.stack(poses),
    indices[times],
    None if None in ids else list(map(str, ids)),
    length=int(indices.max()) + 1,
    persons=persons,
    confidence=True,
  )
  is_2d = clip.shape[-1] == 3
  meta = data.get('meta_info') if isinstance(data, dict) else None
  layout = _find_layout(meta, clip.shape[2], where)
  if not layout and is_2d:
    layout = alphapose.LAYOUTS.get(clip.shape[2], '')
  units = 'pixels' if is_2d else ''
  return ParsedClip(clip, True, layout, units, notes=notes)


def _find_layout(meta, joints, where):
  """Returns the layout of a file's `meta_info`, '' if it has none."""
  names = meta.get('keypoint_id2name') if isinstance(meta, dict) else None
  if not isinstance(names, dict) or len(names) != joints:
    return ''
  if known := _LAYOUTS.get(str(meta.get('dataset_name'))):
    return known if get_layout(known).num_joints == joints else ''
  try:  # animals, and other people: 17 joints are not always COCO's
    ordered = [str(names[str(n)]) for n in range(joints)]
    links = meta.get('skeleton_links') or ()
    edges = [(int(a), int(b)) for a, b in links]
  except (KeyError, TypeError, ValueError):
    raise UserError(
      f'{where}: meta_info: expected the names of {joints} keypoints and'
      ' skeleton_links between them, as MMPose writes. Write the file again'
    ) from None
  for name in sorted(BUILT_IN):
    if get_layout(name).joints == tuple(ordered):
      return name
  return register_points(ordered, edges, where).name


def _frames(data):
  return data.get('instance_info') if isinstance(data, dict) else data


def _parse_pose(body, where):
  """Returns (V, C) including the confidence."""
  try:
    points = np.asarray(body['keypoints'])
    scores = np.asarray(body['keypoint_scores'])
    pose = np.column_stack([points, scores])
  except (TypeError, KeyError, ValueError):
    pose = np.zeros(0)
  if pose.ndim != 2 or pose.shape[1] not in (3, 4) or pose.dtype.kind != 'f':
    raise UserError(
      f'{where}: expected keypoints [[x, y], ...] with keypoint_scores. Write'
      ' the file again'
    )
  return pose
