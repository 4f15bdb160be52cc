"""Persons of a clip, tracked from frame to frame."""

import numpy as np
import pytest
from helpers.user_clips import (
  body_at,
)

from unik_jax.data.formats.user import tracking


def link_plainly(frames):
  """Returns the person of each body, by frame: `_link_bodies`, written plainly.

  Args:
    frames: bodies (V, 2) of each frame, without missing joints.
  """
  known, out = [], []
  for bodies in frames:
    pairs = []
    for k, old in enumerate(known):
      for n, new in enumerate(bodies):
        gap = np.mean(
          [np.hypot(*(a - b)) for a, b in zip(old, new, strict=True)]
        )
        size = max(np.hypot(*(p.max(0) - p.min(0))) for p in (old, new))
        if gap <= size:
          pairs.append((gap, k, n))
    numbers = {}
    for _, k, n in sorted(pairs):
      if n not in numbers and k not in numbers.values():
        numbers[n] = k
    for n in range(len(bodies)):
      if n not in numbers:
        numbers[n] = len(known)
        known.append(None)
      known[numbers[n]] = bodies[n]
    out.append([numbers[n] for n in range(len(bodies))])
  return out


@pytest.mark.parametrize('seed', range(8))
def test_linking_equals_a_plain_version(seed):
  rng = np.random.default_rng(seed)
  shape = rng.uniform(-1, 1, (5, 2))
  frames = [
    shape + rng.uniform(0, 6, (rng.integers(0, 5), 1, 2)) for _ in range(12)
  ]
  expected = link_plainly(frames)
  poses = np.concatenate(frames)
  times = np.repeat(np.arange(12), [len(f) for f in frames])
  persons = max(max(numbers, default=0) for numbers in expected) + 1
  clip = tracking.track_persons(
    poses, times, None, length=12, persons=persons, confidence=False
  )
  rows = np.zeros((persons, 12, 5, 2))
  for t, numbers in enumerate(expected):
    for n, k in enumerate(numbers):
      rows[k, t] = frames[t][n]
  # The most visible persons come first; ties keep their order.
  count = rows.any((2, 3)).sum(1)
  np.testing.assert_array_equal(clip, rows[np.argsort(-count, kind='stable')])


def test_linking_with_missing_joints():
  """Distances use common joints; bodies without any are not linked."""
  a = body_at(100, 100, 6)
  near = a + [3, 0, 0]
  near[:3] = 0
  far = a + [40, 0, 0]
  clip = tracking.track_persons(
    np.stack([a, far, near]),
    np.array([0, 1, 1]),
    None,
    length=2,
    persons=2,
    confidence=True,
  )
  np.testing.assert_array_equal(clip[0], [a, near])
  np.testing.assert_array_equal(clip[1], [0 * a, far])
  top, bottom = a.copy(), a.copy()
  top[3:], bottom[:3] = 0, 0
  clip = tracking.track_persons(
    np.stack([top, bottom]),
    np.array([0, 1]),
    None,
    length=2,
    persons=2,
    confidence=True,
  )
  assert clip[0, 0].any() and not clip[0, 1].any()
  assert clip[1, 1].any() and not clip[1, 0].any()
