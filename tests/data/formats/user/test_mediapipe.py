"""MediaPipe's landmarks, and JSON of no form that is known."""

import itertools
import math

import numpy as np
import pytest
from helpers.user_clips import (
  parse_clip,
  read_keypoints,
  read_recording,
  write_file,
)

from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

# MediaPipe

AXES = ('x', 'y', 'z', 'visibility')


def marks(pose):
  return [dict(zip(AXES, joint.tolist(), strict=False)) for joint in pose]


def landmarks(frames=3, channels=4):
  return np.random.default_rng(5).uniform(0.1, 0.9, (frames, 33, channels))


FORMS = {
  'list': lambda clip: [marks(p) for p in clip],
  'numbers': lambda clip: clip.tolist(),
  'frames': lambda clip: {'frames': [{'landmarks': marks(p)} for p in clip]},
  'plain frames': lambda clip: {'frames': [marks(p) for p in clip]},
  'protobuf': lambda clip: [
    {'t': 0.1, 'pose_landmarks': {'landmark': marks(p)}} for p in clip
  ],
  'persons': lambda clip: [{'landmarks': [marks(p)]} for p in clip],
  'persons of numbers': lambda clip: [[p.tolist()] for p in clip],
  'wrapped persons': lambda clip: [[{'landmarks': marks(p)}] for p in clip],
}


@pytest.mark.parametrize('form', FORMS)
def test_mediapipe(tmp_path, form):
  clip = landmarks()
  got = read_recording(
    write_file(tmp_path / 'a.json', FORMS[form](clip)), 'mediapipe_33'
  )
  np.testing.assert_array_equal(got.keypoints, clip[None])
  assert got.image_size == (1, 1)
  found = parse_clip(tmp_path / 'a.json')
  assert (found.layout, found.units) == ('mediapipe_33', 'image widths')


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_mediapipe_channels(tmp_path, channels):
  clip = landmarks(channels=channels)
  path = write_file(tmp_path / 'a.json', FORMS['list'](clip))
  np.testing.assert_array_equal(
    read_keypoints(path, 'mediapipe_33'), clip[None]
  )
  assert parse_clip(path).confidence == (channels == 4)


def test_flat_mediapipe_with_visibility(tmp_path):
  clip = landmarks(channels=3)
  clip[1, 3, 2] = 0
  data = [
    [{'x': x, 'y': y, 'visibility': v} for x, y, v in pose] for pose in clip
  ]
  path = write_file(tmp_path / 'a.json', data)
  clip[1, 3] = 0
  np.testing.assert_array_equal(
    read_keypoints(path, 'mediapipe_33'), clip[None]
  )
  assert parse_clip(path).confidence


def test_mediapipe_in_image_widths(tmp_path):
  """A circle in the image stays one: y counts in widths too."""
  clip = landmarks()
  path = write_file(tmp_path / 'a.json', FORMS['frames'](clip))
  layout = get_layout('mediapipe_33')
  source = recordings.ClipSource(str(path), image_size=(1920, 1080))
  got = recordings.read_recording(source, layout=layout)
  np.testing.assert_allclose(
    got.keypoints[0], clip * [1, 1080 / 1920, 1, 1], rtol=1e-12
  )
  assert got.image_size == (1, 1)  # what x = 1 means
  data = FORMS['frames'](clip) | {'width': 200, 'height': 400}
  got = recordings.read_recording(
    recordings.ClipSource(str(write_file(path, data))), layout=layout
  )
  np.testing.assert_allclose(got.keypoints[0], clip * [1, 2, 1, 1], rtol=1e-12)


def test_mediapipe_sees_nobody_or_two(tmp_path):
  clip = landmarks(5)
  a, b = clip[0] * 0.3, clip[1] * 0.3 + [5, 0, 0, 0]
  a[:, 3], b[:, 3] = 1, 0.5
  frames = [None, [], {'landmarks': None}, {'landmarks': [marks(b), marks(a)]}]
  frames.append([marks(a), marks(b)])
  got = read_keypoints(write_file(tmp_path / 'a.json', frames), 'mediapipe_33')
  expected = np.zeros((2, 5, 33, 4))
  expected[0, 3:], expected[1, 3:] = a, b
  np.testing.assert_array_equal(got, expected)


NUMBERED = {
  'frame': lambda n, pose: {'frame': n, 'landmarks': marks(pose)},
  'frame_id': lambda n, pose: {'frame_id': n, 'keypoints': marks(pose)},
  'frame_index': lambda n, pose: {
    'frame_index': f'f{n}.jpg',
    'pose_landmarks': marks(pose),
  },
}


