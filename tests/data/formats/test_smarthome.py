"""Toyota Smarthome: names, splits, preparation, and errors in the files."""

import itertools
import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.alterations import write_file
from helpers.golden_files import FOLDER, LCRNET_FILES
from helpers.lcrnet import load_golden, make_lcrnet_clip
from helpers.pickles import malicious_pickle
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.data.formats import lcrnet, smarthome
from unik_jax.data.normalize_official import normalize_screen
from unik_jax.errors import UserError

NAME = 'Walk_p02_r01_v03_c02_pose3d.json'

# Classes, names and splits


def test_classes():
  assert len(smarthome.CLASSES_31) == len(set(smarthome.CLASSES_31)) == 31
  assert len(smarthome.CLASSES_19) == len(set(smarthome.CLASSES_19)) == 19
  assert set(smarthome.CLASSES_19) < set(smarthome.CLASSES_31)
  assert smarthome.CLASSES_31[0] == 'Cook.Cleandishes'
  assert smarthome.CLASSES_31[26:29] == (
    'Uselaptop',
    'Usetelephone',
    'Usetablet',
  )
  # The other order than above.
  assert smarthome.CLASSES_19[15:] == (
    'Uselaptop',
    'Usetablet',
    'Usetelephone',
    'Walk',
  )
  assert not [c for c in smarthome.CLASSES_19 if c.startswith(('Cook', 'Mak'))]


def test_repeats_of_cross_view_training_clips():
  repeats = smarthome.CV_REPEATS
  assert tuple(repeats) == smarthome.CLASSES_19
  # 1000/45 = 22.2, 1000/216 = 4.6, 1000/942 = 1.06; 4070 clips are over 1000.
  assert repeats['Cutbread'] == 22
  assert repeats['Eat.Snack'] == 5
  assert repeats['Readbook'] == 1
  assert repeats['Walk'] == 1


def test_names():
  for name in (NAME, 'Walk_p02_r01_v03_c02.json'):
    parsed = smarthome.parse_clip_name(name, 'x')
    assert parsed == ('Walk_p02_r01_v03_c02', 'Walk', 2, 2)
  parsed = smarthome.parse_clip_name(
    'Drink.Fromcup_p19_r02_v05_c07_a_b.json', 'x'
  )
  assert parsed == ('Drink.Fromcup_p19_r02_v05_c07', 'Drink.Fromcup', 19, 7)


BAD_NAMES = {
  'Walk_p02_r01_v03.json': 'Action_pPP_rRR_vVV_cCC',
  'Walk_r02_p01_v03_c02.json': 'Action_pPP_rRR_vVV_cCC',
  'Walk_p02_r01_v03_cxx.json': 'Action_pPP_rRR_vVV_cCC',
  'Walk_p02_r01_v03_c02pose3d.json': 'Action_pPP_rRR_vVV_cCC',
  'notes.json': 'Action_pPP_rRR_vVV_cCC',
  'walk_p02_r01_v03_c02.json': "got 'walk'.*mean Walk[?]",
  'COOK.CUT_p02_r01_v03_c02.json': 'mean Cook.Cut',
  'Drink.Fromcups_p02_r01_v03_c02.json': 'mean Drink.Fromcup',
  'Walk_p00_r01_v03_c02.json': 'subject from 1 to 25, got 0',
  'Walk_p26_r01_v03_c02.json': 'subject from 1 to 25, got 26',
  'Walk_p02_r01_v03_c00.json': 'camera from 1 to 7, got 0',
  'Walk_p02_r01_v03_c08.json': 'camera from 1 to 7, got 8',
  'Juggle_p02_r01_v03_c02.json': "31 actions, got 'Juggle'. Restore",
}


@pytest.mark.parametrize('name', BAD_NAMES)
def test_errors_in_names(name):
  with pytest.raises(UserError, match=f'^a/{name}: .*{BAD_NAMES[name]}'):
    smarthome.parse_clip_name(name, f'a/{name}')


