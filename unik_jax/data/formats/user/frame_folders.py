"""Clips as folders with a file for each frame: OpenPose and Ultralytics."""

import collections
import os
from collections.abc import Iterable

from unik_jax.data.formats.user import openpose, ultralytics
from unik_jax.data.formats.user.keypoints import ParsedClip
from unik_jax.errors import UserError

KINDS = (
  f"OpenPose's *{openpose.SUFFIX} files or Ultralytics'"
  f' *_FRAME{ultralytics.SUFFIX} files'
)


def frame_suffix(folder: str, name: str) -> str:
  """Returns the suffix of a frame's file; '' if a file is none."""
  if name.endswith(openpose.SUFFIX):
    return openpose.SUFFIX
  is_label = name.endswith(ultralytics.SUFFIX) and ultralytics.is_frame_file(
    folder, name
  )
  return ultralytics.SUFFIX if is_label else ''


def group_frames(folder: str, names: Iterable[str]) -> dict[str, list[str]]:
  """Groups the files of a folder by video, as `openpose.group_frames` does.

  If a folder has frames of both kinds, only OpenPose's count.

  Args:
    folder: the folder.
    names: names of all files in it. Other files are ignored.
  """
  by_suffix = collections.defaultdict(list)
  for name in names:
    by_suffix[frame_suffix(folder, name)].append(name)
  for suffix in (openpose.SUFFIX, ultralytics.SUFFIX):
    if by_suffix[suffix]:
      return openpose.group_frames(by_suffix[suffix], suffix)
  return {}


def read_frames(
  folder: str, clip: str | None, persons: int = 2, joints: int | None = None
) -> ParsedClip:
  """Returns one clip, from the files of its frames.

  Args:
    folder: folder of the files.
    clip: name of the video (`group_frames`); None if the folder has one video.
    persons: maximum number of persons.
    joints: number of joints, if the user states the layout.

  Raises:
    UserError: there are no such files, or they belong to several videos; or the
      format's reader refuses them.
  """
  where = folder if clip is None else os.path.join(folder, clip)
  videos = group_frames(folder, os.listdir(folder))
  selected = [video for video in videos if clip in (None, video)]
  if not selected:
    raise UserError(f'{where}: expected {KINDS}, got none')
  if len(selected) > 1:
    raise UserError(
      f'{where}: expected the frames of one video, got {len(selected)} videos'
      f' ({selected[0]!r}, {selected[1]!r}, ...). Give each its own folder'
    )
  names = videos[selected[0]]
  if names[0].endswith(openpose.SUFFIX):
    return openpose.read_frames(folder, names, where, persons)
  return ultralytics.read_frames(folder, names, where, persons, joints)
