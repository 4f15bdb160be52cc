"""Coordinates in body sizes, in space and in images: `normalize=body`."""

import numpy as np
import pytest

from unik_jax.data.normalize import get_preset
from unik_jax.skeletons.layouts import get_layout

LAYOUT = get_layout('ntu_25')
CENTER = LAYOUT.joints.index('spine_mid')


def make_clip():
  clip = np.random.default_rng(0).normal(3, 1, (2, 4, 25, 3))
  return clip.astype(np.float32)


def body(clip):
  before = clip.copy()
  out = get_preset('body')(clip, LAYOUT, (0, 0))
  np.testing.assert_array_equal(clip, before)  # not changed in place
  assert out.shape == clip.shape and out.dtype == clip.dtype
  return out


@pytest.mark.parametrize('channels', [2, 3])
def test_body_is_in_body_sizes_from_the_first_centre(channels):
  """Computes the formula in float64, in a loop over frames."""
  clip = make_clip()[..., :channels]
  points = clip.astype(float)
  sizes = [np.linalg.norm(np.ptp(frame, axis=0)) for frame in points[0]]
  expected = (points - points[0, 0, CENTER]) / np.median(sizes)
  if channels == 2:
    expected = -expected  # x to the camera's left, y up
  np.testing.assert_allclose(body(clip), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('channels', [2, 3])
def test_body_removes_units_and_place(channels):
  clip = make_clip()[..., :channels]
  clip[0, 2, 5] = clip[1, :2] = 0  # a gap, and a late second person
  moved = np.where(clip.any(-1, keepdims=True), 480 * clip + 1000, 0)
  out = body(clip)
  np.testing.assert_allclose(body(np.float32(moved)), out, atol=1e-3)
  np.testing.assert_array_equal(out[1, :2], 0)
  assert out[0, 2, 5].any()  # interpolated


def test_an_image_of_a_body_has_the_directions_of_its_coordinates_in_space():
  """A camera far away sees x and y of a Kinect's coordinates, both reversed."""
  space = make_clip()
  image = np.float32(320 - 50 * space[..., :2])
  scale = [
    np.median([np.linalg.norm(np.ptp(f, axis=0)) for f in clip[0]])
    for clip in (space, space[..., :2])
  ]
  np.testing.assert_allclose(
    body(image), body(space)[..., :2] * scale[0] / scale[1], atol=1e-4
  )


def test_body_without_a_centre_takes_the_middle_of_the_joints():
  clip = make_clip()
  clip[0, :, CENTER] = 0
  seen = clip[0].any(-1)
  out = body(clip)
  np.testing.assert_allclose(out[0][seen].mean(0), 0, atol=1e-5)
  assert not body(0 * clip).any()
