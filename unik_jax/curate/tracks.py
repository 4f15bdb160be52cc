"""Tracks of persons, through time and across estimators.

Estimators list the bodies of a frame in any order. Each body is assigned to the
person whose last pose is nearest, by Hungarian matching (scipy's solver) on the
mean distance of joints, within a gate (`tracking.reach`). Poses come from the
frames before and from the estimators already matched in the same frame.

Shape legend: N estimators, M persons or bodies, T frames, V joints.
"""

import numpy as np
from scipy import optimize

from unik_jax.curate import pose_statistics
from unik_jax.data.formats.user.tracking import DUPLICATE, reach
from unik_jax.data.track_pieces import MAX_GAP
from unik_jax.skeletons.body import body_diagonals

_MIN_FRAMES = 5  # persons seen in fewer frames are dropped
MIN_BREAK = 12  # frames between two persons in one row


def track_persons(
  bodies: list[np.ndarray], persons: int = 2, min_break: int = MIN_BREAK
) -> np.ndarray:
  """Returns the bodies of all estimators sorted by person, most seen first.

  A person who reappears after more than 60 frames cannot be recognised by
  joints, and becomes a new person. A new person reuses a row whose last person
  has left, if there is one.

  Args:
    bodies: for each estimator, (M_n, T, V, 3), zeros where missing. The row of
      a body has no meaning.
    persons: largest number of rows, M.
    min_break: fewest frames between two persons in one row. Must exceed the
      longest gap that is filled later, or the two persons would be joined.

  Returns:
    (M, N, T, V, 3), zeros where missing; M may be 0.
  """
  if _is_single_person(bodies):
    single = np.stack([_only_bodies(each) for each in bodies])
    return single[None][: int(single.any())]
  points = [pose_statistics.visible_points(each) for each in bodies]
  return _assign_rows(bodies, _match_persons(points), persons, min_break)


def _only_bodies(bodies):
  """Returns (T, V, 3) of (M, T, V, 3): the one body of each frame."""
  if not len(bodies):
    return np.zeros(bodies.shape[1:])
  row = bodies.any((2, 3)).argmax(0)
  return bodies[row, np.arange(bodies.shape[1])]


def _is_single_person(bodies):
  """Whether all bodies are one person's.

  One body in each frame, on which the estimators agree, is one person, however
  far it jumps, if at least half of them see it on both sides of a jump. The
  test also spares most videos the loop over frames in `_match_persons`.
  """
  present = [each.any((2, 3)) for each in bodies]
  if any(each.sum(0).max(initial=0) > 1 for each in present):
    return False
  points = np.stack(
    [pose_statistics.visible_points(_only_bodies(each)) for each in bodies]
  )
  median = pose_statistics.local_median(points, 1)
  frames = np.flatnonzero(np.isfinite(median[..., 0]).any(-1))
  if not len(frames):
    return True
  size = pose_statistics.body_size(median)
  distance = pose_statistics.nan_median(
    np.linalg.norm(points - median, axis=-1)
  )
  if (distance > reach(0) * size).any():
    return False
  steps = np.linalg.norm(np.diff(median[frames], axis=0), axis=-1)
  steps = pose_statistics.nan_median(steps)
  # NaN without a joint in common, which is as doubtful as a jump.
  is_jump = ~(steps <= reach(np.diff(frames)) * size)
  is_doubtful = np.mean([each.any(0)[frames] for each in present], 0) < 0.5
  return not (is_jump & (is_doubtful[1:] | is_doubtful[:-1])).any()


