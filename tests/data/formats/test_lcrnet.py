"""LCR-Net's files, and UNIK's 17 joints derived from them."""

import json

import numpy as np
import pytest
from helpers.golden_files import FOLDER, LCRNET_FILES
from helpers.lcrnet import load_golden, make_lcrnet_clip, parse_clip

from unik_jax.data.clips import LeftOut
from unik_jax.data.energy import sort_by_energy
from unik_jax.data.formats import lcrnet
from unik_jax.data.normalize_official import normalize_screen
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError

# What the published scripts make of the same files


def read_17_joints(path):
  """Returns a golden file's persons in file order."""
  poses = lcrnet.parse_poses(path.read_bytes(), path.name)
  return lcrnet.to_unik_17(poses)


@pytest.mark.parametrize('path', LCRNET_FILES, ids=lambda path: path.stem)
def test_as_the_published_smarthome_script(path):
  keypoints = normalize_screen(sort_by_energy(read_17_joints(path)))
  assert keypoints.dtype == np.float32
  np.testing.assert_allclose(keypoints, load_golden(path), rtol=0, atol=2e-7)
  np.testing.assert_array_equal(keypoints == 0, load_golden(path) == 0)


def test_the_published_values_order_bodies_by_energy():
  path = FOLDER / 'lcrnet_raw' / 'Drink.Fromcup_p19_r02_v05_c01_pose3d.json'
  if not path.exists():
    pytest.skip(f'{path} is not among these golden files')
  poses = read_17_joints(path)
  assert abs(normalize_screen(poses) - load_golden(path)).max() > 0.1


def test_golden_files_exist():
  assert LCRNET_FILES, f'no golden files in {FOLDER}/lcrnet_raw'


# Parsing


def test_reads_coordinates_in_file_order_of_persons():
  clip = make_lcrnet_clip()
  poses_2d, poses_3d = parse_clip(clip), parse_clip(clip, channels='3d')
  assert poses_2d.shape == (2, 4, 13, 2) and poses_3d.shape == (2, 4, 13, 3)
  assert poses_2d.dtype == poses_3d.dtype == np.float32
  for t, bodies in enumerate(clip['frames']):
    for m in range(2):
      if m >= len(bodies):
        assert not poses_2d[m, t].any() and not poses_3d[m, t].any()
        continue
      for j in range(13):
        pose = np.float32(bodies[m]['pose2d'])
        assert poses_2d[m, t, j].tolist() == [pose[j], pose[j + 13]]
        pose = np.float32(bodies[m]['pose3d'])
        assert poses_3d[m, t, j].tolist() == [
          pose[j],
          pose[j + 13],
          pose[j + 26],
        ]
  both = parse_clip(clip, channels='2d+3d')
  np.testing.assert_array_equal(both, np.concatenate([poses_2d, poses_3d], -1))


def test_more_bodies_than_persons_are_dropped_in_file_order():
  clip = make_lcrnet_clip((3, 1))
  three = parse_clip(clip, persons=3)
  assert three[2, 0].all() and not three[2, 1].any()
  clip['frames'][0][2] = 'not read'
  np.testing.assert_array_equal(parse_clip(clip), three[:2])
  np.testing.assert_array_equal(parse_clip(clip, persons=1), three[:1])


def test_2d_poses_need_no_3d_poses():
  clip = make_lcrnet_clip()
  expected = parse_clip(clip)
  for body in sum(clip['frames'], []):
    del body['pose3d']
  np.testing.assert_array_equal(parse_clip(clip), expected)
  with pytest.raises(
    UserError, match="frame 0, person 0: no list 'pose3d'.*config 2d"
  ):
    parse_clip(clip, channels='3d')


def test_integers_a_byte_order_mark_and_no_frames_are_valid():
  clip = make_lcrnet_clip((1,))
  clip['frames'][0][0]['pose2d'] = list(range(26))
  content = b'\xef\xbb\xbf' + json.dumps(clip).encode()
  poses = lcrnet.parse_poses(content, 'clip.json')
  np.testing.assert_array_equal(poses[0, 0, :, 1], np.arange(13, 26))
  assert parse_clip({'frames': []}).shape == (2, 0, 13, 2)


def change_body(value=None, **changes):
  """Returns bytes of a clip with other values in frame 3, person 1.

  Args:
    value: another x of the left hip.
    **changes: other fields.
  """
  clip = make_lcrnet_clip()
  body = clip['frames'][3][1]
  if value is not None:
    body['pose2d'][5] = value
  body.update(changes)
  return json.dumps(clip).encode()


