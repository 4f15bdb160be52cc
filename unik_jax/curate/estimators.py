"""Pose estimators, and the videos in the folders of their output.

An estimator is a folder with one entry for each video: any format that
`skeleton_folder` reads (docs/own_data.md), or LCR-Net's JSON. The format
implies the joint layout, or a layout.yaml in the folder gives it.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterator

from unik_jax.data.formats.user import openpose, recordings, settings
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

_ALPHAPOSE = 'alphapose-results'  # AlphaPose's name for every result
_IGNORED = ('__MACOSX', '__pycache__', 'manifest.csv', 'manifest.json')


@dataclasses.dataclass(frozen=True)
class Estimator:
  """A pose estimator, given by the folder of its output.

  Attributes:
    folder: path of the output.
    layout: joint layout from layout.yaml; None if the format implies it.
    confidence: whether an array's last channel is a confidence; None to detect.
  """

  folder: str
  layout: Layout | None = None
  confidence: bool | None = None

  @property
  def name(self) -> str:
    """The last part of the folder's path."""
    return pathlib.Path(self.folder).name


def open_estimator(folder: str | os.PathLike) -> Estimator:
  """Returns the estimator of a folder.

  Raises:
    UserError: the folder does not exist, or its layout.yaml is malformed.
  """
  path = pathlib.Path(folder).expanduser()
  if not path.is_dir():
    raise UserError(
      f'--experts: expected one folder for each estimator, got {path}: no such'
      ' folder'
    )
  stated = settings.read_settings(path)
  return Estimator(str(path), stated.layout, stated.confidence)


def find_videos(estimator: Estimator) -> dict[str, recordings.ClipSource]:
  """Maps each video's name, a path below the folder, to its entry.

  Raises:
    UserError: the folder has no video, or a video has two entries.
  """
  videos = {}
  for source in _entries(estimator.folder):
    path = pathlib.Path(str(source)).relative_to(estimator.folder)
    if source.clip is None and not os.path.isdir(source.path):
      path = path.with_suffix('')
      if path.name == _ALPHAPOSE and path.parent.name:
        path = path.parent
    name = path.as_posix()
    if name in videos:
      raise UserError(
        f'{source}: video {name!r} already has an entry, {videos[name]}. Remove'
        ' one of the two'
      )
    videos[name] = source
  if not videos:
    raise UserError(
      f'{estimator.folder}: expected files {", ".join(recordings.SUFFIXES)} or'
      f" OpenPose's *{openpose.SUFFIX}, got none"
    )
  return videos


def _entries(root: str) -> Iterator[recordings.ClipSource]:
  """Yields all entries below a folder.

  Lists one folder at a time: OpenPose's frames may be millions of files.
  """
  visited = set()
  for folder, subfolders, names in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    if real in visited:  # links may form a cycle
      subfolders.clear()
      continue
    visited.add(real)
    subfolders[:] = [name for name in subfolders if _is_relevant(name)]
    names = [name for name in names if _is_relevant(name)]
    videos = openpose.group_frames(names)
    for video in videos:
      yield recordings.ClipSource(folder, None if len(videos) == 1 else video)
    for name in names:
      if name.lower().endswith(recordings.SUFFIXES):
        if not name.endswith(openpose.SUFFIX):
          yield recordings.ClipSource(os.path.join(folder, name))


def _is_relevant(name):
  return not name.startswith('.') and name not in _IGNORED
