"""Penn Action's poses by LCR-Net: preparation, and errors in the files."""

import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.alterations import remove_files, write_file
from helpers.lcrnet import make_lcrnet_clip
from helpers.penn import (
  POSES,
  TABLE,
  prepare_penn,
  read_records,
  write_poses,
)
from helpers.pickles import malicious_pickle
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.data.formats import lcrnet, penn
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError


def test_classes():
  assert len(penn.CLASSES) == len(set(penn.CLASSES)) == 15
  assert list(penn.CLASSES) == sorted(penn.CLASSES)


@pytest.mark.parametrize('archive', [False, True], ids=['files', 'zip'])
def test_poses(tmp_path, archive):
  write_poses(tmp_path / 'raw', archive=archive)
  builder = prepare_penn(tmp_path, 'lcrnet_2d')
  assert builder.info.metadata['layout'] == 'unik_17'
  assert builder.info.features['keypoints'].shape == (2, None, 17, 2)
  assert tuple(builder.info.features['label'].names) == penn.CLASSES
  records = read_records(builder)
  assert set(records) == set(POSES)
  for name, (label, train, clip) in POSES.items():
    split, record = records[name]
    assert split == {1: 'train', -1: 'test'}[train]
    assert record['label'] == label and record['subject'] == -1
    assert record['image_size'].tolist() == [0, 0]
    # In file order, even if the second person moves more.
    content = json.dumps(clip).encode()
    poses = lcrnet.to_unik_17(lcrnet.parse_poses(content, ''))
    np.testing.assert_array_equal(record['keypoints'], poses)


def test_the_default_config_is_that_of_the_paper(tmp_path):
  write_poses(tmp_path / 'raw')
  builder = registry.prepare_dataset(
    'penn_action', tmp_path / 'data', tmp_path / 'raw'
  )
  assert builder.info.config_name == 'lcrnet_2d'
  source = tfds.data_source(
    'penn_action/lcrnet_2d', split='test', data_dir=tmp_path / 'data'
  )
  assert source[0]['id'] == b'0037'


def test_files_that_the_published_script_skips(tmp_path):
  folder = write_poses(tmp_path / 'raw')
  for name in ('2326.json', 'S001C001P001R001A001.json'):
    write_file(f'skeletons/{name}', json.dumps(make_lcrnet_clip()))(folder)
  write_file('skeletons/0001.json', json.dumps(make_lcrnet_clip((0,))))(folder)
  builder = prepare_penn(tmp_path, 'lcrnet_2d')
  assert set(read_records(builder)) == {'0037', '2325'}
  report = read_report(builder)
  assert not report['skipped']
  left_out = reasons_by_name(report['left_out'])
  assert set(left_out) == {'2326.json', 'S001C001P001R001A001.json'} | {
    '0001.json'
  }
  assert '1 to 2325' in left_out['2326.json']


def test_integers_may_have_a_decimal_point(tmp_path):
  write_file(TABLE, 'train,video,category_code\n1.0,7.0,3.0\n-1,8,4\n')(
    tmp_path
  )
  table = penn.read_split_table(RawFile(str(tmp_path / TABLE)))
  assert table == {7: (3, 'train'), 8: (4, 'test')}


def add_row(row):
  """Returns a function that adds a row to the table."""

  def alter(folder):
    with open(folder / TABLE, 'a') as file:
      file.write(row)

  return alter


def add_escaping_member(folder):
  with zipfile.ZipFile(folder / 'more.zip', 'w') as archive:
    archive.writestr('../../0005.json', '{}')


def add_name_not_utf8(folder):
  path = os.fsencode(folder / 'skeletons') + b'/00\xff01.json'
  pathlib.Path(os.fsdecode(path)).write_text('{}')


