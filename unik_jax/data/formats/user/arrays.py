"""Arrays of keypoints: .npz and .npy files."""

import io
from typing import Any

import numpy as np

from unik_jax.data.formats.user.fields import parse_image_size
from unik_jax.data.formats.user.keypoints import ParsedClip, check_channels
from unik_jax.errors import UserError

_SHAPES = '(frames, joints, channels) or (persons, frames, joints, channels)'


def parse_numpy(
  content: bytes, where: str, confidence: bool | None = None
) -> ParsedClip:
  """Parses an .npy file, or the `keypoints` (or only) array of an .npz file.

  An .npz file may also hold `image_size` (width, height).

  Args:
    content: bytes of the file.
    where: the file, for errors.
    confidence: whether the last channel is a confidence; None means that the
      fourth of four channels is.

  Raises:
    UserError: the file is broken, holds Python objects (which are never
      unpickled), or its array has another shape.
  """
  try:
    loaded = np.load(io.BytesIO(content), allow_pickle=False)
    if isinstance(loaded, np.ndarray):
      loaded = {'keypoints': loaded}
    arrays = {name: loaded[name] for name in loaded}
  except Exception as error:  # numpy raises many kinds for a broken file
    reason = str(error)
    if 'pickle' in reason:  # numpy's advice would be to unpickle
      reason = 'cut short, Python objects, or no file of numpy'
    raise UserError(
      f'{where}: cannot be read as numpy arrays of plain numbers ({reason}).'
      ' Save it again with numpy.save or numpy.savez'
    ) from None
  size = arrays.pop('image_size', np.zeros(0)).ravel().tolist()
  if 'keypoints' not in arrays and len(arrays) != 1:
    raise UserError(
      f"{where}: expected an array 'keypoints', got"
      f' {", ".join(sorted(arrays)) or "no array"}'
    )
  clip = arrays['keypoints'] if 'keypoints' in arrays else arrays.popitem()[1]
  clip = as_clip(clip, where)
  return ParsedClip(
    clip,
    check_channels(clip.shape[-1], confidence, where),
    image_size=parse_image_size(size, where),
    is_open=True,
  )


def as_clip(keypoints: Any, where: str) -> np.ndarray:
  """Returns (M, T, V, C) float64 from an array (T, V, C) or (M, T, V, C).

  Args:
    keypoints: anything that numpy can turn into an array.
    where: the clip, for errors.

  Raises:
    UserError: the values are not numbers, or the shape is another one.
  """
  try:
    clip = np.asarray(keypoints)
  except ValueError:  # nested lists of different lengths
    clip = np.zeros(0, object)
  if clip.dtype.kind not in 'iuf':
    raise UserError(
      f'{where}: expected an array of numbers, {_SHAPES}, got {clip.dtype}.'
      ' Convert it to float32'
    )
  shape = clip.shape
  if _may_have_persons_last(clip):
    raise UserError(
      f'{where}: expected {_SHAPES}, got shape {shape}, which may be (channels,'
      ' frames, joints, persons). If it is, use numpy.transpose(array,'
      f' (3, 1, 2, 0)). If it is {shape[0]} persons with x y, add a confidence'
      ' of 1 as third channel'
    )
  clip = clip[None] if clip.ndim == 3 else clip
  if clip.ndim != 4 or clip.shape[-1] not in (2, 3, 4):
    raise UserError(
      f'{where}: expected {_SHAPES} with 2 to 4 channels, got shape {shape}.'
      ' Use numpy.transpose or numpy.reshape'
    )
  if not clip.size:
    raise UserError(f'{where}: expected {_SHAPES}, got an empty array {shape}')
  if clip.shape[0] > max(clip.shape[1], 2):
    raise UserError(
      f'{where}: expected {_SHAPES}, got {clip.shape[0]} persons in'
      f' {clip.shape[1]} frames (shape {shape}). Swap the first two axes'
    )
  return clip.astype(np.float64)


def _may_have_persons_last(array):
  """Returns whether an array may have ST-GCN's order (C, T, V, M).

  The shape of three persons with x y is also that of x y z of two persons.
  Zeros decide, if any: an absent joint has them in all its coordinates.
  """
  if array.ndim != 4 or array.shape[0] not in (2, 3, 4):
    return False
  if array.shape[-1] != 2 or not array.size:
    return array.shape[-1] == 1
  is_zero = (array == 0) | np.isnan(array)
  absent = is_zero.all(2)
  if (absent[..., 0] != absent[..., 1]).any():
    return True
  return array.shape[0] > 2 and (is_zero != is_zero[:1]).mean() < 0.01
