"""Frames' numbers in names, and their places in a clip."""

import numpy as np
import pytest
from helpers.properties import quick
from hypothesis import given
from hypothesis import strategies as st

from unik_jax.data.formats.user.frame_names import find_numbers, place_frames
from unik_jax.data.formats.user.openpose import group_frames
from unik_jax.errors import UserError

# With {} for the number of the frame.
PATTERNS = [
  '{}.jpg',
  '{}_cam0.jpg',
  'frame{}_1080p.png',
  'frame{}_60fps_1920x1080.png',
  'cam2_take10_{}.png',
  '2024-05-01/{}_v2.jpg',
  'S001C002P003R002A013_{}_rgb.png',
  '{}',
  '{}.mp4',
]


@pytest.mark.parametrize('pattern', PATTERNS)
@pytest.mark.parametrize('form', ['{}', '{:04}', '{:012}'])
@pytest.mark.parametrize('first', [0, 1, 95])
def test_the_number_that_varies_is_the_frames(pattern, form, first):
  rng = np.random.default_rng(0)
  frames = rng.permutation(30)
  names = [pattern.format(form.format(first + t)) for t in frames]
  assert find_numbers(names, 'clip') == (first + frames).tolist()
  places = place_frames(names, 'clip')
  np.testing.assert_array_equal(places.indices, frames)
  assert not places.notes


@quick
@given(
  numbers=st.lists(st.integers(0, 60), min_size=12, unique=True),
  other=st.lists(st.integers(0, 10**6), max_size=3),
)
def test_names_are_placed_as_their_numbers_are(numbers, other):
  """Constant numbers around the frame's change nothing."""
  text = ''.join(f'_c{n}' for n in other)
  names = [f'a{text}f{n}{text}.png' for n in numbers]
  np.testing.assert_array_equal(
    place_frames(names, 'clip').indices, place_frames(numbers, 'clip').indices
  )


def test_of_an_index_and_a_time_the_index_is_the_frames():
  names = [f'{t}_{33.3667 * t:.0f}ms.jpg' for t in range(40)]
  assert find_numbers(names, 'clip') == list(range(40))
  names = [f'{33.3667 * t:.0f}ms_{t}.jpg' for t in range(40)]
  assert find_numbers(names, 'clip') == list(range(40))


@pytest.mark.parametrize(
  'form', ['{0:02}-{1:02}.jpg', '{0}_{1}.jpg', '{0}m{1}s', '2024_{0:02}:{1:02}']
)
def test_parts_of_a_time_give_the_order(form):
  times = [(12, s) for s in range(40, 60)] + [(13, s) for s in range(30)]
  names = [form.format(*time) for time in times]
  order = np.random.default_rng(0).permutation(50)
  places = place_frames([names[i] for i in order], 'clip')
  np.testing.assert_array_equal(places.indices, order)
  names = [f'{t / 30:.3f}.jpg' for t in range(60)]  # two whole seconds
  np.testing.assert_array_equal(place_frames(names, '').indices, range(60))


@pytest.mark.parametrize(
  'form', ['{0}_cam{1}', 'cam{1}_frame{0}', 'c{1}_{0:06}', '{0}crop{1}']
)
def test_names_of_two_cameras_are_refused(form):
  names = [form.format(t, camera) for t in range(20) for camera in range(2)]
  with pytest.raises(UserError, match='clip: .*one video, .*several numbers'):
    place_frames(names, 'clip')


@pytest.mark.parametrize('step', [2, 30])
def test_sparse_numbers_are_told_of(step):
  indices, (note,) = place_frames([7 + step * t for t in (0, 1, 3)], 'clip')
  assert indices.tolist() == [0, 1, 3] and f'steps of {step},' in note
  indices, (note,) = place_frames([0, 30, 61, 90], 'clip')
  assert indices.tolist() == [0, 1, 2, 3] and 'gaps' in note
  assert not place_frames([3, 4, 6], 'clip').notes


def openpose_names(form, *counts):
  return [f'{form.format(*n)}_keypoints.json' for n in np.ndindex(*counts)]


@pytest.mark.parametrize(
  ('form', 'counts', 'videos'),
  [
    ('{0:012}', (30,), ['']),
    ('clip_{0:02}_{1:012}', (3, 30), ['clip_00', 'clip_01', 'clip_02']),
    ('v{0}_{1}', (200, 6), [f'v{n}' for n in range(200)]),
    ('v{0}_{1:012}', (5, 1), [f'v{n}' for n in range(5)]),
    ('frame{0}_cam0', (15,), ['frame_cam0']),
    ('frame{0}_cam{1}', (15, 2), ['frame_cam0', 'frame_cam1']),
    ('cam{0}_frame{1}', (2, 15), ['cam0_frame', 'cam1_frame']),
    ('walk', (1,), ['walk']),
  ],
)
def test_openpose_files_of_one_video(form, counts, videos):
  names = openpose_names(form, *counts)
  groups = group_frames([*names, 'other.json', '.hidden_keypoints.json'])
  assert sorted(groups) == sorted(videos)
  assert sorted(sum(groups.values(), [])) == sorted(names)
  for files in groups.values():
    stems = [name.removesuffix('_keypoints.json') for name in files]
    indices = sorted(place_frames(stems, 'clip').indices)
    assert indices == list(range(len(names) // len(videos)))


def test_videos_with_other_texts_are_several():
  names = openpose_names('walk_{0}', 9) + openpose_names('run_{0}_b', 8)
  groups = group_frames(names)
  assert {video: len(files) for video, files in groups.items()} == {
    'walk': 9,
    'run_b': 8,
  }
