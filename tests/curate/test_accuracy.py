"""Pose accuracy: MPJPE and PCK by hand."""

import numpy as np
import pytest

from unik_jax.curate import accuracy
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


def test_mpjpe_by_hand():
  truth = np.array([[[3, 4], [10, 0]], [[1, 1], [0, 0]]])
  poses = np.array([[[6, 8], [10, 2]], [[0, 0], [5, 5]]])
  # Distances 5 and 2; one joint is missing in the poses, one in the truth.
  assert accuracy.mpjpe(poses, truth) == pytest.approx(3.5)
  assert accuracy.mpjpe(poses, truth, np.array([2.0, 1])) == 1.75
  assert np.isnan(accuracy.mpjpe(np.zeros_like(poses), truth))
  with pytest.raises(UserError, match=r'\(2, 2, 2\).*\(1, 2, 2\)'):
    accuracy.mpjpe(poses[:1], truth)


def test_mpjpe_ignores_confidence_and_takes_3d():
  truth = np.ones((2, 3, 3))
  poses = np.concatenate([truth + (1, 2, 2), np.ones((2, 3, 1))], -1)
  assert accuracy.mpjpe(poses, truth) == 3


def test_pck_by_hand():
  truth = np.array([[[3, 4], [10, 1], [7, 7], [0, 0]]])
  poses = np.array([[[3, 6], [10, 4], [0, 0], [9, 9]]])
  scale = np.array([10.0])
  # Distances 2 and 3. The third joint is missing, so wrong; the last has no
  # truth and does not count.
  assert accuracy.pck(poses, truth, scale, 0.2) == pytest.approx(1 / 3)
  assert accuracy.pck(poses, truth, scale, 0.3) == pytest.approx(2 / 3)
  assert accuracy.pck(truth, truth, scale, 0) == 1


def test_segment_length_is_that_of_the_torso():
  layout = get_layout('coco_17')
  pose = np.zeros((2, 17, 2))
  pose[0, layout.index('left_shoulder')] = (1, 1)
  pose[0, layout.index('right_hip')] = (4, 5)
  lengths = accuracy.segment_lengths(pose, layout)
  np.testing.assert_array_equal(lengths, [5, np.nan])
