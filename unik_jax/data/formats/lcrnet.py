"""LCR-Net's files: JSON poses of 13 joints, in the image and in space.

Rogez, Weinzaepfel and Schmid, "LCR-Net++: Multi-person 2D and 3D Pose
Detection in Natural Images", TPAMI 2019. Toyota Smarthome, Posetics and UNIK's
Penn Action come in this form, one file a clip:

  {"frames": [[{"pose2d": [13 x, 13 y], "pose3d": [13 x, 13 y, 13 z]}, ...]]}

with a list of bodies for each frame, empty where nobody is seen. UNIK makes
17 joints of the 13.
"""

import functools

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import LeftOut
from unik_jax.data.energy import rank_by_energy
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# The joints that UNIK adds, as means of LCR-Net's. The shares of the nose,
# halfway from the head to the neck, count the head twice.
_ADDED = {
  'mid_hip': ('left_hip', 'right_hip'),
  'neck': ('left_shoulder', 'right_shoulder'),
  'chest': ('left_hip', 'right_hip', 'left_shoulder', 'right_shoulder'),
  'nose': ('head', 'head', 'left_shoulder', 'right_shoulder'),
}
_FIELDS = {
  '2d': {'pose2d': 2},
  '3d': {'pose3d': 3},
  '2d+3d': {'pose2d': 2, 'pose3d': 3},
}
_REMEDY = 'extract or download it again'


def read_poses(
  source: raw_files.RawFile,
  *,
  channels: str = '2d',
  order: str = 'file',
  persons: int = 2,
) -> np.ndarray:
  """One clip's 17 joints, for the builders of datasets in this form.

  Args:
    source: the JSON file.
    channels: '2d', '3d' or '2d+3d', as for `parse_poses`.
    order: of the persons: 'file' leaves them as the file has them, 'energy'
      sorts them by their motion in the image, of which `sort_by_energy` tells
      more. Also 3-D poses are sorted by their 2-D ones, so that the same
      persons come first in both.
    persons: M; of more bodies in a frame, the first M in file order are kept.

  Returns:
    (M, T, 17, C) float32 of layout 'unik_17'.

  Raises:
    UserError: as `parse_poses`.
    LeftOut: there are frames, and nobody in any. Posetics' script drops such
      clips; Smarthome's and Penn Action's keep them as zeros, of which there
      is nothing to learn.
  """
  sort = order == 'energy'
  both = sort and channels == '3d'
  poses = parse_poses(
    source.read_bytes(),
    str(source),
    persons=persons,
    channels='2d+3d' if both else channels,
  )
  if poses.shape[1] and not poses.any():
    raise LeftOut('no pose in the file')
  poses = to_unik_17(poses)
  if sort:
    poses = poses[rank_by_energy(poses[..., :2])]
  return poses[..., 2:] if both else poses


def parse_poses(
  content: bytes, where: str, *, persons: int = 2, channels: str = '2d'
) -> np.ndarray:
  """One clip, as LCR-Net wrote it.

  Args:
    content: of the JSON file.
    where: the file, to be named in errors.
    persons: M. The first M bodies of a frame are kept, in file order, and
      any others dropped unread, as the published scripts do; which of them
      is who in the next frame, the file does not say.
    channels: '2d' for pixels x, y; '3d' for x, y, z in the file's units;
      '2d+3d' for the five of them.

  Returns:
    (M, T, 13, C) float32 of layout 'lcrnet_13'; zeros where nobody is.

  Raises:
    UserError: not UTF-8, cut short, no frames in it, a body without the pose
      or with another number of values, or one that is no finite number.
  """
  fields = _FIELDS[channels]
  joints = get_layout('lcrnet_13').num_joints
  frames = _load_frames(content, where)
  clip = np.zeros((persons, len(frames), sum(fields.values()), joints))
  for t, bodies in enumerate(frames):
    if not isinstance(bodies, list):
      raise UserError(
        f'{where}, frame {t}: not a list of bodies (an empty one where nobody'
        f' is seen); {_REMEDY}'
      )
    for m, body in enumerate(bodies[:persons]):
      place = f'{where}, frame {t}, person {m}'
      values = [
        value
        for field, size in fields.items()
        for value in _values(body, field, size * joints, place)
      ]
      clip[m, t] = np.reshape(values, (-1, joints))
  clip = clip.transpose(0, 1, 3, 2)
  # Compared in float64: what float32 cannot hold is as bad as infinity.
  bad = np.argwhere(~(np.abs(clip) <= np.finfo(np.float32).max))
  if len(bad):
    m, t, v, _ = bad[0]
    raise UserError(
      f'{where}, frame {t}, person {m}: NaN, infinity or a number too large at'
      f' joint {v} ({get_layout("lcrnet_13").joints[v]}); correct it, or leave'
      ' the body out of its frame'
    )
  return clip.astype(np.float32)


def to_unik_17(poses: np.ndarray) -> np.ndarray:
  """UNIK's 17 joints from LCR-Net's 13, by joint name.

  The middle of the hips, the neck (middle of the shoulders), the chest (mean
  of those four) and the nose (middle of head and neck) are added.

  Args:
    poses: (M, T, 13, C) of layout 'lcrnet_13', as `parse_poses` gives it.

  Returns:
    (M, T, 17, C) of layout 'unik_17', in the dtype of `poses`.
  """
  return _weights().astype(poses.dtype) @ poses


@functools.cache
def _weights():
  """(17, 13): each joint's shares of LCR-Net's."""
  source, target = get_layout('lcrnet_13'), get_layout('unik_17')
  weights = np.zeros((target.num_joints, source.num_joints))
  for row, joint in zip(weights, target.joints, strict=True):
    parts = _ADDED.get(joint, (joint,))
    for part in parts:
      row[source.index(part)] += 1 / len(parts)
  return weights


def _load_frames(content, where):
  """The list under 'frames'."""
  # Integers as floats too: one type to check for, and none too long.
  data = raw_files.parse_json(content, where, parse_int=float)
  if not isinstance(data, dict) or not isinstance(data.get('frames'), list):
    raise UserError(
      f'{where}: no list "frames" in it; this reads LCR-Net\'s poses:'
      ' {"frames": [[{"pose2d": [26 numbers], ...}, ...], ...]}'
    )
  return data['frames']


def _values(body, field, size, place):
  """The numbers of one body's pose."""
  values = body.get(field) if isinstance(body, dict) else None
  if not isinstance(values, list):
    raise UserError(
      f'{place}: no list {field!r}; {_REMEDY}'
      + (", or use the dataset's config 2d" if field == 'pose3d' else '')
    )
  if len(values) != size:
    raise UserError(
      f'{place}: {field} has {len(values)} values where {size} are due'
      f' (13 x, then 13 y{", then 13 z" if field == "pose3d" else ""});'
      ' is it of another pose estimator?'
    )
  if set(map(type, values)) != {float}:
    odd = next(value for value in values if type(value) is not float)
    raise UserError(
      f'{place}: {field} holds {str(odd)[:40]!r} where a number is due;'
      ' correct it, or leave the body out of its frame'
    )
  return values
