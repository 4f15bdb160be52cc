"""Pose accuracy against ground truth: MPJPE and PCK.

Joints that are missing in the ground truth are ignored.

Shape legend: T frames, V joints, D coordinates.
"""

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


def joint_distances(poses: np.ndarray, truth: np.ndarray) -> np.ndarray:
  """Returns the distances (..., V) between joints, NaN where one is missing.

  Args:
    poses: (..., V, D), zeros or NaN where missing. Channels beyond those of the
      ground truth, such as a confidence, are ignored.
    truth: (..., V, D) with two or three coordinates.

  Raises:
    UserError: shapes differ.
  """
  dims = truth.shape[-1]
  if poses.shape[:-1] != truth.shape[:-1] or poses.shape[-1] < dims:
    raise UserError(
      f'poses: expected the frames and joints of the ground truth, shape'
      f' {truth.shape}; got shape {poses.shape}. Cut or convert one of the two'
    )
  poses = poses[..., :dims]
  known = poses.any(-1) & truth.any(-1)
  distance = np.linalg.norm(np.float64(poses) - truth, axis=-1)
  return np.where(known, distance, np.nan)


def mpjpe(
  poses: np.ndarray, truth: np.ndarray, scale: np.ndarray | None = None
) -> float:
  """Returns the mean per-joint position error, over joints that both have.

    mean over frames and joints of |pose - truth| / scale

  Ionescu et al., "Human3.6M", TPAMI 2014.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    truth: (T, V, D).
    scale: (T,) lengths to divide by (default: 1, an error in the units of the
      ground truth).

  Returns:
    The error; NaN if there is nothing to compare.

  Raises:
    UserError: shapes differ.
  """
  distance = joint_distances(poses, truth)
  if scale is not None:
    distance = distance / np.where(scale > 0, scale, np.nan)[:, None]
  known = np.isfinite(distance)
  return float(distance[known].mean()) if known.any() else float('nan')


def pck(
  poses: np.ndarray,
  truth: np.ndarray,
  scale: np.ndarray,
  threshold: float = 0.2,
) -> float:
  """Returns the percentage of correct keypoints, as a fraction.

    share of the truth's joints with |pose - truth| <= threshold scale

  A joint that is missing in the poses is wrong. Yang and Ramanan, "Articulated
  Human Detection with Flexible Mixtures of Parts", TPAMI 2013; scaled by the
  torso as in Sapp and Taskar, "MODEC", CVPR 2013.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    truth: (T, V, D).
    scale: (T,) lengths, as from `segment_lengths`.
    threshold: largest distance of a correct joint, in units of `scale`.

  Returns:
    From 0 to 1; NaN if the ground truth has no joint.

  Raises:
    UserError: shapes differ.
  """
  distance = joint_distances(poses, truth)
  known = np.isfinite(truth).all(-1) & truth.any(-1)
  known &= np.isfinite(scale)[:, None]
  with np.errstate(invalid='ignore'):
    correct = distance <= threshold * scale[:, None]
  return float(correct[known].mean()) if known.any() else float('nan')


def segment_lengths(
  poses: np.ndarray,
  layout: Layout,
  ends: tuple[str, str] = ('left_shoulder', 'right_hip'),
) -> np.ndarray:
  """Returns the distance (T,) of two joints, by default across the torso.

  Args:
    poses: (T, V, D), zeros or NaN where missing.
    layout: joint layout.
    ends: names of the two joints.

  Returns:
    (T,), NaN where one of the joints is missing.

  Raises:
    UserError: the layout has no such joint.
  """
  a, b = (poses[:, layout.index(joint)] for joint in ends)
  return joint_distances(a[:, None], b[:, None])[:, 0]
