"""LCR-Net's files, and UNIK's 17 joints of them.

UNIK_PREPROCESS_DIR names the folder of what the published scripts make of raw
files (default: tests/golden/preprocess).
"""

import json

import numpy as np
import pytest
from helpers.fixtures import make_lcrnet
from helpers.lcrnet import FOLDER, RAW, golden, parse

from unik_jax.data.clips import LeftOut
from unik_jax.data.energy import sort_by_energy
from unik_jax.data.formats import lcrnet
from unik_jax.data.normalize import normalize_screen
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError

# What the published scripts make of the same files


def read_smarthome(path):
  poses = lcrnet.parse_poses(path.read_bytes(), path.name)
  return lcrnet.to_unik_17(poses)


@pytest.mark.parametrize('path', RAW, ids=lambda path: path.stem)
def test_as_the_published_smarthome_script(path):
  ours = normalize_screen(sort_by_energy(read_smarthome(path)))
  assert ours.dtype == np.float32
  np.testing.assert_allclose(ours, golden(path), rtol=0, atol=2e-7)
  np.testing.assert_array_equal(ours == 0, golden(path) == 0)


def test_the_published_values_order_bodies_by_energy():
  path = FOLDER / 'lcrnet_raw' / 'Drink.Fromcup_p19_r02_v05_c01_pose3d.json'
  if not path.exists():
    pytest.skip(f'{path} is not among these golden files')
  poses = read_smarthome(path)
  assert abs(normalize_screen(poses) - golden(path)).max() > 0.1


def test_there_are_files():
  assert RAW, f'no golden files in {FOLDER}/lcrnet_raw'


# Parsing


def test_reads_coordinates_in_file_order_of_persons():
  clip = make_lcrnet()
  flat, solid = parse(clip), parse(clip, channels='3d')
  assert flat.shape == (2, 4, 13, 2) and solid.shape == (2, 4, 13, 3)
  assert flat.dtype == solid.dtype == np.float32
  for t, bodies in enumerate(clip['frames']):
    for m in range(2):
      if m >= len(bodies):
        assert not flat[m, t].any() and not solid[m, t].any()
        continue
      for j in range(13):
        pose = np.float32(bodies[m]['pose2d'])
        assert flat[m, t, j].tolist() == [pose[j], pose[j + 13]]
        pose = np.float32(bodies[m]['pose3d'])
        assert solid[m, t, j].tolist() == [pose[j], pose[j + 13], pose[j + 26]]
  both = parse(clip, channels='2d+3d')
  np.testing.assert_array_equal(both, np.concatenate([flat, solid], -1))


def test_more_bodies_than_persons_are_dropped_in_file_order():
  clip = make_lcrnet((3, 1))
  three = parse(clip, persons=3)
  assert three[2, 0].all() and not three[2, 1].any()
  clip['frames'][0][2] = 'not even looked at'
  np.testing.assert_array_equal(parse(clip), three[:2])
  np.testing.assert_array_equal(parse(clip, persons=1), three[:1])


def test_flat_poses_need_no_others():
  clip = make_lcrnet()
  expected = parse(clip)
  for body in sum(clip['frames'], []):
    del body['pose3d']
  np.testing.assert_array_equal(parse(clip), expected)
  with pytest.raises(
    UserError, match="frame 0, person 0: no list 'pose3d'.*config 2d"
  ):
    parse(clip, channels='3d')


def test_integers_a_byte_order_mark_and_no_frames_are_fine():
  clip = make_lcrnet((1,))
  clip['frames'][0][0]['pose2d'] = list(range(26))
  content = b'\xef\xbb\xbf' + json.dumps(clip).encode()
  poses = lcrnet.parse_poses(content, 'clip.json')
  np.testing.assert_array_equal(poses[0, 0, :, 1], np.arange(13, 26))
  assert parse({'frames': []}).shape == (2, 0, 13, 2)


def altered(value=None, **changes):
  """A clip whose frame 3, person 1 has another left hip x, or fields."""
  clip = make_lcrnet()
  body = clip['frames'][3][1]
  if value is not None:
    body['pose2d'][5] = value
  body.update(changes)
  return json.dumps(clip).encode()


