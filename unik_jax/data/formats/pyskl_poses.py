"""The poses in an annotation of pyskl's or MMAction2's pickles.

An annotation has them in one of three ways:

- as tracks: 'keypoint' [M, T, V, C] and, mostly where they are 2-D,
  'keypoint_score' [M, T, V].
- packed, as their script for own videos does with --compress: 'keypoint' is
  [N, V, 3] (x, y, score) of all bodies in all frames, and 'frame_inds' [N] the
  frame of each.
- in another file: k400_hrnet.pkl has 'frame_inds', but the bodies lie in a
  folder kpfiles, in the pickle that the last part of 'raw_file' names:
  {frame_dir: {'keypoint': [N, V, 3]}}.

Packed poses are unpacked as their DecompressPose does it. Frames without
anybody are dropped (so it does not matter that k400 counts them from 1, and
their script from 0). Within a frame bodies keep the file's order unless some
frame has more than ten of them; then all frames are sorted by descending sum
of the joints' scores. Who is who from frame to frame, such a file does not
say.

Of more persons than are wanted, the first are kept, as their FormatGCNInput
does it. Joints in an image of which a value is NaN become missing, all zeros,
as in their PoseCompact, and frames beyond 'total_frames' are not read.
"""

import functools
import re
from typing import Any, NamedTuple

import numpy as np

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import safe_pickle
from unik_jax.data.formats.safe_pickle import describe_value
from unik_jax.errors import UserError

_MOST_UNSORTED = 10  # persons in a frame; their `max_person`


class Form(NamedTuple):
  """What keypoints are.

  Attributes:
    layout: of the joints.
    channels: C, the confidence included.
    confidence: whether the last channel is one.
    units: of the coordinates.
  """

  layout: str
  channels: int
  confidence: bool
  units: str

  def __str__(self) -> str:
    return f'layout {self.layout!r} with {self.channels} channels'


class Tracks(NamedTuple):
  """Poses with a row a person: (M, T, V, C), and scores (M, T, V) or None."""

  keypoint: np.ndarray
  score: np.ndarray | None

  kpfile = ''  # none, unlike others

  @property
  def persons(self) -> int:
    return len(self.keypoint)

  def read(self, persons: int, where: str) -> np.ndarray:
    del where
    poses = self.keypoint[:persons].astype(np.float32)
    in_image = poses.shape[-1] == 2
    if self.score is not None:
      score = self.score[:persons, ..., None]
      poses = np.concatenate([poses, score], -1, dtype=np.float32)
    return _without_nan(poses) if in_image else poses


class Packed(NamedTuple):
  """Poses as bodies (N, V, 3), each of a frame (N,).

  `bodies` is None where they lie in the pickle `kpfile`, under `name`.
  """

  frames: np.ndarray
  bodies: np.ndarray | None
  kpfile: str = ''
  name: str = ''

  @property
  def persons(self) -> int:
    return int(np.unique(self.frames, return_counts=True)[1].max())

  def read(self, persons: int, where: str) -> np.ndarray:
    bodies = self.bodies
    if bodies is None:
      bodies = _from_kpfile(self.kpfile, self.name, self.frames, where)
    bodies = _without_nan(bodies.astype(np.float32))
    _, frames, counts = np.unique(
      self.frames, return_inverse=True, return_counts=True
    )
    # Their scores are float16, of which more are equal.
    scores = bodies[..., 2].astype(np.float16).sum(1)
    if counts.max() <= _MOST_UNSORTED:
      scores[:] = 0
    order = np.lexsort((-scores, frames))  # of equals, the first first
    bodies, frames = bodies[order], frames[order]
    place = np.arange(len(frames)) - np.searchsorted(frames, frames)
    kept = place < persons
    shape = min(persons, counts.max()), len(counts), *bodies.shape[1:]
    poses = np.zeros(shape, np.float32)
    poses[place[kept], frames[kept]] = bodies[kept]
    return poses


