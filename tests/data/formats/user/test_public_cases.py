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
