"""Random changes of a training clip (M, T, V, C), the same for all persons.

Channels 0 and 1 are x and y. Channel 2 is z, or the confidence of 2-D data.

Each change is two functions. `draw_*` draws random numbers, always on the
host. `*_clip` applies them, in numpy on the host or in JAX on a device.
"""

from typing import Any

import numpy as np

from unik_jax.skeletons.body import LIMBS, limb_joints
from unik_jax.skeletons.layouts import Layout

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


def rotate_clip(clip: Array, angle: Array, axis: int = 1) -> Array:
  """Rotates a 3-D clip about an axis through the origin, right-handed.

  Args:
    clip: (M, T, V, C) with C >= 3.
    angle: radians.
    axis: 0, 1 or 2 for x, y (vertical) or z.

  Returns:
    (M, T, V, C).
  """
  xp = clip.__array_namespace__()
  cos, sin = xp.cos(angle).astype(clip.dtype), xp.sin(angle).astype(clip.dtype)
  parts = [clip[..., 0], clip[..., 1], clip[..., 2]]
  i, j = (axis + 1) % 3, (axis + 2) % 3
  first, second = parts[i], parts[j]
  parts[i], parts[j] = first * cos - second * sin, second * cos + first * sin
  return xp.concatenate([xp.stack(parts, -1), clip[..., 3:]], -1)


def draw_factor(
  rng: np.random.Generator, low: float, high: float
) -> np.float64:
  """Draws the factor of `rescale_clip`, uniform in [low, high]."""
  return np.float64(rng.uniform(low, high))


def rescale_clip(clip: Array, factor: Array) -> Array:
  """Multiplies all channels of a clip by a number."""
  return clip * factor.astype(clip.dtype)


def draw_flip(rng: np.random.Generator, probability: float) -> np.float64:
  """Draws 1 with a probability, else 0, for `flip_clip`."""
  return np.float64(rng.random() < probability)


def flip_clip(clip: Array, flip: Array, layout: Layout) -> Array:
  """Mirrors a clip at x = 0 and swaps the joints of the two sides.

  Args:
    clip: (M, T, V, C), centred at x = 0.
    flip: 1 to mirror, 0 for the clip itself.
    layout: names the sides.

  Returns:
    (M, T, V, C).
  """
  xp = clip.__array_namespace__()
  swapped = np.arange(layout.num_joints)
  for left, right in layout.left_right:
    swapped[[left, right]] = right, left
  mirrored = clip[:, :, swapped]
  mirrored = xp.concatenate([-mirrored[..., :1], mirrored[..., 1:]], -1)
  return xp.where(flip > 0, mirrored, clip)


def draw_kept(
  rng: np.random.Generator, layout: Layout, joints: float, limb: float
) -> np.ndarray:
  """Draws the joints that `drop_clip` keeps.

  Args:
    rng: the random generator.
    layout: names the limbs.
    joints: probability that a joint is dropped.
    limb: probability that one random limb is dropped, if the layout names any.

  Returns:
    (V,): 1 for a joint to keep, else 0; never only zeros.
  """
  kept = rng.random(layout.num_joints) >= joints
  limbs = [found for name in LIMBS if (found := limb_joints(layout, name))]
  if rng.random() < limb and limbs:
    kept[limbs[rng.integers(len(limbs))]] = False
  return np.float64(kept if kept.any() else np.ones_like(kept))


def drop_clip(clip: Array, kept: Array) -> Array:
  """Makes joints missing (zeros) in all frames, where `kept` (V,) is 0."""
  return clip * kept.astype(clip.dtype)[:, None]
