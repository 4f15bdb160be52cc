"""Clips that are unlike the training clips are told from others."""

import numpy as np
import pytest

from unik_jax.data import familiarity
from unik_jax.skeletons.layouts import get_layout

COCO = get_layout('coco_17')
# x to the image's right, y downwards; a person who faces the camera has the
# left side on the image's right. In the order of COCO's joints.
FRONT = np.array(
  [
    *([0, -0.8], [0.04, -0.84], [-0.04, -0.84], [0.1, -0.8], [-0.1, -0.8]),
    *([0.2, -0.6], [-0.2, -0.6], [0.25, -0.3], [-0.25, -0.3]),
    *([0.27, 0.0], [-0.27, 0.0], [0.12, 0.0], [-0.12, 0.0]),
    *([0.13, 0.4], [-0.13, 0.4], [0.13, 0.8], [-0.13, 0.8]),
  ]
)


def make_clip(seed, frames=12, persons=1):
  """Returns (M, T, 17, 2): people who raise an arm, of slightly other build."""
  rng = np.random.default_rng(seed)
  clip = np.tile(FRONT * rng.uniform(0.9, 1.1), (persons, frames, 1, 1))
  lift = rng.uniform(0.1, 0.6) * np.sin(np.linspace(0, np.pi, frames))
  clip[:, :, 9 + seed % 2, 1] -= lift
  return clip + rng.normal(0, 0.01, clip.shape) + rng.uniform(-0.3, 0.3, 2)


def fit(count=60, **options):
  clips = [make_clip(seed, **options) for seed in range(count)]
  bodies = [familiarity.sample_bodies(clip) for clip in clips]
  subjects = [seed // 4 for seed in range(count)]
  return familiarity.fit_familiarity(bodies, subjects, COCO)


@pytest.fixture(scope='module')
def known():
  return fit()


def explain(clip, known):
  return familiarity.explain_unfamiliar(clip, known, COCO)


def test_new_clips_of_the_same_kind_are_familiar(known):
  reasons = [explain(make_clip(seed), known) for seed in range(1000, 1100)]
  assert sum(reason is not None for reason in reasons) <= 3
  # Also parts of clips, and people elsewhere.
  assert explain(make_clip(1000)[:, 3:6] + 0.5, known) is None


@pytest.mark.parametrize('seed', range(1000, 1005))
def test_unfamiliar_clips(known, seed):
  clip = make_clip(seed)
  for factor in (1000, 0.5, 2):
    reason = explain(factor * clip, known)
    size = float(reason.removeprefix('bodies are ').split()[0])
    assert size == pytest.approx(factor, rel=0.15)
  assert 'mirrored' in explain(clip * [-1, 1], known)
  assert 'upside down' in explain(clip * [1, -1], known)
  exchanged = clip.copy()
  for left, right in COCO.left_right:
    exchanged[:, :, [left, right]] = clip[:, :, [right, left]]
  assert 'mirrored' in explain(exchanged, known)
  order = np.random.default_rng(seed).permutation(17)
  assert explain(clip[:, :, order], known)


def test_missing_joints_and_absent_persons_are_left_out(known):
  clip = make_clip(1000, persons=2)
  clip[0, :, 15:] = 0
  clip[1] = 0
  clip[0, 4] = 0
  assert explain(clip, known) is None
  assert explain(np.zeros_like(clip), known) is None
  clip[:, :, 1:] = 0  # a joint is no bone
  assert explain(clip, known) is None


def test_few_clips_give_sizes_only():
  known = fit(5)
  assert explain(make_clip(1000) * [-1, 1], known) is None
  assert 'as large' in explain(make_clip(1000) / 1000, known)
  assert fit(0) is None
  empty = familiarity.sample_bodies(np.zeros((1, 4, 17, 2)))
  assert familiarity.fit_familiarity([empty], [0], COCO) is None


def test_the_size_is_the_median_of_the_mean_bone(known):
  lengths = [
    np.linalg.norm(FRONT[COCO.index(a)] - FRONT[COCO.index(b)])
    for a, b in COCO.bones
  ]
  low, median, high = known.sizes
  assert median == pytest.approx(np.mean(lengths), rel=0.1)
  assert 0.85 * median < low < median < high < 1.15 * median


def test_clips_that_face_both_ways_have_no_mirror_image():
  clips = [make_clip(seed) * [(-1) ** (seed // 2), 1] for seed in range(60)]
  bodies = [familiarity.sample_bodies(clip) for clip in clips]
  known = familiarity.fit_familiarity(bodies, [-1] * 60, COCO)
  for seed in (1000, 1001):
    assert explain(make_clip(seed) * [-1, 1], known) is None
    assert explain(make_clip(seed), known) is None
  assert explain(make_clip(1000) * [1, -1], known)
