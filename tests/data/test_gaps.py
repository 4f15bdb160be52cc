"""Gaps in tracks: what is filled, and what stays empty."""

import itertools

import numpy as np
from helpers.properties import clips, quick
from hypothesis import given
from hypothesis import strategies as st

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


# Properties: every second frame or so is missing.

gappy_clips = st.tuples(
  clips(3, most_frames=12, least=1), st.integers(0, 2**32 - 1)
).map(lambda pair: drop_joints(*pair))


def drop_joints(clip, seed):
  present = np.random.default_rng(seed).random(clip.shape[:3]) < 0.5
  return clip * present[..., None]


@quick
@given(clip=gappy_clips)
def test_present_joints_are_unchanged(clip):
  present = clip.any(-1)
  filled = gaps.interpolate_gaps(clip)
  np.testing.assert_array_equal(filled[present], clip[present])
  np.testing.assert_allclose(gaps.interpolate_gaps(filled), filled)


@quick
@given(clip=gappy_clips)
def test_only_gaps_are_filled_and_with_values_between_their_ends(clip):
  filled = gaps.interpolate_gaps(clip)
  for m, v in np.ndindex(clip.shape[0], clip.shape[2]):
    track, frames = filled[m, :, v], np.flatnonzero(clip[m, :, v].any(-1))
    if not len(frames):
      assert not track.any()
      continue
    assert not track[: frames[0]].any() and not track[frames[-1] + 1 :].any()
    for a, b in itertools.pairwise(frames):
      low, high = np.sort(track[[a, b]], 0)
      gap = track[a : b + 1]
      assert ((gap >= low - 1e-9) & (gap <= high + 1e-9)).all()


@quick
@given(clip=gappy_clips)
def test_interpolation_knows_no_direction_of_time(clip):
  backwards = gaps.interpolate_gaps(clip[:, ::-1])
  np.testing.assert_allclose(
    backwards[:, ::-1], gaps.interpolate_gaps(clip), rtol=1e-12
  )


@quick
@given(clip=gappy_clips)
def test_only_empty_frames_are_outside_the_occupied_ones(clip):
  kept = gaps.occupied_frames(clip)
  if clip.any():
    assert clip[:, kept.start].any() and clip[:, kept.stop - 1].any()
  assert not clip[:, : kept.start].any() and not clip[:, kept.stop :].any()