WHOLE = json.dumps(make_lcrnet()).encode()
AT = 'frame 3, person 1: '
BAD = {
  'empty': (b'', 'cut short.*line 1, column 1'),
  'truncated': (WHOLE[: len(WHOLE) // 2], 'cut short or not JSON.*again'),
  'truncated at the end': (WHOLE[:-1], 'cut short'),
  'not UTF-8': (WHOLE[:100] + b'\xff' + WHOLE[100:], 'byte 100 is not UTF-8'),
  'nested': (b'[' * 100_000, 'nested'),
  'a list': (b'[[]]', 'no list "frames"'),
  'no frames': (b'{"data": []}', 'no list "frames"'),
  'frames a number': (b'{"frames": 3}', 'no list "frames"'),
  'frame null': (b'{"frames": [[], null]}', 'frame 1: not a list of bodies'),
  'body a number': (b'{"frames": [[], [3]]}', 'frame 1, person 0: no list'),
  'pose null': (altered(pose2d=None), AT + "no list 'pose2d'"),
  '25 values': (altered(pose2d=[1.0] * 25), AT + 'pose2d has 25 values.* 26'),
  '17 joints': (altered(pose2d=[1.0] * 34), AT + 'pose2d has 34 values.* 26'),
  'text': (altered('12.5'), AT + "pose2d holds '12.5'"),
  'true': (altered(True), AT + "pose2d holds 'True'"),
  'null': (altered(pose2d=[None] * 26), AT + "pose2d holds 'None'"),
  'list': (altered([1.0, 2.0]), AT + 'pose2d holds '),
  'NaN': (altered(float('nan')), AT + r'NaN.*joint 5 \(left_hip\)'),
  'infinity': (altered(float('-inf')), AT + r'.*infinity.*left_hip'),
  'too large': (altered(1e39), AT + r'.*too large.*left_hip'),
  'a huge integer': (altered(10**400), AT + r'.*too large.*left_hip'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_files_are_named_with_the_place(case):
  content, place = BAD[case]
  with pytest.raises(UserError, match=f'(?s)^some/clip.json.*{place}'):
    lcrnet.parse_poses(content, 'some/clip.json')


# 13 joints to 17


@pytest.mark.parametrize('channels', ['2d', '3d'])
def test_seventeen_joints(channels):
  poses = parse(make_lcrnet((2,) * 9), channels=channels)
  unik = lcrnet.to_unik_17(poses)
  assert unik.dtype == np.float32
  # Indices of the two orders, written down from the official script.
  same = [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
  np.testing.assert_array_equal(
    unik[:, :, [0, *range(5, 17)]], poses[:, :, same]
  )
  hips = (poses[:, :, 4] + poses[:, :, 5]) / 2
  neck = (poses[:, :, 10] + poses[:, :, 11]) / 2
  made = {1: (poses[:, :, 12] + neck) / 2, 2: neck, 3: (hips + neck) / 2}
  for joint, expected in (made | {4: hips}).items():
    np.testing.assert_allclose(
      unik[:, :, joint], expected, rtol=1e-6, atol=1e-6
    )


# A whole file, as builders read it


@pytest.mark.parametrize('path', RAW, ids=lambda path: path.stem)
def test_read_as_the_published_smarthome_script(path):
  clip = lcrnet.read_poses(RawFile(str(path)), order='energy')
  ours = normalize_screen(clip)
  np.testing.assert_allclose(ours, golden(path), rtol=0, atol=2e-7)


def read(folder, clip, **options):
  path = folder / 'clip.json'
  path.write_text(json.dumps(clip))
  return lcrnet.read_poses(RawFile(str(path)), **options)


def make_rivals():
  """The second body moves more in the image, the first one in space."""
  clip = make_lcrnet((2, 2, 2))
  for t, (first, second) in enumerate(clip['frames']):
    first['pose2d'] = (np.array(first['pose2d']) / 9).tolist()
    first['pose3d'] = (np.array(first['pose3d']) + 5 * t).tolist()
    second['pose3d'] = (np.array(second['pose3d']) / 9).tolist()
  return clip


@pytest.mark.parametrize('channels', ['2d', '3d', '2d+3d'])
def test_persons_are_ordered_by_their_motion_in_the_image(tmp_path, channels):
  clip = make_rivals()
  in_file_order = lcrnet.to_unik_17(parse(clip, channels=channels))
  np.testing.assert_array_equal(
    read(tmp_path, clip, channels=channels), in_file_order
  )
  np.testing.assert_array_equal(
    read(tmp_path, clip, channels=channels, order='energy'), in_file_order[::-1]
  )


def test_a_file_with_nobody_is_left_out_and_one_with_nothing_is_not(tmp_path):
  with pytest.raises(LeftOut, match='no pose'):
    read(tmp_path, make_lcrnet((0, 0, 0)))
  # The check that all clips go through refuses it.
  assert read(tmp_path, make_lcrnet(())).shape == (2, 0, 17, 2)


def test_a_bad_file_is_named_when_read(tmp_path):
  (tmp_path / 'bad.json').write_bytes(WHOLE[:-1])
  with pytest.raises(UserError, match=f'{tmp_path}/bad.json: cut short'):
    lcrnet.read_poses(RawFile(str(tmp_path / 'bad.json')))