CONTENT = json.dumps(make_lcrnet_clip()).encode()
AT = 'frame 3, person 1: '
BAD = {
  'empty': (b'', 'cut short.*line 1, column 1'),
  'truncated': (CONTENT[: len(CONTENT) // 2], 'cut short or not JSON.*again'),
  'truncated at the end': (CONTENT[:-1], 'cut short'),
  'not UTF-8': (
    CONTENT[:100] + b'\xff' + CONTENT[100:],
    'byte 100 is not UTF-8',
  ),
  'nested': (b'[' * 100_000, 'nested'),
  'a list': (b'[[]]', 'no list "frames"'),
  'no frames': (b'{"data": []}', 'no list "frames"'),
  'frames a number': (b'{"frames": 3}', 'no list "frames"'),
  'frame null': (
    b'{"frames": [[], null]}',
    'frame 1: expected a list of bodies',
  ),
  'body a number': (b'{"frames": [[], [3]]}', 'frame 1, person 0: no list'),
  'pose null': (change_body(pose2d=None), AT + "no list 'pose2d'"),
  '25 values': (
    change_body(pose2d=[1.0] * 25),
    AT + 'pose2d: .*26.*25',
  ),
  '17 joints': (
    change_body(pose2d=[1.0] * 34),
    AT + 'pose2d: .*26.*34',
  ),
  'text': (change_body('12.5'), AT + "pose2d: .*got '12.5'"),
  'true': (change_body(True), AT + "pose2d: .*got 'True'"),
  'null': (change_body(pose2d=[None] * 26), AT + "pose2d: .*got 'None'"),
  'list': (change_body([1.0, 2.0]), AT + 'pose2d: .*got '),
  'NaN': (change_body(float('nan')), AT + r'joint 5 \(left_hip\) is NaN'),
  'infinity': (change_body(float('-inf')), AT + r'.*left_hip.*infinite'),
  'too large': (change_body(1e39), AT + r'.*left_hip.*too large'),
  'a huge integer': (change_body(10**400), AT + r'.*left_hip.*too large'),
}


@pytest.mark.parametrize('case', BAD)
def test_errors_name_the_file_and_place(case):
  content, place = BAD[case]
  with pytest.raises(UserError, match=f'(?s)^some/clip.json.*{place}'):
    lcrnet.parse_poses(content, 'some/clip.json')


# 13 joints to 17


@pytest.mark.parametrize('channels', ['2d', '3d'])
def test_seventeen_joints(channels):
  poses = parse_clip(make_lcrnet_clip((2,) * 9), channels=channels)
  unik = lcrnet.to_unik_17(poses)
  assert unik.dtype == np.float32
  # Indices of the two orders, written down from the official script.
  same = [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
  np.testing.assert_array_equal(
    unik[:, :, [0, *range(5, 17)]], poses[:, :, same]
  )
  hips = (poses[:, :, 4] + poses[:, :, 5]) / 2
  neck = (poses[:, :, 10] + poses[:, :, 11]) / 2
  added = {1: (poses[:, :, 12] + neck) / 2, 2: neck, 3: (hips + neck) / 2}
  for joint, expected in (added | {4: hips}).items():
    np.testing.assert_allclose(
      unik[:, :, joint], expected, rtol=1e-6, atol=1e-6
    )


# Reading a file, as the builders do


@pytest.mark.parametrize('path', LCRNET_FILES, ids=lambda path: path.stem)
def test_read_as_the_published_smarthome_script(path):
  clip = lcrnet.read_poses(RawFile(str(path)), order='energy')
  keypoints = normalize_screen(clip)
  np.testing.assert_allclose(keypoints, load_golden(path), rtol=0, atol=2e-7)


def read_clip(folder, clip, **options):
  """Writes and reads a file's content that is given as an object."""
  path = folder / 'clip.json'
  path.write_text(json.dumps(clip))
  return lcrnet.read_poses(RawFile(str(path)), **options)


def make_rivals():
  """Returns a clip: person 1 moves more in the image, person 0 in space."""
  clip = make_lcrnet_clip((2, 2, 2))
  for t, (first, second) in enumerate(clip['frames']):
    first['pose2d'] = (np.array(first['pose2d']) / 9).tolist()
    first['pose3d'] = (np.array(first['pose3d']) + 5 * t).tolist()
    second['pose3d'] = (np.array(second['pose3d']) / 9).tolist()
  return clip


@pytest.mark.parametrize('channels', ['2d', '3d', '2d+3d'])
def test_persons_are_ordered_by_their_motion_in_the_image(tmp_path, channels):
  clip = make_rivals()
  in_file_order = lcrnet.to_unik_17(parse_clip(clip, channels=channels))
  np.testing.assert_array_equal(
    read_clip(tmp_path, clip, channels=channels), in_file_order
  )
  np.testing.assert_array_equal(
    read_clip(tmp_path, clip, channels=channels, order='energy'),
    in_file_order[::-1],
  )


def test_a_file_without_bodies_is_left_out_and_one_without_frames_is_not(
  tmp_path,
):
  with pytest.raises(LeftOut, match='no pose'):
    read_clip(tmp_path, make_lcrnet_clip((0, 0, 0)))
  # `check_clip` refuses it.
  assert read_clip(tmp_path, make_lcrnet_clip(())).shape == (2, 0, 17, 2)


def test_errors_of_reading_name_the_file(tmp_path):
  (tmp_path / 'bad.json').write_bytes(CONTENT[:-1])
  with pytest.raises(UserError, match=f'{tmp_path}/bad.json: cut short'):
    lcrnet.read_poses(RawFile(str(tmp_path / 'bad.json')))