def parse_poses(
  record: dict[str, Any], where: str, kpfiles: dict[str, str]
) -> tuple[Tracks | Packed, Form]:
  """The poses of an annotation, checked, and what they are.

  Args:
    record: the annotation.
    where: file and record, to be named in errors.
    kpfiles: paths of the files in the folder kpfiles, by name.

  Returns:
    The poses, which `read(persons, where)` makes (M, T, V, C) float32 of, with
    at most so many persons (the first, in the file's order) and any confidence
    as last channel.

  Raises:
    LeftOut: there is nobody in it.
    UserError: of a shape or joints that are not known, no frames, fewer of
      them than 'total_frames' says, or the kpfile is missing.
  """
  if 'frame_inds' not in record:
    poses = _tracks(record, where)
    scored = poses.score is not None
    return poses, _form(*poses.keypoint.shape[2:], scored, where)
  frames = _array(record, 'frame_inds', where)
  if frames.ndim != 1 or frames.dtype.kind == 'f':
    raise UserError(f"{where}: 'frame_inds' is no row of whole numbers")
  if not len(frames):
    raise LeftOut('nobody in it')
  if 'keypoint' in record:
    bodies = _bodies(record, frames, where)
    return Packed(frames, bodies), _form(bodies.shape[1], 2, True, where)
  kpfile, name = record.get('raw_file'), record.get('frame_dir')
  if not isinstance(kpfile, str) or not isinstance(name, str):
    raise UserError(
      f"{where}: no 'keypoint', nor a 'raw_file' and 'frame_dir' that say where"
      ' it is; correct it'
    )
  kpfile = re.split(r'[/\\]', kpfile)[-1]
  if kpfile not in kpfiles:
    raise UserError(
      f"{where}: no 'keypoint', and file {kpfile!r} (its 'raw_file') is not in"
      ' a folder kpfiles beside the pickle; get the kpfiles and put them there'
    )
  return Packed(frames, None, kpfiles[kpfile], name), _form(17, 2, True, where)


def _form(joints, channels, scored, where):
  if (joints, channels) == (25, 3):
    return Form('ntu_25', 3 + scored, scored, 'metres')
  layout = {17: 'coco_17', 18: 'openpose_18'}.get(joints)
  if layout and channels == 2:
    return Form(layout, 2 + scored, scored, 'pixels')
  raise UserError(
    f'{where}: {joints} joints with {channels} channels'
    f'{" and a score" if scored else ""}; known are 25 with x, y, z (ntu_25),'
    ' 17 with x, y (coco_17) and 18 with x, y (openpose_18), each with or'
    ' without a score. For joints of your own, see skeleton_folder'
  )


def _tracks(record, where):
  keypoint = _array(record, 'keypoint', where)
  if keypoint.ndim != 4:
    raise UserError(
      f"{where}: 'keypoint' of shape {keypoint.shape}, where (persons, frames,"
      ' joints, channels) is due'
    )
  if not len(keypoint):
    raise LeftOut('nobody in it')
  if not keypoint.shape[1]:
    raise UserError(f'{where}: no frames in it; take the clip out')
  frames = record.get('total_frames')
  if not is_integer(frames) or not 0 < frames <= keypoint.shape[1]:
    raise UserError(
      f"{where}: 'total_frames' is {describe_value(frames)}, but 'keypoint' has"
      f' {keypoint.shape[1]} frames; correct it'
    )
  if record.get('keypoint_score') is None:
    if keypoint.shape[2] != 25 and keypoint.shape[3] == 3:
      # Of joints in an image, pyskl's code takes the third for the score too.
      return Tracks(keypoint[:, :frames, :, :2], keypoint[:, :frames, :, 2])
    return Tracks(keypoint[:, :frames], None)
  score = _array(record, 'keypoint_score', where)
  if score.shape != keypoint.shape[:3]:
    raise UserError(
      f"{where}: 'keypoint_score' of shape {score.shape}, but 'keypoint' of"
      f' shape {keypoint.shape}; correct it'
    )
  return Tracks(keypoint[:, :frames], score[:, :frames])


def _without_nan(poses):
  poses[np.isnan(poses).any(-1)] = 0
  return poses


def _bodies(record, frames, where):
  """The (N, V, 3) of packed poses."""
  bodies = _array(record, 'keypoint', where)
  if bodies.ndim != 3 or len(bodies) != len(frames) or bodies.shape[2] != 3:
    raise UserError(
      f"{where}: 'keypoint' of shape {bodies.shape}, where {len(frames)} bodies"
      " (as in 'frame_inds') with x, y and score are due; get it again"
    )
  return bodies


def _from_kpfile(kpfile, name, frames, where):
  entries = _kpfile(kpfile)
  entry = entries.get(name) if isinstance(entries, dict) else None
  where = f'{where}, in {kpfile}'
  if not isinstance(entry, dict):
    raise UserError(f'{where}: nothing of the name {name!r}; get it again')
  return _bodies(entry, frames, where)


# Each is kept for the clips that follow, and no more than one.
_kpfile = functools.lru_cache(maxsize=1)(safe_pickle.load_pickle)


def is_integer(value: Any) -> bool:
  """Whether something out of a pickle is an integer, and no boolean."""
  return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _array(record, key, where):
  array = record.get(key)
  if not isinstance(array, np.ndarray) or array.dtype.kind not in 'fiu':
    raise UserError(f'{where}: {key!r} is no array of numbers; correct it')
  return array
