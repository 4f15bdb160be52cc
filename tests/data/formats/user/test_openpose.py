"""OpenPose's output."""

import pathlib

import numpy as np
import pytest
from helpers.user_clips import (
  body_at,
  make_clip,
  openpose_body,
  parse_clip,
  read_keypoints,
  write_file,
  write_openpose,
)

from unik_jax.data.formats.user import recordings
from unik_jax.data.formats.user.keypoints import NobodySeenError
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.parametrize(
  ('joints', 'layout'),
  [(25, 'openpose_25'), (18, 'openpose_18'), (17, 'coco_17')],
)
def test_openpose(tmp_path, joints, layout):
  clip = make_clip(12, joints, 3)
  clip[3, 4] = 0  # missing
  folder = write_openpose(tmp_path / 'clip', [[openpose_body(p)] for p in clip])
  parsed = parse_clip(folder)
  assert (parsed.layout, parsed.units) == (layout, 'pixels')
  assert parsed.confidence and parsed.image_size is None
  np.testing.assert_array_equal(read_keypoints(folder, layout), clip[None])


def test_frames_without_persons_are_gaps(tmp_path):
  a, b = body_at(100, 100), body_at(103, 100)
  folder = write_openpose(
    tmp_path / 'a', [[], [openpose_body(a)], [], [openpose_body(b)], []]
  )
  keypoints = read_keypoints(folder, 'openpose_25')
  assert keypoints.shape == (1, 5, 25, 3)
  np.testing.assert_array_equal(keypoints[0, [1, 3]], [a, b])
  assert not keypoints[0, [0, 2, 4]].any()


def test_persons_are_linked_by_distance(tmp_path):
  """Two persons in changing order walk together; one is missing once."""
  left = [body_at(100 + 10 * t, 100, seed=1) for t in range(6)]
  right = [body_at(400 - 10 * t, 120, confidence=0.5) for t in range(6)]
  frames = [
    [openpose_body(p) for p in (pair if t % 2 else pair[::-1])]
    for t, pair in enumerate(zip(left, right, strict=True))
  ]
  frames[3] = [openpose_body(right[3])]
  keypoints = read_keypoints(
    write_openpose(tmp_path / 'a', frames), 'openpose_25'
  )
  expected = np.stack([left, right])
  expected[0, 3] = 0
  np.testing.assert_array_equal(keypoints, expected)
  # The least confident of three is dropped, though it is listed first.
  third = [body_at(700, 100, confidence=0.1) for _ in range(6)]
  frames = [
    [openpose_body(extra), *bodies]
    for extra, bodies in zip(third, frames, strict=True)
  ]
  keypoints = read_keypoints(
    write_openpose(tmp_path / 'b', frames), 'openpose_25'
  )
  np.testing.assert_array_equal(keypoints, expected)
  one_person = read_keypoints(tmp_path / 'b', 'openpose_25', persons=1)
  np.testing.assert_array_equal(one_person, expected[:1])


def test_a_body_far_away_is_another_person(tmp_path):
  near, far = body_at(100, 100), body_at(900, 100, confidence=0.9)
  frames = [[near], [far], [near, far]]
  folder = write_openpose(
    tmp_path / 'a', [[openpose_body(p) for p in frame] for frame in frames]
  )
  keypoints = read_keypoints(folder, 'openpose_25')
  np.testing.assert_array_equal(
    keypoints, [[near, 0 * near, near], [0 * far, far, far]]
  )


def test_tracked_identities_decide(tmp_path):
  """Two persons swap places in one frame, which distances cannot show."""
  a, b = body_at(100, 100), body_at(200, 100, seed=1, confidence=0.5)
  frames = [
    [openpose_body(a, person_id=[0]), openpose_body(b, person_id=[7])],
    [openpose_body(b, person_id=[0]), openpose_body(a, person_id=[7])],
    [openpose_body(b, person_id=[0])],
  ]
  folder = write_openpose(tmp_path / 'a', frames)
  expected = np.array([[a, b, b], [b, a, 0 * a]])
  np.testing.assert_array_equal(read_keypoints(folder, 'openpose_25'), expected)


