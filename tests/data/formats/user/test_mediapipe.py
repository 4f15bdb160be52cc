"""MediaPipe's landmarks."""

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

AXES = ('x', 'y', 'z', 'visibility')


def to_landmarks(pose):
  return [dict(zip(AXES, joint.tolist(), strict=False)) for joint in pose]


def landmarks(frames=3, channels=4):
  return np.random.default_rng(5).uniform(0.1, 0.9, (frames, 33, channels))


FORMS = {
  'list': lambda clip: [to_landmarks(p) for p in clip],
  'numbers': lambda clip: clip.tolist(),
  'frames': lambda clip: {
    'frames': [{'landmarks': to_landmarks(p)} for p in clip]
  },
  'plain frames': lambda clip: {'frames': [to_landmarks(p) for p in clip]},
  'protobuf': lambda clip: [
    {'t': 0.1, 'pose_landmarks': {'landmark': to_landmarks(p)}} for p in clip
  ],
  'persons': lambda clip: [{'landmarks': [to_landmarks(p)]} for p in clip],
  'persons of numbers': lambda clip: [[p.tolist()] for p in clip],
  'wrapped persons': lambda clip: [
    [{'landmarks': to_landmarks(p)}] for p in clip
  ],
}


@pytest.mark.parametrize('form', FORMS)
def test_mediapipe(tmp_path, form):
  clip = landmarks()
  recording = read_recording(
    write_file(tmp_path / 'a.json', FORMS[form](clip)), 'mediapipe_33'
  )
  np.testing.assert_array_equal(recording.keypoints, clip[None])
  assert recording.image_size == (1, 1)
  parsed = parse_clip(tmp_path / 'a.json')
  assert (parsed.layout, parsed.units) == ('mediapipe_33', 'fractions')


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_channels(tmp_path, channels):
  clip = landmarks(channels=channels)
  path = write_file(tmp_path / 'a.json', FORMS['list'](clip))
  np.testing.assert_array_equal(
    read_keypoints(path, 'mediapipe_33'), clip[None]
  )
  assert parse_clip(path).confidence == (channels == 4)


def test_visibility_without_z(tmp_path):
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


def test_coordinates_with_z_are_in_image_widths(tmp_path):
  """y is in image widths too, so a circle stays a circle."""
  clip = landmarks()
  path = write_file(tmp_path / 'a.json', FORMS['frames'](clip))
  layout = get_layout('mediapipe_33')
  source = recordings.ClipSource(str(path), image_size=(1920, 1080))
  recording = recordings.read_recording(source, layout=layout)
  np.testing.assert_allclose(
    recording.keypoints[0], clip * [1, 1080 / 1920, 1, 1], rtol=1e-12
  )
  assert (recording.units, recording.image_size) == ('image widths', None)
  data = FORMS['frames'](clip) | {'width': 200, 'height': 400}
  recording = recordings.read_recording(
    recordings.ClipSource(str(write_file(path, data))), layout=layout
  )
  np.testing.assert_allclose(
    recording.keypoints[0], clip * [1, 2, 1, 1], rtol=1e-12
  )


def test_frames_with_nobody_or_two_persons(tmp_path):
  clip = landmarks(5)
  a, b = clip[0] * 0.3, clip[1] * 0.3 + [5, 0, 0, 0]
  a[:, 3], b[:, 3] = 1, 0.5
  frames = [
    None,
    [],
    {'landmarks': None},
    {'landmarks': [to_landmarks(b), to_landmarks(a)]},
  ]
  frames.append([to_landmarks(a), to_landmarks(b)])
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.json', frames), 'mediapipe_33'
  )
  expected = np.zeros((2, 5, 33, 4))
  expected[0, 3:], expected[1, 3:] = a, b
  np.testing.assert_array_equal(keypoints, expected)


