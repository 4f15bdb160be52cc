"""Single poses on which weights are drawn."""

import numpy as np

from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS
from unik_jax.visualize import poses


def test_standing_pose_of_layouts():
  standing = {n: poses.make_standing_pose(LAYOUTS[n]) for n in sorted(BUILT_IN)}
  assert {n for n, pose in standing.items() if pose is not None} >= {
    'ntu_25',
    'unik_17',
    'msr_20',
    'kinect_20',
    'lcrnet_13',
    'penn_13',
  }
  assert standing['mediapipe_33'] is None  # the body has no mouth
  for name, pose in standing.items():
    if pose is not None:
      at = dict(zip(LAYOUTS[name].joints, pose, strict=True))
      assert at['head'][1] > at['left_hip'][1] > at['left_ankle'][1]
      assert at['left_wrist'][0] > 0 > at['right_wrist'][0]


def test_the_clearest_pose_is_complete_and_wide():
  points = np.ones((1, 3, 4, 2)) * np.arange(4)[:, None]
  points[0, 0] *= 5
  points[0, 0, 2] = np.nan
  points[0, 1] *= 2
  np.testing.assert_array_equal(
    poses.select_clearest_pose(points), points[0, 1]
  )