def expected_splits(action, subject, camera):
  """Returns a clip's splits, as the dataset's paper states them."""
  cs_train = [3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25]
  splits = {'cs_train' if subject in cs_train else 'cs_test'}
  if action == 'Cook.Stir':  # not among the 19
    return splits
  return (
    splits
    | {
      1: {'cv1_train', 'cv2_train'},
      2: {'cv1_test', 'cv2_test'},
      3: {'cv2_train'},
      4: {'cv2_train'},
      5: set(),
      6: {'cv2_train'},
      7: {'cv2_train'},
    }[camera]
  )


@pytest.mark.parametrize('action', ['Cook.Stir', 'Usetelephone'])
def test_splits_follow_the_protocols(action):
  for subject, camera in itertools.product(range(1, 26), range(1, 8)):
    name = f'{action}_p{subject:02}_r00_v01_c{camera:02}_pose3d.json'
    splits = smarthome.assign_splits(smarthome.parse_clip_name(name, name))
    assert len(splits) == len(set(splits))
    assert set(splits) == expected_splits(action, subject, camera)


# Preparing


def make_clips():
  """Returns clips by id. In some, the second body moves more."""
  names = [
    'Cook.Stir_p03_r00_v01_c01',
    'Drink.Fromcup_p02_r00_v01_c01',
    'Usetablet_p25_r03_v01_c02',
    'Usetelephone_p20_r00_v01_c05',
    'Usetelephone_p04_r00_v07_c03',
    'Walk_p02_r01_v03_c02',
  ]
  clips = {}
  for i, name in enumerate(names):
    clip = make_lcrnet_clip((2, 1, 0, 3, 2)[: 2 + i], seed=i)
    if i % 2:
      for first, *_ in filter(None, clip['frames']):
        first['pose2d'] = (np.array(first['pose2d']) / 50).tolist()
        # In space the first body moves more.
        first['pose3d'] = (np.array(first['pose3d']) * 50).tolist()
    clips[name] = clip
  return clips


CLIPS = make_clips()
PARTS = ('train', 'test')


def write_smarthome(folder, clips=CLIPS):
  """Writes clips, every second one into an archive. Returns the folder."""
  (folder / 'skeletons').mkdir(parents=True)
  with zipfile.ZipFile(folder / 'more.zip', 'w') as archive:
    for i, (name, clip) in enumerate(clips.items()):
      if i % 2:
        archive.writestr(f'more/{name}_pose3d.json', json.dumps(clip))
      else:
        path = folder / 'skeletons' / f'{name}_pose3d.json'
        path.write_text(json.dumps(clip))
  return folder


