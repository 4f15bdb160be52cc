"""LCR-Net's files, UNIK's 17 joints of them, and Posetics.

UNIK_PREPROCESS_DIR names the folder of what the published scripts make of raw
files (default: tests/golden/preprocess).
"""

import json
import os
import pathlib

import numpy as np
import pytest
from absl import logging

from unik_jax.data import registry
from unik_jax.data.formats import lcrnet
from unik_jax.errors import UserError

_HERE = pathlib.Path(__file__).parent
FOLDER = pathlib.Path(
  os.environ.get('UNIK_PREPROCESS_DIR', _HERE / 'golden' / 'preprocess')
)
RAW = sorted((FOLDER / 'lcrnet_raw').glob('*.json'))


def make_pose(rng, **changes):
  """One body of a frame, as in the file."""
  return {
    'pose2d': rng.uniform(1, 480, 26).round(3).tolist(),
    'pose3d': rng.normal(size=39).round(4).tolist(),
  } | changes


def make_clip(bodies=(1, 2, 0, 2), seed=0):
  """A file's content as an object, with so many bodies in its frames."""
  rng = np.random.default_rng(seed)
  frames = [[make_pose(rng) for _ in range(n)] for n in bodies]
  return {'K': 1, 'njts': 13, 'frames': frames}


def parse(clip, **options):
  return lcrnet.parse_poses(json.dumps(clip).encode(), 'clip.json', **options)


# What the published scripts make of the same files


def golden(path):
  """(M, T, 17, 2), of the script's (C, T, V, M)."""
  expected = np.load(FOLDER / 'expected.npz')[f'smarthome_read/{path.name}']
  return expected.transpose(3, 1, 2, 0)


def read_smarthome(path):
  poses = lcrnet.parse_poses(path.read_bytes(), path.name)
  return lcrnet.to_unik_17(poses)


@pytest.mark.parametrize('path', RAW, ids=lambda path: path.stem)
def test_as_the_published_smarthome_script(path):
  ours = lcrnet.normalize_screen(lcrnet.by_energy(read_smarthome(path)))
  assert ours.dtype == np.float32
  np.testing.assert_allclose(ours, golden(path), rtol=0, atol=2e-7)
  np.testing.assert_array_equal(ours == 0, golden(path) == 0)


def test_the_published_values_order_bodies_by_energy():
  path = FOLDER / 'lcrnet_raw' / 'Drink.Fromcup_p19_r02_v05_c01_pose3d.json'
  if not path.exists():
    pytest.skip(f'{path} is not among these golden files')
  poses = read_smarthome(path)
  assert abs(lcrnet.normalize_screen(poses) - golden(path)).max() > 0.1


def test_there_are_files():
  assert RAW, f'no golden files in {FOLDER}/lcrnet_raw'


# Parsing


def test_reads_coordinates_in_file_order_of_persons():
  clip = make_clip()
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
  clip = make_clip((3, 1))
  three = parse(clip, persons=3)
  assert three[2, 0].all() and not three[2, 1].any()
  clip['frames'][0][2] = 'not even looked at'
  np.testing.assert_array_equal(parse(clip), three[:2])
  np.testing.assert_array_equal(parse(clip, persons=1), three[:1])


def test_flat_poses_need_no_others():
  clip = make_clip()
  expected = parse(clip)
  for body in sum(clip['frames'], []):
    del body['pose3d']
  np.testing.assert_array_equal(parse(clip), expected)
  with pytest.raises(UserError, match="frame 0, person 0: no list 'pose3d'"):
    parse(clip, channels='3d')


def test_integers_a_byte_order_mark_and_no_frames_are_fine():
  clip = make_clip((1,))
  clip['frames'][0][0]['pose2d'] = list(range(26))
  content = b'\xef\xbb\xbf' + json.dumps(clip).encode()
  poses = lcrnet.parse_poses(content, 'clip.json')
  np.testing.assert_array_equal(poses[0, 0, :, 1], np.arange(13, 26))
  assert parse({'frames': []}).shape == (2, 0, 13, 2)


def altered(value=None, **changes):
  """A clip whose frame 3, person 1 has another left hip x, or fields."""
  clip = make_clip()
  body = clip['frames'][3][1]
  if value is not None:
    body['pose2d'][5] = value
  body.update(changes)
  return json.dumps(clip).encode()


WHOLE = json.dumps(make_clip()).encode()
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
  poses = parse(make_clip((2,) * 9), channels=channels)
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


# Screen and energy


def test_screen():
  poses = np.float32([[0, 0], [640, 480], [320, 240], [0, 480], [160, 0]])
  np.testing.assert_array_equal(
    lcrnet.normalize_screen(poses),
    np.float32([[0, 0], [1, 0.75], [0, 0], [0, 0.75], [-0.5, 0]]),
  )
  wide = lcrnet.normalize_screen(np.array([[1920.0, 1080.0]]), 1920, 1080)
  np.testing.assert_allclose(wide, [[1, 0.5625]])
  with pytest.raises(UserError, match='3 channels'):
    lcrnet.normalize_screen(np.ones((2, 4, 17, 3), np.float32))


def test_energy_counts_only_the_frames_with_a_body():
  poses = np.random.default_rng(0).normal(size=(3, 8, 17, 2))
  poses[0] *= 0.5
  poses[1, 3:] = poses[2] = 0
  expected = [
    poses[0, :, :, 0].std() + poses[0, :, :, 1].std(),
    poses[1, :3, :, 0].std() + poses[1, :3, :, 1].std(),
    0,
  ]
  np.testing.assert_allclose(lcrnet.energy(poses), expected)
  np.testing.assert_array_equal(lcrnet.by_energy(poses), poses[[1, 0, 2]])