@pytest.mark.parametrize('key', NUMBERED)
def test_mediapipe_frames_with_a_number(tmp_path, key):
  """Records 7, 4 and 5: shuffled, and 6 has nobody."""
  clip = landmarks(3)
  data = [NUMBERED[key](n, p) for n, p in zip([7, 4, 5], clip, strict=True)]
  got = read_keypoints(write_file(tmp_path / 'a.json', data), 'mediapipe_33')
  np.testing.assert_array_equal(got[0, [3, 0, 1]], clip)
  assert got.shape[1] == 4 and not got[0, 2].any()
  # Frames without anybody count; null says nothing.
  data += [None, {key: 'f9' if key == 'frame_index' else 9, 'landmarks': []}]
  got = read_keypoints(write_file(tmp_path / 'a.json', data), 'mediapipe_33')
  assert got.shape[1] == 6 and not got[0, 4:].any()


@pytest.mark.parametrize('wrapped', [True, False])
def test_mediapipe_frames_by_number(tmp_path, wrapped):
  clip = landmarks(3)
  data = {str(n): marks(p) for n, p in zip([10, 8, 9], clip, strict=True)}
  data = {'frames': data} if wrapped else data
  got = read_keypoints(write_file(tmp_path / 'a.json', data), 'mediapipe_33')
  np.testing.assert_array_equal(got[0], clip[[1, 2, 0]])


@pytest.mark.parametrize('key', ['id', 'index'])
def test_landmarks_in_the_order_of_their_id(tmp_path, key):
  clip = landmarks(3)
  data = []
  for seed, pose in enumerate(clip):
    order = np.random.default_rng(seed).permutation(33)
    data.append([marks(pose)[i] | {key: int(i)} for i in order])
  got = read_keypoints(write_file(tmp_path / 'a.json', data), 'mediapipe_33')
  np.testing.assert_array_equal(got[0], clip)
  data[1][3] = {**data[1][3], key: 40}
  with pytest.raises(UserError, match='frame 1, person 0: id or index'):
    read_keypoints(write_file(tmp_path / 'b.json', data), 'mediapipe_33')
  del data[1][3][key]
  with pytest.raises(
    UserError, match='frame 1, person 0: id or index.*different'
  ):
    read_keypoints(write_file(tmp_path / 'b.json', data), 'mediapipe_33')


@pytest.mark.parametrize(
  'size',
  [
    {'metadata': {'width': 200, 'height': 400, 'fps': 30}},
    {'frame_width': 200, 'frame_height': 400},
  ],
)
def test_where_mediapipe_files_have_their_size(tmp_path, size):
  clip = landmarks()
  path = write_file(tmp_path / 'a.json', FORMS['frames'](clip) | size)
  got = read_keypoints(path, 'mediapipe_33')
  np.testing.assert_allclose(got[0], clip * [1, 2, 1, 1], rtol=1e-12)


@pytest.mark.parametrize('key', ['score', 'confidence'])
def test_other_names_of_visibility(tmp_path, key):
  clip = landmarks()
  data = [marks(pose) for pose in clip]
  for mark in itertools.chain(*data):
    mark[key] = mark.pop('visibility')
  found = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(found.keypoints[0], clip)
  assert found.confidence


def test_mediapipe_in_pixels_is_refused(tmp_path):
  clip = landmarks() * [640, 480, 1, 1]
  path = write_file(tmp_path / 'a.json', FORMS['list'](clip))
  with pytest.raises(UserError, match='a.json: .*fractions.*pixels'):
    read_keypoints(path, 'mediapipe_33')


def test_world_landmarks_are_in_metres(tmp_path):
  clip = landmarks() - [0.5, 0.5, 0.5, 0]
  data = [{'pose_world_landmarks': [marks(p)]} for p in clip]
  path = write_file(tmp_path / 'a.json', data)
  source = recordings.ClipSource(str(path), image_size=(1920, 1080))
  found = recordings.parse_clip(source)
  np.testing.assert_array_equal(found.keypoints[0], clip)  # as they are
  assert found.units == 'metres'
  # Where both are there, those in the image count.
  other = landmarks(3) * 0.5
  for frame, pose in zip(data, other, strict=True):
    frame['pose_landmarks'] = [marks(pose)]
  found = parse_clip(write_file(path, data))
  np.testing.assert_array_equal(found.keypoints[0], other)
  assert found.units == 'image widths'


