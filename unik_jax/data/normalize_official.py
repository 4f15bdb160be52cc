"""Normalisation as the published scripts of UNIK, 2s-AGCN and ST-GCN do it.

Presets of `normalize`, where they are described, and what they share with it.
"""

from collections.abc import Sequence

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


def screen_640(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Converts pixels to screen coordinates of 640 x 480, as UNIK's scripts do.

  Args:
    clip: (M, T, V, 2) in pixels.
    layout: not used.
    image_size: not used; the scripts assume 640 x 480.

  Returns:
    (M, T, V, 2): x within [-1, 1], y within [-0.75, 0.75].
  """
  del layout, image_size
  return normalize_screen(clip, 640, 480)


def normalize_screen(
  poses: np.ndarray, width: float = 640, height: float = 480
) -> np.ndarray:
  """Converts pixels to half image widths from the centre, y downwards.

    x -> 2 x / width - 1,  y -> 2 y / width - height / width

  A coordinate that is exactly 0 is missing and stays 0, even if the joint's
  other coordinate is not. The published scripts use 640 x 480 for every
  dataset, even if its videos have another size (Posetics, Penn Action).

  Args:
    poses: (..., 2) pixels.
    width: width of the image, in pixels.
    height: height of the image, in pixels.

  Returns:
    (..., 2): x in [-1, 1] and y in +-height / width inside the image.

  Raises:
    UserError: the clip does not have two channels.
  """
  if poses.shape[-1] != 2:
    raise UserError(
      'normalisation screen_640: expected 2 channels (x, y in pixels), got'
      f' {poses.shape[-1]}. Use 2-D poses or another normalisation'
    )
  center = np.array([1, height / width], poses.dtype)
  return np.where(poses == 0, 0, poses * (2 / width) - center)


def kinetics(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Moves the origin to the image's centre, y upwards, as ST-GCN's feeder does.

  Args:
    clip: (M, T, V, 2) as fractions of the image's width and height.
    layout: not used.
    image_size: not used.

  Returns:
    (M, T, V, 2): x and y within [-0.5, 0.5].
  """
  del layout, image_size
  moved = (clip - np.float32(0.5)) * np.float32([1, -1])
  return np.where(clip.any(-1, keepdims=True), moved, 0)


def agcn(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Centres and rotates as 2s-AGCN's script for NTU RGB+D.

  For tracks that are already repeated to 300 frames. Subtracts the first
  person's middle spine in every frame from all persons, so movement through
  space is lost. Then rotates everything so that the first person's spine in
  frame 0, from base to middle, points to +z, and once more so that the line
  from the left to the right shoulder points to +x.

  The second rotation tilts the spine again if the two lines are not at right
  angles; the direction depends on the camera's place. A line that points
  exactly the other way is not rotated. Both are kept for parity.

  Source: data_gen/preprocess.py and rotation.py of 2s-AGCN (Shi et al., CVPR
  2019); MS-G3D's are the same.

  Args:
    clip: (M, T, V, 3); the first person is present in frame 0.
    layout: one with the spine and shoulders of 'ntu_25'.
    image_size: not used.

  Returns:
    (M, T, V, 3).

  Raises:
    UserError: the clip does not have three channels, or the layout lacks these
      joints.
  """
  del image_size
  spine, base, right, left = map(
    layout.index, ('spine_mid', 'spine_base', 'right_shoulder', 'left_shoulder')
  )
  check_space(clip, 'agcn')
  return _center_and_rotate(
    clip, clip[:1, :, [spine]], (base, spine), (left, right)
  )


def unik(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Centres and rotates as UNIK's own script for NTU RGB+D.

  Differs from `agcn` in two ways. It subtracts joint 3 of the first person in
  frame 0 from all frames, so movement through space is kept. It rotates the
  line from joint 2 to joint 4 to +z, and the line from joint 6 to joint 5 to
  +x.

  These joint numbers are made for UNIK's 17 joints: the chest, neck to middle
  of the hips (so the body stands on its head), and right to left shoulder. The
  script is run on the 25 joints of NTU RGB+D, where they are the head, neck to
  left shoulder, and left wrist to left elbow. The published accuracies are of
  data normalised like this.

  Source: data_gen/preprocess.py of UNIK (Yang et al., BMVC 2021).

  Args:
    clip: (M, T, V, 3); the first person is present in frame 0.
    layout: a layout of at least 7 joints; their names do not matter.
    image_size: not used.

  Returns:
    (M, T, V, 3).

  Raises:
    UserError: the clip does not have three channels, or has fewer than 7
      joints.
  """
  del image_size
  check_space(clip, 'unik')
  if clip.shape[2] < 7:
    raise UserError(
      'normalisation unik: expected a layout with at least 7 joints, got'
      f' {layout.name!r} with {clip.shape[2]} joints. Use clean'
    )
  return _center_and_rotate(clip, clip[0, 0, 3], (2, 4), (6, 5))


def check_space(clip: np.ndarray, preset: str) -> None:
  """Raises a UserError that names the preset unless clips have 3 channels."""
  if clip.shape[-1] != 3:
    raise UserError(
      f'normalisation {preset}: expected 3 coordinates, got'
      f' {clip.shape[-1]} channels. Use 3-D poses or another normalisation'
    )


def _center_and_rotate(clip, center, up, across):
  """Subtracts a centre and rotates twice, as the published scripts do."""
  # The scripts' test for a missing joint. A present joint with x + y + z = 0
  # also counts as missing.
  present = clip.sum(-1, keepdims=True) != 0
  clip = np.where(present, clip - center, 0)
  for (start, end), target in ((up, 2), (across, 0)):
    direction = clip[0, 0, end] - clip[0, 0, start]
    clip = (clip @ _rotation_to_axis(direction, target).T).astype(clip.dtype)
  return clip


def _rotation_to_axis(direction, target):
  """Returns the published rotation (3, 3) of `direction` onto an axis."""
  axis = np.cross(direction, np.eye(3)[target])
  if np.abs(axis).sum() < 1e-6:
    return np.eye(3)
  # Rounded as in the scripts, whose arc cosine of a float32 is coarse for small
  # angles.
  cosine = np.clip((direction / np.linalg.norm(direction))[target], -1, 1)
  return rotation_about(
    axis / np.linalg.norm(axis), np.arccos(np.float64(cosine))
  )


def rotation_about(axis: Sequence[float], angle: float) -> np.ndarray:
  """Returns Rodrigues' rotation (3, 3) about a unit axis, right-handed."""
  cross = np.cross(np.eye(3), axis)  # cross @ v = axis x v
  return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
