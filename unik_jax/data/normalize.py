"""Normalisation presets: from a dataset's units to what a model is fed.

Each takes one clip (M, T, V, C), its layout and its image size (width, height)
in pixels, (0, 0) where unknown, and returns a clip of the same shape. A joint
whose coordinates are all exactly zero is missing, and stays zero unless `clean`
can tell where it was.
"""

from collections.abc import Callable, Sequence

import numpy as np

from unik_jax.data import gaps
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

Preset = Callable[[np.ndarray, Layout, Sequence[int]], np.ndarray]


def none(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """The coordinates as they are."""
  del layout, image_size
  return clip


def center_first(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Subtracts the first person's body centre in its first frame.

  Movement through space stays in the data. Where the centre is missing in the
  first frame, the first frame that has it serves; where none has, the clip
  stays as it is.

  Args:
    clip: (M, T, V, C).
    layout: names the body centre.
    image_size: not used.

  Returns:
    (M, T, V, C).
  """
  del image_size
  centers = clip[0, :, layout.index(layout.center)]
  seen = centers.any(-1)
  if not seen.any():
    return clip
  present = clip.any(-1, keepdims=True)
  return np.where(present, clip - centers[seen.argmax()], 0)


def screen_640(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """Pixels to screen coordinates, for 640 x 480 as the UNIK scripts have it.

  Args:
    clip: (M, T, V, 2) in pixels.
    layout: not used.
    image_size: not used; the scripts take 640 x 480 for all.

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
    width: of the image, in pixels.
    height: of the image, in pixels.

  Returns:
    (..., 2): x in [-1, 1] and y in +-height / width inside the image.

  Raises:
    UserError: not two channels.
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
  """Shares of the image from its centre, y upwards, as ST-GCN's feeder has it.

  Args:
    clip: (M, T, V, 2) in shares of the image's width and height.
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
  """As 2s-AGCN's script for NTU RGB+D, once tracks are repeated to 300 frames.

  The first person's middle of the spine is subtracted in every frame, from
  all persons, so that movement through space is lost. Then everything is
  turned so that the first person's spine in frame 0, from its base to its
  middle, points to +z, and turned once more so that the line from the left
  shoulder to the right one points to +x. The second turn tilts the spine
  again where the two lines are not at right angles, and which way depends on
  where the camera was. A line that points exactly the other way is left so.

  Source: data_gen/preprocess.py and rotation.py of 2s-AGCN (Shi et al., CVPR
  2019); MS-G3D's are the same.

  Args:
    clip: (M, T, V, 3), the first person being there in frame 0.
    layout: one with the spine and shoulders of 'ntu_25'.
    image_size: not used.

  Returns:
    (M, T, V, 3).

  Raises:
    UserError: not three channels, or a layout without these joints.
  """
  del image_size
  spine, base, right, left = map(
    layout.index, ('spine_mid', 'spine_base', 'right_shoulder', 'left_shoulder')
  )
  _check_space(clip, 'agcn')
  return _published(clip, clip[:1, :, [spine]], (base, spine), (left, right))


def unik(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """As UNIK's own script for NTU RGB+D, once tracks are repeated to 300 frames.

  As `agcn`, but joint 3 of the first person in frame 0 is subtracted from all
  frames, so that movement through space stays, and the line from joint 2 to
  joint 4 is turned to +z, that from joint 6 to joint 5 to +x. These numbers
  are made for UNIK's 17 joints: the chest, neck to middle of the hips (which
  stands the body on its head), and right to left shoulder. On the 25 joints
  of NTU RGB+D, for which the script is run, they are the head, neck to left
  shoulder, and left wrist to left elbow. The published accuracies come from
  data so turned.

  Source: data_gen/preprocess.py of UNIK (Yang et al., BMVC 2021).

  Args:
    clip: (M, T, V, 3), the first person being there in frame 0.
    layout: of 7 joints or more; their names do not matter.
    image_size: not used.

  Returns:
    (M, T, V, 3).

  Raises:
    UserError: not three channels, or fewer than 7 joints.
  """
  del image_size
  _check_space(clip, 'unik')
  if clip.shape[2] < 7:
    raise UserError(
      'normalisation unik goes by joints 2 to 6, but layout'
      f' {layout.name!r} has {clip.shape[2]} joints; use clean'
    )
  return _published(clip, clip[0, 0, 3], (2, 4), (6, 5))


def clean(
  clip: np.ndarray, layout: Layout, image_size: Sequence[int]
) -> np.ndarray:
  """What is right, for any layout, in space as in the image.

  First, gaps in a joint's track are interpolated linearly in time; a person
  who enters late stays absent before (`gaps.interpolate_gaps`).

  In space, the main person is the first who is there at all. That person's
  body centre, in the first frame that has it, is subtracted from everything,
  so that movement stays; where no frame has it, nothing is. Then everything
  is turned, by the shortest way, so that `layout.up` points to +z, and then
  about z alone, so that up stays up and `layout.across` has no part along y
  and points to +x. Each is the main person's, from the first joint to the
  second, in the first frame that has both; without such a frame, or where the
  layout names none, there is no such turn, nor is there one about z where
  across points along up, or the layout names no up.

  In the image, with its width w and height h,

    x -> (x - w / 2) / (w / 2),  y -> (y - h / 2) / (w / 2)

  Where the image size is unknown, the smallest square around all joints of the
  clip takes the image's place.

  Args:
    clip: (M, T, V, 3), or (M, T, V, 2) in pixels.
    layout: names the body centre and the joints that give up and across.
    image_size: (width, height) in pixels, (0, 0) where unknown; for two
      channels only.

  Returns:
    (M, T, V, C). Joints and persons that are absent stay zero.

  Raises:
    UserError: neither two channels nor three.
  """
  channels = clip.shape[-1]
  if channels not in (2, 3):
    raise UserError(
      'normalisation clean is for x y or x y z, but there are'
      f' {channels} channels; set data.channels (and data.confidence, if the'
      ' last is one), or use normalisation none'
    )
  clip = gaps.interpolate_gaps(clip)
  seen = clip.any(-1)
  if not seen.any():
    return clip
  points = clip.astype(np.float64)
  if channels == 2:
    points = _to_image(points, seen, image_size)
  else:
    points = _to_body(points, seen, layout)
  return np.where(seen[..., None], points, 0).astype(clip.dtype)


def _check_space(clip, preset):
  if clip.shape[-1] != 3:
    raise UserError(
      f'normalisation {preset} is for x, y and z, but there are'
      f' {clip.shape[-1]} channels; use 3-D poses, or another normalisation'
    )


def _published(clip, center, up, across):
  """What the scripts share: centre, and turn twice by two joints each."""
  # Their test for a missing joint; it takes one with x + y + z = 0 for another.
  present = clip.sum(-1, keepdims=True) != 0
  clip = np.where(present, clip - center, 0)
  for (start, end), target in ((up, 2), (across, 0)):
    direction = clip[0, 0, end] - clip[0, 0, start]
    clip = (clip @ _turn(direction, target).T).astype(clip.dtype)
  return clip


def _turn(direction, target):
  """(3, 3): the rotation of `direction` onto axis `target`, as published."""
  axis = np.cross(direction, np.eye(3)[target])
  if np.abs(axis).sum() < 1e-6:
    return np.eye(3)
  # Rounded as there: for a small angle, the arc cosine of a float32 is coarse.
  cosine = np.clip((direction / np.linalg.norm(direction))[target], -1, 1)
  return _rotation(axis / np.linalg.norm(axis), np.arccos(np.float64(cosine)))


def _rotation(axis, angle):
  """(3, 3): Rodrigues' rotation about a unit axis, right-handed."""
  cross = np.cross(np.eye(3), axis)  # cross @ v = axis x v
  return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _to_body(points, seen, layout):
  """Points in space, from the main person's centre, up and across on axes."""
  main = seen.any((1, 2)).argmax()
  body, seen = points[main], seen[main]

  def direction(ends):
    """(3,) from joint to joint, in the first frame with both; else zeros."""
    if ends is None:
      return np.zeros(3)
    start, end = map(layout.index, ends)
    both = seen[:, start] & seen[:, end]
    line = np.where(both[:, None], body[:, end] - body[:, start], 0)
    return line[line.any(-1).argmax()]

  turn = np.eye(3)
  up = direction(layout.up)
  if up.any():
    x, y, z = up
    # The azimuth of a vertical is 0, so that there is an axis all the same.
    azimuth, tilt = np.arctan2(y, x), np.arctan2(np.hypot(x, y), z)
    turn = _rotation((np.sin(azimuth), -np.cos(azimuth), 0), tilt)
  # Where no joints say which way is up, a turn about z may be a roll.
  x, y, z = turn @ direction(layout.across if layout.up else None)
  if np.hypot(x, y) > 1e-6 * abs(z):
    turn = _rotation((0, 0, 1), -np.arctan2(y, x)) @ turn
  center = layout.index(layout.center)
  origin = body[seen[:, center].argmax(), center]  # zeros where never seen
  return (points - origin) @ turn.T


def _to_image(points, seen, image_size):
  """Pixels in half widths from the centre of the image, or of a square."""
  size = np.asarray(image_size, np.float64)
  middle, half = size / 2, size[0] / 2
  if not size.all():
    low, high = points[seen].min(0), points[seen].max(0)
    middle, half = (low + high) / 2, max(high - low) / 2
  return (points - middle) / (half or 1)


PRESETS: dict[str, Preset] = {
  'none': none,
  'center_first': center_first,
  'screen_640': screen_640,
  'kinetics': kinetics,
  'agcn': agcn,
  'unik': unik,
  'clean': clean,
}


def get_preset(name: str) -> Preset:
  """The preset of that name; a UserError names the known ones."""
  if name not in PRESETS:
    raise UserError(
      f'data.normalize is {name!r}; use one of {", ".join(sorted(PRESETS))}'
    )
  return PRESETS[name]
