"""MediaPipe's holistic landmarks: body and hands."""

import numpy as np
import pytest
from helpers.user_clips import parse_clip, read_keypoints, write_file

from unik_jax.errors import UserError

AXES = ('x', 'y', 'z', 'visibility')
PARTS = {
  'pose': slice(33),
  'left_hand': slice(33, 54),
  'right_hand': slice(54, 75),
}
CAMEL = {'pose': 'pose', 'left_hand': 'leftHand', 'right_hand': 'rightHand'}


def make_clip():
  """Returns (T, 75, 4); frame 1 has no body, 2 no left hand, 3 nobody."""
  clip = np.random.default_rng(5).uniform(0.1, 0.9, (5, 75, 4))
  clip[1, PARTS['pose']] = clip[2, PARTS['left_hand']] = clip[3] = 0
  return clip


def to_frame(pose, form):
  frame = {'frame': 3, 'face_landmarks': [[0.5, 0.5, 0]] * 468}
  for part, place in PARTS.items():
    points = pose[place].tolist()
    key = f'{part}_landmarks'
    if not pose[place].any():
      frame[key] = None
      continue
    if form == 'numbers':
      frame[key] = points
      continue
    points = [dict(zip(AXES, p, strict=True)) for p in points]
    if part != 'pose':
      points = [p | {'visibility': 0.0} for p in points]  # as protobufs have it
    frame[key] = points
    if form == 'protobuf':
      del frame[key]
      frame[f'{CAMEL[part]}Landmarks'] = {'landmark': points}
  return frame


@pytest.mark.parametrize('form', ['objects', 'numbers', 'protobuf'])
def test_holistic(tmp_path, form):
  clip = make_clip()
  frames = [to_frame(p, form) | {'frame': t} for t, p in enumerate(clip)]
  path = write_file(tmp_path / 'a.json', {'frames': frames})
  expected = clip[..., [0, 1, 3]]
  expected[:, 33:, 2] = expected[:, 33:, 0] > 0  # hands have no visibility
  parsed = parse_clip(path)
  assert (parsed.layout, parsed.units) == ('mediapipe_75', 'fractions')
  assert parsed.confidence and not parsed.is_open
  assert any('body and hands are read' in note for note in parsed.notes)
  np.testing.assert_array_equal(parsed.keypoints, expected[None])
  np.testing.assert_array_equal(
    read_keypoints(path, 'mediapipe_75'), expected[None]
  )


def test_the_body_of_a_holistic_file(tmp_path):
  """A layout of 33 joints reads what it reads of files without hands."""
  clip = make_clip()
  frames = [to_frame(pose, 'objects') for pose in clip]
  for t, frame in enumerate(frames):
    frame['frame'] = t
  path = write_file(tmp_path / 'a.json', frames)
  np.testing.assert_array_equal(
    read_keypoints(path, 'mediapipe_33'), clip[None, :, :33]
  )


BAD = {
  'a hand of 20': (
    {'left_hand_landmarks': [[0.5, 0.5, 0]] * 20},
    'frame 1: left_hand_landmarks: expected 21 landmarks',
  ),
  'two bodies': (
    {'pose_landmarks': [[[0.5, 0.5, 0, 1]] * 33] * 2},
    'frame 1: pose_landmarks: expected 33 landmarks of one person',
  ),
  'text': ({'pose_landmarks': 'none'}, 'frame 1: pose_landmarks: .*got none'),
  'a number': (
    {'right_hand_landmarks': [[0.5, 0.5, 0]] * 20 + [3]},
    'frame 1: right_hand_landmarks: expected landmark 20 with x and y, got 3',
  ),
  'another order': (
    {
      'left_hand_landmarks': [{'id': 20 - n, 'x': 1, 'y': 1} for n in range(21)]
    },
    "left_hand_landmarks: expected landmark 0 .*'id': 20",
  ),
  'null': (
    {'left_hand_landmarks': [[0.5, None, 0]] * 21},
    'frame 1, person 0: landmark 33: expected numbers x, y, visibility',
  ),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_parts(tmp_path, case):
  change, message = BAD[case]
  frames = [to_frame(pose, 'objects') for pose in make_clip()[[0, 4]]]
  for t, frame in enumerate(frames):
    frame['frame'] = t
  frames[1] |= change
  path = write_file(tmp_path / 'a.json', frames)
  with pytest.raises(UserError, match=f'a.json.*{message}'):
    parse_clip(path)
