"""pyskl's annotation pickles prepared: splits, kpfiles and bad clips."""

import json
import os
import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.pickles import Call, write
from helpers.pyskl import COCO, annotation, packed, tracks, unpacked

from unik_jax.data import registry
from unik_jax.data.formats import pyskl_poses
from unik_jax.errors import UserError

NTU = {
  'S001C001P001R001A001': (0, (1, 5, 25, 3)),
  'S001C002P003R001A050': (49, (2, 3, 25, 3)),
  'S002C003P008R002A012': (11, (2, 1, 25, 3)),
  'S003C001P003R001A007': (6, (1, 4, 25, 3)),
}
NTU_SPLITS = {
  'xsub_train': [name for name in NTU if 'P003' not in name],
  'xsub_val': [name for name in NTU if 'P003' in name],
  'xview_train': [name for name in NTU if 'C001' not in name],
  'xview_val': [name for name in NTU if 'C001' in name],
}


def ntu():
  return {
    'split': NTU_SPLITS,
    'annotations': [
      annotation(name, label, shape, seed)
      for seed, (name, (label, shape)) in enumerate(NTU.items())
    ],
  }


def prepare(tmp_path, data=None, name='set', config=None, **options):
  if data is not None:
    write(tmp_path / 'raw' / f'{name}.pkl', data)
  return registry.prepare_dataset(
    f'pyskl/{config or name}', tmp_path / 'data', tmp_path / 'raw', **options
  )


def report_of(builder):
  return json.loads((builder.data_path / 'report.json').read_text())


def ids(builder, split):
  return [r['id'].decode() for r in builder.as_data_source(split)]


@pytest.mark.parametrize('protocol', [2, 4])
def test_three_dimensions(tmp_path, protocol):
  data = ntu()
  write(tmp_path / 'raw' / 'ntu60_3danno.pkl', data, protocol)
  prepare(tmp_path, name='ntu60_3danno')
  builder = registry.open_prepared('pyskl/ntu60_3danno', tmp_path / 'data')
  assert builder.info.features['label'].num_classes == 50
  assert builder.info.features['keypoints'].shape == (2, None, 25, 3)
  metadata = {'layout': 'ntu_25', 'units': 'metres', 'confidence': False}
  assert metadata.items() <= dict(builder.info.metadata).items()
  assert set(builder.info.splits) == set(NTU_SPLITS)
  records = {record['frame_dir']: record for record in data['annotations']}
  for split, names in NTU_SPLITS.items():
    # The three lines of the documentation.
    source = tfds.data_source(
      'pyskl/ntu60_3danno', split=split, data_dir=tmp_path / 'data'
    )
    assert {read['id'].decode() for read in source} == set(names)
    for read in source:
      record = records[read['id'].decode()]
      assert read['label'] == record['label']
      assert read['subject'] == int(record['frame_dir'][9:12])
      expected = np.zeros((2, *record['keypoint'].shape[1:]), np.float32)
      expected[: len(record['keypoint'])] = record['keypoint']
      np.testing.assert_array_equal(read['keypoints'], expected)
  # The file is not needed any more.
  (tmp_path / 'raw' / 'ntu60_3danno.pkl').unlink()
  assert prepare(tmp_path, name='ntu60_3danno').info.splits


def test_images_and_clips_in_no_split(tmp_path):
  """As HMDB51: three protocols, and clips that are in none of them."""
  records = [annotation(name, i, COCO, i) for i, name in enumerate('abcd')]
  splits = {'train1': ['a'], 'test1': ['b'], 'train2': ['b'], 'test2': ['c']}
  builder = prepare(tmp_path, {'split': splits, 'annotations': records})
  assert {s: ids(builder, s) for s in builder.info.splits} == {
    'split1_train': ['a'],
    'split1_test': ['b'],
    'split2_train': ['b'],
    'split2_test': ['c'],
  }
  assert builder.info.metadata['confidence']
  assert builder.info.metadata['units'] == 'pixels'
  (read,) = builder.as_data_source('split2_test')
  assert read['image_size'].tolist() == [1920, 1080]
  assert read['keypoints'].shape == (1, 3, 17, 3)
  ((note,), skipped) = map(report_of(builder).get, ('left_out', 'skipped'))
  assert 'record 3 (d)' in note['clip'] and note['reason'] == 'in no split'
  assert not skipped


