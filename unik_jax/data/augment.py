"""Random changes to a training clip (M, T, V, C), whole persons at once.

The first two channels are x and y, the third z, or a confidence in 2-D data.
What is drawn is apart from what is done with it, since the draws are the
loader's in any case, and the change may be made by numpy or by JAX.
"""

from typing import Any

import numpy as np

Array = Any  # numpy's or JAX's; the result is of the same kind


def draw_move(rng: np.random.Generator) -> np.ndarray:
  """What `move_clip` takes: (4, 2) at a clip's start and end.

  The rows are an angle in degrees, a scale, a shift of x and one of y, each
  drawn from the values of the official `random_move`.
  """
  return np.stack(
    [
      rng.choice([-10.0, -5.0, 0.0, 5.0, 10.0], 2),
      rng.choice([0.9, 1.0, 1.1], 2),
      rng.choice([-0.2, -0.1, 0.0, 0.1, 0.2], 2),
      rng.choice([-0.2, -0.1, 0.0, 0.1, 0.2], 2),
    ]
  )


def move_clip(clip: Array, ends: Array) -> Array:
  """The official `random_move`: a drifting rotation, scale and shift of x, y.

  Each runs linearly from its value at the start to that at the end. Missing
  joints move too, as in the official code.

  Args:
    clip: (M, T, V, C).
    ends: from `draw_move`.
  """
  xp = clip.__array_namespace__()
  angle, scale, right, up = (
    xp.linspace(*pair, clip.shape[1])[:, None] for pair in ends
  )
  cos, sin = (
    scale * xp.cos(xp.deg2rad(angle)),
    scale * xp.sin(xp.deg2rad(angle)),
  )
  x, y = clip[..., 0], clip[..., 1]
  # Not as a product of matrices, which a TPU would round to bfloat16.
  moved = xp.stack([x * cos - y * sin + right, x * sin + y * cos + up], -1)
  return xp.concatenate([moved.astype(clip.dtype), clip[..., 2:]], -1)


def draw_angle(rng: np.random.Generator, largest: float) -> np.float64:
  """What `rotate_clip` takes: radians, at most `largest` to either side."""
  return np.float64(rng.uniform(-largest, largest))


def rotate_clip(clip: Array, angle: Array) -> Array:
  """Turns a 3-D clip about the vertical (y) axis.

  Args:
    clip: (M, T, V, C) with C >= 3.
    angle: in radians.
  """
  xp = clip.__array_namespace__()
  cos, sin = xp.cos(angle).astype(clip.dtype), xp.sin(angle).astype(clip.dtype)
  x, y, z = clip[..., 0], clip[..., 1], clip[..., 2]
  turned = xp.stack([x * cos + z * sin, y, z * cos - x * sin], -1)
  return xp.concatenate([turned, clip[..., 3:]], -1)


def draw_factor(
  rng: np.random.Generator, low: float, high: float
) -> np.float64:
  """What `rescale_clip` takes: a number between `low` and `high`."""
  return np.float64(rng.uniform(low, high))


def rescale_clip(clip: Array, factor: Array) -> Array:
  """Multiplies a clip by a number."""
  return clip * factor.astype(clip.dtype)
