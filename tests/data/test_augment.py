"""Augmentation: each change has the documented form and size."""

import numpy as np
import pytest

from unik_jax.data import augment
from unik_jax.skeletons.layouts import get_layout

SEEDS = range(150)


def make_clip(frames=7, channels=4, dtype=np.float64):
  rng = np.random.default_rng(0)
  return rng.standard_normal((2, frames, 5, channels)).astype(dtype)


def random_move(clip, rng):
  return augment.move_clip(clip, augment.draw_move(rng))


def rotate(clip, rng, largest):
  return augment.rotate_clip(clip, augment.draw_angle(rng, largest))


def rescale(clip, rng, low, high):
  return augment.rescale_clip(clip, augment.draw_factor(rng, low, high))


def complex_factor(before, after):
  """Returns the complex factor between two point sets (..., 2)."""
  before, after = (a[..., 0] + 1j * a[..., 1] for a in (before, after))
  factors = after / before
  np.testing.assert_allclose(factors, factors.flat[0], rtol=1e-9)
  return factors.flat[0]


def test_rotate_is_about_the_vertical_axis():
  clip = make_clip()
  angles = []
  for seed in SEEDS:
    out = rotate(clip, np.random.default_rng(seed), 0.3)
    np.testing.assert_array_equal(out[..., [1, 3]], clip[..., [1, 3]])
    factor = complex_factor(clip[..., [2, 0]], out[..., [2, 0]])
    assert abs(factor) == pytest.approx(1)
    angles.append(np.angle(factor))
  assert np.abs(angles).max() <= 0.3
  assert min(angles) < -0.25 and max(angles) > 0.25  # both directions


def test_rotate_keeps_distances():
  points = make_clip()[..., :3].reshape(-1, 3)
  out = rotate(make_clip(), np.random.default_rng(0), 3.0)
  moved = out[..., :3].reshape(-1, 3)
  np.testing.assert_allclose(moved @ moved.T, points @ points.T, atol=1e-12)


@pytest.mark.parametrize('axis', [0, 1, 2])
def test_a_rotation_is_the_matrix_of_its_axis(axis):
  clip, angle = make_clip(), np.float64(0.7)
  cross = np.cross(np.eye(3)[axis], np.eye(3))  # rows: axis x unit vectors
  # Rodrigues' formula, for row vectors.
  matrix = (
    np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
  )
  out = augment.rotate_clip(clip, angle, axis)
  np.testing.assert_allclose(out[..., :3], clip[..., :3] @ matrix, atol=1e-12)
  np.testing.assert_array_equal(out[..., 3:], clip[..., 3:])


MSR = get_layout('msr_20')


def make_body(frames=4):
  return np.random.default_rng(0).standard_normal((2, frames, 20, 3))


def test_flip_swaps_sides_and_negates_x():
  clip = make_body()
  out = augment.flip_clip(clip, np.float64(1), MSR)
  for j, name in enumerate(MSR.joints):
    side, _, rest = name.partition('_')
    other = {'left': f'right_{rest}', 'right': f'left_{rest}'}.get(side, name)
    expected = clip[:, :, MSR.index(other)] * [-1, 1, 1]
    np.testing.assert_array_equal(out[:, :, j], expected)
  np.testing.assert_array_equal(
    augment.flip_clip(clip, np.float64(0), MSR), clip
  )
  draws = [
    augment.draw_flip(np.random.default_rng(seed), 0.3) for seed in SEEDS
  ]
  assert set(draws) == {0, 1} and 0.15 < np.mean(draws) < 0.45


def test_dropped_joints_are_missing_in_all_frames():
  kept = np.stack(
    [
      augment.draw_kept(np.random.default_rng(seed), MSR, 0.25, 0)
      for seed in SEEDS
    ]
  )
  assert 0.7 < kept.mean() < 0.8 and (kept.min(0) == 0).all()
  out = augment.drop_clip(make_body(), kept[0])
  np.testing.assert_array_equal(out.any((0, 1, 3)), kept[0] == 1)
  shown = kept[0] == 1
  np.testing.assert_array_equal(out[:, :, shown], make_body()[:, :, shown])


