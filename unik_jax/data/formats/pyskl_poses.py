"""The poses in an annotation of pyskl's or MMAction2's pickles.

An annotation has one of three forms:

- Tracks: 'keypoint' [M, T, V, C] and, usually for 2-D poses, 'keypoint_score'
  [M, T, V].
- Packed, from pyskl's script for a user's videos with --compress: 'keypoint'
  [N, V, 3] (x, y, score) has all bodies of all frames, and 'frame_inds' [N] the
  frame of each body.
- In another file: k400_hrnet.pkl has 'frame_inds', but its bodies are in a
  folder kpfiles, in the pickle that the last part of 'raw_file' names:
  {frame_dir: {'keypoint': [N, V, 3]}}.

Joints are NTU RGB+D's 25 in metres (layout 'ntu_25'), COCO's 17 in pixels
('coco_17') or OpenPose's 18 in pixels ('openpose_18'). 17 or 18 joints with x,
y and z count as COCO's or OpenPose's too, in unknown units.

Packed poses are unpacked as pyskl's DecompressPose does. Frames without bodies
are dropped, so it does not matter that Kinetics-400 counts frames from 1 and
pyskl's script from 0. Bodies keep the file's order within a frame, unless some
frame has more than ten. Then all frames are sorted by descending sum of the
joints' scores. Such a file has no tracks: persons may change places between
frames.

If there are more persons than wanted, the first are kept, as in pyskl's
FormatGCNInput. A 2-D joint with a NaN becomes missing, all zeros, as in its
PoseCompact. Frames beyond 'total_frames' are not read.
"""

import functools
import re
from typing import Any, NamedTuple

import numpy as np

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import safe_pickle
from unik_jax.data.formats.safe_pickle import describe_value
from unik_jax.data.formats.user.keypoints import may_be_confidence
from unik_jax.errors import UserError

_MAX_UNSORTED = 10  # persons in a frame; pyskl's `max_person`
_MAX_METRES = 10  # x and y beyond are of an image


class KeypointFormat(NamedTuple):
  """Joints, channels and units of a clip's keypoints.

  Attributes:
    layout: name of the joint layout; '' if unknown.
    channels: C, including the confidence.
    confidence: whether the last channel is a confidence.
    units: units of the coordinates.
  """

  layout: str
  channels: int
  confidence: bool
  units: str

  def __str__(self) -> str:
    return f'layout {self.layout!r} with {self.channels} channels'


class Tracks(NamedTuple):
  """Poses as tracks: (M, T, V, C), and scores (M, T, V) or None."""

  keypoint: np.ndarray
  score: np.ndarray | None

  kpfile = ''  # see Packed

  @property
  def persons(self) -> int:
    """Number of tracks."""
    return len(self.keypoint)

  def read(self, persons: int, where: str) -> np.ndarray:
    """Returns (M, T, V, C) float32 of the first tracks, at most `persons`."""
    del where
    poses = self.keypoint[:persons].astype(np.float32)
    is_2d = poses.shape[-1] == 2
    if self.score is not None:
      score = self.score[:persons, ..., None]
      poses = np.concatenate([poses, score], -1, dtype=np.float32)
    return _zero_nan_joints(poses) if is_2d else poses


