"""Normalisation presets; `body` and the published scripts have own files."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from unik_jax.data.normalize import PRESETS, fit_axes, get_preset
from unik_jax.data.normalize_official import normalize_screen
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

LAYOUT = get_layout('ntu_25')
CENTER = LAYOUT.joints.index('spine_mid')
UNKNOWN = (0, 0)  # image size


def make_clip(persons=2, frames=4):
  rng = np.random.default_rng(0)
  clip = rng.normal(3, 1, (persons, frames, 25, 3))
  return clip.astype(np.float32)


def center_first(clip):
  before = clip.copy()
  out = get_preset('center_first')(clip, LAYOUT, UNKNOWN)
  np.testing.assert_array_equal(clip, before)  # not changed in place
  assert out.shape == clip.shape and out.dtype == clip.dtype
  return out


def test_the_first_center_becomes_the_origin():
  clip = make_clip()
  out = center_first(clip)
  np.testing.assert_array_equal(out[0, 0, CENTER], 0)
  # All points move by the same shift.
  shift = (out - clip).reshape(-1, 3)
  np.testing.assert_allclose(shift, shift[:1] * np.ones_like(shift), atol=1e-6)
  assert (out[0, 1, CENTER] != 0).all()  # movement is kept


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


def test_the_center_is_that_of_the_first_frame_that_has_it():
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


@pytest.mark.parametrize('degrees', [0, 30, 90, 179, -120])
def test_facing_does_not_depend_on_where_the_camera_stood(degrees):
  clip = make_clip()
  turn = Rotation.from_euler('y', degrees, degrees=True).as_matrix()
  seen = (clip @ turn.T + [1, -2, 3]).astype(np.float32)
  expected = get_preset('facing')(clip, LAYOUT, UNKNOWN)
  out = get_preset('facing')(seen, LAYOUT, UNKNOWN)
  np.testing.assert_allclose(out, expected, atol=2e-5)
  left, right = (out[0, :, LAYOUT.index(name)] for name in LAYOUT.across)
  x, _, z = (right - left).sum(0)
  assert x > 0 and abs(z) < 1e-4
  # A rigid motion that keeps heights.
  centered = center_first(clip)
  np.testing.assert_allclose(
    np.linalg.norm(out, axis=-1), np.linalg.norm(centered, axis=-1), rtol=1e-5
  )
  np.testing.assert_allclose(out[..., 1], centered[..., 1], atol=2e-5)


def test_facing_ignores_frames_without_the_line():
  clip = make_clip()
  first = clip[:, :1].copy()
  clip[0, 1:, LAYOUT.index(LAYOUT.across[0])] = 0
  out = get_preset('facing')(clip, LAYOUT, UNKNOWN)
  alone = get_preset('facing')(first, LAYOUT, UNKNOWN)
  np.testing.assert_allclose(out[:, :1], alone, atol=2e-5)


def test_facing_refuses_images():
  with pytest.raises(UserError, match=r'facing.*3 coordinates.*2'):
    get_preset('facing')(make_clip()[..., :2], LAYOUT, UNKNOWN)


def test_facing_without_the_line_only_centers():
  clip = make_clip()
  clip[0, :, LAYOUT.index(LAYOUT.across[0])] = 0
  out = get_preset('facing')(clip, LAYOUT, UNKNOWN)
  np.testing.assert_allclose(out, center_first(clip), atol=1e-6)


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
  out = get_preset('none')(clip, LAYOUT, UNKNOWN)
  np.testing.assert_array_equal(out, clip)


def test_screen_640_takes_no_other_image_size():
  clip = np.float32([[[[640, 480], [0, 80], [0, 0]]]])
  for image_size in (UNKNOWN, (1920, 1080)):
    out = get_preset('screen_640')(clip, LAYOUT, image_size)
    np.testing.assert_array_equal(out, [[[[1, 0.75], [0, -0.5], [0, 0]]]])


def test_normalize_screen():
  poses = np.float32([[0, 0], [640, 480], [320, 240], [0, 480], [160, 0]])
  np.testing.assert_array_equal(
    normalize_screen(poses),
    np.float32([[0, 0], [1, 0.75], [0, 0], [0, 0.75], [-0.5, 0]]),
  )
  large = normalize_screen(np.array([[1920.0, 1080.0]]), 1920, 1080)
  np.testing.assert_allclose(large, [[1, 0.5625]])
  with pytest.raises(UserError, match='screen_640.*got 3'):
    normalize_screen(np.ones((2, 4, 17, 3), np.float32))


def test_unknown_preset():
  with pytest.raises(UserError, match='data.normalize.*whiten') as error:
    get_preset('whiten')
  assert all(name in str(error.value) for name in PRESETS)


# clean, 3-D

UP = [LAYOUT.index(joint) for joint in LAYOUT.up]
ACROSS = [LAYOUT.index(joint) for joint in LAYOUT.across]


def clean(clip, layout=LAYOUT, image_size=UNKNOWN):
  before = clip.copy()
  out = get_preset('clean')(clip, layout, image_size)
  np.testing.assert_array_equal(clip, before)
  assert out.dtype == clip.dtype
  return out


def line(out, ends, frame=0, person=0):
  return out[person, frame, ends[1]] - out[person, frame, ends[0]]


def gappy_clip(seed):
  """A float64 clip with missing joints, and persons absent for a while."""
  rng = np.random.default_rng(seed)
  clip = rng.normal(size=(3, 20, 25, 3))
  seen = rng.random((3, 20, 25)) < 0.7
  seen[:, :2] = seen[:, -1] = seen[0, :5] = seen[1, 9:] = seen[2] = False
  seen[:, :, 11] = False
  return clip * seen[..., None]


@pytest.mark.parametrize('seed', range(8))
def test_clean_does_not_depend_on_where_the_camera_was(seed):
  clip = gappy_clip(seed)
  rng = np.random.default_rng(100 + seed)
  turn = Rotation.from_rotvec(rng.normal(0, 2, 3)).as_matrix()
  moved = clip @ turn.T + rng.normal(0, 5, 3)
  moved = np.where(clip.any(-1, keepdims=True), moved, 0)
  np.testing.assert_allclose(clean(moved), clean(clip), atol=1e-12)


@pytest.mark.parametrize('seed', range(8))
def test_clean_ends_upright_and_straight(seed):
  clip = make_clip(frames=6) + np.float32(seed)
  out = clean(clip)
  assert out.shape == clip.shape
  np.testing.assert_array_equal(out[0, 0, CENTER], 0)
  up, across = line(out, UP), line(out, ACROSS)
  np.testing.assert_allclose(up[:2], 0, atol=1e-6)
  assert up[2] > 0
  np.testing.assert_allclose(across[1], 0, atol=1e-6)
  assert across[0] > 0
  # A rigid motion keeps distances, and does not mirror the body.
  a, b = (np.float64(c).reshape(-1, 3)[::7] for c in (clip, out))
  for points, c in ((a, clip), (b, out)):
    points -= c[0, 0, CENTER]
  np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-4)
  assert np.linalg.det(a[:3]) * np.linalg.det(b[:3]) > 0


UPRIGHT = np.float32([[0, 0, 1], [0, 0, 2.5]])  # lower, upper


@pytest.mark.parametrize(
  ('ends', 'across', 'expected'),
  [
    (UPRIGHT, [[0, 0, 1], [3, 0, 1]], [1, 2, 3]),  # already normalised
    (UPRIGHT, [[0, 0, 1], [3, 0, 9]], [1, 2, 3]),  # the tilt is kept
    (UPRIGHT, [[0, 0, 1], [-3, 0, 1]], [-1, -2, 3]),  # seen from behind
    (UPRIGHT, [[0, 0, 1], [0, 3, 1]], [2, -1, 3]),
    (UPRIGHT, [[0, 0, 1], [0, 0, 3]], [1, 2, 3]),  # along up: not rotated
    (UPRIGHT, [[0, 0, 1], [0, 0, 1]], [1, 2, 3]),  # no length: not rotated
    (UPRIGHT, [[1, 2, 3], [0, 0, 0]], [1, 2, 3]),  # one is missing: not rotated
    (UPRIGHT * 0 + 1, [[0, 0, 1], [3, 0, 1]], [1, 2, 3]),
    ([[1, 2, 3], [0, 0, 0]], [[0, 0, 1], [3, 0, 1]], [1, 2, 3]),
    ([[1, 2, 3], [4, 6, 8]], [[1, 2, 3], [7, 10, 13]], None),  # along up
    (-UPRIGHT, [[0, 0, 1], [3, 0, 1]], [1, -2, -3]),  # upside down
    (UPRIGHT[:, [0, 2, 1]], [[0, 0, 1], [3, 0, 1]], [1, -3, 2]),  # y up
  ],
)
def test_clean_rotates(ends, across, expected):
  clip = np.zeros((1, 1, 25, 3), np.float32)
  clip[0, 0, UP], clip[0, 0, ACROSS] = ends, across
  clip[0, 0, 20] = [1, 2, 3]
  layout = dataclasses.replace(LAYOUT, center='left_foot')  # missing
  out = clean(clip, layout)
  if expected is None:
    bare = dataclasses.replace(layout, across=None)
    np.testing.assert_array_equal(out, clean(clip, bare))
    return
  np.testing.assert_allclose(out[0, 0, 20], expected, atol=1e-6)
  seen = clip.any(-1)
  np.testing.assert_array_equal(out.any(-1), seen)


def test_clean_without_up_and_across_does_not_rotate():
  clip = make_clip()
  bare = dataclasses.replace(LAYOUT, up=None, across=None)
  expected = get_preset('center_first')(clip, LAYOUT, UNKNOWN)
  np.testing.assert_allclose(clean(clip, bare), expected, atol=1e-6)
  up = clean(clip, dataclasses.replace(LAYOUT, across=None))
  np.testing.assert_allclose(line(up, UP)[:2], 0, atol=1e-6)
  assert abs(line(up, ACROSS)[1]) > 0.01
  # The smallest rotation is about a horizontal axis.
  axis = np.cross(line(expected, UP), [0, 0, 1])
  np.testing.assert_allclose(up @ axis, expected @ axis, atol=1e-5)
  # Without up, z may be horizontal, so across is not used.
  across = clean(clip, dataclasses.replace(LAYOUT, up=None))
  np.testing.assert_allclose(across, expected, atol=1e-6)


def test_clean_uses_the_first_frame_that_has_the_joints():
  clip = make_clip(2, 8)
  neck = LAYOUT.index('neck')
  clip[0, :2, neck] = clip[0, :4, ACROSS[0]] = clip[0, :5, UP[1]] = 0
  clip[0, 0, UP[0]] = clip[0, 6, UP[0]] = 0
  out = clean(clip, dataclasses.replace(LAYOUT, center='neck'))
  np.testing.assert_array_equal(out[0, 2, neck], 0)
  np.testing.assert_allclose(line(out, UP, 5)[:2], 0, atol=1e-6)
  np.testing.assert_allclose(line(out, ACROSS, 4)[1], 0, atol=1e-6)


def test_clean_uses_the_first_present_person():
  clip = make_clip(3, 5)
  clip[0] = 0
  out = clean(clip)
  assert not out[0].any()
  np.testing.assert_array_equal(out[1:], clean(clip[1:]))
  np.testing.assert_array_equal(out[1, 0, CENTER], 0)


def test_clean_keeps_a_late_person_absent():
  clip = make_clip(2, 12)
  clip[:, [0, 1, 11]] = 0
  clip[1, :5] = clip[1, 7] = clip[1, 9:] = 0
  clip[0, 4:6] = 0
  out = clean(clip)
  assert out.shape == clip.shape
  assert not out[:, [0, 1, 11]].any()
  out = out[:, 2:11]
  present = out.any((2, 3))
  np.testing.assert_array_equal(present[0], True)
  np.testing.assert_array_equal(np.flatnonzero(present[1]), [3, 4, 5, 6])
  for person, before, t, after in ((1, 4, 5, 6), (0, 1, 2, 4), (0, 1, 3, 4)):
    share = (t - before) / (after - before)
    expected = (1 - share) * out[person, before] + share * out[person, after]
    np.testing.assert_allclose(out[person, t], expected, atol=1e-5)


@pytest.mark.parametrize('channels', [2, 3])
def test_clean_keeps_missing_joints_at_zero(channels):
  clip = make_clip(2, 6)[..., :channels]
  clip[:, :, 4] = clip[0, :3, 9] = clip[1, 4:, 2] = 0
  out = clean(clip)
  missing = (clip == 0).all(-1)
  np.testing.assert_array_equal(out[missing], 0)
  # The centre of the first frame is the origin, so it is zero too.
  others = ~missing
  others[0, 0, CENTER] = False
  assert out[others].any(-1).all()
  np.testing.assert_array_equal(clean(0 * clip), 0 * clip)


def test_kinetics_centres_and_flips_y():
  clip = np.zeros((1, 2, 18, 2), np.float32)
  clip[0, 1, 3] = [0.75, 0.25]
  clip[0, 1, 4] = [0, 1]
  out = get_preset('kinetics')(clip, get_layout('openpose_18'), (0, 0))
  expected = 0 * clip
  expected[0, 1, 3], expected[0, 1, 4] = [0.25, 0.25], [-0.5, -0.5]
  np.testing.assert_array_equal(out, expected)


# clean, 2-D


@pytest.mark.parametrize('image_size', [(640, 480), (1080, 1920)])
@pytest.mark.parametrize('kind', [tuple, np.int32])
def test_clean_with_an_image_size(image_size, kind):
  clip = make_clip(2, 5)[..., :2] * 100
  clip[0, 2, 3] = 0  # interpolated
  clip[1, :3] = clip[0, :, 8] = 0
  clip[0, 1, 5] = [0, 20]  # the image's edge
  width, height = image_size
  out = clean(clip, image_size=kind(image_size))
  filled = np.float64(clip)
  filled[0, 2, 3] = (filled[0, 1, 3] + filled[0, 3, 3]) / 2
  expected = (filled - [width / 2, height / 2]) / (width / 2)
  expected[~filled.any(-1)] = 0
  np.testing.assert_allclose(out, expected, atol=1e-6)
  assert out[0, 1, 5, 0] == -1


@pytest.mark.parametrize('swapped', [False, True])
def test_clean_without_an_image_size_uses_the_square_around_joints(swapped):
  clip = np.zeros((2, 3, 25, 2), np.float32)
  clip[0, 0, 3], clip[0, 2, 4], clip[1, 1, 5] = [100, 50], [300, 70], [200, 90]
  flip = slice(None, None, -1 if swapped else 1)
  out = clean(clip[..., flip])[..., flip]
  np.testing.assert_allclose(out[0, 0, 3], [-1, -0.2], atol=1e-7)
  np.testing.assert_allclose(out[0, 2, 4], [1, 0], atol=1e-7)
  np.testing.assert_allclose(out[1, 1, 5], [0, 0.2], atol=1e-7)
  assert out.any(-1).sum() == 3


def test_clean_of_a_single_point():
  clip = np.float32([[[[5, 1], [5, 1]]]])
  np.testing.assert_array_equal(clean(clip), 0 * clip)


@pytest.mark.parametrize('name', ['clean', 'body'])
@pytest.mark.parametrize('channels', [1, 4, 5])
def test_other_channels_are_refused(channels, name):
  clip = np.ones((1, 2, 25, channels), np.float32)
  with pytest.raises(UserError, match=f'{name}.* {channels} channels.*data'):
    get_preset(name)(clip, LAYOUT, UNKNOWN)


def test_fit_axes_is_the_published_scaling():
  """CTR-GCN's feeder: minimum and maximum of each axis over a clip."""
  clip = np.random.default_rng(0).normal(size=(1, 7, 20, 3)) * [3, 0.2, 9] + 5
  points = clip.reshape(-1, 3)
  low, high = points.min(0), points.max(0)
  expected = (clip - low) / (high - low) * 2 - 1
  np.testing.assert_allclose(fit_axes(clip), expected, atol=1e-12)


def test_fit_axes_ignores_missing_joints_and_flat_axes():
  clip = np.random.default_rng(0).normal(size=(2, 5, 4, 3)) + 10
  clip[1] = clip[0, 2, 1] = 0
  clip[0, ..., 2] = np.where(clip[0, ..., 0] == 0, 0, 7)
  fitted = fit_axes(clip)
  assert not fitted[1].any() and not fitted[0, 2, 1].any()
  shown = fitted[0][clip[0].any(-1)]
  np.testing.assert_allclose(shown.min(0), -1)
  np.testing.assert_allclose(shown.max(0), [1, 1, -1])
  assert not fit_axes(np.zeros((1, 2, 3, 3), np.float32)).any()