def k400(tmp_path):
  """Writes an index and two kpfiles; returns bodies and frames by clip."""
  clips = {
    'abseil_1': packed([1, 2, 2, 9], 1),
    'abseil_2': packed([1, 1, 1, 2], 2),
    'yoga_1': packed([5], 3),
    'yoga_2': packed([6, 7], 4),
  }
  kpfiles = {
    'part_0.pkl': ['abseil_1', 'yoga_1'],
    'part_1.pkl': ['abseil_2', 'yoga_2'],
  }
  records = [
    annotation(
      name,
      399 * name.startswith('yoga'),
      COCO,
      keypoint=None,
      keypoint_score=None,
      total_frames=10,
      frame_inds=frames,
      box_score=np.ones(len(frames), np.float16),
      valid={0.5: 3},
      raw_file=f'./data/k400/kpfiles/part_{int(name.endswith("2"))}.pkl',
    )
    for name, (_, frames) in clips.items()
  ]
  for kpfile, names in kpfiles.items():
    entries = {name: {'keypoint': clips[name][0]} for name in names}
    write(tmp_path / 'raw' / 'kpfiles' / kpfile, entries)
  splits = {'train': ['abseil_1', 'abseil_2'], 'val': ['yoga_1', 'yoga_2']}
  write(
    tmp_path / 'raw' / 'k400_hrnet.pkl',
    {'split': splits, 'annotations': records},
  )
  return clips


def test_kinetics_with_its_kpfiles(tmp_path):
  clips = k400(tmp_path)
  builder = prepare(tmp_path, name='k400_hrnet')
  assert builder.info.features['label'].num_classes == 400
  assert ids(builder, 'val') == ['yoga_1', 'yoga_2']
  read = {
    r['id'].decode(): r['keypoints']
    for split in ('train', 'val')
    for r in builder.as_data_source(split)
  }
  assert read.keys() == clips.keys()
  for name, (bodies, frames) in clips.items():
    expected = unpacked(bodies, frames, 2)
    np.testing.assert_array_equal(read[name][: len(expected)], expected)
    assert not read[name][len(expected) :].any()


def test_each_kpfile_is_read_once(tmp_path):
  """Though the clips of two take turns in the index."""
  bodies, frames = packed([1, 2])
  records = [
    annotation(
      f'clip {i}',
      keypoint=None,
      frame_inds=frames,
      raw_file=f'kpfiles/part_{i % 2}.pkl',
    )
    for i in range(6)
  ]
  for part in range(2):
    entries = {f'clip {i}': {'keypoint': bodies} for i in range(part, 6, 2)}
    write(tmp_path / 'raw' / 'kpfiles' / f'part_{part}.pkl', entries)
  before = pyskl_poses._kpfile.cache_info().misses
  builder = prepare(tmp_path, records)
  assert len(ids(builder, 'train')) == 6
  assert pyskl_poses._kpfile.cache_info().misses == before + 2


def damaged(kind):
  def damage(folder):
    path = folder / 'kpfiles' / 'part_0.pkl'
    entries = pickle.loads(path.read_bytes())
    if kind == 'missing':
      path.unlink()
    elif kind == 'cut':
      path.write_bytes(path.read_bytes()[:-9])
    elif kind == 'no clip':
      write(path, {'yoga_1': entries['yoga_1']})
    elif kind == 'no dict':
      write(path, [entries])
    elif kind == 'other frames':
      entries['abseil_1'] = entries['yoga_1']
      write(path, entries)
    elif kind == 'malicious':
      entries['abseil_1'] = Call(os.system, f'echo > {folder / "made"}')
      write(path, entries)

  return damage


@pytest.mark.parametrize(
  ('kind', 'problem'),
  [
    ('missing', "record 0.*'part_0.pkl'.*get the kpfiles"),
    ('cut', r'part_0\.pkl: cut short'),
    ('no clip', r"record 0 \(abseil_1\), in .*part_0\.pkl: .*'abseil_1'"),
    ('no dict', r"record 0 \(abseil_1\), in .*part_0\.pkl: .*'abseil_1'"),
    ('other frames', r'record 0 .*part_0\.pkl: .*\(1, 17, 3\).* 4 bodies'),
    ('malicious', r'part_0\.pkl: refused.*\.system'),
  ],
)
def test_bad_kpfiles(tmp_path, kind, problem):
  k400(tmp_path)
  damaged(kind)(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'(?s){problem}'):
    prepare(tmp_path, name='k400_hrnet')
  builder = prepare(tmp_path, name='k400_hrnet', skip_bad=True)
  assert 'abseil_2' in ids(builder, 'train')
  assert report_of(builder)['skipped']
  assert not (tmp_path / 'raw' / 'made').exists()


def spoilt(number, array=None, splits=None, **changes):
  """Four good clips of which one is altered, by a value of its array too."""
  data = ntu()
  record = data['annotations'][number]
  record |= changes
  if array is not None:
    record['keypoint'][0, 0, 2, 1] = array
  data['split'] = NTU_SPLITS | (splits or {})
  return data


FIRST, SECOND = list(NTU)[:2]


