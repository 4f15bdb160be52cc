"""A user's own JSON: OpenPose, AlphaPose, COCO, MMPose, MediaPipe."""

import dataclasses

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  make_clip,
  openpose_body,
  parse_clip,
  read_keypoints,
  read_recording,
  write_file,
  write_openpose,
)

from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# OpenPose


@pytest.mark.parametrize(
  ('joints', 'layout'),
  [(25, 'openpose_25'), (18, 'openpose_18'), (17, 'coco_17')],
)
def test_openpose(tmp_path, joints, layout):
  clip = make_clip(12, joints, 3)
  clip[3, 4] = 0  # not found
  folder = write_openpose(tmp_path / 'clip', [[openpose_body(p)] for p in clip])
  found = parse_clip(folder)
  assert (found.layout, found.units) == (layout, 'pixels')
  assert found.confidence and found.image_size is None
  np.testing.assert_array_equal(read_keypoints(folder, layout), clip[None])


def test_openpose_frames_without_anybody_are_gaps(tmp_path):
  a, b = body_at(100, 100), body_at(103, 100)
  folder = write_openpose(
    tmp_path / 'a', [[], [openpose_body(a)], [], [openpose_body(b)], []]
  )
  got = read_keypoints(folder, 'openpose_25')
  assert got.shape == (1, 5, 25, 3)
  np.testing.assert_array_equal(got[0, [1, 3]], [a, b])
  assert not got[0, [0, 2, 4]].any()


def test_persons_are_linked_by_where_they_are(tmp_path):
  """Two walk towards each other, listed in changing order; one is lost once."""
  left = [body_at(100 + 10 * t, 100, seed=1) for t in range(6)]
  right = [body_at(400 - 10 * t, 120, confidence=0.5) for t in range(6)]
  frames = [
    [openpose_body(p) for p in (pair if t % 2 else pair[::-1])]
    for t, pair in enumerate(zip(left, right, strict=True))
  ]
  frames[3] = [openpose_body(right[3])]
  got = read_keypoints(write_openpose(tmp_path / 'a', frames), 'openpose_25')
  expected = np.stack([left, right])
  expected[0, 3] = 0
  np.testing.assert_array_equal(got, expected)
  # And of three, the least sure one is dropped; also where it comes first.
  third = [body_at(700, 100, confidence=0.1) for _ in range(6)]
  frames = [
    [openpose_body(extra), *bodies]
    for extra, bodies in zip(third, frames, strict=True)
  ]
  got = read_keypoints(write_openpose(tmp_path / 'b', frames), 'openpose_25')
  np.testing.assert_array_equal(got, expected)
  alone = read_keypoints(tmp_path / 'b', 'openpose_25', persons=1)
  np.testing.assert_array_equal(alone, expected[:1])


def test_somebody_far_away_is_somebody_else(tmp_path):
  here, there = body_at(100, 100), body_at(900, 100, confidence=0.9)
  folder = write_openpose(
    tmp_path / 'a', [[openpose_body(here)], [openpose_body(there)]]
  )
  got = read_keypoints(folder, 'openpose_25')
  np.testing.assert_array_equal(
    got[:, [0, 1]], [[here, 0 * here], [0 * there, there]]
  )


def test_tracked_ids_are_heeded(tmp_path):
  """They swap places at once, which distances would not show."""
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


def test_openpose_with_nothing(tmp_path):
  with pytest.raises(UserError, match='a: nobody is seen in any of 3 frames'):
    read_keypoints(write_openpose(tmp_path / 'a', [[], [], []]), 'openpose_25')
  (tmp_path / 'b').mkdir()
  with pytest.raises(UserError, match='b: .*_keypoints.json files, got none'):
    read_keypoints(tmp_path / 'b', 'openpose_25')


