"""Arguments of `Predictor.predict`: paths, arrays, image sizes."""

import os
from typing import Any

import numpy as np

from unik_jax.errors import UserError


def list_paths(clips: Any) -> list[str]:
  """Returns the paths in an argument of `predict`; [] if they are arrays."""
  if isinstance(clips, str | os.PathLike):
    return [os.fspath(clips)]
  if isinstance(clips, list | tuple) and clips:
    if all(isinstance(clip, str | os.PathLike) for clip in clips):
      return [os.fspath(clip) for clip in clips]
  return []


def refuse_stacked_clips(array: Any) -> None:
  """Raises a UserError if (M, T, V, C) may be clips instead of persons."""
  array = np.asarray(array)
  if array.ndim != 4 or array.dtype.kind not in 'iuf':
    return
  # A clip always has a person, but a row of absent persons is only padding.
  rows = ((array != 0) & ~np.isnan(array)).any((1, 2, 3))
  if len(rows) > 1 and rows.all():
    raise UserError(
      'keypoints: expected a list of clips, got an array of shape'
      f' {array.shape}, which may be one clip of {len(array)} persons or'
      f' {len(array)} clips.'
      ' Use [array] for one clip, list(array) for several'
    )


def select_size(image_size: Any, n: int, clips: int) -> Any:
  """Returns the size of clip n, from one size for all clips or one for each."""
  if image_size is None:
    return None
  sizes = np.asarray(image_size)
  if sizes.shape not in ((2,), (clips, 2)):
    raise UserError(
      f'image_size: expected (width, height), or one for each of {clips} clips,'
      f' got {image_size}'
    )
  return sizes if sizes.ndim == 1 else sizes[n]
