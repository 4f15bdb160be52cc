"""What clips have in common, and who is who in them."""

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  clip_sources,
  make_clip,
  read_keypoints,
  write_array,
  write_file,
)

from unik_jax.data.formats.user import tracking
from unik_jax.data.formats.user.dataset_format import (
  DatasetFormat,
  detect_format,
)
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import LAYOUTS

POSE = body_at(100, 100, 17)


# What clips have in common


def test_survey(tmp_path):
  solo = make_clip(2, 5, 18, 2)
  solo[1] = 0
  bad = write_file(tmp_path / 'a.npy', b'')
  first = write_array(tmp_path / 'b.npy', solo)
  second = write_array(tmp_path / 'c.npy', make_clip(3, 5, 18, 2))
  form = detect_format(clip_sources(bad, first))
  assert form == DatasetFormat(
    LAYOUTS['openpose_18'], 2, False, 1, 'as in the files'
  )
  assert detect_format(clip_sources(bad, first, second)).persons == 2
  form = detect_format(clip_sources(second), persons=1, units='metres')
  assert (form.persons, form.units) == (1, 'metres')
  assert detect_format(clip_sources(second), persons=5).persons == 5
  with pytest.raises(UserError, match='a.npy: cannot be read'):
    detect_format(clip_sources(bad, bad))


@pytest.mark.parametrize(
  ('joints', 'named'),
  [
    (13, 'lcrnet_13, penn_13'),
    (17, 'coco_17, unik_17'),
    (20, 'kinect_20, msr_20'),
    (25, 'ntu_25, openpose_25'),
  ],
)
def test_joint_counts_that_several_layouts_have(tmp_path, joints, named):
  path = write_array(tmp_path / 'a.npz', make_clip(3, joints, 3))
  advice = f'built-in layouts.*: {named}.*`layout: {named[:5]}'
  with pytest.raises(UserError, match=f'a.npz: {joints} joints; {advice}'):
    detect_format(clip_sources(path))


@pytest.mark.parametrize(
  ('joints', 'layout'),
  [(18, 'openpose_18'), (26, 'halpe_26'), (33, 'mediapipe_33')],
)
def test_joint_counts_of_one_layout(tmp_path, joints, layout):
  path = write_array(tmp_path / 'a.npz', make_clip(3, joints, 3))
  assert detect_format(clip_sources(path)).layout.name == layout


def test_joint_counts_of_no_layout(tmp_path):
  path = write_array(tmp_path / 'a.npz', make_clip(3, 136, 3))
  with pytest.raises(UserError, match='136 joints; no built-in.*docs/own_data'):
    detect_format(clip_sources(path))


def test_all_clips_have_the_same_channels(tmp_path):
  flat = write_array(tmp_path / 'flat.npy', make_clip(3, 17, 2))
  full = write_array(tmp_path / 'full.npy', make_clip(3, 17, 3))
  options = {'channels': 3, 'confidence': False}
  assert read_keypoints(full, **options).shape == (1, 3, 17, 3)
  with pytest.raises(UserError, match='flat.npy: .*x y z, .*got x y[.]'):
    read_keypoints(flat, **options)
  sure = write_file(tmp_path / 'sure.json', [alphapose_body(0, POSE)])
  with pytest.raises(UserError, match='sure.json: .*got x y confidence'):
    read_keypoints(sure, **options)


# Persons, by a plain and slow rewriting of what is documented


def slow_link(frames):
  """Numbers of the persons of poses without a missing joint, by frame."""
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
def test_linking_against_a_slow_one(seed):
  rng = np.random.default_rng(seed)
  shape = rng.uniform(-1, 1, (5, 2))
  frames = [
    shape + rng.uniform(0, 6, (rng.integers(0, 5), 1, 2)) for _ in range(12)
  ]
  expected = slow_link(frames)
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
  # In descending order of what is seen, the first come first.
  count = rows.any((2, 3)).sum(1)
  np.testing.assert_array_equal(clip, rows[np.argsort(-count, kind='stable')])


def test_linking_with_missing_joints():
  """The joints that both have count; with none in common, nothing links."""
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
