"""Persons of a clip, tracked from frame to frame.

A pose estimator finds bodies frame by frame. Here they are a list of `poses`
(N, V, C), each in one of T `frames` (N,). Tracking turns the list into a clip
(M, T, V, C) with one row per person.
"""

from collections.abc import Sequence

import numpy as np

from unik_jax.data.formats.user.keypoints import joint_weights, present_joints
from unik_jax.data.track_pieces import join_tracks
from unik_jax.skeletons.body import body_diagonals

# How far a lost person may be found again, in body sizes (the diagonal of the
# body's bounding box): the pose changes, and the person walks on meanwhile.
_REACH, _REACH_PER_FRAME, _MAX_REACH = 0.35, 0.03, 1.0
# Two bodies in a frame that are nearer are one person, found twice.
DUPLICATE = 0.12


def reach(gaps: np.ndarray) -> np.ndarray:
  """Returns how far a person can be after some frames, in body sizes."""
  return np.minimum(_REACH + _REACH_PER_FRAME * gaps, _MAX_REACH)


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
  twice. Trackers lose people and give them new identities, so identities of one
  person are joined (`track_pieces.join_tracks`): where one ends, another begins
  within `reach`.

  Without identities, bodies are linked from frame to frame, greedily: of all
  pairs of a body of the frame and a person of earlier frames, the nearest is
  linked first, then the nearest of the remaining pairs. The distance is the
  mean over joints that both have. A distance beyond the size of the body (the
  diagonal of its bounding box) links nothing. A body without a link starts a
  new person.

  If no frame has two bodies, they are one person, however far it jumps: without
  identities in the whole clip, with identities from one frame to the next.

  Args:
    poses: (N, V, C). Bodies without a present joint count as absent.
    frames: (N,) frame index of each body, from 0.
    ids: (N,) identities; None if unknown.
    length: T.
    persons: maximum number of persons, chosen as in `select_persons`.
    confidence: whether the last channel is a confidence.

  Returns:
    (M, T, V, C) with M <= persons; zeros where a person is absent.
  """
  present = present_joints(poses, confidence)
  # In order of their frames, without bodies that nobody sees.
  order = np.argsort(frames, kind='stable')
  order = order[present[order].any(-1)]
  if not len(order):
    return np.zeros((1, length, *poses.shape[1:]))
  poses, frames, present = poses[order], frames[order], present[order]
  points = poses[..., :-1] if confidence else poses
  points = np.where(present[..., None], points, np.nan)
  names = None if ids is None else np.asarray(ids)[order]
  with np.errstate(over='ignore'):  # absurd numbers are refused later
    number = _number_persons(points, frames, names)
  # A person found twice in a frame has a second body, without a number.
  poses, frames = poses[number >= 0], frames[number >= 0]
  number = number[number >= 0]
  strength = np.bincount(number, joint_weights(poses, confidence).sum(-1))
  best = np.argsort(-strength, kind='stable')[:persons]
  row = np.full(len(strength), -1)
  row[best] = np.arange(len(best))
  selected = row[number] >= 0
  clip = np.zeros((len(best), length, *poses.shape[1:]))
  clip[row[number[selected]], frames[selected]] = poses[selected]
  return clip


def _number_persons(points, frames, ids):
  """Returns (N,) the number of each body's person, -1 for none."""
  is_alone = bool((np.diff(frames) > 0).all())
  index = np.zeros(len(frames), int)
  if ids is not None:
    index = np.unique(ids, return_inverse=True)[1]
  order = np.argsort(index, kind='stable')
  tracks = np.split(order, np.flatnonzero(np.diff(index[order])) + 1)
  if any((np.diff(frames[track]) == 0).any() for track in tracks):
    return _link(points, frames)
  tracks.sort(key=lambda track: track[0])
  persons = join_tracks(tracks, frames, _measure_steps(points, is_alone))
  number = np.full(len(frames), -1)
  # Persons are numbered in the order of their IDs.
  persons.sort(key=lambda bodies: index[bodies].min())
  for person, bodies in enumerate(persons):
    number[bodies] = person
  return number


def _measure_steps(points, is_alone):
  """Returns a `track_pieces.Measure` of the distance between bodies."""
  sizes = body_diagonals(points)

  def measure(before, after, gaps):
    distances = _mean_distances(points[before], points[after])
    limits = np.where(gaps == 0, DUPLICATE, reach(gaps))
    limits = limits * np.maximum(sizes[before], sizes[after])
    # The only body of a frame is not replaced by another in the next one.
    is_next = is_alone & (gaps == 1)
    return np.where(is_next, 0, distances), limits

  return measure


def _link(points, frames):
  """Returns (N,) the number of each body's person, linked by distance."""
  size = body_diagonals(points)
  number = np.full(len(points), -1)
  last = []  # the latest body of each person
  starts = np.flatnonzero(np.diff(frames)) + 1
  for rows in np.split(np.arange(len(points)), starts):
    gap = _mean_distances(points[last][:, None], points[rows])
    gap[gap > np.maximum(size[last][:, None], size[rows])] = np.inf
    # Each link removes its person and its body from the other pairs.
    while np.isfinite(gap).any():
      person, body = np.unravel_index(gap.argmin(), gap.shape)
      number[rows[body]], last[person] = person, rows[body]
      gap[person], gap[:, body] = np.inf, np.inf
    for row in rows[number[rows] < 0]:
      number[row] = len(last)
      last.append(row)
  return number


def _mean_distances(before, after):
  """Returns mean distances over the joints that both have; inf without any."""
  distances = np.linalg.norm(before - after, axis=-1)
  is_common = np.isfinite(distances)
  total = np.where(is_common, distances, 0).sum(-1)
  joints = is_common.sum(-1)
  return np.where(joints == 0, np.inf, total / np.maximum(joints, 1))
