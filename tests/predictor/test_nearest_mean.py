"""The nearest mean and its limit, against their equations."""

import numpy as np
import pytest

from unik_jax.predictor.nearest_mean import fit_means


def test_means_and_limits_by_hand():
  labels = np.array(['wave', 'bow', 'wave', 'bow', 'wave'])
  features = np.float32([[0, 0], [10, 1], [3, 0], [10, -1], [0, 3]])
  fitted = fit_means(labels, features)
  assert fitted.labels == ['bow', 'wave']
  np.testing.assert_allclose(fitted.means, [[10, 0], [1, 1]])
  # bow: both clips are 2 from the other. wave: (0, 0) is at sqrt(4.5) from
  # (1.5, 1.5), and the others at sqrt(11.25) from the mean of the rest.
  np.testing.assert_allclose(fitted.limits, [2, 11.25**0.5])
  match = fitted.find(np.float32([1, 2]))
  assert match is not None and match.label == 'wave'
  assert match.distance == pytest.approx(1)
  assert match.limit == pytest.approx(11.25**0.5)
  assert fitted.find(np.float32([10, 2.5])) is None  # 2.5 from bow
  assert fitted.find(np.float32([-3, -3])) is None


def test_the_nearest_action_counts_even_if_another_has_a_wider_limit():
  labels = np.array(['narrow', 'narrow', 'wide', 'wide'])
  features = np.float32([[0, 0.1], [0, -0.1], [4, 9], [4, -9]])
  fitted = fit_means(labels, features)
  assert fitted.find(np.float32([1, 0])) is None
  match = fitted.find(np.float32([3, 0]))
  assert match is not None and match.label == 'wide'


def test_a_new_clip_is_within_the_limit_in_about_n_of_n_plus_1_cases():
  rng = np.random.default_rng(0)
  n, found = 5, []
  for _ in range(2000):
    *clips, new = rng.normal(size=(n + 1, 8)) * 2 + 5
    fitted = fit_means(np.array(['a'] * n), np.array(clips))
    found.append(fitted.find(new) is not None)
  # The mean of all clips is a little nearer than that of all but one.
  assert n / (n + 1) - 0.02 < np.mean(found) < n / (n + 1) + 0.06
