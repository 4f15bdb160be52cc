"""Missing joints and empty frames."""

import itertools

import numpy as np
from helpers.properties import clips, quick
from hypothesis import given
from hypothesis import strategies as st

from unik_jax.data import gaps


def test_gaps_in_linear_movement_are_filled_exactly():
  start, speed = np.random.default_rng(0).normal(size=(2, 2, 1, 25, 3))
  complete = start + np.arange(12)[:, None, None] * speed
  present = np.random.default_rng(1).random((2, 12, 25)) < 0.4
  filled = gaps.interpolate_gaps(complete * present[..., None])
  # Only between a joint's first and last present frame.
  inside = np.zeros_like(present)
  for m, v in np.ndindex(2, 25):
    if (frames := np.flatnonzero(present[m, :, v])).size:
      inside[m, frames[0] : frames[-1] + 1, v] = True
  assert inside.sum() > present.sum() + 50
  np.testing.assert_allclose(filled, complete * inside[..., None], atol=1e-13)
  np.testing.assert_array_equal(filled[present], complete[present])


def test_gaps_are_filled_like_np_interp():
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


def test_without_gaps_nothing_changes():
  clip = np.random.default_rng(0).normal(size=(2, 4, 25, 3))
  clip[0, 0, 3] = clip[1, -2:] = clip[0, 1, 7, 0] = 0
  np.testing.assert_array_equal(gaps.interpolate_gaps(clip), clip)
  np.testing.assert_array_equal(gaps.interpolate_gaps(clip[:, :1]), clip[:, :1])


def test_occupied_frames():
  clip = np.ones((2, 9, 5, 3))
  assert gaps.occupied_frames(clip) == slice(0, 9)
  clip[:, [0, 4, 7, 8]] = clip[0, :3] = clip[1, 6] = 0
  assert gaps.occupied_frames(clip) == slice(1, 7)
  assert gaps.occupied_frames(0 * clip) == slice(0, 9)


# Properties, with about half of the joints missing

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
def test_interpolation_is_the_same_backwards_in_time(clip):
  backwards = gaps.interpolate_gaps(clip[:, ::-1])
  np.testing.assert_allclose(
    backwards[:, ::-1], gaps.interpolate_gaps(clip), rtol=1e-12
  )


@quick
@given(clip=gappy_clips)
def test_only_empty_frames_are_outside_the_occupied_ones(clip):
  occupied = gaps.occupied_frames(clip)
  if clip.any():
    assert clip[:, occupied.start].any() and clip[:, occupied.stop - 1].any()
  assert (
    not clip[:, : occupied.start].any() and not clip[:, occupied.stop :].any()
  )
