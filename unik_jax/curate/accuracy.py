"""How far poses are from the truth: MPJPE and PCK.

A joint that the truth does not have counts nowhere.
"""

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


def distances(poses: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """(..., V) between joints; NaN where either is missing.

  Args:
    poses: (..., V, D), zeros or NaN where missing; any channels beyond the
      truth's are left aside.
    truth: (..., V, D) of two or three coordinates.

  Raises:
    UserError: shapes differ.
  """
  dims = truth.shape[-1]
  if poses.shape[:-1] != truth.shape[:-1] or poses.shape[-1] < dims:
    raise UserError(
      f'poses of shape {poses.shape} cannot be compared with truth of shape'
      f' {truth.shape}; both need the same frames and joints'
    )
  poses = poses[..., :dims]
  known = poses.any(-1) & truth.any(-1)
  apart = np.linalg.norm(np.float64(poses) - truth, axis=-1)
  return np.where(known, apart, np.nan)


def mpjpe(
  poses: np.ndarray, truth: np.ndarray, scale: np.ndarray | None = None
) -> float:
  """The mean per-joint position error, over joints that both have.

    mean over frames and joints of |pose - truth| / scale

  Ionescu et al., "Human3.6M", TPAMI 2014.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    truth: (T, V, D).
    scale: (T,) lengths to divide by; by default 1, so that the error is in the
      units of the truth.

  Returns:
    NaN where there is nothing to compare.

  Raises:
    UserError: as `distances`.
  """
  apart = distances(poses, truth)
  if scale is not None:
    apart = apart / np.where(scale > 0, scale, np.nan)[:, None]
  known = np.isfinite(apart)
  return float(apart[known].mean()) if known.any() else float('nan')


def pck(
  poses: np.ndarray,
  truth: np.ndarray,
  scale: np.ndarray,
  threshold: float = 0.2,
) -> float:
  """The percentage of correct keypoints, as a fraction.

    share of the truth's joints with |pose - truth| <= threshold scale

  A joint that the poses miss is not correct. Yang and Ramanan, "Articulated
  Human Detection with Flexible Mixtures of Parts", TPAMI 2013; with the torso
  for scale as in Sapp and Taskar, "MODEC", CVPR 2013.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    truth: (T, V, D).
    scale: (T,) such as of `length`.
    threshold: by how much of it a joint may be off.

  Returns:
    NaN where the truth has no joint.

  Raises:
    UserError: as `distances`.
  """
  apart = distances(poses, truth)
  known = np.isfinite(truth).all(-1) & truth.any(-1)
  known &= np.isfinite(scale)[:, None]
  with np.errstate(invalid='ignore'):
    right = apart <= threshold * scale[:, None]
  return float(right[known].mean()) if known.any() else float('nan')


def length(
  poses: np.ndarray,
  layout: Layout,
  ends: tuple[str, str] = ('left_shoulder', 'right_hip'),
) -> np.ndarray:
  """(T,) distance between two joints, by default across the torso.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    layout: of the joints.
    ends: names of the two.

  Returns:
    NaN where one of them is missing.

  Raises:
    UserError: the layout has no such joint.
  """
  a, b = (poses[:, layout.index(joint)] for joint in ends)
  return distances(a[:, None], b[:, None])[:, 0]
