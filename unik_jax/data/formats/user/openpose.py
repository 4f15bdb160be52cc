"""OpenPose's output: a folder with NAME_FRAME_keypoints.json for each frame.

Cao et al., "OpenPose: Realtime Multi-Person 2D Pose Estimation Using Part
Affinity Fields", TPAMI 2019. `--write_json` writes

  {"people": [{"person_id": [-1], "pose_keypoints_2d": [x, y, confidence, ...]},
              ...]}

with 25 joints (BODY_25) or 18 (COCO), and zeros for a missing joint.
"""

import collections
import itertools
import os
from collections.abc import Iterable, Sequence

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.user.fields import parse_body
from unik_jax.data.formats.user.frame_names import place_frames, split_numbers
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

SUFFIX = '_keypoints.json'
_DIGITS = 12  # of a frame's number, as OpenPose writes it
# Clips have more frames; a recording has fewer cameras, or fewer persons.
_FEW = 5
_LAYOUTS = {25: 'openpose_25', 18: 'openpose_18', 17: 'coco_17'}


def group_frames(
  names: Iterable[str], suffix: str = SUFFIX
) -> dict[str, list[str]]:
  """Groups the files of a folder by video.

  Names of one video differ in the frame's number. Several numbers may vary in
  the names of a folder, such as those of clip, camera and frame. The frame's is
  the last one if OpenPose wrote it, with 12 digits, or if that makes clips of
  more than a few frames; otherwise the one that makes the fewest clips.

  Args:
    names: names of all files in a folder. Other files are ignored.
    suffix: of the files' names.

  Returns:
    The sorted names of each video's files. A video is named by what its files'
    names have in common, '' if that is nothing.
  """
  by_texts = collections.defaultdict(list)
  for name in sorted(names):
    if name.endswith(suffix) and not name.startswith('.'):
      texts, numbers = split_numbers(name.removesuffix(suffix))
      by_texts[texts].append((name, numbers))
  videos = {}
  for texts, files in by_texts.items():
    column = _find_frame_column([numbers for _, numbers in files])
    for name, numbers in files:
      videos.setdefault(_video_name(texts, numbers, column), []).append(name)
  return videos


def _find_frame_column(rows):
  """Returns the index of the frame's number in names with the same texts.

  Args:
    rows: the numbers of each name, at least one name.
  """
  last = len(rows[0]) - 1
  columns = [c for c in range(last + 1) if len({row[c] for row in rows}) > 1]
  if last < 0 or not columns or len(rows[0][last]) == _DIGITS:
    return last
  clips = {c: len({row[:c] + row[c + 1 :] for row in rows}) for c in columns}
  if len(rows) >= _FEW * clips[columns[-1]]:
    return columns[-1]
  return min(reversed(columns), key=clips.__getitem__)


def _video_name(texts, numbers, column):
  """Returns a name without the number of the frame."""
  if column < 0:
    return texts[0]
  parts = [*itertools.chain(*zip(texts, numbers, strict=False)), texts[-1]]
  before, after = parts[: 2 * column + 1], parts[2 * column + 2 :]
  return ''.join(before).removesuffix('_') + ''.join(after)


def read_frames(
  folder: str, names: Sequence[str], where: str, persons: int = 2
) -> ParsedClip:
  """Returns one clip, from the files of its frames.

  Persons are identified by `person_id` if OpenPose tracked them, and otherwise
  linked from frame to frame (`track_persons`).

  Args:
    folder: folder of the files.
    names: names of a video's files.
    where: the clip, for errors.
    persons: maximum number of persons.

  Returns:
    (M, T, V, 3): x, y (pixels, or as `--keypoint_scale` says) and confidence.

  Raises:
    UserError: a file or body is malformed; a body has 3-D keypoints only; or
      all persons are absent.
  """
  frames, notes = place_frames([n.removesuffix(SUFFIX) for n in names], where)
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
  return ParsedClip(keypoints, True, layout, 'pixels', notes=notes)


def _refuse_3d(body, where):
  """Raises a UserError if a body without 2-D keypoints has 3-D ones."""
  if body.get('pose_keypoints_3d'):
    raise UserError(
      f'{where}: expected pose_keypoints_2d, got pose_keypoints_3d only. Write'
      ' x y z and a confidence as arrays instead'
    )
