"""Filled gaps and smoothed coordinates."""

import numpy as np
import pytest

from unik_jax.curate import smoothing


def test_fills_short_gaps_and_leaves_long_ones():
  clip = np.zeros((1, 40, 2, 3))
  clip[0, :, :, 0] = np.arange(1, 41)[:, None]
  clip[..., 2] = 0.8
  clip[0, 5:15, 0] = 0
  clip[0, 20:31, 1] = 0
  clip[0, :2, 1] = 0
  filled = smoothing.fill_short_gaps(clip, 10)
  np.testing.assert_allclose(filled[0, 5:15, 0, 0], np.arange(6, 16))
  np.testing.assert_allclose(filled[0, 5:15, 0, 2], 0.4)
  assert not filled[0, 20:31, 1].any() and not filled[0, :2, 1].any()
  present = clip.any(-1)
  np.testing.assert_array_equal(filled[present], clip[present])


def test_smoothing_keeps_motion_and_reduces_jitter():
  time = np.linspace(0, 1, 50)
  clip = np.zeros((1, 50, 3, 3))
  parabola = 100 + 50 * time - 80 * time**2
  clip[..., 0], clip[..., 1], clip[..., 2] = parabola[:, None], 7, 0.5
  clip[0, 20:30, 1] = 0
  clip[0, :, 2] = 0
  clip[0, 10:14, 2] = (3, 4, 0.5)
  np.testing.assert_allclose(smoothing.smooth_clip(clip), clip, atol=1e-9)
  rng = np.random.default_rng(0)
  noisy = clip + rng.normal(0, 1, clip.shape) * clip.any(-1, keepdims=True)
  smooth = smoothing.smooth_clip(noisy)
  np.testing.assert_array_equal(smooth.any(-1), clip.any(-1))
  np.testing.assert_array_equal(smooth[..., 2], noisy[..., 2])
  np.testing.assert_array_equal(smooth[:, :, 2], noisy[:, :, 2])  # too short
  before, after = (
    np.abs(c - clip)[0, :, 0, :2].mean() for c in (noisy, smooth)
  )
  # The filter's own noise gain is sqrt(7 / 21).
  assert after / before == pytest.approx(np.sqrt(1 / 3), rel=0.2)
  np.testing.assert_array_equal(smoothing.smooth_clip(noisy, 1), noisy)