class Packed(NamedTuple):
  """Poses as bodies (N, V, 3), and the frame of each body (N,).

  If `bodies` is None, they are in the pickle `kpfile`, under `name`.
  """

  frames: np.ndarray
  bodies: np.ndarray | None
  kpfile: str = ''
  name: str = ''

  @property
  def persons(self) -> int:
    """Most bodies in a frame."""
    return int(np.unique(self.frames, return_counts=True)[1].max())

  def read(self, persons: int, where: str) -> np.ndarray:
    """Returns (M, T, V, 3) float32 with at most `persons` bodies per frame.

    Args:
      persons: most bodies per frame.
      where: the clip, for errors.

    Raises:
      UserError: the kpfile cannot be read, or lacks these bodies.
    """
    bodies = self.bodies
    if bodies is None:
      bodies = _read_kpfile(self.kpfile, self.name, self.frames, where)
    bodies = _zero_nan_joints(bodies.astype(np.float32))
    _, frames, counts = np.unique(
      self.frames, return_inverse=True, return_counts=True
    )
    # pyskl sums the scores in float16, in which more sums are equal.
    scores = bodies[..., 2].astype(np.float16).sum(1)
    if counts.max() <= _MAX_UNSORTED:
      scores[:] = 0
    # By frame, then by descending score. lexsort is stable, so bodies of equal
    # scores keep the file's order.
    order = np.lexsort((-scores, frames))
    bodies, frames = bodies[order], frames[order]
    ranks = np.arange(len(frames)) - np.searchsorted(frames, frames)
    is_kept = ranks < persons
    shape = min(persons, counts.max()), len(counts), *bodies.shape[1:]
    poses = np.zeros(shape, np.float32)
    poses[ranks[is_kept], frames[is_kept]] = bodies[is_kept]
    return poses


def parse_poses(
  record: dict[str, Any],
  where: str,
  kpfiles: dict[str, str],
  any_joints: bool = False,
) -> tuple[Tracks | Packed, KeypointFormat]:
  """Returns the checked poses of an annotation, and their format.

  Args:
    record: the annotation.
    where: file and record, for errors.
    kpfiles: paths of the files in the folder kpfiles, by name.
    any_joints: as in `pyskl.load_annotations`.

  Returns:
    The poses, whose `read(persons, where)` returns (M, T, V, C) float32, and
    their format.

  Raises:
    LeftOut: there are no persons.
    UserError: the shape or joints are unknown, there are no frames or fewer
      than 'total_frames', or the kpfile is missing.
  """
  if 'frame_inds' not in record:
    poses = _parse_tracks(record, where)
    has_score = poses.score is not None
    joints, channels = poses.keypoint.shape[2:]
    return poses, _detect_format(joints, channels, has_score, where, any_joints)
  frames = _get_array(record, 'frame_inds', where)
  if frames.ndim != 1 or frames.dtype.kind == 'f':
    raise UserError(
      f"{where}: 'frame_inds': expected a row of integers, got"
      f' {frames.dtype} of shape {frames.shape}'
    )
  if not len(frames):
    raise LeftOut('nobody in it')
  if 'keypoint' in record:
    bodies = _get_bodies(record, frames, where)
    keypoint_format = _detect_format(
      bodies.shape[1], 2, True, where, any_joints
    )
    return Packed(frames, bodies), keypoint_format
  kpfile, name = record.get('raw_file'), record.get('frame_dir')
  if not isinstance(kpfile, str) or not isinstance(name, str):
    raise UserError(
      f"{where}: expected a 'keypoint', or a 'raw_file' and a 'frame_dir' that"
      ' say where it is. Correct it'
    )
  kpfile = re.split(r'[/\\]', kpfile)[-1]
  if kpfile not in kpfiles:
    raise UserError(
      f"{where}: no 'keypoint', and its 'raw_file' {kpfile!r} is not in the"
      ' folder kpfiles beside the pickle. Download the kpfiles into it'
    )
  keypoint_format = _detect_format(17, 2, True, where)
  return Packed(frames, None, kpfiles[kpfile], name), keypoint_format


def is_integer(value: Any) -> bool:
  """Returns whether a value of a pickle is an integer, and not a boolean."""
  return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _detect_format(joints, channels, has_score, where, any_joints=False):
  if (joints, channels) == (25, 3):
    return KeypointFormat('ntu_25', 3 + has_score, has_score, 'metres')
  layout = {17: 'coco_17', 18: 'openpose_18'}.get(joints)
  if any_joints and (layout is None or channels == 3):
    layout = ''
  if layout is not None and channels in (2, 3):
    units = 'pixels' if channels == 2 else 'as in the files'
    return KeypointFormat(layout, channels + has_score, has_score, units)
  raise UserError(
    f'{where}: expected 25 joints with x, y, z (ntu_25), or 17 (coco_17) or 18'
    f' (openpose_18) joints with x, y, got {joints} joints with {channels}'
    ' channels. For other joints, use skeleton_folder'
  )


