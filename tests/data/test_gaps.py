"""Gaps in tracks: what is filled, and what stays empty."""

import numpy as np

from unik_jax.data import gaps


def test_gaps_in_linear_movement_are_filled_exactly():
  start, speed = np.random.default_rng(0).normal(size=(2, 2, 1, 25, 3))
  whole = start + np.arange(12)[:, None, None] * speed
  seen = np.random.default_rng(1).random((2, 12, 25)) < 0.4
  filled = gaps.interpolate_gaps(whole * seen[..., None])
  # Between a joint's first and last sight, and nowhere else.
  inside = np.zeros_like(seen)
  for m, v in np.ndindex(2, 25):
    if (frames := np.flatnonzero(seen[m, :, v])).size:
      inside[m, frames[0] : frames[-1] + 1, v] = True
  assert inside.sum() > seen.sum() + 50
  np.testing.assert_allclose(filled, whole * inside[..., None], atol=1e-13)
  np.testing.assert_array_equal(filled[seen], whole[seen])


def test_gaps_are_filled_as_np_interp_does():
  rng = np.random.default_rng(0)
  clip = rng.normal(size=(3, 30, 7, 2)).astype(np.float32)
  clip *= rng.random((3, 30, 7, 1)) < 0.3
  filled = gaps.interpolate_gaps(clip)
  assert filled.dtype == np.float32
  for m, v, c in np.ndindex(3, 7, 2):
    frames = np.flatnonzero(clip[m, :, v].any(-1))
    expected = np.interp(
      np.arange(30), frames, clip[m, frames, v, c], left=0, right=0
    )
    np.testing.assert_allclose(filled[m, :, v, c], expected, atol=1e-6)


def test_no_gaps_nothing_changes():
  clip = np.random.default_rng(0).normal(size=(2, 4, 25, 3))
  clip[0, 0, 3] = clip[1, -2:] = clip[0, 1, 7, 0] = 0
  np.testing.assert_array_equal(gaps.interpolate_gaps(clip), clip)
  np.testing.assert_array_equal(gaps.interpolate_gaps(clip[:, :1]), clip[:, :1])


def test_seen_frames():
  clip = np.ones((2, 9, 5, 3))
  assert gaps.occupied_frames(clip) == slice(0, 9)
  clip[:, [0, 4, 7, 8]] = clip[0, :3] = clip[1, 6] = 0
  assert gaps.occupied_frames(clip) == slice(1, 7)
  assert gaps.occupied_frames(0 * clip) == slice(0, 9)
