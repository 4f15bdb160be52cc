"""Persons of a clip, tracked from frame to frame.

A pose estimator finds bodies frame by frame. Here they are a list of `poses`
(N, V, C), each in one of T `frames` (N,). Tracking turns the list into a clip
(M, T, V, C) with one row per person.
"""

from collections.abc import Sequence

import numpy as np

from unik_jax.data.formats.user.keypoints import joint_weights, present_joints
from unik_jax.skeletons.body import body_diagonals


def track_persons(
  poses: np.ndarray,
  frames: np.ndarray,
  ids: Sequence[str] | None,
  *,
  length: int,
  persons: int,
  confidence: bool,
) -> np.ndarray:
  """Returns bodies in one row per person, the most confident person first.

  The identities of the file decide if it gives them and no frame has one
  twice. Otherwise bodies are linked from frame to frame, greedily: of all pairs
  of a body of the frame and a person of earlier frames, the nearest is linked
  first, then the nearest of the remaining pairs. The distance is the mean over
  joints that both have. A distance beyond the size of the body (the diagonal
  of its bounding box) links nothing. A body without a link starts a new person.

  Args:
    poses: (N, V, C).
    frames: (N,) frame index of each body, from 0.
    ids: (N,) identities; None if unknown.
    length: T.
    persons: maximum number of persons, chosen as in `select_persons`.
    confidence: whether the last channel is a confidence.

  Returns:
    (M, T, V, C) with M <= persons; zeros where a person is absent.
  """
  if ids is None or len(set(zip(frames.tolist(), ids, strict=True))) < len(ids):
    with np.errstate(over='ignore'):  # absurd numbers are refused later
      number = _link_bodies(poses, frames, confidence)
  else:
    number = np.unique(ids, return_inverse=True)[1]
  strength = np.bincount(number, joint_weights(poses, confidence).sum(-1))
  order = np.argsort(-strength, kind='stable')[:persons]
  row = np.full(len(strength), -1)
  row[order] = np.arange(len(order))
  selected = row[number] >= 0
  clip = np.zeros((len(order), length, *poses.shape[1:]))
  clip[row[number[selected]], frames[selected]] = poses[selected]
  return clip


def _link_bodies(poses, frames, confidence):
  """Returns (N,) the number of each body's person."""
  present = present_joints(poses, confidence)
  points = poses[..., :-1] if confidence else poses
  points = np.where(present[..., None], points, np.nan)
  size = body_diagonals(points)
  order = np.argsort(frames, kind='stable')
  starts = np.flatnonzero(np.diff(frames[order])) + 1
  # Fast path for the common clip: one body per frame, all of one person.
  if len(starts) == len(poses) - 1:
    before, after = order[:-1], order[1:]
    gap = _distances(points[before], points[after], size[before], size[after])
    if np.isfinite(gap).all():
      return np.zeros(len(poses), int)
  number = np.full(len(poses), -1)
  last = []  # the latest body of each person
  for rows in np.split(order, starts):
    gap = _distances(
      points[last][:, None], points[rows], size[last][:, None], size[rows]
    )
    # Each link removes its person and its body from the other pairs.
    while np.isfinite(gap).any():
      person, body = np.unravel_index(gap.argmin(), gap.shape)
      number[rows[body]], last[person] = person, rows[body]
      gap[person], gap[:, body] = np.inf, np.inf
    for row in rows[number[rows] < 0]:
      number[row] = len(last)
      last.append(row)
  return number


def _distances(before, after, size_before, size_after):
  """Returns mean distances over common joints; inf beyond the bodies' size."""
  distances = np.linalg.norm(before - after, axis=-1)
  is_common = np.isfinite(distances)
  total = np.where(is_common, distances, 0).sum(-1)
  joints = is_common.sum(-1)
  far = total > joints * np.maximum(size_before, size_after)
  return np.where(far | (joints == 0), np.inf, total / np.maximum(joints, 1))