LANDMARKS = FORMS['list'](landmarks(2))
BAD_MARKS = {
  'cut short': (
    [LANDMARKS[0], LANDMARKS[1][:30]],
    'frame 1, person 0: expected 33 .*got 30',
  ),
  'number': ([LANDMARKS[0], 7], 'frame 1: expected a list of landmarks'),
  'object': (
    [LANDMARKS[0], {'time': 3}],
    'frame 1: expected a list of landmarks',
  ),
  'other': ([LANDMARKS[0], [{'pose2d': [1]}]], 'frame 1: expected a list'),
  'text': (
    [[{'x': '0.5', 'y': 0.5}]],
    'frame 0, person 0: landmark 0: .*numbers x, y,',
  ),
  'null': (
    [[{'x': None, 'y': 0.5}]],
    'frame 0, person 0: landmark 0: .*numbers x, y,',
  ),
  'no z': (
    [LANDMARKS[0], [{'x': 0.5, 'y': 0.5}] * 33],
    'frame 1, person 0: landmark 0: .*x, y, z, visibility,',
  ),
  'mixed': (
    [[[0.5, 0.5]] * 9 + [{'x': 0.5, 'y': 0.5}]],
    "person 0: landmark 9: .*{'x': 0.5",
  ),
  'longer': ([[[0.5, 0.5]] * 9 + [[0.5] * 3]], 'person 0: landmark 9: '),
  'one null': ([[[0.5, 0.5]] * 9 + [[0.5, None]]], 'person 0: landmark 9: '),
  'size': (
    {'frames': LANDMARKS, 'width': 640},
    r'image size: .*\[640.0, None\]',
  ),
  'size text': (
    {'frames': LANDMARKS, 'width': '6', 'height': '4'},
    'image size',
  ),
  'frame text': (
    [{'frame': 1, 'landmarks': []}, {'frame': 'b', 'landmarks': []}],
    "record 1: frame: .*'b'",
  ),
  'frame half': (
    [{'frame': 1.5, 'landmarks': []}],
    'record 0: frame: .*whole.*1.5',
  ),
  'one frame': (
    [{'frame': 1, 'landmarks': []}, LANDMARKS[0]],
    'record 1: frame: .*None',
  ),
  'frame null': (
    [{'frame': 1, 'landmarks': []}, {'frame': None, 'landmarks': []}],
    'record 1: frame: .*None',
  ),
  'frame infinite': (
    [{'frame': math.inf, 'landmarks': []}],
    'record 0: frame: .*inf',
  ),
  'nobody': ([None, None], 'nobody is seen in any of 2 frames'),
  'no frames': ({'frames': []}, 'nobody is seen in any of 0 frames'),
}


@pytest.mark.parametrize('case', BAD_MARKS)
def test_bad_mediapipe(tmp_path, case):
  data, message = BAD_MARKS[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data), 'mediapipe_33')


# Which format it is

STRANGE = {
  'object': ('{}', 'unknown JSON format.*AlphaPose.*COCO.*MediaPipe'),
  'number': ('3', 'unknown JSON format'),
  'LCR-Net': (
    {'frames': [[{'pose2d': [1] * 26, 'pose3d': [1] * 39}]]},
    'unknown JSON format',
  ),
  'OpenPose': ({'people': []}, 'single frame of OpenPose.*folder'),
  'truncated': ('[{"image_id"', 'cut short or not JSON, at line 1, column'),
  'empty': ('', 'cut short or not JSON'),
  'not UTF-8': (b'["\xe4"]', 'byte 2 is not UTF-8'),
  'nested': ('[' * 100_000, 'nested'),
  'a huge number': ('[' + '9' * 9999 + ']', 'unknown JSON format'),
}


@pytest.mark.parametrize('case', STRANGE)
def test_json_of_another_kind(tmp_path, case):
  content, message = STRANGE[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', content))


def test_unknown_and_missing_files(tmp_path):
  with pytest.raises(UserError, match="a.bvh: unknown suffix '.bvh'"):
    read_keypoints(write_file(tmp_path / 'a.bvh', ''))
  with pytest.raises(UserError, match='b.npz: cannot be read'):
    read_keypoints(tmp_path / 'b.npz')


def test_json_lines_and_what_was_found(tmp_path):
  path = write_file(tmp_path / 'a.json', '{"frame": 0}\n{"frame": 1}\n')
  with pytest.raises(UserError, match='a.json: .*several.*JSON Lines'):
    read_keypoints(path)
  write_file(path, {'data': [{'marks': [1, 2]}]})
  with pytest.raises(
    UserError,
    match="with keys 'data', which holds a list of 1, the first an object with"
    " keys 'marks'",
  ):
    read_keypoints(path)
  write_file(path, [[0.5] * 132])
  with pytest.raises(UserError, match='a list of 132, the first a number'):
    read_keypoints(path)
