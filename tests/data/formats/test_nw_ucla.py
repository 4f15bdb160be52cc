"""Northwestern-UCLA: JSON files, cross-view splits, twins, bad files."""

import csv
import json

import numpy as np
import pytest
from helpers.real_data import extract
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.data.formats import nw_ucla
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


def write_clip(folder, name, frames=3, seed=0, **changes):
  """Writes a clip, with fields replaced; without those that are None."""
  rng = np.random.default_rng(seed)
  action = int(name[1:3])
  content = {
    'file_name': name,
    'skeletons': rng.normal(size=(frames, 20, 3)).round(6).tolist(),
    'label': list(nw_ucla.ACTIONS).index(action) + 1,
    **changes,
  }
  folder.mkdir(parents=True, exist_ok=True)
  kept = {k: v for k, v in content.items() if v is not None}
  (folder / f'{name}.json').write_text(json.dumps(kept))
  return content


def prepare(tmp_path, **options):
  return registry.prepare_dataset(
    'nw_ucla', tmp_path / 'data', tmp_path / 'raw', **options
  )


def ids(builder, split):
  return {r['id'].decode() for r in builder.as_data_source(split)}


def test_splits_and_keypoints(tmp_path):
  raw = tmp_path / 'raw' / 'all_sqe'
  content = write_clip(raw, 'a08_s03_e01_v01', seed=1)
  write_clip(raw, 'a02_s01_e00_v02', seed=2)
  write_clip(raw, 'a02_s01_e00_v03', seed=2)  # its twin
  write_clip(raw, 'a12_s10_e00_v03', seed=3)
  builder = prepare(tmp_path)
  info = builder.info
  assert info.metadata['layout'] == 'kinect_20'
  assert info.metadata['units'] == 'metres'
  one, twin, tested, last = (
    'a08_s03_e01_v01',
    'a02_s01_e00_v02',
    'a02_s01_e00_v03',
    'a12_s10_e00_v03',
  )
  assert ids(builder, 'xview_train') == {one, twin}
  assert ids(builder, 'xview_test') == {tested, last}
  assert ids(builder, 'xview_1_train') == {twin, tested, last}
  assert ids(builder, 'xview_1_test') == {one}
  assert ids(builder, 'xview_2_test') == {twin}
  assert ids(builder, 'xview_clean_train') == {one}
  assert ids(builder, 'xview_clean_test') == {tested, last}
  records = {r['id'].decode(): r for r in builder.as_data_source('xview_train')}
  np.testing.assert_array_equal(
    records[one]['keypoints'][0], np.float32(content['skeletons'])
  )
  assert records[one]['label'] == 6  # donning is a08, the seventh class
  assert records[one]['subject'] == 3


GOOD = np.zeros((2, 20, 3)).tolist()
BAD = {
  'no frames': ({'skeletons': []}, 'skeletons: expected frames'),
  'no skeletons': ({'skeletons': None}, 'skeletons: expected frames'),
  'other label': ({'label': 2}, 'label: expected 1.*got 2'),
  'no label': ({'label': None}, 'label: expected 1.*got None'),
  '19 joints': (
    {'skeletons': [GOOD[0], GOOD[1][1:]]},
    'frame 1: expected 20 joints, got 19',
  ),
  'text': (
    {'skeletons': [[['x', 0, 0]] * 20]},
    'frame 0, joint 0: expected x, y, z',
  ),
  'two values': (
    {'skeletons': [[[0.5, 1.5]] * 20]},
    'frame 0, joint 0: expected x, y, z',
  ),
  'null': ({'skeletons': [[None] * 20]}, 'frame 0, joint 0'),
  'a frame of numbers': ({'skeletons': [7]}, 'frame 0: expected 20 joints'),
  'NaN': ({'skeletons': [[[float('nan'), 0, 0]] * 20]}, 'got nan'),
  'infinite': ({'skeletons': [[[1e300, 0, 0]] * 20]}, 'got inf'),
}


@pytest.mark.parametrize(('changes', 'words'), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, changes, words):
  write_clip(tmp_path / 'raw', 'a01_s01_e00_v01', **changes)
  write_clip(tmp_path / 'raw', 'a01_s01_e00_v02', seed=5)
  write_clip(tmp_path / 'raw', 'a01_s01_e00_v03', seed=6)
  with pytest.raises(UserError, match=rf'a01_s01_e00_v01.*{words}'):
    prepare(tmp_path)
  assert registry.open_prepared('nw_ucla', tmp_path / 'data') is None


def test_bad_names_are_skipped_and_listed(tmp_path):
  raw = tmp_path / 'raw'
  names = ('a01_s01_e00_v01', 'a02_s01_e00_v02', 'a03_s01_e00_v03')
  for i, name in enumerate(names):
    write_clip(raw, name, seed=i)
  for name in ('a07_s01_e00_v01', 'a01_s01_e00_v04', 'clip'):
    (raw / f'{name}.json').write_text('{}')
  (raw / 'a01_s01_e01_v01.json').write_text('{"skeletons": [[[0')
  with pytest.raises(UserError, match='--skip_bad'):
    prepare(tmp_path)
  builder = prepare(tmp_path, skip_bad=True)
  reasons = reasons_by_name(read_report(builder)['skipped'])
  assert sorted(reasons) == [
    'a01_s01_e00_v04.json',
    'a01_s01_e01_v01.json',
    'a07_s01_e00_v01.json',
    'clip.json',
  ]
  assert read_report(builder)['written'] == 3


def test_bones_are_the_published_ones():
  """CTR-GCN's list, numbered from 1."""
  pairs = (
    '1,2 2,3 4,3 5,3 6,5 7,6 8,7 9,3 10,9 11,10 12,11 13,1 14,13 15,14 16,15'
    ' 17,1 18,17 19,18 20,19'
  )
  published = {
    frozenset(int(n) - 1 for n in p.split(',')) for p in pairs.split()
  }
  assert set(map(frozenset, get_layout('kinect_20').bone_indices)) == published


@pytest.mark.slow
def test_the_real_files(tmp_path):
  raw = extract('nw_ucla.tar.xz', tmp_path / 'raw')
  builder = prepare(tmp_path)
  counts = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert counts['xview_train'] == 1020 and counts['xview_test'] == 464
  assert counts['xview_clean_train'] == 925
  assert counts['xview_clean_test'] == 464
  assert counts['xview_1_test'] + counts['xview_2_test'] == 1020
  (table,) = raw.rglob('ctrgcn_split.csv')
  with table.open() as file:
    rows = {row['file_name']: row for row in csv.DictReader(file)}
  seen = 0
  for split in ('train', 'test'):
    for record in builder.as_data_source(f'xview_{split}'):
      row = rows[record['id'].decode()]
      assert row['split'] == {'train': 'train', 'test': 'val'}[split]
      assert record['label'] == int(row['label']) - 1
      assert record['keypoints'].shape[1] == int(row['length'])
      seen += 1
  assert seen == len(rows) == 1484
  # All twins are of a02 and a03: the view 2 clip of the same execution.
  taken = ids(builder, 'xview_train') - ids(builder, 'xview_clean_train')
  assert {name[:3] for name in taken} == {'a02', 'a03'}
  for name in taken:
    files = (next(raw.rglob(f'{n}.json')) for n in (name, name[:-1] + '3'))
    one, two = (nw_ucla.read_skeletons(RawFile(str(f))) for f in files)
    np.testing.assert_array_equal(one, two)
