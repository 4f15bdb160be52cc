"""OpenPose's files: a folder of NAME_FRAME_keypoints.json, one a frame.

Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation Using Part
Affinity Fields", TPAMI 2019; what `--write_json` writes:

  {"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, confidence, ...]},
              ...]}

with 25 joints (BODY_25) or 18 (COCO), zeros for a joint that is not found.
"""

import os
import re

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.user import people
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError

SUFFIX = '_keypoints.json'
_LAYOUTS = {25: 'openpose_25', 18: 'openpose_18', 17: 'coco_17'}


def clip_of(name: str) -> str:
  """The name of the video in that of a frame, '' where there is none."""
  return re.fullmatch(r'(.*?)_?\d*' + SUFFIX, name)[1]


def clips_in(folder: str) -> dict[str, list[str]]:
  """The names of a folder's frames, sorted, of each clip (`clip_of`)."""
  clips = {}
  for name in sorted(os.listdir(folder)):
    if name.endswith(SUFFIX) and not name.startswith('.'):
      clips.setdefault(clip_of(name), []).append(name)
  return clips


def read_frames(folder: str, clip: str | None, persons: int = 2) -> Found:
  """One clip, from the files of its frames.

  Persons are told apart by `person_id` where OpenPose tracked them, and else
  by where they are (`people.tracks`).

  Args:
    folder: of the files.
    clip: the files whose names begin with it (`clip_of`); None for all.
    persons: how many are kept.

  Returns:
    (M, T, V, 3): x, y (pixels, or as `--keypoint_scale` says) and confidence.

  Raises:
    UserError: no such files, those of several videos, a file that is not of
      the form, bodies of several kinds, or nobody in any frame.
  """
  where = folder if clip is None else os.path.join(folder, clip)
  clips = clips_in(folder)
  videos = [video for video in clips if clip in (None, video)]
  if not videos:
    raise UserError(f'{where}: no files *{SUFFIX} there, as OpenPose writes')
  if len(videos) > 1:
    raise UserError(
      f'{where}: frames of {len(videos)} videos ({videos[0]!r}, {videos[1]!r},'
      ' ...) in one folder; give each its own'
    )
  names = clips[videos[0]]
  # Before the suffix is the frame; what counts is the last number.
  frames = people.places([name.removesuffix(SUFFIX) for name in names])
  poses, times, ids = [], [], []
  for name, time in zip(names, frames, strict=True):
    file = raw_files.RawFile(os.path.join(folder, name))
    data = raw_files.read_json(file, parse_int=float)
    found = data.get('people') if isinstance(data, dict) else None
    if not isinstance(found, list):
      raise UserError(f'{file}: no list "people" in it, as OpenPose writes')
    for m, person in enumerate(found):
      values = (
        person.get('pose_keypoints_2d') if isinstance(person, dict) else 0
      )
      expected = len(poses[0]) if poses else None
      poses.append(people.body(values, f'{file}, person {m}', expected))
      times.append(time)
      ids.append(str(person.get('person_id')))
  if not poses:
    raise people.Nobody(
      f'{where}: nobody is seen in any of {len(names)} frames; remove this'
      ' clip',
      len(names),
    )
  clip = people.tracks(
    np.stack(poses),
    np.array(times),
    None if {'None', '[-1.0]'} & set(ids) else ids,
    length=int(frames.max()) + 1,
    persons=persons,
    confidence=True,
  )
  return Found(clip, True, _LAYOUTS.get(clip.shape[2], ''), 'pixels')
