"""Random changes of a training clip (M, T, V, C), the same for all persons.

Channels 0 and 1 are x and y. Channel 2 is z, or the confidence of 2-D data.

Each change is two functions. `draw_*` draws random numbers, always on the
host. `*_clip` applies them, in numpy on the host or in JAX on a device.
"""

from typing import Any

import numpy as np

Array = Any  # numpy's or JAX's; the result is of the same kind


def draw_move(rng: np.random.Generator) -> np.ndarray:
  """Draws the argument of `move_clip`.

  Returns:
    (4, 2): an angle in degrees, a scale, a shift of x and a shift of y, each
    at the start and at the end of the clip. The values are those of the
    official `random_move`.
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
  """Applies the official `random_move`: drifting rotation, scale and shift.

  Each changes linearly from its value at the start to its value at the end.
  Missing joints (zeros) are moved too, as in the official code.

  Args:
    clip: (M, T, V, C); x and y change.
    ends: (4, 2) from `draw_move`.

  Returns:
    (M, T, V, C).
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
  # Not a matrix product, which a TPU would round to bfloat16.
  moved = xp.stack([x * cos - y * sin + right, x * sin + y * cos + up], -1)
  return xp.concatenate([moved.astype(clip.dtype), clip[..., 2:]], -1)


def draw_angle(rng: np.random.Generator, largest: float) -> np.float64:
  """Draws radians for `rotate_clip`, uniform in [-largest, largest]."""
  return np.float64(rng.uniform(-largest, largest))


def rotate_clip(clip: Array, angle: Array) -> Array:
  """Rotates a 3-D clip about the vertical (y) axis.

  Args:
    clip: (M, T, V, C) with C >= 3.
    angle: radians.

  Returns:
    (M, T, V, C).
  """
  xp = clip.__array_namespace__()
  cos, sin = xp.cos(angle).astype(clip.dtype), xp.sin(angle).astype(clip.dtype)
  x, y, z = clip[..., 0], clip[..., 1], clip[..., 2]
  turned = xp.stack([x * cos + z * sin, y, z * cos - x * sin], -1)
  return xp.concatenate([turned, clip[..., 3:]], -1)


def draw_factor(
  rng: np.random.Generator, low: float, high: float
) -> np.float64:
  """Draws the factor of `rescale_clip`, uniform in [low, high]."""
  return np.float64(rng.uniform(low, high))


def rescale_clip(clip: Array, factor: Array) -> Array:
  """Multiplies all channels of a clip by a number."""
  return clip * factor.astype(clip.dtype)