def _match_persons(points):
  """Returns, for each estimator, (M_n, T): the person number of each body.

  -1 where there is no body, or a duplicate.
  """
  numbers = [np.full(each.shape[:2], -1) for each in points]
  sizes = [body_diagonals(each) for each in points]
  # By person: last pose, its size, and the last frame before the current one.
  last_pose, last_size, last_frame = [], [], []
  for t in range(points[0].shape[1]):
    current = {}  # person: bodies in this frame
    for each, number, size in zip(points, numbers, sizes, strict=True):
      rows = np.flatnonzero(np.isfinite(each[:, t, :, 0]).any(-1))
      if not len(rows):
        continue
      poses = each[rows, t]
      known = [p for p, frame in enumerate(last_frame) if t - frame <= MAX_GAP]
      distance = _mean_distances([last_pose[p] for p in known], poses)
      gates = np.array([last_size[p] * reach(t - last_frame[p]) for p in known])
      for index, body in _match(distance, gates.reshape(-1, 1)):
        person = known[index]
        number[rows[body], t] = person
        current.setdefault(person, []).append(poses[body])
        # The median over the estimators so far: the next estimator is compared
        # with this frame's pose, not with the frame before.
        last_pose[person] = _merge_poses(current[person], last_pose[person])
        last_size[person] = size[rows[body], t]
      for body in np.flatnonzero(number[rows, t] < 0):
        distance = _mean_distances(
          [last_pose[p] for p in current], poses[body][None]
        )
        if (distance[:, 0] < DUPLICATE * size[rows[body], t]).any():
          continue  # this estimator found the person twice
        # A new person, known at once to the estimators that follow.
        number[rows[body], t] = len(last_pose)
        current[len(last_pose)] = [poses[body]]
        last_pose.append(poses[body])
        last_size.append(size[rows[body], t])
        last_frame.append(t)
    for person in current:
      last_frame[person] = t
  return numbers


def _merge_poses(poses, previous):
  """Returns (V, 2): the poses' median; the previous pose where it is NaN."""
  if len(poses) == 1:
    median = poses[0]
  else:
    median = pose_statistics.nan_median(np.stack(poses, -1))
  return np.where(np.isfinite(median), median, previous)


def _mean_distances(persons, bodies):
  """Returns (P, B): mean distance over the joints that both have, else inf."""
  if not persons:
    return np.zeros((0, len(bodies)))
  distance = np.linalg.norm(np.stack(persons)[:, None] - bodies, axis=-1)
  known = np.isfinite(distance)
  total = np.where(known, distance, 0).sum(-1)
  return np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), np.inf)


def _match(distance, gates):
  """Returns pairs (person, body) within the gates, of least total distance."""
  is_inside = distance <= gates
  if not is_inside.any():
    return []
  if distance.shape == (1, 1):
    return [(0, 0)]
  # The solver matches as many as it can. A pair outside its gate costs more
  # than all pairs inside together, and is removed afterwards.
  cost = np.where(is_inside, distance, 1e3 * (gates.max() + 1))
  pairs = zip(*optimize.linear_sum_assignment(cost), strict=True)
  return [pair for pair in pairs if is_inside[pair]]


def _assign_rows(bodies, numbers, persons, min_break):
  """Returns (M, N, T, V, 3): persons in rows, those most seen first."""
  length, joints = bodies[0].shape[1:3]
  count = 1 + max(each.max(initial=-1) for each in numbers)
  # Summed confidence: many frames, many joints, many estimators.
  strength, frames = np.zeros(count), np.zeros((count, length), bool)
  for each, number in zip(bodies, numbers, strict=True):
    row, t = np.nonzero(number >= 0)
    person = number[row, t]
    np.add.at(strength, person, each[row, t, :, 2].sum(-1))
    frames[person, t] = True
  min_frames = min(_MIN_FRAMES, length)
  rows = []  # (persons in the row, frames that they occupy)
  for person in np.argsort(-strength, kind='stable'):
    is_seen = frames[person]
    if is_seen.sum() < min_frames:
      continue
    start, end = np.flatnonzero(is_seen)[[0, -1]]
    needed = slice(max(start - min_break, 0), end + min_break + 1)
    free = [row for row in rows if not row[1][needed].any()]
    if free:
      free[0][0].append(person)
    elif len(rows) < persons:
      rows.append(([person], np.zeros(length, bool)))
      free = rows[-1:]
    else:
      continue
    free[0][1][start : end + 1] = True
  out = np.zeros((len(rows), len(bodies), length, joints, 3))
  for m, (members, _) in enumerate(rows):
    for n, (each, number) in enumerate(zip(bodies, numbers, strict=True)):
      row, t = np.nonzero(np.isin(number, members))
      out[m, n, t] = each[row, t]
  return out