JSON = 'skeletons/0001.json'
TRUNCATED = json.dumps(make_lcrnet_clip())[:-99]
BODY = make_lcrnet_clip((1,))['frames'][0][0]
WRONG_POSES = {
  'no table': (remove_files(TABLE), f'{TABLE}, got 0.*Data Prep'),
  'two tables': (write_file(f'skeletons/{TABLE}', ''), f'{TABLE}, got 2'),
  'empty table': (
    write_file(TABLE, ''),
    f'{TABLE}, line 1: .*one column.*got 0',
  ),
  'no column': (
    write_file(TABLE, 'video,train\n1,1\n'),
    "one column 'category_code', got 0",
  ),
  'table not UTF-8': (
    write_file(TABLE, b'vid\xe9o'),
    f'{TABLE}: byte 3 is not',
  ),
  'column twice': (
    write_file(TABLE, 'video,category_code,train,video\n1,0,1,2\n'),
    f"{TABLE}, line 1: .*one column 'video', got 2",
  ),
  'lone returns': (
    write_file(TABLE, 'video\rtrain\r'),
    f'{TABLE}, line .: not CSV',
  ),
  'endless field': (
    write_file(TABLE, 'video\n1\n' + 'x' * 200_000),
    f'{TABLE}, line .: not CSV',
  ),
  'not numbers': (add_row('5,7,x,1,\n'), f"{TABLE}, line 6: .*'x'"),
  'fraction': (add_row('5,7,1.5,1,\n'), f"{TABLE}, line 6: .*'1.5'"),
  'NaN': (add_row('5,7,nan,1,\n'), f"{TABLE}, line 6: .*'nan'"),
  'table cut short': (add_row('5,7'), f'{TABLE}, line 6: .*None'),
  'code 15': (
    add_row('5,7,15,1,\n'),
    'line 6: category_code: .* 0 .*14.*got 15',
  ),
  'code negative': (add_row('5,7,-1,1,\n'), 'line 6: category_code: .*got -1'),
  'other flag': (add_row('5,7,1,0,\n'), 'line 6: train: .*1 .*-1.*got 0'),
  'video twice': (add_row('5,37,1,1,\n'), 'line 6: a second row of video 37'),
  'not in the table': (
    write_file('skeletons/0002.json', '{}'),
    f'0002.json: .*{TABLE} has no row of video 2',
  ),
  'other name': (write_file('a1.json', '{}'), "a1.json: .*number.*got 'a1'"),
  'name not UTF-8': (add_name_not_utf8, 'not UTF-8'),
  'clip twice': (write_file('0001.json', '{}'), "'0001' occurs twice"),
  'zip slip': (add_escaping_member, 'more.zip: member .*leads out'),
  'truncated': (write_file(JSON, TRUNCATED), f'{JSON}: cut short'),
  'no frames': (write_file(JSON, '{"frames": []}'), f'{JSON}: .*no frames'),
  '17 joints': (
    write_file(JSON, json.dumps({'frames': [[BODY | {'pose2d': [1.0] * 34}]]})),
    f'{JSON}, frame 0, person 0: pose2d: .*26.*34',
  ),
  'pose NaN': (
    write_file(
      JSON, json.dumps({'frames': [[BODY | {'pose2d': [np.nan] * 26}]]})
    ),
    f'{JSON}, frame 0, person 0: .*is NaN',
  ),
}


@pytest.mark.parametrize('case', WRONG_POSES)
def test_errors_in_the_poses_name_the_file(tmp_path, case):
  alter, message = WRONG_POSES[case]
  alter(write_poses(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare_penn(tmp_path, 'lcrnet_2d')
  assert not registry.open_prepared('penn_action/lcrnet_2d', tmp_path / 'data')


def test_a_pickle_is_not_run(tmp_path):
  content = malicious_pickle(tmp_path / 'created')
  write_file(JSON, content)(write_poses(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'{JSON}: byte 0 is not UTF-8'):
    prepare_penn(tmp_path, 'lcrnet_2d')
  assert not (tmp_path / 'created').exists()


def test_bad_poses_can_be_skipped(tmp_path):
  folder = write_poses(tmp_path / 'raw')
  add_name_not_utf8(folder)
  write_file('skeletons/0002.json', '{}')(folder)
  write_file(JSON, TRUNCATED)(folder)
  write_file('thesis.zip', 'no archive')(folder)
  builder = prepare_penn(tmp_path, 'lcrnet_2d', skip_bad=True)
  assert set(read_records(builder)) == {'0037', '2325'}
  report = read_report(builder)
  # Each once, although the folder is searched for the table too.
  skipped = [pathlib.Path(note['clip']).name for note in report['skipped']]
  not_utf8 = os.fsdecode(b'00\xff01.json')
  assert sorted(skipped) == ['0001.json', '0002.json', not_utf8, 'thesis.zip']