def prepare_smarthome(tmp_path, config='2d', **options):
  return registry.prepare_dataset(
    f'toyota_smarthome/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


def read_17_joints(clip, channels):
  """Returns the two persons, the one who moves more in the image first."""
  content = json.dumps(clip).encode()
  poses_2d, poses = (
    lcrnet.to_unik_17(lcrnet.parse_poses(content, '', channels=c))
    for c in ('2d', channels)
  )
  present = [body[body.any((1, 2))].astype(np.float64) for body in poses_2d]
  motion = [s[..., 0].std() + s[..., 1].std() if len(s) else 0 for s in present]
  return poses[[1, 0]] if motion[1] > motion[0] else poses


@pytest.mark.parametrize(('config', 'channels'), [('2d', 2), ('3d', 3)])
def test_smarthome(tmp_path, config, channels):
  write_smarthome(tmp_path / 'raw')
  prepare_smarthome(tmp_path, config)
  builder = registry.open_prepared(
    f'toyota_smarthome/{config}', tmp_path / 'data'
  )
  assert builder.info.metadata['layout'] == 'unik_17'
  assert builder.info.features['keypoints'].shape == (2, None, 17, channels)
  names = builder.info.features['label'].names
  assert len(names) == 31
  assert set(builder.info.splits) == {
    f'{name}_{part}' for name in ('cs', 'cv1', 'cv2') for part in PARTS
  }
  splits_by_name = {name: set() for name in CLIPS}
  for split in builder.info.splits:
    for record in builder.as_data_source(split):
      name = record['id'].decode()
      splits_by_name[name].add(split)
      action, subject, *_ = name.split('_')
      assert names[record['label']] == action
      assert record['subject'] == int(subject[1:])
      assert record['image_size'].tolist() == [640, 480]
      np.testing.assert_array_equal(
        record['keypoints'], read_17_joints(CLIPS[name], config)
      )
  assert splits_by_name['Cook.Stir_p03_r00_v01_c01'] == {'cs_train'}
  assert splits_by_name['Drink.Fromcup_p02_r00_v01_c01'] == {
    'cs_test',
    'cv1_train',
    'cv2_train',
  }
  assert splits_by_name['Usetablet_p25_r03_v01_c02'] == {
    'cs_train',
    'cv1_test',
    'cv2_test',
  }
  assert splits_by_name['Usetelephone_p20_r00_v01_c05'] == {'cs_test'}
  assert splits_by_name['Usetelephone_p04_r00_v07_c03'] == {
    'cs_train',
    'cv2_train',
  }


def test_the_clips_have_bodies_in_either_order():
  are_swapped = [
    not np.array_equal(
      read_17_joints(clip, '2d'),
      lcrnet.to_unik_17(lcrnet.parse_poses(json.dumps(clip).encode(), '')),
    )
    for clip in CLIPS.values()
  ]
  assert 1 < sum(are_swapped) < len(CLIPS) - 1


@pytest.mark.skipif(not LCRNET_FILES, reason='no golden files')
def test_prepared_files_equal_the_published_script(tmp_path):
  builder = registry.prepare_dataset(
    'toyota_smarthome', tmp_path / 'data', FOLDER / 'lcrnet_raw'
  )
  records = {
    record['id'].decode(): record['keypoints']
    for split in ('cs_train', 'cs_test')
    for record in builder.as_data_source(split)
  }
  for path in LCRNET_FILES:
    keypoints = normalize_screen(records[path.stem.removesuffix('_pose3d')])
    np.testing.assert_allclose(keypoints, load_golden(path), rtol=0, atol=2e-7)


def test_three_lines_of_python(tmp_path):
  write_smarthome(tmp_path / 'raw')
  prepare_smarthome(tmp_path)
  source = tfds.data_source(
    'toyota_smarthome/2d', split='cv2_train', data_dir=tmp_path / 'data'
  )
  assert len(source) == 2 and source[0]['keypoints'].shape[2:] == (17, 2)


# Errors


def put(content, name=NAME):
  """Returns a function that writes a file among the clips."""
  if not isinstance(content, bytes):
    content = json.dumps(content)
  return write_file(pathlib.Path('skeletons', name), content)


def add_escaping_member(folder):
  """Adds a member whose name leads out of the archive."""
  with zipfile.ZipFile(folder / 'more.zip', 'a') as archive:
    archive.writestr(f'../{NAME}', json.dumps(make_lcrnet_clip()))


def break_archive(folder):
  path = folder / 'more.zip'
  path.write_bytes(path.read_bytes()[:-40])


def add_name_not_utf8(folder):
  path = os.fsencode(folder / 'skeletons') + b'/Walk_\xff.json'
  pathlib.Path(os.fsdecode(path)).write_text('{}')


def change_body(value, **changes):
  """Returns a clip with another x of a left hip, or other fields."""
  clip = make_lcrnet_clip()
  body = clip['frames'][3][1]
  body['pose2d'][5] = value
  return clip | {'frames': clip['frames'][:3] + [[body | changes]]}


TRUNCATED = json.dumps(make_lcrnet_clip()).encode()[:-99]
ONE = 'Walk_p07_r01_v03_c02_pose3d.json'  # in no archive
WRONG = {
  'truncated': (put(TRUNCATED, ONE), f'{ONE}: cut short or not JSON'),
  'empty': (put(b'', ONE), f'{ONE}: cut short'),
  '17 joints': (
    put(change_body(1.0, pose2d=[1.0] * 34), ONE),
    f'{ONE}, frame 3, person 0: pose2d: .*26.*34',
  ),
  'NaN': (put(change_body(float('nan')), ONE), f'{ONE}, frame 3.*left_hip'),
  'no frames': (put({'frames': []}, ONE), f'{ONE}: .*no frames'),
  'other name': (put(b'{}', 'a.json'), 'a.json: .*Action_pPP'),
  'other action': (put(b'{}', ONE.lower()), "got 'walk'.*mean Walk"),
  'not UTF-8': (add_name_not_utf8, 'not UTF-8'),
  'clip twice': (put(make_lcrnet_clip(), NAME), 'Walk_p02_r01_v03_c02.*twice'),
  'two versions': (
    put(make_lcrnet_clip(), NAME.replace('pose3d', 'v2')),
    'Walk_p02_r01_v03_c02.*twice',
  ),
  'zip slip': (add_escaping_member, r'more.zip: member .*\.\./Walk.*leads out'),
  'broken archive': (break_archive, 'more.zip: cannot be read'),
}


@pytest.mark.parametrize('case', WRONG)
def test_errors_name_the_file_and_nothing_is_written(tmp_path, case):
  alter, message = WRONG[case]
  alter(write_smarthome(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare_smarthome(tmp_path)
  assert registry.open_prepared('toyota_smarthome', tmp_path / 'data') is None


def test_a_pickle_is_not_run(tmp_path):
  content = malicious_pickle(tmp_path / 'created')
  put(content, ONE)(write_smarthome(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'{ONE}: byte 0 is not UTF-8'):
    prepare_smarthome(tmp_path)
  assert not (tmp_path / 'created').exists()


def test_files_without_3d_poses_are_enough_for_2d(tmp_path):
  clip = make_lcrnet_clip()
  for body in sum(clip['frames'], []):
    del body['pose3d']
  put(clip, ONE)(write_smarthome(tmp_path / 'raw'))
  prepare_smarthome(tmp_path)
  with pytest.raises(UserError, match=f"{ONE}.*no list 'pose3d'.*config 2d"):
    prepare_smarthome(tmp_path, '3d')


def test_bad_clips_can_be_skipped_and_empty_ones_are_left_out(tmp_path):
  folder = write_smarthome(tmp_path / 'raw')
  for alter in (
    put(TRUNCATED, ONE),
    put(b'{}', 'a.json'),
    put(make_lcrnet_clip((0, 0)), 'Leave_p02_r01_v03_c02.json'),
    put({'frames': [[{'pose2d': [0] * 26}]]}, 'Enter_p02_r01_v03_c02.json'),
  ):
    alter(folder)
  builder = prepare_smarthome(tmp_path, skip_bad=True)
  report = read_report(builder)
  assert report['written'] == len(CLIPS)
  assert set(reasons_by_name(report['skipped'])) == {ONE, 'a.json'}
  assert {
    name.partition('_')[0]: reason
    for name, reason in reasons_by_name(report['left_out']).items()
  } == {'Leave': 'no pose in the file', 'Enter': 'no pose in the file'}


def test_no_files_prints_what_to_download(tmp_path):
  with pytest.raises(UserError, match='(?s)on request.*SSTA-PRS'):
    prepare_smarthome(tmp_path)
  (tmp_path / 'raw').mkdir()
  (tmp_path / 'raw' / 'notes.txt').write_text('no clips here')
  with pytest.raises(UserError, match='raw: no clip to write'):
    prepare_smarthome(tmp_path)
