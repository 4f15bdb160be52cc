"""AlphaPose's results."""

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  make_clip,
  parse_clip,
  read_keypoints,
  write_file,
)

from unik_jax.errors import UserError


@pytest.mark.parametrize(
  ('joints', 'layout'), [(17, 'coco_17'), (26, 'halpe_26')]
)
def test_alphapose(tmp_path, joints, layout):
  """Frames are sorted by number; a gap is a frame without a person."""
  poses = [body_at(100, 100, joints, seed=s) for s in range(4)]
  names = ['10.jpg', '2.jpg', '0.jpg', '1.jpg']
  data = [
    alphapose_body(n, p, idx=[1.0]) for n, p in zip(names, poses, strict=True)
  ]
  path = write_file(tmp_path / 'alphapose-results.json', data)
  expected = np.zeros((1, 11, joints, 3))
  expected[0, [10, 2, 0, 1]] = poses
  np.testing.assert_array_equal(read_keypoints(path, layout), expected)
  parsed = parse_clip(path)
  assert (parsed.layout, parsed.units) == (layout, 'pixels')


@pytest.mark.parametrize(
  ('images', 'frames'),
  [
    ([3, 4, 6], [0, 1, 3]),  # COCO results
    (['f_05.png', 'f_10.png', 'f_20.png'], [0, 1, 3]),  # every fifth
    (['v2/8.jpg', 'v2/9.jpg', 'v2/11.jpg'], [0, 1, 3]),
    (['b', 'a', 'c'], [1, 0, 2]),
    (['a1x7', 'b2x7', 'c3x7'], [0, 1, 2]),  # 7 is not a frame
    ([1_700_000_000, 1_700_000_033, 1_700_000_067], [0, 1, 2]),  # times
    ([9], [0]),
  ],
)
def test_frames_by_their_names(tmp_path, images, frames):
  poses = make_clip(len(images), 17, 3)
  data = [
    alphapose_body(i, p, idx=0) for i, p in zip(images, poses, strict=True)
  ]
  keypoints = read_keypoints(write_file(tmp_path / 'a.json', data))
  expected = np.zeros((1, max(frames) + 1, 17, 3))
  expected[0, frames] = poses
  np.testing.assert_array_equal(keypoints, expected)


def test_idx_without_tracking(tmp_path):
  """Without tracking, AlphaPose writes idx 0 for all, nested to any depth."""
  a = [body_at(100 + t, 100, 17) for t in range(3)]
  b = [body_at(300 - t, 100, 17, 0.5) for t in range(3)]
  data = []
  for t, pair in enumerate(zip(a, b, strict=True)):
    for pose in pair[:: 1 - 2 * (t % 2)]:
      data.append(alphapose_body(f'{t}.jpg', pose, idx=[[0.0]] * (1 + t % 2)))
  keypoints = read_keypoints(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(keypoints, [a, b])
  for body in data:
    del body['idx']
  keypoints = read_keypoints(write_file(tmp_path / 'b.json', data))
  np.testing.assert_array_equal(keypoints, [a, b])


def test_a_merged_body_takes_its_first_idx(tmp_path):
  a, b = body_at(100, 100, 17), body_at(900, 100, 17)
  data = [
    alphapose_body('0.jpg', a, idx=[[3.0]]),
    alphapose_body('1.jpg', b, idx=[[3.0], [3.0]]),
  ]
  keypoints = read_keypoints(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(keypoints, [[a, b]])


POSE = body_at(100, 100, 17)
BAD_RESULTS = {
  'a number': ([alphapose_body(0, POSE), 3], 'record 1: expected an object'),
  'no keypoints': (
    [alphapose_body(0, POSE), {'image_id': 0}],
    'record 1: expected a list',
  ),
  '26 joints': (
    [alphapose_body(0, POSE), alphapose_body(1, body_at(1, 1, 26))],
    'record 1: expected 51 values.*got 78',
  ),
  'no image': (
    [alphapose_body(0, POSE), alphapose_body(None, POSE)],
    'record 1: image_id: .*None',
  ),
  'half': ([alphapose_body(0.5, POSE)], 'record 0: image_id: .*0.5'),
  'both': (
    [alphapose_body(0, POSE), alphapose_body('1', POSE)],
    'image_id: .*got both',
  ),
  'none at all': ([], 'nobody is seen in any of 0 frames'),
}


@pytest.mark.parametrize('case', BAD_RESULTS)
def test_bad_alphapose(tmp_path, case):
  data, message = BAD_RESULTS[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data))


def test_bodies_by_frame_and_by_person(tmp_path):
  """PoseFlow's {frame: [{keypoints, idx}]}, and {person: {frame: {...}}}."""
  rng = np.random.default_rng(0)
  base = rng.uniform(10, 90, (2, 17, 2)) + [[[0, 0]], [[300, 0]]]
  frames, truth = {}, np.zeros((2, 5, 17, 3))
  for t in range(5):
    bodies = []
    for m in (0, 1)[:: (-1) ** t]:
      pose = np.column_stack([base[m] + t, rng.uniform(0.4, 1, 17)])
      truth[m, t] = pose
      values = pose.ravel().tolist()
      bodies.append({'keypoints': values, 'scores': 2.5, 'idx': m + 1})
    frames[f'{t}.jpg'] = bodies
  frames['5.jpg'] = []
  write_file(tmp_path / 'a.json', frames)
  clip = parse_clip(tmp_path / 'a.json')
  assert (clip.layout, clip.units) == ('coco_17', 'pixels')
  found = clip.keypoints
  found = found if np.allclose(found[0, 0], truth[0, 0]) else found[::-1]
  np.testing.assert_allclose(found[:, :5], truth)
  assert found.shape[1] == 6 and not found[:, 5].any()
  by_person = {
    person: {
      name.removesuffix('.jpg'): {'keypoints': body['keypoints'], 'scores': 2.5}
      for name, bodies in frames.items()
      for body in bodies
      if str(body['idx']) == person
    }
    for person in '12'
  }
  write_file(tmp_path / 'b.json', by_person)
  tracked = parse_clip(tmp_path / 'b.json')
  assert tracked.layout == 'coco_17'
  np.testing.assert_array_equal(tracked.keypoints, clip.keypoints[:, :5])
  del by_person['2']['3']  # the other person is alone
  write_file(tmp_path / 'b.json', by_person)
  lonely = parse_clip(tmp_path / 'b.json').keypoints
  np.testing.assert_allclose(sorted(lonely[:, 3, 0, 0]), [0, truth[0, 3, 0, 0]])
  frames['2.jpg'][0]['keypoints'] = [1, 2]
  write_file(tmp_path / 'a.json', frames)
  with pytest.raises(UserError, match='a.json, record 4: expected a list of'):
    parse_clip(tmp_path / 'a.json')
