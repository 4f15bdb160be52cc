"""Normalisation: what moves, what stays, and what is missing stays missing."""

import numpy as np
import pytest

from unik_jax.data.normalize import PRESETS, get_preset
from unik_jax.errors import UserError
from unik_jax.skeletons import get_layout

LAYOUT = get_layout('ntu_25')
CENTER = LAYOUT.joints.index('spine_mid')


def make_clip(persons=2, frames=4):
  rng = np.random.default_rng(0)
  clip = rng.normal(3, 1, (persons, frames, 25, 3))
  return clip.astype(np.float32)


def center_first(clip):
  before = clip.copy()
  out = get_preset('center_first')(clip, LAYOUT)
  np.testing.assert_array_equal(clip, before)  # not changed in place
  assert out.shape == clip.shape and out.dtype == clip.dtype
  return out


def test_the_first_center_becomes_the_origin():
  clip = make_clip()
  out = center_first(clip)
  np.testing.assert_array_equal(out[0, 0, CENTER], 0)
  # One shift for all: no distance between any two points changes.
  shift = (out - clip).reshape(-1, 3)
  np.testing.assert_allclose(shift, shift[:1] * np.ones_like(shift), atol=1e-6)
  assert (out[0, 1, CENTER] != 0).all()  # movement through space stays


def test_missing_joints_stay_zero():
  clip = make_clip()
  clip[0, 1, 7] = clip[1, 2] = 0
  out = center_first(clip)
  missing = (clip == 0).all(-1)
  np.testing.assert_array_equal(out[missing], 0)
  expected = clip[~missing] - clip[0, 0, CENTER]
  np.testing.assert_array_equal(out[~missing], expected)


def test_one_zero_coordinate_is_not_a_missing_joint():
  clip = make_clip()
  clip[0, 1, 7, 0] = 0
  out = center_first(clip)
  assert out[0, 1, 7, 0] == -clip[0, 0, CENTER, 0]


def test_a_center_missing_at_first_is_taken_from_the_first_frame_with_it():
  clip = make_clip()
  clip[0, :2, CENTER] = 0
  out = center_first(clip)
  np.testing.assert_array_equal(out[0, :3, CENTER], 0)
  np.testing.assert_array_equal(
    out[0, 0, 0], clip[0, 0, 0] - clip[0, 2, CENTER]
  )


def test_without_any_center_the_clip_stays():
  clip = make_clip()
  clip[0, :, CENTER] = 0
  np.testing.assert_array_equal(center_first(clip), clip)


def test_an_absent_second_person_stays_zero():
  clip = make_clip()
  clip[1] = 0
  out = center_first(clip)
  assert not out[1].any() and out[0].any()


def test_one_frame_of_one_person():
  out = center_first(make_clip(1, 1))
  np.testing.assert_array_equal(out[0, 0, CENTER], 0)


def test_none_changes_nothing():
  clip = make_clip()
  np.testing.assert_array_equal(get_preset('none')(clip, LAYOUT), clip)


def test_unknown_preset():
  with pytest.raises(UserError, match='data.normalize.*whiten') as error:
    get_preset('whiten')
  assert all(name in str(error.value) for name in PRESETS)
