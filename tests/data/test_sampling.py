"""Samplers: which frames each one takes."""

import numpy as np
import pytest
from helpers.properties import quick
from hypothesis import given
from hypothesis import strategies as st

from unik_jax.data.sampling import (
  SAMPLERS,
  check_views,
  crop_window,
  get_sampler,
  random_window,
  round_length,
  split_times,
  stretch_times,
  take_frames,
)
from unik_jax.errors import UserError


def make_clip(frames):
  """Two persons: t in frame t (from 1) of the first, -t of the second."""
  time = np.arange(1, frames + 1, dtype=np.float32)
  clip = np.ones((2, frames, 3, 2), np.float32) * time[:, None, None]
  clip[1] *= -1
  return clip


def picked(name, clip, frames, seed=None):
  """Returns the frames (from 1; 0 for padding) that a sampler takes."""
  rng = None if seed is None else np.random.default_rng(seed)
  out = take_frames(clip, get_sampler(name)(clip.shape[1], frames, rng))
  assert out.shape == (2, frames, 3, 2) and out.dtype == np.float32
  time = out[0, :, 0, 0]
  same = np.ones((2, frames, 3, 2)) * time[:, None, None]
  same[1] *= -1
  np.testing.assert_array_equal(
    out, same
  )  # the same for all joints and persons
  return time.tolist()


@pytest.mark.parametrize('name', SAMPLERS)
@pytest.mark.parametrize('length', [1, 2, 5, 6, 7, 64])
@pytest.mark.parametrize('seed', [None, 0])
def test_shape_and_repeatability(name, length, seed):
  clip = make_clip(length)
  before = clip.copy()
  once, again = (picked(name, clip, 6, seed) for _ in range(2))
  assert once == again
  np.testing.assert_array_equal(clip, before)


@pytest.mark.parametrize('name', SAMPLERS)
@pytest.mark.parametrize('seed', [None, 0])
def test_a_clip_of_one_frame(name, seed):
  frames = picked(name, make_clip(1), 4, seed)
  if name == 'crop':
    assert sorted(frames) == [0, 0, 0, 1]
  else:
    assert frames == [1, 1, 1, 1]


@pytest.mark.parametrize('name', SAMPLERS)
def test_a_clip_of_the_right_length_is_unchanged(name):
  assert picked(name, make_clip(6), 6) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize('name', ['crop', 'repeat'])
def test_a_long_clip_is_cut_to_a_window_anywhere(name):
  starts = set()
  for seed in range(60):
    run = picked(name, make_clip(9), 6, seed)
    assert np.diff(run).tolist() == [1] * 5
    starts.add(run[0])
  assert starts == {1, 2, 3, 4}
  assert picked(name, make_clip(9), 6) == [1, 2, 3, 4, 5, 6]


def test_crop_puts_a_short_clip_anywhere_between_zeros():
  seen = set()
  for seed in range(60):
    frames = picked('crop', make_clip(3), 6, seed)
    start = frames.index(1)
    assert frames == [0] * start + [1, 2, 3] + [0] * (3 - start)
    seen.add(start)
  assert seen == {0, 1, 2, 3}
  assert picked('crop', make_clip(3), 6) == [1, 2, 3, 0, 0, 0]


@pytest.mark.parametrize('seed', [None, 0])
def test_repeat_repeats_a_short_clip(seed):
  assert picked('repeat', make_clip(3), 8, seed) == [1, 2, 3, 1, 2, 3, 1, 2]


@pytest.mark.parametrize('length', [2, 5, 6, 7, 50])
def test_linear_is_exact_on_linear_motion(length):
  times = picked('linear', make_clip(length), 6)
  expected = 1 + (length - 1) * np.arange(6) / 5
  np.testing.assert_allclose(times, expected, rtol=1e-6)


def test_linear_matches_numpy_on_any_motion():
  rng = np.random.default_rng(0)
  clip = rng.standard_normal((2, 7, 3, 2)).astype(np.float32)
  out = take_frames(clip, get_sampler('linear')(clip.shape[1], 12, None))
  where = np.linspace(0, 6, 12)
  for m, v, c in np.ndindex(2, 3, 2):
    expected = np.interp(where, np.arange(7), clip[m, :, v, c])
    np.testing.assert_allclose(out[m, :, v, c], expected, atol=1e-6)


