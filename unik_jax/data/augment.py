"""Random changes to a training clip (M, T, V, C), whole persons at once.

The first two channels are x and y, the third z, or a confidence in 2-D data.
"""

import numpy as np


def random_move(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
  """The official `random_move`: a drifting rotation, scale and shift of x, y.

  Angle (degrees), scale and shift are drawn at both ends of the clip and run
  linearly between them. Missing joints move too, as in the official code.
  """

  def path(choices):
    start, end = rng.choice(choices, 2)
    return np.linspace(start, end, clip.shape[1])

  angle = np.deg2rad(path([-10.0, -5.0, 0.0, 5.0, 10.0]))
  scale = path([0.9, 1.0, 1.1])
  shift = np.stack([path([-0.2, -0.1, 0.0, 0.1, 0.2]) for _ in 'xy'], -1)
  cos, sin = scale * np.cos(angle), scale * np.sin(angle)
  # Rows times this matrix, hence the transpose of the usual one.
  turn = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)
  moved = np.einsum('mtvi,tij->mtvj', clip[..., :2], turn)
  moved += shift[:, None]
  return np.concatenate([moved, clip[..., 2:]], -1).astype(clip.dtype)


def rotate(
  clip: np.ndarray, rng: np.random.Generator, max_angle: float
) -> np.ndarray:
  """Turns a 3-D clip about the vertical (y) axis.

  Args:
    clip: (M, T, V, C) with C >= 3.
    rng: draws one angle for the clip.
    max_angle: the largest, in radians, to either side.

  Returns:
    (M, T, V, C).
  """
  angle = rng.uniform(-max_angle, max_angle)
  cos, sin = np.cos(angle), np.sin(angle)
  turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], clip.dtype)
  return np.concatenate([clip[..., :3] @ turn, clip[..., 3:]], -1)


def rescale(
  clip: np.ndarray, rng: np.random.Generator, low: float, high: float
) -> np.ndarray:
  """Multiplies a clip by one number between `low` and `high`."""
  return clip * clip.dtype.type(rng.uniform(low, high))