@pytest.mark.parametrize(
  ('data', 'problem', 'skipped'),
  [
    (spoilt(1, np.nan), rf'record 1 \({SECOND}\): NaN.*joint 2', 1),
    (spoilt(1, np.inf), rf'record 1 \({SECOND}\): NaN.*joint 2', 1),
    (spoilt(1, label=-1), rf'record 1 \({SECOND}\): label', 1),
    (spoilt(1, label=None), rf'record 1 \({SECOND}\): label', 1),
    (spoilt(1, keypoint=tracks((2, 3, 20, 3))), f'{SECOND}.*20 joints', 1),
    (spoilt(1, keypoint=tracks((1, 0, 25, 3))), f'{SECOND}.*no frames', 1),
    (spoilt(1, frame_dir=FIRST), f'{FIRST}.*record 0', 1),
    (
      spoilt(0, splits={'xsub_val': [FIRST]}),
      f'{FIRST}.*both xsub_train and xsub_val',
      1,
    ),
    (
      spoilt(0, splits={'train1': [FIRST], 'test1': [FIRST]}),
      f'{FIRST}.*both split1_train and split1_test',
      1,
    ),
  ],
)
def test_bad_clips_stop_it_or_are_reported(tmp_path, data, problem, skipped):
  with pytest.raises(UserError, match=f'(?s)set.pkl.*{problem}.*--skip_bad'):
    prepare(tmp_path, data)
  assert registry.open_prepared('pyskl/set', tmp_path / 'data') is None
  builder = prepare(tmp_path, skip_bad=True)
  report = report_of(builder)
  assert len(report['skipped']) == skipped
  left = {name for split in builder.info.splits for name in ids(builder, split)}
  assert len(left) == report['written'] >= 3


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (spoilt(1, keypoint=np.zeros((1, 3, 25, 3))), 'every coordinate is zero'),
    (spoilt(1, keypoint=tracks((0, 3, 25, 3))), 'nobody in it'),
    (spoilt(1, splits={'x_val': ['S9']}), "clip 'S9' has no annotation"),
  ],
)
def test_what_pyskl_passes_over_is_left_out(tmp_path, data, reason):
  builder = prepare(tmp_path, data)
  report = report_of(builder)
  ((note,), skipped) = report['left_out'], report['skipped']
  place = 'split x_val' if 'S9' in reason else f'record 1 ({SECOND})'
  assert note['clip'].endswith(f'set.pkl, {place}') and not skipped
  assert note['reason'] == reason
  assert report['written'] == (4 if 'S9' in reason else 3)


@pytest.mark.parametrize('place', ['top', 'record', 'array'])
def test_a_malicious_file_is_refused_and_not_run(tmp_path, place):
  target = tmp_path / 'made'
  data = Call(os.system, f'echo > {target}')
  if place == 'record':
    data = ntu() | {'meta': data}
  elif place == 'array':
    data = [annotation('a', keypoint=np.array([data, None], object))]
  for options in ({}, {'skip_bad': True}):
    with pytest.raises(UserError, match=r'set\.pkl: refused.*\.system'):
      prepare(tmp_path, data, **options)
  assert not target.exists()
  assert registry.open_prepared('pyskl/set', tmp_path / 'data') is None


def test_nothing_left(tmp_path):
  with pytest.raises(UserError, match=r'record 0 \(a\): label'):
    prepare(tmp_path, [annotation('a', -1)], skip_bad=True)
  data = {'split': {'train': []}, 'annotations': [annotation('a')]}
  with pytest.raises(UserError, match='no clip to write.*in no split'):
    prepare(tmp_path, data, 'other')


def test_which_file_is_meant(tmp_path):
  with pytest.raises(UserError, match='(?s)ntu60_3danno.pkl.*kpfiles'):
    prepare(tmp_path, config='ntu60')
  (tmp_path / 'raw').mkdir()
  (tmp_path / 'raw' / 'notes.txt').touch()
  with pytest.raises(UserError, match='(?s)no .pkl file there.*kpfiles'):
    prepare(tmp_path, config='ntu60')
  write(tmp_path / 'raw' / 'mine.pkl', [annotation('a')])
  write(tmp_path / 'raw' / '.mine.pkl', 'a half download')
  alone = registry.prepare_dataset('pyskl', tmp_path / 'data', tmp_path / 'raw')
  assert alone.info.full_name == 'pyskl/mine/1.0.0'
  write(tmp_path / 'raw' / 'other.pkl', [annotation('b')])
  known = 'pyskl/mine, pyskl/other'
  with pytest.raises(UserError, match=f'several .pkl files.*: {known}'):
    registry.prepare_dataset('pyskl', tmp_path / 'data', tmp_path / 'raw')
  with pytest.raises(UserError, match=f'no file ours.pkl there.*: {known}'):
    prepare(tmp_path, config='ours')
  assert ids(prepare(tmp_path, config='other'), 'train') == ['b']
  with pytest.raises(UserError, match=r'my \(2\)\.pkl: .*rename'):
    prepare(tmp_path, [annotation('c')], 'my (2)')