def test_linear_has_nobody_between_an_absent_person_and_a_body():
  """A person, or a joint, is zero or on its own line x = 10 + t, never else."""
  clip = make_clip(9) + np.float32([[[[9]]], [[[-9]]]])
  clip[0, :3] = 0  # enters late
  clip[1, 5:8] = 0  # lost for three frames
  clip[0, 6, 1] = 0  # a missing joint
  out = take_frames(clip, get_sampler('linear')(9, 33, None))
  times = np.linspace(0, 8, 33)
  line = np.broadcast_to(times[:, None], (33, 3)) + 10
  nearest = np.floor(times + 0.5).astype(int)
  for m, sign in ((0, 1), (1, -1)):
    assert (out[m].any(-1) == clip[m, nearest].any(-1)).all()
    x = sign * out[m, ..., 0]
    # Beside a gap, the nearer frame is half a frame away at most.
    assert (np.abs(x - line)[x != 0] <= 0.5).all()
  inside = (times >= 3) & (times <= 5)
  np.testing.assert_allclose(out[0, inside, :, 0], line[inside], rtol=1e-6)


@pytest.mark.parametrize('length', [2, 6, 30, 63, 300])
def test_linear_keeps_a_clip_of_that_length_bit_for_bit(length):
  rng = np.random.default_rng(0)
  clip = rng.standard_normal((1, length, 3, 2)).astype(np.float32)
  out = take_frames(clip, get_sampler('linear')(clip.shape[1], length, None))
  np.testing.assert_array_equal(out, clip)


@pytest.mark.parametrize('length', [4, 6, 20, 24, 25])
def test_uniform_takes_one_frame_of_each_segment(length):
  seen = set()
  for seed in [None, *range(200)]:
    frames = np.array(picked('uniform', make_clip(length), 6, seed)) - 1
    assert (np.diff(frames) >= 0).all()
    # Segment i is [i, i + 1) * length / 6; frame f covers [f, f + 1).
    low = np.arange(6) * length / 6
    assert (frames < low + length / 6).all()
    assert (frames + 1 > low).all()
    seen |= set(frames.tolist())
  assert seen == set(range(length))  # every frame can be taken


def test_uniform_without_a_generator_takes_the_middles():
  assert picked('uniform', make_clip(18), 6) == [2, 5, 8, 11, 14, 17]
  assert picked('uniform', make_clip(3), 6) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize('count', [2, 3, 5])
@pytest.mark.parametrize('length', [7, 8, 13, 40])
def test_windows_are_evenly_spaced_from_end_to_end(length, count):
  clip = make_clip(length)
  starts = []
  for index in range(count):
    start, size = crop_window(length, 6, index, count)
    frames = clip[0, start : start + size, 0, 0]
    assert len(frames) == 6 and (np.diff(frames) == 1).all()
    starts.append(frames[0] - 1)
  exact = np.linspace(0, length - 6, count)
  assert (starts[0], starts[-1]) == (0, length - 6)
  assert (np.abs(starts - exact) < 1).all()


@pytest.mark.parametrize('length', [1, 5, 6])
def test_every_window_of_a_short_clip_is_the_whole_clip(length):
  for index in range(3):
    assert crop_window(length, 6, index, 3) == (0, length)
  assert crop_window(9, 6, 0, 1) == (0, 9)


def test_settings_for_several_views():
  for sampling in SAMPLERS:
    check_views(sampling, 10, 1)
  check_views('repeat', 1, 3)
  for sampling in ('linear', 'uniform'):
    with pytest.raises(UserError, match=f'test_crops is 3.*{sampling}'):
      check_views(sampling, 1, 3)
  with pytest.raises(UserError, match='test_crops is 3.*test_clips.* got 2'):
    check_views('crop', 2, 3)
  with pytest.raises(UserError, match='test_crops is 3.*test_frames.* got -1'):
    check_views('crop', 1, 3, -1)


def test_rounded_lengths_are_few_and_close():
  lengths = range(1, 1000)
  for length in lengths:
    assert length <= round_length(length) <= max(1.5 * length, 2)
  assert len({round_length(length) for length in lengths}) <= 20


def test_unknown_sampler():
  with pytest.raises(UserError, match='data.sampling.*cubic') as error:
    get_sampler('cubic')
  assert all(name in str(error.value) for name in SAMPLERS)


# Properties

