"""Frames of a stream, and the window of the latest ones.

A line of the stream is a frame, as JSON:

  {"keypoints": [[x, y], ...]}                      one person
  {"persons": [[[x, y], ...], ...]}                 several persons
  {"persons": [{"id": 3, "keypoints": [...]}, ...]} several, with identities
  null, [], {"keypoints": null}, {"persons": []}    nobody
"""

import collections
import itertools
import json
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.formats.user.keypoints import (
  present_joints,
  zero_missing_joints,
)
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError
from unik_jax.predictor.adapter import check_joints, has_confidence
from unik_jax.skeletons.layouts import Layout

FRAME_FORMAT = '{"keypoints": [[x, y], ...]} or {"persons": [...]}'


class Frame(NamedTuple):
  """The persons in a frame.

  Attributes:
    poses: (P, V, C) with zeros for missing joints.
    ids: (P,) identities; None if the frame does not state them.
    confidence: whether the last channel is a confidence; None without persons.
  """

  poses: np.ndarray
  ids: list[str | None]
  confidence: bool | None


class FrameReader:
  """Parses lines to frames that all have the same channels.

  Args:
    data: the `data` part of the model's config.
    layout: joint layout.
    confidence: whether the last channel is a confidence; None to detect it
      (`adapter.has_confidence`).
  """

  def __init__(
    self, data: ConfigDict, layout: Layout, confidence: bool | None = None
  ):
    self._data = data
    self._layout = layout
    self._confidence = confidence
    self._channels = None

  def read(self, line: bytes | str, where: str) -> Frame:
    """Returns the frame of a line.

    Args:
      line: its JSON.
      where: the line, for errors.

    Raises:
      UserError: the line is not JSON, or as in `parse`.
    """
    try:
      value = json.loads(line)
    except (ValueError, RecursionError) as error:
      raise UserError(
        f'{where}: not JSON ({error}). Write one frame per line: {FRAME_FORMAT}'
      ) from None
    return self.parse(value, where)

  def parse(self, value: Any, where: str) -> Frame:
    """Returns the frame of a line's value.

    Args:
      value: as in the module's docstring.
      where: the frame, for errors.

    Raises:
      UserError: the value is malformed, its joints differ from the layout's,
        or its channels differ from earlier frames.
    """
    bodies = _parse_bodies(value, where)
    if not bodies:
      shape = (0, self._layout.num_joints, self._channels or 0)
      return Frame(np.zeros(shape), [], None)
    poses = [
      self._parse_pose(
        pose, f'{where}, person {m}' if len(bodies) > 1 else where
      )
      for m, (_, pose) in enumerate(bodies)
    ]
    clip = np.stack(poses)[:, None]
    confidence = has_confidence(clip, self._confidence, self._data, where)
    clip = zero_missing_joints(clip, confidence, self._layout, where)
    return Frame(clip[:, 0], [name for name, _ in bodies], confidence)

  def _parse_pose(self, values, where):
    """Returns (V, C) of one person."""
    try:
      pose = np.array(values, np.float64)  # null becomes NaN
    except (TypeError, ValueError, OverflowError):
      pose = np.zeros(0)
    if pose.ndim != 2 or pose.shape[1] not in (2, 3, 4):
      raise UserError(
        f'{where}: keypoints: expected a list of [x, y] for each joint,'
        ' optionally with z, confidence or both'
      )
    check_joints(len(pose), self._layout, where)
    self._channels = self._channels or pose.shape[1]
    if pose.shape[1] != self._channels:
      raise UserError(
        f'{where}: expected {self._channels} numbers per joint, as in the'
        f' frames before, got {pose.shape[1]}'
      )
    return pose


def _parse_bodies(frame, where):
  """Returns [(identity or None, keypoints)] of a frame."""
  if frame in (None, []):
    return []
  if not isinstance(frame, dict) or not {'keypoints', 'persons'} & set(frame):
    raise UserError(f'{where}: expected a frame, {FRAME_FORMAT}')
  if 'persons' not in frame:
    # A single person gets an identity, so that fast motion does not split it.
    frame = {'persons': [{'id': 0, **frame}]}
  persons = frame['persons'] or []
  if not isinstance(persons, list):
    raise UserError(f'{where}: persons: expected a list. Write {FRAME_FORMAT}')
  bodies = [
    (p.get('id'), p.get('keypoints')) if isinstance(p, dict) else (None, p)
    for p in persons
  ]
  return [
    (None if name is None else str(name), pose)
    for name, pose in bodies
    if pose not in (None, [])
  ]


class FrameWindow:
  """The latest frames of a stream, as a clip.

  Args:
    frames: maximum number of frames.
    persons: maximum number of persons in the clip.

  Attributes:
    size: maximum number of frames.
  """

  def __init__(self, frames: int, persons: int):
    self.size = frames
    self._frames = collections.deque(maxlen=frames)
    self._persons = persons

  def __len__(self) -> int:
    return len(self._frames)

  def add(self, frame: Frame) -> None:
    """Appends a frame, and drops the oldest one of a full window."""
    self._frames.append(frame)

  def clip(self) -> tuple[np.ndarray, bool] | None:
    """Returns (M, T, V, C), and whether the last channel is a confidence.

    Persons are identified by their ids, or else linked from frame to frame
    within the window (`track_persons`). None if nobody is seen.
    """
    with_persons = [frame for frame in self._frames if len(frame.ids)]
    poses = [frame.poses for frame in with_persons]
    confidence = bool(poses) and all(f.confidence for f in with_persons)
    if not any(present_joints(pose, confidence).any() for pose in poses):
      return None
    counts = [len(frame.ids) for frame in self._frames]
    ids = list(itertools.chain.from_iterable(f.ids for f in self._frames))
    clip = track_persons(
      np.concatenate(poses),
      np.repeat(np.arange(len(counts)), counts),
      None if None in ids else ids,
      length=len(counts),
      persons=self._persons,
      confidence=confidence,
    )
    return clip, confidence
