"""Penn Action's poses by LCR-Net, from files to a prepared dataset."""

import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.fixtures import make_lcrnet
from helpers.penn import (
  POSES,
  TABLE,
  prepare,
  put,
  records_of,
  report_of,
  write_poses,
)
from helpers.pickles import malicious_pickle

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
  builder = prepare(tmp_path, 'lcrnet_2d')
  assert builder.info.metadata['layout'] == 'unik_17'
  assert builder.info.features['keypoints'].shape == (2, None, 17, 2)
  assert tuple(builder.info.features['label'].names) == penn.CLASSES
  records = records_of(builder)
  assert set(records) == set(POSES)
  for name, (label, train, clip) in POSES.items():
    split, record = records[name]
    assert split == {1: 'train', -1: 'test'}[train]
    assert record['label'] == label and record['subject'] == -1
    assert record['image_size'].tolist() == [0, 0]
    # In file order, whoever moves more.
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


def test_files_that_the_published_script_passes_over(tmp_path):
  folder = write_poses(tmp_path / 'raw')
  for name in ('2326.json', 'S001C001P001R001A001.json'):
    put(json.dumps(make_lcrnet()), f'skeletons/{name}')(folder)
  put(json.dumps(make_lcrnet((0,))), 'skeletons/0001.json')(folder)
  builder = prepare(tmp_path, 'lcrnet_2d')
  assert set(records_of(builder)) == {'0037', '2325'}
  left_out, skipped = report_of(builder)
  assert not skipped
  assert set(left_out) == {'2326.json', 'S001C001P001R001A001.json'} | {
    '0001.json'
  }
  assert '1 to 2325' in left_out['2326.json']


def test_whole_numbers_may_be_written_as_fractions(tmp_path):
  put('train,video,category_code\n1.0,7.0,3.0\n-1,8,4\n', TABLE)(tmp_path)
  table = penn.read_split_table(RawFile(str(tmp_path / TABLE)))
  assert table == {7: (3, 'train'), 8: (4, 'test')}


def add_row(row):
  def alter(folder):
    with open(folder / TABLE, 'a') as file:
      file.write(row)

  return alter


def slip(folder):
  with zipfile.ZipFile(folder / 'more.zip', 'w') as archive:
    archive.writestr('../../0005.json', '{}')


def odd_bytes(folder):
  path = os.fsencode(folder / 'skeletons') + b'/00\xff01.json'
  pathlib.Path(os.fsdecode(path)).write_text('{}')


JSON = 'skeletons/0001.json'
HALF = json.dumps(make_lcrnet())[:-99]
FLAT = make_lcrnet((1,))['frames'][0][0]
WRONG_POSES = {
  'no table': (lambda f: (f / TABLE).unlink(), f'0 files {TABLE}.*Data Prep'),
  'two tables': (put('', f'skeletons/{TABLE}'), f'2 files {TABLE}'),
  'empty table': (put('', TABLE), f'{TABLE}, line 1: no column'),
  'no column': (put('video,train\n1,1\n', TABLE), "no columns 'category_code'"),
  'table not UTF-8': (put(b'vid\xe9o', TABLE), f'{TABLE}: byte 3 is not'),
  'column twice': (
    put('video,category_code,train,video\n1,0,1,2\n', TABLE),
    f"{TABLE}, line 1: 2 columns 'video'",
  ),
  'lone returns': (put('video\rtrain\r', TABLE), f'{TABLE}, line .: not CSV'),
  'endless field': (
    put('video\n1\n' + 'x' * 200_000, TABLE),
    f'{TABLE}, line .: not CSV',
  ),
  'not numbers': (add_row('5,7,x,1,\n'), f"{TABLE}, line 6: .*'x'"),
  'fraction': (add_row('5,7,1.5,1,\n'), f"{TABLE}, line 6: .*'1.5'"),
  'NaN': (add_row('5,7,nan,1,\n'), f"{TABLE}, line 6: .*'nan'"),
  'table cut short': (add_row('5,7'), f'{TABLE}, line 6: .*None'),
  'code 15': (add_row('5,7,15,1,\n'), 'line 6: category_code is 15.* 0 .*14'),
  'code negative': (add_row('5,7,-1,1,\n'), 'line 6: category_code is -1'),
  'odd flag': (add_row('5,7,1,0,\n'), 'line 6: train is 0, where 1 .* -1'),
  'video twice': (add_row('5,37,1,1,\n'), 'line 6: a second row of video 37'),
  'not in the table': (
    put('{}', 'skeletons/0002.json'),
    f'0002.json: .*{TABLE} has no row of video 2',
  ),
  'odd name': (put('{}', 'a1.json'), 'a1.json: name is not the number'),
  'name not UTF-8': (odd_bytes, 'not UTF-8'),
  'there twice': (put('{}', '0001.json'), "'0001' occurs twice"),
  'zip slip': (slip, 'more.zip: member .*leads out'),
  'truncated': (put(HALF, JSON), f'{JSON}: cut short'),
  'no frames': (put('{"frames": []}', JSON), f'{JSON}: no frames'),
  '17 joints': (
    put(json.dumps({'frames': [[FLAT | {'pose2d': [1.0] * 34}]]}), JSON),
    f'{JSON}, frame 0, person 0: pose2d has 34 values',
  ),
  'pose NaN': (
    put(json.dumps({'frames': [[FLAT | {'pose2d': [np.nan] * 26}]]}), JSON),
    f'{JSON}, frame 0, person 0: NaN',
  ),
}


@pytest.mark.parametrize('case', WRONG_POSES)
def test_what_is_wrong_with_the_poses_is_named(tmp_path, case):
  alter, message = WRONG_POSES[case]
  alter(write_poses(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path, 'lcrnet_2d')
  assert not registry.open_prepared('penn_action/lcrnet_2d', tmp_path / 'data')


def test_a_pickle_is_not_run(tmp_path):
  content = malicious_pickle(tmp_path / 'made')
  put(content, JSON)(write_poses(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'{JSON}: byte 0 is not UTF-8'):
    prepare(tmp_path, 'lcrnet_2d')
  assert not (tmp_path / 'made').exists()


def test_bad_poses_can_be_skipped(tmp_path):
  folder = write_poses(tmp_path / 'raw')
  odd_bytes(folder)
  put('{}', 'skeletons/0002.json')(folder)
  put(HALF, JSON)(folder)
  put('no archive', 'thesis.zip')(folder)
  builder = prepare(tmp_path, 'lcrnet_2d', skip_bad=True)
  assert set(records_of(builder)) == {'0037', '2325'}
  report = json.loads((builder.data_path / 'report.json').read_text())
  # Each once, though a table is looked for as well.
  skipped = [pathlib.Path(note['clip']).name for note in report['skipped']]
  odd = os.fsdecode(b'00\xff01.json')
  assert sorted(skipped) == ['0001.json', '0002.json', odd, 'thesis.zip']