def test_a_dropped_limb_is_one_arm_or_leg():
  dropped = set()
  for seed in SEEDS:
    kept = augment.draw_kept(np.random.default_rng(seed), MSR, 0, 0.5)
    dropped.add(frozenset(MSR.joints[j] for j in np.flatnonzero(kept == 0)))
  limbs = {
    frozenset(f'{side}_{joint}' for joint in joints.split())
    for side in ('left', 'right')
    for joints in ('shoulder elbow wrist hand', 'hip knee ankle foot')
  }
  assert dropped == limbs | {frozenset()}


def test_something_is_always_kept():
  for seed in SEEDS:
    kept = augment.draw_kept(np.random.default_rng(seed), MSR, 0.99, 1)
    assert kept.any()


def test_rescale_is_one_factor_within_its_bounds():
  clip = make_clip()
  factors = []
  for seed in SEEDS:
    out = rescale(clip, np.random.default_rng(seed), 0.9, 1.2)
    ratio = out / clip
    np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-12)
    factors.append(ratio.flat[0])
  assert min(factors) >= 0.9 and max(factors) <= 1.2
  assert min(factors) < 0.92 and max(factors) > 1.18


def moves(clip, seed):
  """Returns the degrees, scale, x shift and y shift that were applied, (4, T).

  A similarity of the plane is z -> a z + b. Two points give a and b; all other
  points, of both persons, must agree.
  """
  out = random_move(clip, np.random.default_rng(seed))
  before, after = (c[..., 0] + 1j * c[..., 1] for c in (clip, out))
  step = before[0, :, 1] - before[0, :, 0]
  a = (after[0, :, 1] - after[0, :, 0]) / step
  b = after[0, :, 0] - a * before[0, :, 0]
  np.testing.assert_allclose(
    after, a[:, None] * before + b[:, None], atol=1e-12
  )
  return np.stack([np.degrees(np.angle(a)), np.abs(a), b.real, b.imag])


PUBLISHED = [
  [-10, -5, 0, 5, 10],
  [0.9, 1.0, 1.1],
  [-0.2, -0.1, 0, 0.1, 0.2],
  [-0.2, -0.1, 0, 0.1, 0.2],
]


def test_random_move_drifts_between_published_values():
  ends = []
  for seed in SEEDS:
    path = moves(make_clip(), seed)
    np.testing.assert_allclose(np.diff(path, 2), 0, atol=1e-10)
    ends.append(path[:, [0, -1]])
  for values, choices in zip(np.moveaxis(ends, 0, 1), PUBLISHED, strict=True):
    grid = np.array(choices)
    nearest = np.abs(values[..., None] - grid).argmin(-1)
    np.testing.assert_allclose(values, grid[nearest], atol=1e-10)
    # All choices occur at both ends, and the ends are not always the same.
    assert set(nearest[:, 0]) == set(nearest[:, 1]) == set(range(len(grid)))
    assert (nearest[:, 0] != nearest[:, 1]).any()


def test_random_move_draws_x_and_y_independently():
  assert any(not np.allclose(*moves(make_clip(), s)[2:]) for s in SEEDS)


def test_random_move_of_one_frame():
  for value, choices in zip(moves(make_clip(1), 3), PUBLISHED, strict=True):
    assert np.abs(value - np.array(choices)).min() < 1e-10


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_random_move_leaves_other_channels_and_moves_missing_joints(channels):
  clip = make_clip(channels=channels)
  clip[0, :, 2] = 0
  out = random_move(clip, np.random.default_rng(1))
  np.testing.assert_array_equal(out[..., 2:], clip[..., 2:])
  shift = moves(make_clip(), 1)[2:].T
  np.testing.assert_allclose(out[0, :, 2, :2], shift, atol=1e-12)


@pytest.mark.parametrize(
  'change',
  [
    random_move,
    lambda clip, rng: rotate(clip, rng, 0.5),
    lambda clip, rng: rescale(clip, rng, 0.9, 1.1),
  ],
  ids=['random_move', 'rotate', 'rescale'],
)
def test_changes_are_float32_repeatable_and_not_in_place(change):
  clip = make_clip(dtype=np.float32)
  before = clip.copy()
  once, again, other = (
    change(clip, np.random.default_rng(seed)) for seed in (5, 5, 6)
  )
  assert once.dtype == np.float32 and once.shape == clip.shape
  np.testing.assert_array_equal(once, again)
  assert (once != other).any()
  np.testing.assert_array_equal(clip, before)