def test_bodies_that_are_infinite_are_named(tmp_path):
  bad = body_at(100, 100)
  bad[4, 1] = np.inf
  folder = write_openpose(tmp_path / 'a', [[BODY], [openpose_body(bad)]])
  with pytest.raises(UserError, match='frame 1, person .: y of joint 4'):
    read_keypoints(folder, 'openpose_25')


# AlphaPose


@pytest.mark.parametrize(
  ('joints', 'layout'), [(17, 'coco_17'), (26, 'halpe_26')]
)
def test_alphapose(tmp_path, joints, layout):
  """Frames 0, 1, 2, 10 in the order of numbers, with nobody between."""
  poses = [body_at(100, 100, joints, seed=s) for s in range(4)]
  names = ['10.jpg', '2.jpg', '0.jpg', '1.jpg']
  data = [
    alphapose_body(n, p, idx=[1.0]) for n, p in zip(names, poses, strict=True)
  ]
  path = write_file(tmp_path / 'alphapose-results.json', data)
  expected = np.zeros((1, 11, joints, 3))
  expected[0, [10, 2, 0, 1]] = poses
  np.testing.assert_array_equal(read_keypoints(path, layout), expected)
  found = parse_clip(path)
  assert (found.layout, found.units) == (layout, 'pixels')


@pytest.mark.parametrize(
  ('images', 'frames'),
  [
    ([3, 4, 6], [0, 1, 3]),  # COCO results
    (['f_05.png', 'f_10.png', 'f_20.png'], [0, 1, 3]),  # every fifth
    (['v2/8.jpg', 'v2/9.jpg', 'v2/11.jpg'], [0, 1, 3]),
    (['b', 'a', 'c'], [1, 0, 2]),
    (['a1x7', 'b2x7', 'c3x7'], [0, 1, 2]),  # 7 is no frame
    ([1_700_000_000, 1_700_000_033, 1_700_000_067], [0, 1, 2]),  # times
    ([9], [0]),
  ],
)
def test_frames_by_their_names(tmp_path, images, frames):
  poses = make_clip(len(images), 17, 3)
  data = [
    alphapose_body(i, p, idx=0) for i, p in zip(images, poses, strict=True)
  ]
  got = read_keypoints(write_file(tmp_path / 'a.json', data))
  expected = np.zeros((1, max(frames) + 1, 17, 3))
  expected[0, frames] = poses
  np.testing.assert_array_equal(got, expected)


