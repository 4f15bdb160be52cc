"""One clip of a user's own, read from a file of any supported format."""

import dataclasses

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  make_clip,
  openpose_body,
  read_keypoints,
  write_array,
  write_file,
  write_openpose,
)

from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

POSE = body_at(100, 100, 17)


def test_a_layout_that_contradicts_the_format(tmp_path):
  body = openpose_body(body_at(50, 50))
  folder = write_openpose(tmp_path / 'clip', [[body], [body]])
  with pytest.raises(
    UserError, match="'ntu_25', as in layout.yaml.*'openpose_25'"
  ):
    read_keypoints(folder, 'ntu_25')
  path = write_file(tmp_path / 'a.json', [alphapose_body(0, POSE)])
  with pytest.raises(
    UserError, match="'unik_17', as in layout.yaml.*'coco_17'"
  ):
    read_keypoints(path, 'unik_17')
  # A layout of one's own may have the same number of joints.
  mine = dataclasses.replace(get_layout('unik_17'), name='mine')
  assert recordings.read_recording(
    recordings.ClipSource(str(path)), layout=mine
  ).keypoints.any()


def test_all_clips_have_the_same_channels(tmp_path):
  flat = write_array(tmp_path / 'flat.npy', make_clip(3, 17, 2))
  full = write_array(tmp_path / 'full.npy', make_clip(3, 17, 3))
  options = {'channels': 3, 'confidence': False}
  assert read_keypoints(full, **options).shape == (1, 3, 17, 3)
  with pytest.raises(UserError, match='flat.npy: .*x y z, .*got x y[.]'):
    read_keypoints(flat, **options)
  sure = write_file(tmp_path / 'sure.json', [alphapose_body(0, POSE)])
  with pytest.raises(UserError, match='sure.json: .*got x y confidence'):
    read_keypoints(sure, **options)


def test_missing_joints_become_zeros(tmp_path):
  clip = make_clip(4, 17, 3)
  expected = clip.copy()
  clip[1, 3] = np.nan
  expected[1, 3] = 0
  clip[2, 5] = 0
  expected[2, 5] = 0
  np.testing.assert_array_equal(
    read_keypoints(write_array(tmp_path / 'a.npy', clip))[0], expected
  )


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_named(tmp_path, value):
  clip = make_clip(2, 4, 17, 3)
  clip[1, 2, 5, 1] = value
  path = write_array(tmp_path / 'a.npy', clip)
  place = r'a.npy, frame 2, person 1: y of joint 5 \(left_shoulder\): '
  with pytest.raises(UserError, match=f'{place}.*got {value}'):
    read_keypoints(path)
  clip = make_clip(4, 17, 4)
  clip[3, 0, 3] = value
  with pytest.raises(UserError, match='frame 3.*confidence of joint 0'):
    read_keypoints(write_array(tmp_path / 'b.npy', clip))


def test_confidence_0_of_joints_with_coordinates(tmp_path):
  """As MSR-Action3D has it for the spine; zeros are no coordinates."""
  clip = make_clip(4, 17, 3)
  clip[..., 2] = 0.5
  options = {'layout': get_layout('coco_17'), 'confidence': True}

  def notes(number):
    path = write_array(tmp_path / f'{number}.npy', clip)
    source = recordings.ClipSource(str(path))
    return recordings.read_recording(source, **options).notes

  clip[:, :3] = 0
  assert notes(0) == ()
  clip[:, 3:5, 2] = 0  # 2 of 14
  assert notes(1) == ()
  clip[:, 5, 2] = 0  # 3 of 14
  (note,) = notes(2)
  assert '20%' in note and 'confidence 0' in note


def test_the_most_visible_persons_stay_in_order(tmp_path):
  clip = make_clip(4, 6, 17, 2)
  clip[0, 2:] = 0
  clip[2] = 0
  keypoints = read_keypoints(write_array(tmp_path / 'a.npy', clip), persons=2)
  np.testing.assert_array_equal(keypoints, clip[[1, 3]])
  keypoints = read_keypoints(write_array(tmp_path / 'a.npy', clip), persons=3)
  np.testing.assert_array_equal(keypoints, clip[[0, 1, 3]])


def test_unknown_and_missing_files(tmp_path):
  with pytest.raises(UserError, match="a.bvh: unknown suffix '.bvh'"):
    read_keypoints(write_file(tmp_path / 'a.bvh', ''))
  with pytest.raises(UserError, match='b.npz: cannot be read'):
    read_keypoints(tmp_path / 'b.npz')
