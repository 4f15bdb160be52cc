"""Motion energy of persons, and their order by it."""

import numpy as np

from unik_jax.data.energy import motion_energy, sort_by_energy


def test_energy_counts_only_frames_in_which_a_person_is_present():
  poses = np.random.default_rng(0).normal(size=(3, 8, 17, 2))
  poses[0] *= 0.5
  poses[1, 3:] = poses[2] = 0
  expected = [
    poses[0, :, :, 0].std() + poses[0, :, :, 1].std(),
    poses[1, :3, :, 0].std() + poses[1, :3, :, 1].std(),
    0,
  ]
  np.testing.assert_allclose(motion_energy(poses), expected)
  np.testing.assert_array_equal(sort_by_energy(poses), poses[[1, 0, 2]])


def test_persons_of_equal_energy_keep_their_order():
  pose = np.random.default_rng(0).normal(size=(8, 17, 2))
  poses = np.stack([pose, pose + 1, 2 * pose])
  np.testing.assert_array_equal(sort_by_energy(poses), poses[[2, 0, 1]])
