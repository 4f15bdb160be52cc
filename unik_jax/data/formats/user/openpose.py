"""OpenPose's output: a folder with NAME_FRAME_keypoints.json for each frame.

Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation Using Part
Affinity Fields", TPAMI 2019. `--write_json` writes

  {"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, confidence, ...]},
              ...]}

with 25 joints (BODY_25) or 18 (COCO), and zeros for a missing joint.
"""

import os
import re

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.user.fields import frame_indices, parse_body
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

SUFFIX = '_keypoints.json'
_LAYOUTS = {25: 'openpose_25', 18: 'openpose_18', 17: 'coco_17'}


def video_name(name: str) -> str:
  """Returns the video's name within a frame's file name, '' if it has none."""
  match = re.fullmatch(r'(.*?)_?\d*' + SUFFIX, name)
  return match[1] if match else ''


def group_frames(folder: str) -> dict[str, list[str]]:
  """Returns the sorted file names of each video's frames in a folder."""
  videos = {}
  for name in sorted(os.listdir(folder)):
    if name.endswith(SUFFIX) and not name.startswith('.'):
      videos.setdefault(video_name(name), []).append(name)
  return videos


def read_frames(folder: str, clip: str | None, persons: int = 2) -> ParsedClip:
  """Returns one clip, from the files of its frames.

  Persons are identified by `person_id` if OpenPose tracked them, and otherwise
  linked from frame to frame (`track_persons`).

  Args:
    folder: folder of the files.
    clip: name of the video (`video_name`); None if the folder has one video.
    persons: maximum number of persons.

  Returns:
    (M, T, V, 3): x, y (pixels, or as `--keypoint_scale` says) and confidence.

  Raises:
    UserError: there are no such files, or they belong to several videos; a file
      or body is malformed; a body has 3-D keypoints only; or all persons are
      absent.
  """
  where = folder if clip is None else os.path.join(folder, clip)
  videos = group_frames(folder)
  selected = [video for video in videos if clip in (None, video)]
  if not selected:
    raise UserError(f"{where}: expected OpenPose's *{SUFFIX} files, got none")
  if len(selected) > 1:
    raise UserError(
      f'{where}: expected the frames of one video, got {len(selected)} videos'
      f' ({selected[0]!r}, {selected[1]!r}, ...). Give each its own folder'
    )
  names = videos[selected[0]]
  frames = frame_indices([name.removesuffix(SUFFIX) for name in names])
  poses, times, ids = [], [], []
  for name, time in zip(names, frames, strict=True):
    file = raw_files.RawFile(os.path.join(folder, name))
    data = raw_files.read_json(file, parse_int=float)
    bodies = data.get('people') if isinstance(data, dict) else None
    if not isinstance(bodies, list):
      raise UserError(f'{file}: expected a list "people", as OpenPose writes')
    for m, body in enumerate(bodies):
      values = body.get('pose_keypoints_2d') if isinstance(body, dict) else 0
      if values == []:
        _refuse_3d(body, f'{file}, person {m}')
        continue
      expected = len(poses[0]) if poses else None
      poses.append(parse_body(values, f'{file}, person {m}', expected))
      times.append(time)
      ids.append(str(body.get('person_id')))
  if not poses:
    raise NobodySeenError.in_file(where, len(names))
  keypoints = track_persons(
    np.stack(poses),
    np.array(times),
    None if {'None', '[-1.0]'} & set(ids) else ids,  # -1: not tracked
    length=int(frames.max()) + 1,
    persons=persons,
    confidence=True,
  )
  layout = _LAYOUTS.get(keypoints.shape[2], '')
  return ParsedClip(keypoints, True, layout, 'pixels')


def _refuse_3d(body, where):
  """Raises a UserError if a body without 2-D keypoints has 3-D ones."""
  if body.get('pose_keypoints_3d'):
    raise UserError(
      f'{where}: expected pose_keypoints_2d, got pose_keypoints_3d only. Write'
      ' x y z and a confidence as arrays instead'
    )
