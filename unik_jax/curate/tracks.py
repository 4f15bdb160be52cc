"""Who is who: bodies followed through time, and from expert to expert.

Experts list the bodies of a frame in any order. Here a body is given to the
person whose body was nearest in the frames before or, in the same frame, by
the experts before: Hungarian matching on the mean distance of joints (scipy's
solver), within a gate.
"""

import numpy as np
from scipy import optimize

from unik_jax.curate import reference
from unik_jax.skeletons.body import body_diagonals

# Of the body's size, how far joints may be on average from where they were;
# more by a share for each frame since, up to a body's size.
_GATE, _GROWTH, _MOST = 0.35, 0.03, 1.0
_MEMORY = 60  # frames after which nobody is waited for
_SAME = 0.12  # of the body's size: two bodies of one expert that are one
_CRUMB = 5  # frames; who is seen in fewer is none
BETWEEN = 12  # frames at least from one person to the next in a row


def follow(
  bodies: list[np.ndarray], persons: int = 2, between: int = BETWEEN
) -> np.ndarray:
  """The bodies of all experts by person, who is most seen first.

  A person who is lost for 60 frames and comes back is, as far as anybody can
  tell from joints, somebody new; they are put in the same row, if nobody else
  is there.

  Args:
    bodies: of each expert, (M_n, T, V, 3) zeros where missing; in which row a
      body stands means nothing.
    persons: M, how many rows are kept at most.
    between: frames at least from one person to the next in a row, more than
      gaps that are filled.

  Returns:
    (M, N, T, V, 3) zeros where missing, M from 0.
  """
  if _is_one(bodies):
    alone = np.stack([_only(each) for each in bodies])
    return alone[None][: int(alone.any())]
  points = [reference.points_of(each) for each in bodies]
  return _rows(bodies, _numbers(points), persons, between)


def _only(each):
  """(T, V, 3) of (M, T, V, 3): each frame's one body, whatever its row."""
  if not len(each):
    return np.zeros(each.shape[1:])
  row = each.any((2, 3)).argmax(0)
  return each[row, np.arange(each.shape[1])]


def _is_one(bodies):
  """Whether all that is seen is one person, at a look without any matching."""
  seen = [each.any((2, 3)) for each in bodies]
  if any(each.sum(0).max(initial=0) > 1 for each in seen):
    return False
  only = np.stack([reference.points_of(_only(each)) for each in bodies])
  middle = reference.around(only, 1)
  there = np.flatnonzero(np.isfinite(middle[..., 0]).any(-1))
  if not len(there):
    return True
  gate = _GATE * reference.body_size(middle)
  apart = reference.median(np.linalg.norm(only - middle, axis=-1))
  steps = np.linalg.norm(np.diff(middle[there], axis=0), axis=-1)
  step = reference.median(steps) / (1 + _GROWTH * (np.diff(there) - 1))
  far = (apart > gate).any() or (step > gate).any() or np.isnan(step).any()
  return not far and (np.diff(there) <= _MEMORY).all()


def _numbers(points):
  """Of each expert (M_n, T): the number of the person that a body is of."""
  numbers = [np.full(each.shape[:2], -1) for each in points]
  sizes = [body_diagonals(each) for each in points]
  pose, size, when = [], [], []  # of each person, as last seen
  for t in range(points[0].shape[1]):
    now = {}  # person: their bodies in this frame
    for each, number, large in zip(points, numbers, sizes, strict=True):
      slots = np.flatnonzero(np.isfinite(each[:, t, :, 0]).any(-1))
      if not len(slots):
        continue
      found = each[slots, t]
      known = [p for p, seen in enumerate(when) if t - seen <= _MEMORY]
      poses = [pose[p] for p in known]
      apart = _distances(poses, found)
      limit = np.array(
        [size[p] * min(_GATE + _GROWTH * (t - when[p]), _MOST) for p in known]
      )
      for row, column in _matched(apart, limit.reshape(-1, 1)):
        person = known[row]
        number[slots[column], t] = person
        now.setdefault(person, []).append(found[column])
        pose[person] = _middle(now[person], pose[person])
        size[person] = large[slots[column], t]
      for column in np.flatnonzero(number[slots, t] < 0):
        near = _distances([pose[p] for p in now], found[column][None])
        if (near[:, 0] < _SAME * large[slots[column], t]).any():
          continue  # found twice by this expert
        number[slots[column], t] = len(pose)
        now[len(pose)] = [found[column]]
        pose.append(found[column])
        size.append(large[slots[column], t])
        when.append(t)
    for person in now:
      when[person] = t
  return numbers


def _middle(found, before):
  """(V, 2): the median of some bodies; where it has no joint, the old one."""
  middle = (
    found[0] if len(found) == 1 else reference.median(np.stack(found, -1))
  )
  return np.where(np.isfinite(middle), middle, before)


def _distances(poses, found):
  """(P, B): mean distance over the joints that both have; inf without any."""
  if not poses:
    return np.zeros((0, len(found)))
  apart = np.linalg.norm(np.stack(poses)[:, None] - found, axis=-1)
  known = np.isfinite(apart)
  total = np.where(known, apart, 0).sum(-1)
  return np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), np.inf)


def _matched(apart, limit):
  """Pairs (person, body) that belong together."""
  fits = apart <= limit
  if not fits.any():
    return []
  if apart.shape == (1, 1):
    return [(0, 0)]
  # What does not fit costs more than all that could fit together.
  cost = np.where(fits, apart, 1e3 * (limit.max() + 1))
  pairs = zip(*optimize.linear_sum_assignment(cost), strict=True)
  return [pair for pair in pairs if fits[pair]]


def _rows(bodies, numbers, persons, between):
  """Persons put in rows, those who are most seen first."""
  length, joints = bodies[0].shape[1:3]
  count = 1 + max(each.max(initial=-1) for each in numbers)
  strength, frames = np.zeros(count), np.zeros((count, length), bool)
  for each, number in zip(bodies, numbers, strict=True):
    slot, t = np.nonzero(number >= 0)
    person = number[slot, t]
    np.add.at(strength, person, each[slot, t, :, 2].sum(-1))
    frames[person, t] = True
  crumb = min(_CRUMB, length)
  rows = []  # (persons, the frames that they take up)
  for person in np.argsort(-strength, kind='stable'):
    taken = frames[person]
    if taken.sum() < crumb:
      continue
    start, end = np.flatnonzero(taken)[[0, -1]]
    room = slice(max(start - between, 0), end + between + 1)
    free = [row for row in rows if not row[1][room].any()]
    if free:
      free[0][0].append(person)
    elif len(rows) < persons:
      rows.append(([person], np.zeros(length, bool)))
      free = rows[-1:]
    else:
      continue
    free[0][1][start : end + 1] = True
  out = np.zeros((len(rows), len(bodies), length, joints, 3))
  for m, (people, _) in enumerate(rows):
    for n, (each, number) in enumerate(zip(bodies, numbers, strict=True)):
      slot, t = np.nonzero(np.isin(number, people))
      out[m, n, t] = each[slot, t]
  return out
