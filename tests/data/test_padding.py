"""Padding by repetition, against a frame-by-frame implementation."""

import numpy as np
import pytest

from unik_jax.data.padding import repeat_tracks


def make_clip(*tracks):
  """Returns one person per string: '.' is an empty frame, '#' is not.

  Frames differ, and some of their coordinates are zero.
  """
  present = np.array([[sign == '#' for sign in track] for track in tracks])
  clip = np.random.default_rng(0).normal(size=(*present.shape, 5, 3))
  clip[:, :, 1, 0] = clip[:, :, 3] = 0
  return np.float32(clip * present[:, :, None, None])


def frames_of(padded, clip):
  """Returns the frame of `clip` that each frame equals, -1 if empty."""
  return [
    [
      next((t for t, old in enumerate(track) if (old == new).all()), None)
      if new.any()
      else -1
      for new in person
    ]
    for person, track in zip(padded, clip, strict=True)
  ]


CASES = {
  'repeated': ('###', [0, 1, 2, 0, 1, 2, 0, 1]),
  'one frame': ('#..', [0] * 8),
  'all zero at the end': ('##.', [0, 1, 0, 1, 0, 1, 0, 1]),
  'a gap in a track from frame 0 on': ('#.##.', [0, -1, 2, 3, 0, -1, 2, 3]),
  'late': ('..###', [2, 3, 4, 2, 3, 4, 2, 3]),
  'late, with gaps': ('.#.#..#..', [1, 3, 6, 1, 3, 6, 1, 3]),
  'only in the last frame': ('....#', [4] * 8),
  'nobody': ('...', [-1] * 8),
  'the right length': ('########', list(range(8))),
  'the right length, with gaps': ('#..#...#', [0, -1, -1, 3, -1, -1, -1, 7]),
  'the right length, with an end': ('###.#...', [0, 1, 2, -1, 4, 0, 1, 2]),
  'the right length, late': ('...####.', [3, 4, 5, 6, 3, 4, 5, 6]),
  'cut': ('##########', list(range(8))),
  'cut, then repeated': ('##......##', [0, 1] * 4),
  'cut before anybody is present': ('........##', [-1] * 8),
}


@pytest.mark.parametrize('case', CASES)
def test_tracks(case):
  track, expected = CASES[case]
  clip = make_clip(track)
  padded = repeat_tracks(clip, 8)
  assert padded.shape == (1, 8, 5, 3) and padded.dtype == np.float32
  assert frames_of(padded, clip) == [expected]


def test_each_track_is_repeated_separately():
  clip = make_clip('#####', '.##..', '.....', '##.#.')
  before = clip.copy()
  expected = [
    [0, 1, 2, 3, 4, 0, 1, 2, 3],
    [1, 2, 1, 2, 1, 2, 1, 2, 1],
    [-1] * 9,
    [0, 1, -1, 3, 0, 1, -1, 3, 0],
  ]
  assert frames_of(repeat_tracks(clip, 9), clip) == expected
  np.testing.assert_array_equal(clip, before)


def test_a_frame_of_joints_that_cancel_out_is_not_empty():
  clip = np.ones((1, 2, 4, 2), np.float32)
  clip[:, 1] *= [[1], [-1], [1], [-1]]
  assert frames_of(repeat_tracks(clip, 4), clip) == [[0, 1, 0, 1]]


def test_no_persons():
  assert repeat_tracks(make_clip('##')[:0], 4).shape == (0, 4, 5, 3)


def by_frame(clip, frames):
  """Repeats tracks frame by frame, as the published script does."""
  clip = clip[:, :frames]
  padded = np.zeros((len(clip), frames, *clip.shape[2:]), clip.dtype)
  for person, track in zip(padded, clip, strict=True):
    valid = [frame for frame in track if frame.any()]
    if not valid:
      continue
    track = list(track) if track[0].any() else valid
    while not track[-1].any():
      track.pop()
    for t in range(frames):
      person[t] = track[t % len(track)]
  return padded


@pytest.mark.parametrize('seed', range(20))
def test_random_tracks(seed):
  rng = np.random.default_rng(seed)
  present = rng.random((4, rng.integers(1, 12), 1, 1)) < rng.random()
  clip = rng.normal(size=(*present.shape[:2], 3, 2)) * present
  for frames in (1, 7, 11, 40):
    np.testing.assert_array_equal(
      repeat_tracks(clip, frames), by_frame(clip, frames)
    )