def test_idx_that_tells_nobody_apart(tmp_path):
  """Without tracking, AlphaPose writes idx 0 for all, in lists of any depth."""
  a = [body_at(100 + t, 100, 17) for t in range(3)]
  b = [body_at(300 - t, 100, 17, 0.5) for t in range(3)]
  data = []
  for t, pair in enumerate(zip(a, b, strict=True)):
    for pose in pair[:: 1 - 2 * (t % 2)]:
      data.append(alphapose_body(f'{t}.jpg', pose, idx=[[0.0]] * (1 + t % 2)))
  got = read_keypoints(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(got, [a, b])
  for body in data:
    del body['idx']
  got = read_keypoints(write_file(tmp_path / 'b.json', data))
  np.testing.assert_array_equal(got, [a, b])


def test_merged_bodies_have_the_first_idx(tmp_path):
  a, b = body_at(100, 100, 17), body_at(900, 100, 17)
  data = [
    alphapose_body('0.jpg', a, idx=[[3.0]]),
    alphapose_body('1.jpg', b, idx=[[3.0], [3.0]]),
  ]
  got = read_keypoints(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(got, [[a, b]])


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


# COCO


def coco(images, annotations):
  return {
    'info': {},
    'images': images,
    'annotations': annotations,
    'categories': [{'id': 1, 'name': 'person'}],
  }


def image(number, name=None, size=(640, 480)):
  entry = {'id': number, 'file_name': name} if name else {'id': number}
  return entry | dict(zip(('width', 'height'), size, strict=False))


def annotation(number, pose, **fields):
  return {
    'id': 99,
    'image_id': number,
    'keypoints': pose.ravel().tolist(),
  } | fields


def test_coco(tmp_path):
  """Image 7 is the first frame, by its name; visibility 0 is not labelled."""
  poses = make_clip(3, 17, 3)
  poses[..., 2] = 2
  poses[1, 4:6, 2] = [1, 0]
  images = [image(3, '10.jpg'), image(4, '9.jpg'), image(7, '1.jpg')]
  annotations = [
    annotation(3, poses[2], track_id=5),
    annotation(7, poses[0], track_id=5),
    annotation(4, poses[1], track_id=5),
    {'id': 1, 'image_id': 3, 'bbox': [0, 0, 1, 1]},
  ]
  got = read_recording(
    write_file(tmp_path / 'a.json', coco(images, annotations))
  )
  poses[1, 5] = 0
  np.testing.assert_array_equal(got.keypoints, poses[None])
  assert got.image_size == (640, 480)
  found = parse_clip(tmp_path / 'a.json')
  assert (found.layout, found.units) == ('coco_17', 'pixels')


@pytest.mark.parametrize('nested', [False, True])
def test_coco_persons(tmp_path, nested):
  a, b = body_at(100, 100, 17, 2), body_at(300, 100, 17, 1)
  ids = [{'track_id': 1}, {'track_id': 2}]
  if nested:
    ids = [{'attributes': each} for each in ids]
  annotations = [
    annotation('x', b, **ids[1]),
    annotation('x', a, **ids[0]),
    annotation('y', a, **ids[1]),
    annotation('y', b, **ids[0]),
  ]
  images = [image('x', size=()), image('y', size=()), image('z', size=())]
  path = write_file(tmp_path / 'a.json', coco(images, annotations))
  got = read_recording(path)
  assert got.image_size is None
  zero = 0 * a
  np.testing.assert_array_equal(
    got.keypoints, np.array([[a, b, zero], [b, a, zero]])
  )
  for each in annotations:
    each.pop('track_id', each.pop('attributes', None))
  write_file(path, coco(images, annotations))
  np.testing.assert_array_equal(
    read_keypoints(path), np.array([[a, a, zero], [b, b, zero]])
  )


BAD_COCO = {
  'sizes': (
    coco([image(0), image(1, size=(9, 9))], []),
    r'\(640.0, 480.0\) and \(9.0, 9.0\)',
  ),
  'size text': (
    coco([image(0, size=('a', 'b'))], [annotation(0, POSE)]),
    "image size: .*'a', 'b'",
  ),
  'no width': (
    coco([{'id': 0, 'height': 4}], [annotation(0, POSE)]),
    'image size: .*None, 4.0',
  ),
  'ids': (coco([image(0), image(0)], []), 'id: expected a different'),
  'no id': (coco([{'file_name': 'a'}], []), 'id: expected a different'),
  'images null': (coco(None, []), 'images: expected a list'),
  'annotation null': (coco([image(0)], [None]), 'annotations: expected a list'),
  'image unknown': (
    coco([image(0)], [annotation(0, POSE), annotation(8, POSE)]),
    'annotation 1: image_id 8.0 is not among',
  ),
  'image a list': (coco([image(0)], [annotation([0], POSE)]), 'annotation 0'),
  'values': (coco([image(0)], [annotation(0, POSE[:, :2])]), 'annotation 0'),
  'nobody': (coco([image(0), image(1)], []), 'any of 2 frames'),
  'nothing': (coco([], []), 'any of 0 frames'),
}


@pytest.mark.parametrize('case', BAD_COCO)
def test_bad_coco(tmp_path, case):
  data, message = BAD_COCO[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data))


@pytest.mark.parametrize(
  'names',
  [
    {'video_id': [1, 2]},
    {'file_name': ['a/1.jpg', 'b/1.jpg']},
    {'file_name': ['a\\1.jpg', 'b\\1.jpg']},
  ],
)
def test_coco_of_several_videos(tmp_path, names):
  ((key, values),) = names.items()
  images = [image(n) | {key: value} for n, value in enumerate(values)]
  path = write_file(tmp_path / 'a.json', coco(images, [annotation(0, POSE)]))
  with pytest.raises(UserError, match='a.json: .*one video'):
    read_keypoints(path)
  if key == 'file_name':
    write_file(path, [alphapose_body(name, POSE) for name in values])
    with pytest.raises(UserError, match='a.json: .*one video.*folders'):
      read_keypoints(path)


def test_a_layout_that_contradicts_the_format(tmp_path):
  folder = write_openpose(tmp_path / 'clip', [[BODY], [BODY]])
  with pytest.raises(
    UserError, match="'ntu_25', as in layout.yaml.*'openpose_25'"
  ):
    read_keypoints(folder, 'ntu_25')
  path = write_file(tmp_path / 'a.json', [alphapose_body(0, POSE)])
  with pytest.raises(
    UserError, match="'unik_17', as in layout.yaml.*'coco_17'"
  ):
    read_keypoints(path, 'unik_17')
  # One's own may be of as many joints.
  mine = dataclasses.replace(get_layout('unik_17'), name='mine')
  assert recordings.read_recording(
    recordings.ClipSource(str(path)), layout=mine
  ).keypoints.any()


# MMPose


def instance(pose, **fields):
  return {
    'keypoints': pose[:, :-1].tolist(),
    'keypoint_scores': pose[:, -1].tolist(),
    'bbox': [[0, 0, 1, 1]],
  } | fields


def frame(number, *poses, **fields):
  bodies = [instance(pose, **fields) for pose in poses]
  return {'frame_id': number, 'instances': bodies}


@pytest.mark.parametrize('bare', [True, False])
def test_mmpose(tmp_path, bare):
  a = [body_at(100 + t, 100, 17) for t in range(3)]
  b = [body_at(300 - t, 100, 17, 0.5) for t in range(3)]
  data = [frame(1, a[0], b[0]), frame(3), frame(2, b[1], a[1]), frame(4, a[2])]
  data = data if bare else {'meta_info': {}, 'instance_info': data}
  path = write_file(tmp_path / 'a.json', data)
  expected = np.zeros((2, 4, 17, 3))
  expected[0, [0, 1, 3]], expected[1, :2] = a, b[:2]
  np.testing.assert_array_equal(read_keypoints(path), expected)
  found = parse_clip(path)
  assert (found.layout, found.units) == ('coco_17', 'pixels')


def test_mmpose_in_space(tmp_path):
  poses = make_clip(2, 17, 4)
  data = [frame(n, pose, track_id=4) for n, pose in enumerate(poses)]
  found = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(found.keypoints[0], poses)
  assert (found.layout, found.confidence) == ('', True)


BAD_MMPOSE = {
  'an image': ([instance(POSE)], 'a single image'),
  'no number': (
    [frame(0, POSE), {'instances': []}],
    'record 1: expected a frame',
  ),
  'null': ([frame(0, POSE), None], 'record 1: expected a frame'),
  'half': ([frame(0.5, POSE)], 'record 0: expected a frame'),
  'no scores': (
    [frame(0, POSE, keypoint_scores=None)],
    'record 0, instance 0: expected keypoints',
  ),
  'cut short': (
    [frame(0, POSE, keypoint_scores=[0.5])],
    'record 0, instance 0: expected keypoints',
  ),
  'other joints': (
    [frame(0, POSE), frame(1, POSE[:9])],
    'record 1, instance 0: expected 17 joints.*got 9',
  ),
  'nobody': ([frame(0), frame(1)], 'any of 2 frames'),
}


@pytest.mark.parametrize('case', BAD_MMPOSE)
def test_bad_mmpose(tmp_path, case):
  data, message = BAD_MMPOSE[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data))
