import numpy as np
import pytest

from unik_jax.curate import accuracy, reference, simulation, smoothing
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


def test_mpjpe_by_hand():
  truth = np.array([[[3, 4], [10, 0]], [[1, 1], [0, 0]]])
  poses = np.array([[[6, 8], [10, 2]], [[0, 0], [5, 5]]])
  # 5 and 2; the others are missing in the poses, or in the truth.
  assert accuracy.mpjpe(poses, truth) == pytest.approx(3.5)
  assert accuracy.mpjpe(poses, truth, np.array([2.0, 1])) == 1.75
  assert np.isnan(accuracy.mpjpe(np.zeros_like(poses), truth))
  with pytest.raises(UserError, match='shape.*same frames and joints'):
    accuracy.mpjpe(poses[:1], truth)


def test_mpjpe_leaves_a_confidence_aside_and_takes_space():
  truth = np.ones((2, 3, 3))
  poses = np.concatenate([truth + (1, 2, 2), np.ones((2, 3, 1))], -1)
  assert accuracy.mpjpe(poses, truth) == 3


def test_pck_by_hand():
  truth = np.array([[[3, 4], [10, 1], [7, 7], [0, 0]]])
  poses = np.array([[[3, 6], [10, 4], [0, 0], [9, 9]]])
  scale = np.array([10.0])
  # 2 and 3 off; one that is missing is wrong, one without truth no matter.
  assert accuracy.pck(poses, truth, scale, 0.2) == pytest.approx(1 / 3)
  assert accuracy.pck(poses, truth, scale, 0.3) == pytest.approx(2 / 3)
  assert accuracy.pck(truth, truth, scale, 0) == 1


def test_length_is_across_the_torso():
  layout = get_layout('coco_17')
  pose = np.zeros((2, 17, 2))
  pose[0, layout.index('left_shoulder')] = (1, 1)
  pose[0, layout.index('right_hip')] = (4, 5)
  np.testing.assert_array_equal(accuracy.length(pose, layout), [5, np.nan])


@pytest.mark.parametrize('seed', [0, 1])
def test_median_is_numpys(seed):
  rng = np.random.default_rng(seed)
  values = rng.normal(size=(7, 6, 5))
  values[rng.random(values.shape) < 0.4] = np.nan
  values[..., 0] = 1  # so that numpy does not warn of empty slices
  np.testing.assert_allclose(reference.median(values), np.nanmedian(values, -1))
  assert np.isnan(reference.median(np.full((2, 3), np.nan))).all()


def test_made_up_errors_have_the_rates_that_are_asked_for():
  rng = np.random.default_rng(0)
  truth = np.stack([simulation.motion(rng, frames=300) for _ in range(10)])
  expert = simulation.Expert(0, 0.05, 0.02, 2.0, 0.04, 0.05, 0.03, 0.8)
  seen = np.stack([simulation.observe(t, expert, rng) for t in truth])
  missing = ~seen.any(-1)
  rate = 1 - (1 - 0.05) * (1 - 0.03)
  assert missing.mean() == pytest.approx(rate, rel=0.15)
  assert missing.all(-1).mean() == pytest.approx(0.03, rel=0.35)
  sure = seen[..., 2][~missing]
  assert 0.05 <= sure.min() and sure.max() <= 1
  still = simulation.observe(
    truth[0], simulation.Expert(0, 0, 0, 1, 0, 0, 0, 0.8), rng
  )
  np.testing.assert_allclose(still[..., :2], truth[0])
  hard = simulation.hardness(100_000, rng)
  assert hard.mean() == pytest.approx(1, rel=0.05)


def test_short_gaps_are_filled_and_long_ones_left():
  clip = np.zeros((1, 40, 2, 3))
  clip[0, :, :, 0] = np.arange(1, 41)[:, None]
  clip[..., 2] = 0.8
  clip[0, 5:15, 0] = 0
  clip[0, 20:31, 1] = 0
  clip[0, :2, 1] = 0
  filled = smoothing.fill_short(clip, 10)
  np.testing.assert_allclose(filled[0, 5:15, 0, 0], np.arange(6, 16))
  np.testing.assert_allclose(filled[0, 5:15, 0, 2], 0.4)
  assert not filled[0, 20:31, 1].any() and not filled[0, :2, 1].any()
  kept = clip.any(-1)
  np.testing.assert_array_equal(filled[kept], clip[kept])


def test_smoothing_keeps_what_moves_and_calms_what_trembles():
  time = np.linspace(0, 1, 50)
  clip = np.zeros((1, 50, 3, 3))
  parabola = 100 + 50 * time - 80 * time**2
  clip[..., 0], clip[..., 1], clip[..., 2] = parabola[:, None], 7, 0.5
  clip[0, 20:30, 1] = 0
  clip[0, :, 2] = 0
  clip[0, 10:14, 2] = (3, 4, 0.5)
  np.testing.assert_allclose(smoothing.smooth(clip), clip, atol=1e-9)
  rng = np.random.default_rng(0)
  noisy = clip + rng.normal(0, 1, clip.shape) * clip.any(-1, keepdims=True)
  calm = smoothing.smooth(noisy)
  np.testing.assert_array_equal(calm.any(-1), clip.any(-1))
  np.testing.assert_array_equal(calm[..., 2], noisy[..., 2])
  np.testing.assert_array_equal(calm[:, :, 2], noisy[:, :, 2])  # too short
  before, after = (np.abs(c - clip)[0, :, 0, :2].mean() for c in (noisy, calm))
  # The filter's own noise gain is sqrt(7 / 21).
  assert after / before == pytest.approx(np.sqrt(1 / 3), rel=0.2)
  np.testing.assert_array_equal(smoothing.smooth(noisy, 1), noisy)
