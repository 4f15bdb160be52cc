"""LCR-Net's poses: JSON of 13 joints, in the image and in space.

Published by Rogez, Weinzaepfel and Schmid, "LCR-Net++: Multi-person 2D and 3D
Pose Detection in Natural Images", TPAMI 2019:
https://thoth.inrialpes.fr/src/LCR-Net/. Toyota Smarthome, Posetics and UNIK's
Penn Action come in this form, with a file per clip:

  {"frames": [[{"pose2d": [13 x, 13 y], "pose3d": [13 x, 13 y, 13 z]}, ...]]}

Each frame has a list of bodies, empty where nobody is present. 2-D poses are in
pixels, 3-D poses relative to the body, about in metres. Persons are not
tracked: the first body of one frame need not be the first of the next.

The 13 joints have layout 'lcrnet_13'. UNIK derives its 17 joints ('unik_17')
from them.
"""

import functools

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.clips import LeftOut
from unik_jax.data.energy import rank_by_energy
from unik_jax.data.formats.json_numbers import (
  find_not_finite,
  get_numbers,
  parse_floats,
)
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# Joints that UNIK adds, as means of LCR-Net's. The nose is halfway from the
# head to the neck (the middle of the shoulders), so the head counts twice.
_ADDED_JOINTS = {
  'mid_hip': ('left_hip', 'right_hip'),
  'neck': ('left_shoulder', 'right_shoulder'),
  'chest': ('left_hip', 'right_hip', 'left_shoulder', 'right_shoulder'),
  'nose': ('head', 'head', 'left_shoulder', 'right_shoulder'),
}
_FIELDS = {  # key in the file: coordinates per joint
  '2d': {'pose2d': 2},
  '3d': {'pose3d': 3},
  '2d+3d': {'pose2d': 2, 'pose3d': 3},
}


def read_poses(
  source: raw_files.RawFile,
  *,
  channels: str = '2d',
  order: str = 'file',
  persons: int = 2,
) -> np.ndarray:
  """Returns UNIK's 17 joints of one clip.

  Args:
    source: the JSON file.
    channels: '2d', '3d' or '2d+3d', as for `parse_poses`.
    order: order of the persons. 'file' keeps the file's order. 'energy' sorts
      them by their motion in the image, highest first, as Smarthome's script
      does before it normalises. 3-D poses are also sorted by their 2-D poses,
      so that both have the same person first.
    persons: M. The first M bodies of each frame are kept.

  Returns:
    (M, T, 17, C) float32 of layout 'unik_17'.

  Raises:
    UserError: as in `parse_poses`.
    LeftOut: there are frames, but no body in any. Posetics' script drops such
      clips. Smarthome's and Penn Action's keep them as zeros, which teach a
      network nothing.
  """
  is_sorted = order == 'energy'
  needs_2d = is_sorted and channels == '3d'
  poses = parse_poses(
    source.read_bytes(),
    str(source),
    persons=persons,
    channels='2d+3d' if needs_2d else channels,
  )
  if poses.shape[1] and not poses.any():
    raise LeftOut('no pose in the file')
  poses = to_unik_17(poses)
  if is_sorted:
    poses = poses[rank_by_energy(poses[..., :2])]
  return poses[..., 2:] if needs_2d else poses


def parse_poses(
  content: bytes, where: str, *, persons: int = 2, channels: str = '2d'
) -> np.ndarray:
  """Returns LCR-Net's 13 joints of one clip.

  Args:
    content: the JSON file's bytes.
    where: the file, for errors.
    persons: M. The first M bodies of each frame are kept, in file order, and
      the others are not read, as in the published scripts.
    channels: '2d' for x, y in pixels; '3d' for x, y, z in the file's units;
      '2d+3d' for all five.

  Returns:
    (M, T, 13, C) float32 of layout 'lcrnet_13'; zeros where nobody is present.

  Raises:
    UserError: the file is not UTF-8, is cut short or has no list of frames; or
      a body lacks the pose, has another number of values, or has a value that
      is not a finite number.
  """
  fields = _FIELDS[channels]
  layout = get_layout('lcrnet_13')
  joints = layout.num_joints
  frames = _load_frames(content, where)
  clip = np.zeros((persons, len(frames), sum(fields.values()), joints))
  for t, bodies in enumerate(frames):
    if not isinstance(bodies, list):
      raise UserError(
        f'{where}, frame {t}: expected a list of bodies (empty where nobody is'
        f' present), got {bodies!r:.40}. {FETCH_AGAIN}'
      )
    for m, body in enumerate(bodies[:persons]):
      place = f'{where}, frame {t}, person {m}'
      values = []
      for field, size in fields.items():
        values += _get_pose(body, field, size * joints, place)
      clip[m, t] = np.reshape(values, (-1, joints))
  clip = clip.transpose(0, 1, 3, 2)
  if bad := find_not_finite(clip):
    m, t, v, _ = bad
    raise UserError(
      f'{where}, frame {t}, person {m}: joint {v} ({layout.joints[v]}) is NaN,'
      ' infinite or too large. Correct it, or remove this body from its frame'
    )
  return clip.astype(np.float32)


def to_unik_17(poses: np.ndarray) -> np.ndarray:
  """Returns UNIK's 17 joints, derived from LCR-Net's 13 by joint name.

  UNIK adds the middle of the hips, the neck (middle of the shoulders), the
  chest (mean of these four joints) and the nose (middle of head and neck).

  Args:
    poses: (M, T, 13, C) of layout 'lcrnet_13', from `parse_poses`.

  Returns:
    (M, T, 17, C) of layout 'unik_17', in the dtype of `poses`.
  """
  return _joint_weights().astype(poses.dtype) @ poses


@functools.cache
def _joint_weights():
  """Returns (17, 13): each joint as a weighted mean of LCR-Net's joints."""
  source, target = get_layout('lcrnet_13'), get_layout('unik_17')
  weights = np.zeros((target.num_joints, source.num_joints))
  for row, joint in zip(weights, target.joints, strict=True):
    parts = _ADDED_JOINTS.get(joint, (joint,))
    for part in parts:
      row[source.index(part)] += 1 / len(parts)
  return weights


def _load_frames(content, where):
  """Returns the list under "frames", a list of bodies per frame."""
  data = parse_floats(content, where)
  if not isinstance(data, dict) or not isinstance(data.get('frames'), list):
    raise UserError(
      f'{where}: no list "frames". Expected a file of LCR-Net:'
      ' {"frames": [[{"pose2d": [26 numbers], ...}, ...], ...]}'
    )
  return data['frames']


def _get_pose(body, field, size, place):
  is_body = isinstance(body, dict)
  if field == 'pose3d' and not (is_body and isinstance(body.get(field), list)):
    raise UserError(
      f"{place}: no list 'pose3d'. {FETCH_AGAIN}, or use the dataset's config"
      ' 2d'
    )
  return get_numbers(body, field, size, place)
