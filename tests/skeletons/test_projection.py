"""Recorded coordinates as they are drawn."""

import numpy as np
import pytest

from unik_jax.skeletons import projection
from unik_jax.skeletons.layouts import get_layout
from unik_jax.visualize import poses

LAYOUT = get_layout('unik_17')


def test_images_are_flipped_and_missing_joints_are_nan():
  recorded = np.array([[[[1.0, 2.0], [0.0, 0.0]]]])
  points = projection.project_poses(recorded, LAYOUT)
  np.testing.assert_array_equal(points[0, 0, 0], [1, -2])
  assert np.isnan(points[0, 0, 1]).all()


@pytest.mark.parametrize('up', [(0, 1, 0), (0, -1, 0), (0, 0, 1), (1, 0, 0)])
def test_3d_bodies_stand_upright_and_face_the_camera(up):
  """Holds for any up axis and any direction that the body faces."""
  flat = poses.make_standing_pose(LAYOUT)
  body = np.pad(flat, ((0, 0), (0, 1)))  # x to the left, y up, z forwards
  body[LAYOUT.index('nose'), 2] = 0.1
  up = np.array(up, float)
  for angle in (0.0, 2.0, 4.0):
    side = np.roll(up, 1)
    left = np.cos(angle) * side + np.sin(angle) * np.cross(up, side)
    axes = np.stack([left, up, np.cross(left, up)])
    (points,) = projection.project_poses(
      (body @ axes + [3, 4, 5])[None, None], LAYOUT
    )[0]
    at = dict(zip(LAYOUT.joints, points, strict=True))
    assert at['head'][1] > at['mid_hip'][1] > at['left_ankle'][1]
    # From the front, the left hand is at the right. The camera is turned to
    # the side from which a point in front of the body appears further left.
    assert at['left_wrist'][0] > at['chest'][0] > at['right_wrist'][0]
    assert at['nose'][0] < at['head'][0]
    height = at['head'][1] - at['left_ankle'][1]
    assert height == pytest.approx(body[:, 1].max() - body[-2, 1])


def test_shoulders_that_do_not_tell_the_left():
  """The first frame with usable shoulders counts; without one, any view."""
  body = np.pad(poses.make_standing_pose(LAYOUT), ((0, 0), (0, 1)))
  at = LAYOUT.index
  left, right = at(LAYOUT.across[0]), at(LAYOUT.across[1])
  clip = np.tile(body + [3, 4, 5], (1, 3, 1, 1))
  clip[0, 0, left] = clip[0, 0, right]  # they coincide
  clip[0, 1, left] = clip[0, 1, right] + [0, 0.3, 0]  # one above the other
  points = projection.project_poses(clip, LAYOUT)
  assert np.isfinite(points).all()
  usable = projection.project_poses(clip[:, 2:], LAYOUT)
  np.testing.assert_allclose(points[:, 2:], usable, rtol=1e-12)
  unusable = projection.project_poses(clip[:, :2], LAYOUT)
  assert np.isfinite(unusable).all() and np.ptp(unusable[..., 0]) > 0.1