NUMBERED = {
  'frame': lambda n, pose: {'frame': n, 'landmarks': to_landmarks(pose)},
  'frame_id': lambda n, pose: {'frame_id': n, 'keypoints': to_landmarks(pose)},
  'frame_index': lambda n, pose: {
    'frame_index': f'f{n}.jpg',
    'pose_landmarks': to_landmarks(pose),
  },
}


@pytest.mark.parametrize('key', NUMBERED)
def test_numbered_frames(tmp_path, key):
  """Frames 7, 4 and 5, shuffled; frame 6 has no person."""
  clip = landmarks(3)
  data = [NUMBERED[key](n, p) for n, p in zip([7, 4, 5], clip, strict=True)]
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.json', data), 'mediapipe_33'
  )
  np.testing.assert_array_equal(keypoints[0, [3, 0, 1]], clip)
  assert keypoints.shape[1] == 4 and not keypoints[0, 2].any()
  # A numbered frame without a person counts; null is dropped.
  data += [None, {key: 'f9' if key == 'frame_index' else 9, 'landmarks': []}]
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.json', data), 'mediapipe_33'
  )
  assert keypoints.shape[1] == 6 and not keypoints[0, 4:].any()


@pytest.mark.parametrize('wrapped', [True, False])
def test_an_object_of_frames_by_number(tmp_path, wrapped):
  clip = landmarks(3)
  data = {
    str(n): to_landmarks(p) for n, p in zip([10, 8, 9], clip, strict=True)
  }
  data = {'frames': data} if wrapped else data
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.json', data), 'mediapipe_33'
  )
  np.testing.assert_array_equal(keypoints[0], clip[[1, 2, 0]])


@pytest.mark.parametrize('key', ['id', 'index'])
def test_landmarks_are_sorted_by_id(tmp_path, key):
  clip = landmarks(3)
  data = []
  for seed, pose in enumerate(clip):
    order = np.random.default_rng(seed).permutation(33)
    data.append([to_landmarks(pose)[i] | {key: int(i)} for i in order])
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.json', data), 'mediapipe_33'
  )
  np.testing.assert_array_equal(keypoints[0], clip)
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
def test_image_size_in_the_file(tmp_path, size):
  clip = landmarks()
  path = write_file(tmp_path / 'a.json', FORMS['frames'](clip) | size)
  keypoints = read_keypoints(path, 'mediapipe_33')
  np.testing.assert_allclose(keypoints[0], clip * [1, 2, 1, 1], rtol=1e-12)


@pytest.mark.parametrize('key', ['score', 'confidence'])
def test_other_names_of_a_confidence(tmp_path, key):
  clip = landmarks()
  data = [to_landmarks(pose) for pose in clip]
  for mark in itertools.chain(*data):
    mark[key] = mark.pop('visibility')
  parsed = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(parsed.keypoints[0], clip)
  assert parsed.confidence


def test_pixels_are_refused(tmp_path):
  clip = landmarks() * [640, 480, 1, 1]
  path = write_file(tmp_path / 'a.json', FORMS['list'](clip))
  with pytest.raises(UserError, match='a.json: .*fractions.*pixels'):
    read_keypoints(path, 'mediapipe_33')


def test_world_landmarks_are_in_metres(tmp_path):
  clip = landmarks() - [0.5, 0.5, 0.5, 0]
  data = [{'pose_world_landmarks': [to_landmarks(p)]} for p in clip]
  path = write_file(tmp_path / 'a.json', data)
  source = recordings.ClipSource(str(path), image_size=(1920, 1080))
  parsed = recordings.parse_clip(source)
  np.testing.assert_array_equal(parsed.keypoints[0], clip)  # unscaled
  assert parsed.units == 'metres'
  # Image landmarks take precedence over world landmarks.
  other = landmarks(3) * 0.5
  for frame, pose in zip(data, other, strict=True):
    frame['pose_landmarks'] = [to_landmarks(pose)]
  parsed = parse_clip(write_file(path, data))
  np.testing.assert_array_equal(parsed.keypoints[0], other)
  assert parsed.units == 'fractions'


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
