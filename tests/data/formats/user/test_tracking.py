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
    np.stack([top, bottom, top + [500, 0, 0]]),
    np.array([0, 1, 1]),
    None,
    length=2,
    persons=3,
    confidence=True,
  )
  assert (clip.any((2, 3)).sum(1) == 1).all()


def track(poses, frames, ids, length, persons=2):
  """Returns the clip of bodies (N, V, 2)."""
  return tracking.track_persons(
    np.array(poses),
    np.array(frames),
    ids,
    length=length,
    persons=persons,
    confidence=False,
  )


def standing(x, height=100.0, seed=0):
  """Returns a pose (5, 2) whose bounding box has the diagonal `height`."""
  pose = np.random.default_rng(seed).uniform(0, 1, (5, 2))
  return (x, 50) + pose * height / np.hypot(*np.ptp(pose, axis=0))


def test_one_body_a_frame_is_one_person_however_far_it_jumps():
  rng = np.random.default_rng(0)
  poses = [standing(x) for x in rng.uniform(1, 5000, 20)]
  poses[3][1:] = 0  # half seen: no joint in common with the next frame
  poses[4][:1] = 0
  frames = np.delete(np.arange(25), [2, 9, 10, 11, 20])
  clip = track(poses, frames, None, 25)
  assert len(clip) == 1
  np.testing.assert_array_equal(clip[0, frames], poses)
  # A tracker that loses the person in each jump gives new IDs.
  frames = np.arange(20)
  clip = track(poses, frames, [str(t // 3) for t in frames], 20)
  np.testing.assert_array_equal(clip, [poses])


def test_a_body_that_nobody_sees_does_not_count():
  poses = [standing(1), standing(900), np.zeros((5, 2)), np.zeros((5, 2))]
  clip = track(poses, [0, 2, 0, 1], None, 3)
  np.testing.assert_array_equal(clip, [[poses[0], poses[2], poses[1]]])
  assert not track(poses[2:], [0, 1], None, 2).any()


def renumbered(cuts, gap, seed=0, frames=60, other=True):
  """Returns (poses, frames, ids, the walker's clip) of a walker with new IDs.

  The walker is lost for `gap` frames at each cut. Another person stands nearby.
  """
  rng = np.random.default_rng(seed)
  truth = [
    standing(200 + 3 * t) + rng.normal(0, 1, (5, 2)) for t in range(frames)
  ]
  clip = np.array(truth)
  poses, times, ids = [], [], []
  for t, pose in enumerate(truth):
    piece = sum(t >= cut for cut in cuts)
    if piece and t < cuts[piece - 1] + gap:
      clip[t] = 0
      continue
    poses.append(pose)
    times.append(t)
    ids.append(str([1, 4, 7][piece]))
    if other:
      poses.append(standing(600, seed=1))
      times.append(t)
      ids.append('2')
  return poses, times, ids, clip


@pytest.mark.parametrize('other', [False, True])
@pytest.mark.parametrize('gap', [0, 1, 10])
def test_ids_of_one_person_are_joined(gap, other):
  poses, frames, ids, walker = renumbered([20, 40], gap, other=other)
  clip = track(poses, frames, ids, 60, persons=3)
  assert len(clip) == 1 + other
  assert any(np.array_equal(each, walker) for each in clip)


def test_ids_of_two_persons_stay_two():
  """Present together, too far, too late, or taking turns with a break."""
  a, b = standing(100), standing(150)
  together = [(a, t, '1') for t in range(8)] + [
    (b, t, '2') for t in range(4, 12)
  ]
  turns = [(a, t, '1') for t in range(5)] + [
    (standing(400), t, '2') for t in range(9, 14)
  ]
  late = [(a, t, '1') for t in range(5)] + [(a, t, '2') for t in range(66, 70)]
  third = [(standing(900), t, '3') for t in range(5)]
  handed_over = [(a, t, '1') for t in range(5)] + [
    (standing(190), t, '2') for t in range(5, 9)
  ]
  for case, persons in (
    (together, 2),
    (turns, 2),
    (late, 2),
    (handed_over + third, 3),
  ):
    poses, frames, ids = zip(*case, strict=True)
    assert len(track(poses, frames, ids, 70, persons=3)) == persons


def test_a_person_found_twice_for_some_frames_is_one():
  """The old and the new ID coincide in two frames; the old ID's body stays."""
  a = standing(100)
  old = [(a, t, '1') for t in range(6)]
  new = [(a + 2, t, '5') for t in range(4, 9)]
  poses, frames, ids = zip(*old, *new, strict=True)
  np.testing.assert_array_equal(
    track(poses, frames, ids, 9), [[a] * 6 + [a + 2] * 3]
  )