def test_several_videos_in_a_folder(tmp_path):
  one, two = make_clip(2, 25, 3), make_clip(3, 25, 3, seed=1)
  write_openpose(tmp_path, [[openpose_body(p)] for p in one], 'clip_01')
  write_openpose(tmp_path, [[openpose_body(p)] for p in two], 'clip_02')
  layout = get_layout('openpose_25')
  source = recordings.ClipSource(str(tmp_path), 'clip_02')
  np.testing.assert_array_equal(
    recordings.read_recording(source, layout=layout).keypoints[0], two
  )
  assert str(source) == f'{tmp_path}/clip_02'
  with pytest.raises(UserError, match="2 videos .'clip_01', 'clip_02'"):
    read_keypoints(tmp_path, 'openpose_25')


BODY = openpose_body(body_at(50, 50))
BAD_FRAMES = {
  'truncated': ('{"people": [', 'cut short.*line 1'),
  'empty': ('', 'cut short'),
  'not UTF-8': (b'{"people\xff', 'byte 8 is not UTF-8'),
  'a list': ([], 'a list "people"'),
  'people null': ({'people': None}, 'a list "people"'),
  'person null': ({'people': [None]}, 'person 0: expected a list of numbers'),
  'no pose': ({'people': [{}]}, 'person 0: expected a list of numbers'),
  'old name': ({'people': [{'pose_keypoints': [1, 2, 3]}]}, 'person 0'),
  '74 values': (
    {'people': [{'pose_keypoints_2d': [1.0] * 74}]},
    'person 0: expected a list of numbers',
  ),
  '18 joints': (
    {'people': [BODY, {'pose_keypoints_2d': [1.0] * 54}]},
    'person 1: expected 75 values.*got 54',
  ),
  'text': (
    {'people': [{'pose_keypoints_2d': ['1'] * 75}]},
    'person 0: expected',
  ),
  'nested': ({'people': [{'pose_keypoints_2d': [[1], [2, 3]]}]}, 'person 0'),
}


@pytest.mark.parametrize('case', BAD_FRAMES)
def test_bad_openpose(tmp_path, case):
  content, message = BAD_FRAMES[case]
  folder = write_openpose(tmp_path / 'clip', [[BODY], [BODY]])
  write_file(folder / 'clip_000000000002_keypoints.json', content)
  place = 'clip_000000000002_keypoints.json'
  with pytest.raises(UserError, match=f'(?s){place}.*{message}'):
    read_keypoints(folder, 'openpose_25')


CASES = pathlib.Path(__file__).parents[2] / 'cases'


def test_3d_keypoints_alone():
  with pytest.raises(UserError, match='person 0: .*pose_keypoints_3d only'):
    read_keypoints(CASES / '09-openpose-only3d', 'openpose_25')


def test_a_body_without_keypoints(tmp_path):
  empty = {'person_id': [-1], 'pose_keypoints_2d': [], 'hand_left': [1, 2, 3]}
  folder = write_openpose(tmp_path / 'clip', [[BODY], [empty], [empty, BODY]])
  keypoints = read_keypoints(folder, 'openpose_25')
  assert keypoints.any((0, 2, 3)).tolist() == [True, False, True]
  folder = write_openpose(tmp_path / 'nobody', [[empty], [empty]])
  with pytest.raises(NobodySeenError, match='any of 2 frames'):
    read_keypoints(folder, 'openpose_25')


def test_no_persons_and_no_files(tmp_path):
  with pytest.raises(UserError, match='a: nobody is seen in any of 3 frames'):
    read_keypoints(write_openpose(tmp_path / 'a', [[], [], []]), 'openpose_25')
  (tmp_path / 'b').mkdir()
  with pytest.raises(UserError, match='b: .*_keypoints.json files.*, got none'):
    read_keypoints(tmp_path / 'b', 'openpose_25')


def test_infinite_coordinates_are_named(tmp_path):
  bad = body_at(100, 100)
  bad[4, 1] = np.inf
  folder = write_openpose(tmp_path / 'a', [[BODY], [openpose_body(bad)]])
  with pytest.raises(UserError, match='frame 1, person .: y of joint 4'):
    read_keypoints(folder, 'openpose_25')
