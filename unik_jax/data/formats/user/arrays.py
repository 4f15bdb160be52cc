"""Arrays of a user's own: .npz and .npy."""

import io

import numpy as np

from unik_jax.data.formats.user.people import Found, check_channels, image_size
from unik_jax.errors import UserError

_SHAPES = '(frames, joints, channels) or (persons, frames, joints, channels)'


def parse_numpy(
  content: bytes, where: str, confidence: bool | None = None
) -> Found:
  """An .npy file's array, or an .npz file's `keypoints` (or only) array.

  An .npz file may have `image_size` (width, height) as well.

  Args:
    content: of the file.
    where: the file, to be named in errors.
    confidence: whether the last channel is one; None to take the fourth of
      four channels for it.

  Raises:
    UserError: not such a file, Python objects in it (which are never
      unpickled), or of another shape.
  """
  try:
    loaded = np.load(io.BytesIO(content), allow_pickle=False)
    if isinstance(loaded, np.ndarray):
      loaded = {'keypoints': loaded}
    arrays = {name: loaded[name] for name in loaded}
  except Exception as error:  # numpy raises whatever a broken file leads to
    reason = str(error)
    if 'pickle' in reason:  # advice that is of no use, or to be unsafe
      reason = 'cut short, Python objects, or no file of numpy'
    raise UserError(
      f'{where}: cannot be read as numpy arrays of plain numbers ({reason});'
      ' save it again with numpy.save or numpy.savez'
    ) from None
  size = arrays.pop('image_size', np.zeros(0)).ravel().tolist()
  if 'keypoints' not in arrays and len(arrays) != 1:
    raise UserError(
      f"{where}: no array 'keypoints' in it; it has:"
      f' {", ".join(sorted(arrays)) or "none"}'
    )
  clip = arrays['keypoints'] if 'keypoints' in arrays else arrays.popitem()[1]
  if clip.dtype.kind not in 'iuf':
    raise UserError(
      f'{where}: holds {clip.dtype}, where numbers are due; save it as float32'
    )
  if clip.ndim == 3:
    clip = clip[None]
  if clip.ndim != 4 or clip.shape[-1] not in (2, 3, 4):
    raise UserError(
      f'{where}: of shape {clip.shape}, where {_SHAPES} is due, with 2 to 4'
      ' channels; numpy.transpose and numpy.reshape bring it there'
    )
  if clip.shape[0] > max(clip.shape[1], 2):
    raise UserError(
      f'{where}: shape {clip.shape} would be {clip.shape[0]} persons in'
      f' {clip.shape[1]} frames; swap the first two axes: {_SHAPES} is due'
    )
  return Found(
    clip.astype(np.float64),
    check_channels(clip.shape[-1], confidence, where),
    image_size=image_size(size, where),
    is_open=True,
  )