def _has_score_in_keypoint(keypoint, has_score, where):
  """Returns whether the third of three channels is the score.

  pyskl takes it for the score of 2-D joints, but z of 3-D joints has the same
  place.

  Args:
    keypoint: (M, T, V, 3).
    has_score: whether there is a 'keypoint_score' too.
    where: file and record, for errors.

  Raises:
    UserError: the values do not tell.
  """
  is_ntu = keypoint.shape[2] == 25
  # One frame of NTU RGB+D is enough, and its files are large.
  present = keypoint[:1, :1] if is_ntu else keypoint
  present = present[present.any(-1)].astype(np.float64)
  if not may_be_confidence(present[:, 2]):
    return False
  is_in_image = (np.abs(present[:, :2]) > _MAX_METRES).any()
  if is_ntu and not is_in_image:
    return False
  if is_ntu or has_score or not is_in_image:
    raise UserError(
      f"{where}: 'keypoint': expected x, y and z, got a third channel that"
      " looks like a score. Write scores as 'keypoint_score', or use"
      ' arrays in skeleton_folder'
    )
  return True


def _parse_tracks(record, where):
  keypoint = _get_array(record, 'keypoint', where)
  if keypoint.ndim != 4:
    raise UserError(
      f"{where}: 'keypoint': expected (persons, frames, joints, channels), got"
      f' shape {keypoint.shape}'
    )
  if not len(keypoint):
    raise LeftOut('nobody in it')
  if not keypoint.shape[1]:
    raise UserError(
      f'{where}: expected at least one frame, got no frames. Remove the clip'
    )
  frames = record.get('total_frames')
  if not is_integer(frames) or not 0 < frames <= keypoint.shape[1]:
    raise UserError(
      f"{where}: 'total_frames': expected 1 to {keypoint.shape[1]}, the frames"
      f" of 'keypoint', got {describe_value(frames)}. Correct it"
    )
  keypoint = keypoint[:, :frames]
  has_score = record.get('keypoint_score') is not None
  if keypoint.shape[3] == 3 and _has_score_in_keypoint(
    keypoint, has_score, where
  ):
    return Tracks(keypoint[..., :2], keypoint[..., 2])
  if not has_score:
    return Tracks(keypoint, None)
  score = _get_array(record, 'keypoint_score', where)
  shape = record['keypoint'].shape[:3]
  if score.shape != shape:
    raise UserError(
      f"{where}: 'keypoint_score': expected shape {shape}, got {score.shape}."
      ' Correct it'
    )
  return Tracks(keypoint, score[:, :frames])


def _zero_nan_joints(poses):
  """Sets joints that have a NaN to zero, in place."""
  poses[np.isnan(poses).any(-1)] = 0
  return poses


def _get_bodies(record, frames, where):
  """Returns the (N, V, 3) array of packed poses."""
  bodies = _get_array(record, 'keypoint', where)
  if bodies.ndim != 3 or len(bodies) != len(frames) or bodies.shape[2] != 3:
    raise UserError(
      f"{where}: 'keypoint': expected {len(frames)} bodies (as in 'frame_inds')"
      f' with x, y and score, got shape {bodies.shape}. Download it again'
    )
  return bodies


def _read_kpfile(kpfile, name, frames, where):
  entries = _load_kpfile(kpfile)
  entry = entries.get(name) if isinstance(entries, dict) else None
  where = f'{where}, in {kpfile}'
  if not isinstance(entry, dict):
    raise UserError(f'{where}: no entry {name!r}. Download it again')
  return _get_bodies(entry, frames, where)


# One kpfile has many clips, which are read one after another. Only the last
# file is cached, since each is large.
_load_kpfile = functools.lru_cache(maxsize=1)(safe_pickle.load_pickle)


def _get_array(record, key, where):
  array = record.get(key)
  if not isinstance(array, np.ndarray) or array.dtype.kind not in 'fiu':
    raise UserError(
      f'{where}: {key!r}: expected an array of numbers, got'
      f' {describe_value(array)}. Correct it'
    )
  return array