lengths = st.integers(1, 300)
frame_counts = st.integers(1, 100)
seeds = st.none() | st.integers(0, 2**32 - 1)


def sample(name, length, frames, seed):
  rng = None if seed is None else np.random.default_rng(seed)
  return get_sampler(name)(length, frames, rng)


@pytest.mark.parametrize('name', SAMPLERS)
@quick
@given(length=lengths, frames=frame_counts, seed=seeds)
def test_times_are_as_many_as_asked_and_repeatable(name, length, frames, seed):
  times = sample(name, length, frames, seed)
  assert times.shape == (frames,)
  np.testing.assert_array_equal(times, sample(name, length, frames, seed))


@pytest.mark.parametrize('name', ['repeat', 'linear', 'uniform'])
@quick
@given(length=lengths, frames=frame_counts, seed=seeds)
def test_times_are_inside_the_clip(name, length, frames, seed):
  times = sample(name, length, frames, seed)
  assert times.min() >= 0 and times.max() <= length - 1
  if name != 'repeat' or frames <= length:
    assert (np.diff(times) >= 0).all()


@quick
@given(length=lengths, frames=frame_counts, seed=seeds)
def test_crop_is_a_window_with_all_frames_that_fit(length, frames, seed):
  times = sample('crop', length, frames, seed)
  assert (np.diff(times) == 1).all()
  inside = (times >= 0) & (times < length)
  assert inside.sum() == min(length, frames)


@pytest.mark.parametrize('name', SAMPLERS)
@quick
@given(length=lengths, frames=frame_counts, seed=seeds)
def test_split_times_add_up(name, length, frames, seed):
  times = sample(name, length, frames, seed)
  before, after, part, inside = split_times(times, length)
  for index in (before, after):
    assert index.min() >= 0 and index.max() < length
  assert ((part >= 0) & (part < 1)).all()
  np.testing.assert_allclose((before + part)[inside], times[inside], rtol=1e-12)
  assert ((after == before + 1) | (before == length - 1))[inside].all()
  outside = (times < 0) | (times > length - 1)
  np.testing.assert_array_equal(inside, ~outside)


@quick
@given(length=lengths, frames=frame_counts, count=st.integers(1, 6))
def test_windows_are_inside_the_clip(length, frames, count):
  windows = [crop_window(length, frames, i, count) for i in range(count)]
  for start, size in windows:
    assert 0 <= start <= start + size <= length
    assert size == (length if count == 1 else min(length, frames))
  assert windows == sorted(windows)
  assert windows[0][0] == 0 and sum(windows[-1]) == length


@quick
@given(length=st.integers(1, 10**6))
def test_a_rounded_length_stays(length):
  rounded = round_length(length)
  assert length <= rounded < 2 * length or length == rounded == 1
  assert round_length(rounded) == rounded


def test_random_takes_frames_in_order_from_the_whole_clip():
  """Without random sampling, as numpy's linspace cut to whole frames."""
  seen = set()
  for seed in range(40):
    frames = picked('random', make_clip(9), 6, seed)
    assert frames == sorted(frames)
    seen |= set(frames)
  assert seen == set(range(1, 10))
  assert picked('random', make_clip(9), 4) == [1, 3, 6, 9]
  assert picked('random', make_clip(2), 4) == [1, 1, 1, 2]


@quick
@given(st.integers(1, 80), st.floats(0.01, 1), st.integers(0, 99))
def test_a_random_window_is_inside_and_not_too_short(length, least, seed):
  first, kept = random_window(length, least, np.random.default_rng(seed))
  assert 0 <= first and first + kept <= length
  assert kept >= max(round(length * least) - 1, 1)


@quick
@given(st.integers(1, 80), st.integers(0, 9), st.integers(0, 99))
def test_stretched_times_keep_order_and_ends(length, first, seed):
  times = first + np.linspace(0, length - 1, 16)
  rng = np.random.default_rng(seed)
  out = stretch_times(times, first, length, 0.5, rng)
  assert (np.diff(out) >= -1e-9).all()
  np.testing.assert_allclose(out[[0, -1]], times[[0, -1]], atol=1e-9)
  if length > 8:
    assert np.abs(out - times).max() > 1e-3
  outside = np.array([first - 2.0, first + length + 3.0])
  still = stretch_times(outside, first, length, 0.5, rng)
  np.testing.assert_array_equal(still, outside)
