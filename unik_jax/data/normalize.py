"""Normalisation presets: from a dataset's units to what a model is fed.

Each takes one clip (M, T, V, C) and returns one of the same shape. A joint
whose coordinates are all exactly zero is missing, and stays zero.
"""

from collections.abc import Callable

import numpy as np

from unik_jax.data.formats import lcrnet
from unik_jax.errors import UserError
from unik_jax.skeletons import Layout


def none(clip: np.ndarray, layout: Layout) -> np.ndarray:
  """The coordinates as they are."""
  del layout
  return clip


def center_first(clip: np.ndarray, layout: Layout) -> np.ndarray:
  """Subtracts the first person's body centre in its first frame.

  Movement through space stays in the data. Where the centre is missing in the
  first frame, the first frame that has it serves; where none has, the clip
  stays as it is.

  Args:
    clip: (M, T, V, C).
    layout: names the body centre.

  Returns:
    (M, T, V, C).
  """
  centers = clip[0, :, layout.index(layout.center)]
  seen = centers.any(-1)
  if not seen.any():
    return clip
  present = clip.any(-1, keepdims=True)
  return np.where(present, clip - centers[seen.argmax()], 0)


def screen_640(clip: np.ndarray, layout: Layout) -> np.ndarray:
  """Pixels to screen coordinates, for 640 x 480 as the UNIK scripts have it.

  Args:
    clip: (M, T, V, 2) in pixels.
    layout: not used.

  Returns:
    (M, T, V, 2): x within [-1, 1], y within [-0.75, 0.75].
  """
  del layout
  return lcrnet.normalize_screen(clip, 640, 480)


PRESETS: dict[str, Callable[[np.ndarray, Layout], np.ndarray]] = {
  'none': none,
  'center_first': center_first,
  'screen_640': screen_640,
}


def get_preset(name: str) -> Callable[[np.ndarray, Layout], np.ndarray]:
  """The preset of that name; a UserError names the known ones."""
  if name not in PRESETS:
    raise UserError(
      f'data.normalize is {name!r}; use one of {", ".join(sorted(PRESETS))}'
    )
  return PRESETS[name]
