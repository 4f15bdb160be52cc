"""Files in the form of public bug reports: who is in them, and when."""

import pathlib

import numpy as np
import pytest
from helpers.user_clips import read_keypoints

CASES = pathlib.Path(__file__).parent / 'cases'


@pytest.mark.parametrize(
  ('name', 'persons', 'frames'),
  [
    ('id_switch.json', 1, 60),  # AlphaPose, idx 1, 4, 7
    ('track_switch.json', 2, 10),  # COCO, track_id 1, 7 beside 2
    ('person_switch.csv', 1, 10),
    ('runner.json', 1, 20),  # without ids, further than its size each frame
    ('runner_near.json', 1, 20),
    ('jumpcut.json', 1, 20),
    ('headonly.json', 1, 20),  # half seen in every second frame
  ],
)
@pytest.mark.parametrize('limit', [1, 2, 64])
def test_each_person_is_whole(name, persons, frames, limit):
  keypoints = read_keypoints(CASES / name, persons=limit)
  assert keypoints.shape[:2] == (min(persons, limit), frames)
  assert keypoints.any((2, 3)).all()
  # Whoever is renumbered walks 3 pixels a frame.
  if 'switch' in name:
    nose = keypoints[:, :, 0, 0]
    np.testing.assert_allclose(np.diff(nose), 3, atol=15)


@pytest.mark.parametrize('name', ['cam0.json', 'res1080p.json'])
def test_frames_are_in_the_order_of_their_numbers(name):
  """AlphaPose's N_cam0.jpg and frameN_1080p.png; who walks 3 pixels a frame."""
  keypoints = read_keypoints(CASES / name)
  assert keypoints.shape[:2] == (1, 12)
  np.testing.assert_array_equal(np.diff(keypoints[0, :, 0, 0]), 3)


def test_an_empty_row_is_a_frame():
  """Nobody is seen in frames 10 to 19 of 40."""
  keypoints = read_keypoints(CASES / 'empty_rows.csv')
  assert keypoints.shape[:2] == (1, 40)
  seen = keypoints[0].any((1, 2))
  assert np.flatnonzero(~seen).tolist() == list(range(10, 20))