# Posetics

# Real YouTube ids look like this: eleven of letters, digits, - and _.
TRAIN = {
  '---0dWlqevI_000019_000029': (7, True, make_clip((2, 0, 1), 1)),
  '0_abcdefgh-_000000_000010': (319, True, make_clip((0, 1, 1, 3), 2)),
  'no_skeleton_000000_000010': (5, False, make_clip((1,), 3)),
  'nobodyThere_000000_000010': (5, True, make_clip((0, 0), 4)),
  'zzzzzzzzzzz_000123_000133': (0, True, make_clip((1,) * 5, 5)),
}
TEST = {'valvalval01_000005_000015': (42, True, make_clip((2, 2), 6))}


def write_posetics(folder, train=TRAIN, test=TEST):
  for part, clips in (('train', train), ('val', test)):
    (folder / f'posetics_{part}').mkdir(parents=True)
    labels = {}
    for name, (label, has_skeleton, clip) in clips.items():
      path = folder / f'posetics_{part}' / f'{name}.json'
      path.write_text(json.dumps(clip))
      labels[name[:11]] = {'label_index': label, 'has_skeleton': has_skeleton}
    label_path = folder / f'posetics_{part}_label.json'
    label_path.write_text(json.dumps(labels))
  return folder


def prepare(tmp_path, config='2d'):
  return registry.prepare(
    f'posetics/{config}', tmp_path / 'data', tmp_path / 'raw'
  )


@pytest.mark.parametrize(('config', 'channels'), [('2d', 2), ('3d', 3)])
def test_posetics(tmp_path, monkeypatch, config, channels):
  warnings = []
  monkeypatch.setattr(
    logging, 'warning', lambda text, *args: warnings.append(text % args)
  )
  write_posetics(tmp_path / 'raw')
  prepare(tmp_path, config)
  (warning,) = [text for text in warnings if 'skipped' in text]
  assert 'posetics_train: 2 of 5 clips skipped' in warning
  assert 'has_skeleton is false: 1, no pose in the file: 1' in warning
  builder = registry.open_prepared(f'posetics/{config}', tmp_path / 'data')
  assert builder.info.metadata['layout'] == 'unik_17'
  assert builder.info.features['label'].num_classes == 320
  assert builder.info.features['keypoints'].shape == (2, None, 17, channels)
  for split, clips in (('train', TRAIN), ('test', TEST)):
    wanted = {k: v for k, v in clips.items() if not k.startswith('no')}
    source = builder.as_data_source(split)
    assert [read['id'].decode() for read in source] == sorted(wanted)
    for read in source:
      label, _, clip = wanted[read['id'].decode()]
      assert read['label'] == label and read['subject'] == -1
      expected = lcrnet.to_unik_17(parse(clip, channels=config))
      np.testing.assert_array_equal(read['keypoints'], expected)
  assert prepare(tmp_path, config).is_prepared()  # and does nothing


def relabelled(**entry):
  """Alters the labels of a written fixture."""

  def alter(folder):
    path = folder / 'posetics_val_label.json'
    labels = json.loads(path.read_text())
    labels['valvalval01'].update(entry)
    path.write_text(json.dumps(labels))

  return alter


def put(name, text=''):
  return lambda folder: (folder / name).write_text(text)


def empty_train(folder):
  for path in (folder / 'posetics_train').iterdir():
    path.unlink()


LABELS = 'posetics_val_label.json'
FIRST = 'posetics_val/valvalval01_000005_000015.json'
WRONG = {
  'label missing': (put(LABELS, '{}'), f'{FIRST}.*no label.*valvalval01'),
  'label out of range': (relabelled(label_index=320), f'{LABELS}.*320'),
  'label negative': (relabelled(label_index=-1), f'{LABELS}.*-1'),
  'label text': (relabelled(label_index='3'), f"{LABELS}.*'3'"),
  'has_skeleton text': (relabelled(has_skeleton='no'), f"{LABELS}.*'no'"),
  'none left': (relabelled(has_skeleton=False), 'posetics_val: all 1 clips'),
  'labels a list': (put(LABELS, '[]'), f'{LABELS}.*not of the form'),
  'labels truncated': (put(LABELS, '{"a'), f'{LABELS}.*cut short'),
  'no labels': (lambda f: (f / LABELS).unlink(), f'{LABELS}.*no such file'),
  'odd name': (put('posetics_train/a.json'), 'a.json: name is not'),
  'no files': (empty_train, 'posetics_train: no .json files'),
  'clip truncated': (put(FIRST, '{"frames": [[{'), f'{FIRST}.*cut short'),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_wrong_with_posetics_is_named(tmp_path, case):
  alter, message = WRONG[case]
  alter(write_posetics(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert registry.open_prepared('posetics/2d', tmp_path / 'data') is None


def test_a_video_in_both_splits_is_refused(tmp_path):
  again = {'zzzzzzzzzzz_000000_000010': (1, True, make_clip((1,), 7))}
  write_posetics(tmp_path / 'raw', test=TEST | again)
  with pytest.raises(UserError, match='posetics_val/zzz.*: video zzzzzzzzzzz'):
    prepare(tmp_path)


def test_without_files_it_says_what_to_get(tmp_path):
  with pytest.raises(UserError, match='(?s)on request.*posetics_val_label'):
    prepare(tmp_path)
