"""pyskl's annotation pickles: preparation, splits, kpfiles and errors."""

import os
import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.pickles import Call, write_pickle
from helpers.pyskl import (
  COCO_SHAPE,
  make_annotation,
  make_packed,
  make_tracks,
  unpack_as_pyskl,
)
from helpers.reports import read_report

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


def make_ntu():
  """Returns the content of an annotation pickle."""
  return {
    'split': NTU_SPLITS,
    'annotations': [
      make_annotation(name, label, shape, seed)
      for seed, (name, (label, shape)) in enumerate(NTU.items())
    ],
  }


def prepare_pyskl(tmp_path, data=None, name='set', config=None, **options):
  """Prepares a pickle, which it writes if there is data."""
  if data is not None:
    write_pickle(tmp_path / 'raw' / f'{name}.pkl', data)
  return registry.prepare_dataset(
    f'pyskl/{config or name}', tmp_path / 'data', tmp_path / 'raw', **options
  )


def read_ids(builder, split):
  return [r['id'].decode() for r in builder.as_data_source(split)]


@pytest.mark.parametrize('protocol', [2, 4])
def test_three_dimensions(tmp_path, protocol):
  data = make_ntu()
  write_pickle(tmp_path / 'raw' / 'ntu60_3danno.pkl', data, protocol)
  prepare_pyskl(tmp_path, name='ntu60_3danno')
  builder = registry.open_prepared('pyskl/ntu60_3danno', tmp_path / 'data')
  assert builder.info.features['label'].num_classes == 50
  assert builder.info.features['keypoints'].shape == (2, None, 25, 3)
  metadata = {'layout': 'ntu_25', 'units': 'metres', 'confidence': False}
  assert metadata.items() <= dict(builder.info.metadata).items()
  assert set(builder.info.splits) == set(NTU_SPLITS)
  annotations = {a['frame_dir']: a for a in data['annotations']}
  for split, names in NTU_SPLITS.items():
    # The three lines of the documentation.
    source = tfds.data_source(
      'pyskl/ntu60_3danno', split=split, data_dir=tmp_path / 'data'
    )
    assert {record['id'].decode() for record in source} == set(names)
    for record in source:
      annotation = annotations[record['id'].decode()]
      assert record['label'] == annotation['label']
      assert record['subject'] == int(annotation['frame_dir'][9:12])
      keypoint = annotation['keypoint']
      expected = np.zeros((2, *keypoint.shape[1:]), np.float32)
      expected[: len(keypoint)] = keypoint
      np.testing.assert_array_equal(record['keypoints'], expected)
  # The file is no longer needed.
  (tmp_path / 'raw' / 'ntu60_3danno.pkl').unlink()
  assert prepare_pyskl(tmp_path, name='ntu60_3danno').info.splits


def test_an_image_size_in_the_wrong_order(tmp_path):
  rng = np.random.default_rng(0)
  records = [
    make_annotation(
      name,
      shape=COCO_SHAPE,
      keypoint=rng.uniform(1, (1900, 1060), COCO_SHAPE),
      img_shape=size,
    )
    # pyskl writes (height, width). A joint may lie a little outside.
    for name, size in (
      ('a', (1080, 1920)),
      ('b', (1920, 1080)),
      ('c', (1080, 1920)),
    )
  ]
  records[0]['keypoint'][0, 0, 0] = 2000, 1100
  with pytest.raises(UserError, match=r'\(b\): image size: .*Exchange the two'):
    prepare_pyskl(tmp_path, {'annotations': records, 'split': None})
  builder = prepare_pyskl(
    tmp_path, {'annotations': records, 'split': None}, skip_bad=True
  )
  assert read_ids(builder, 'train') == ['a', 'c']


def test_images_and_clips_in_no_split(tmp_path):
  """HMDB51 has three protocols, and clips that are in none of them."""
  records = [
    make_annotation(name, i, COCO_SHAPE, i) for i, name in enumerate('abcd')
  ]
  splits = {'train1': ['a'], 'test1': ['b'], 'train2': ['b'], 'test2': ['c']}
  builder = prepare_pyskl(tmp_path, {'split': splits, 'annotations': records})
  assert {s: read_ids(builder, s) for s in builder.info.splits} == {
    'split1_train': ['a'],
    'split1_test': ['b'],
    'split2_train': ['b'],
    'split2_test': ['c'],
  }
  assert builder.info.metadata['confidence']
  assert builder.info.metadata['units'] == 'pixels'
  (record,) = builder.as_data_source('split2_test')
  assert record['image_size'].tolist() == [1920, 1080]
  assert record['keypoints'].shape == (1, 3, 17, 3)
  ((note,), skipped) = map(read_report(builder).get, ('left_out', 'skipped'))
  assert 'record 3 (d)' in note['clip'] and note['reason'] == 'in no split'
  assert not skipped


def write_k400(tmp_path):
  """Writes an index and two kpfiles. Returns (bodies, frames) by clip."""
  clips = {
    'abseil_1': make_packed([1, 2, 2, 9], 1),
    'abseil_2': make_packed([1, 1, 1, 2], 2),
    'yoga_1': make_packed([5], 3),
    'yoga_2': make_packed([6, 7], 4),
  }
  kpfiles = {
    'part_0.pkl': ['abseil_1', 'yoga_1'],
    'part_1.pkl': ['abseil_2', 'yoga_2'],
  }
  records = [
    make_annotation(
      name,
      399 * name.startswith('yoga'),
      COCO_SHAPE,
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
    write_pickle(tmp_path / 'raw' / 'kpfiles' / kpfile, entries)
  splits = {'train': ['abseil_1', 'abseil_2'], 'val': ['yoga_1', 'yoga_2']}
  write_pickle(
    tmp_path / 'raw' / 'k400_hrnet.pkl',
    {'split': splits, 'annotations': records},
  )
  return clips


def test_kinetics_with_its_kpfiles(tmp_path):
  clips = write_k400(tmp_path)
  builder = prepare_pyskl(tmp_path, name='k400_hrnet')
  assert builder.info.features['label'].num_classes == 400
  assert read_ids(builder, 'val') == ['yoga_1', 'yoga_2']
  keypoints = {
    r['id'].decode(): r['keypoints']
    for split in ('train', 'val')
    for r in builder.as_data_source(split)
  }
  assert keypoints.keys() == clips.keys()
  for name, (bodies, frames) in clips.items():
    expected = unpack_as_pyskl(bodies, frames, 2)
    np.testing.assert_array_equal(keypoints[name][: len(expected)], expected)
    assert not keypoints[name][len(expected) :].any()


def test_each_kpfile_is_read_once(tmp_path):
  """The clips of two kpfiles alternate in the index."""
  bodies, frames = make_packed([1, 2])
  records = [
    make_annotation(
      f'clip {i}',
      keypoint=None,
      frame_inds=frames,
      raw_file=f'kpfiles/part_{i % 2}.pkl',
    )
    for i in range(6)
  ]
  for part in range(2):
    entries = {f'clip {i}': {'keypoint': bodies} for i in range(part, 6, 2)}
    write_pickle(tmp_path / 'raw' / 'kpfiles' / f'part_{part}.pkl', entries)
  before = pyskl_poses._load_kpfile.cache_info().misses
  builder = prepare_pyskl(tmp_path, records)
  assert len(read_ids(builder, 'train')) == 6
  assert pyskl_poses._load_kpfile.cache_info().misses == before + 2


def damage_kpfile(kind):
  """Returns a function that damages a kpfile."""

  def damage(folder):
    path = folder / 'kpfiles' / 'part_0.pkl'
    entries = pickle.loads(path.read_bytes())
    if kind == 'missing':
      path.unlink()
    elif kind == 'cut':
      path.write_bytes(path.read_bytes()[:-9])
    elif kind == 'no clip':
      write_pickle(path, {'yoga_1': entries['yoga_1']})
    elif kind == 'no dict':
      write_pickle(path, [entries])
    elif kind == 'other frames':
      entries['abseil_1'] = entries['yoga_1']
      write_pickle(path, entries)
    elif kind == 'malicious':
      entries['abseil_1'] = Call(os.system, f'echo > {folder / "created"}')
      write_pickle(path, entries)

  return damage


@pytest.mark.parametrize(
  ('kind', 'problem'),
  [
    ('missing', "record 0.*'part_0.pkl'.*Download the kpfiles"),
    ('cut', r'part_0\.pkl: cut short'),
    ('no clip', r"record 0 \(abseil_1\), in .*part_0\.pkl: .*'abseil_1'"),
    ('no dict', r"record 0 \(abseil_1\), in .*part_0\.pkl: .*'abseil_1'"),
    ('other frames', r'record 0 .*part_0\.pkl: .*4 bodies.*\(1, 17, 3\)'),
    ('malicious', r'part_0\.pkl: refused.*\.system'),
  ],
)
def test_errors_in_kpfiles(tmp_path, kind, problem):
  write_k400(tmp_path)
  damage_kpfile(kind)(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'(?s){problem}'):
    prepare_pyskl(tmp_path, name='k400_hrnet')
  builder = prepare_pyskl(tmp_path, name='k400_hrnet', skip_bad=True)
  assert 'abseil_2' in read_ids(builder, 'train')
  assert read_report(builder)['skipped']
  assert not (tmp_path / 'raw' / 'created').exists()


def change_record(number, array=None, splits=None, **changes):
  """Returns four clips, one of them changed.

  Args:
    number: of the record.
    array: another value of one coordinate.
    splits: additional splits.
    **changes: other values of the record.
  """
  data = make_ntu()
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
    (change_record(1, np.nan), rf'record 1 \({SECOND}\): .*nan.*joint 2', 1),
    (change_record(1, np.inf), rf'record 1 \({SECOND}\): .*inf.*joint 2', 1),
    (change_record(1, label=-1), rf'record 1 \({SECOND}\): label', 1),
    (change_record(1, label=None), rf'record 1 \({SECOND}\): label', 1),
    (
      change_record(1, keypoint=make_tracks((2, 3, 20, 3))),
      f'{SECOND}.*20 joints',
      1,
    ),
    (
      change_record(1, keypoint=make_tracks((1, 0, 25, 3))),
      f'{SECOND}.*no frames',
      1,
    ),
    (change_record(1, frame_dir=FIRST), f'{FIRST}.*record 0', 1),
    (
      change_record(0, splits={'xsub_val': [FIRST]}),
      f'{FIRST}.*both xsub_train and xsub_val',
      1,
    ),
    (
      change_record(0, splits={'train1': [FIRST], 'test1': [FIRST]}),
      f'{FIRST}.*both split1_train and split1_test',
      1,
    ),
  ],
)
def test_bad_clips_are_errors_or_reported(tmp_path, data, problem, skipped):
  with pytest.raises(UserError, match=f'(?s)set.pkl.*{problem}.*--skip_bad'):
    prepare_pyskl(tmp_path, data)
  assert registry.open_prepared('pyskl/set', tmp_path / 'data') is None
  builder = prepare_pyskl(tmp_path, skip_bad=True)
  report = read_report(builder)
  assert len(report['skipped']) == skipped
  written = {
    name for split in builder.info.splits for name in read_ids(builder, split)
  }
  assert len(written) == report['written'] >= 3


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (
      change_record(1, keypoint=np.zeros((1, 3, 25, 3))),
      'every coordinate is zero',
    ),
    (change_record(1, keypoint=make_tracks((0, 3, 25, 3))), 'nobody in it'),
    (change_record(1, splits={'x_val': ['S9']}), "clip 'S9' has no annotation"),
  ],
)
def test_clips_that_pyskl_skips_are_left_out(tmp_path, data, reason):
  builder = prepare_pyskl(tmp_path, data)
  report = read_report(builder)
  ((note,), skipped) = report['left_out'], report['skipped']
  place = 'split x_val' if 'S9' in reason else f'record 1 ({SECOND})'
  assert note['clip'].endswith(f'set.pkl, {place}') and not skipped
  assert note['reason'] == reason
  assert report['written'] == (4 if 'S9' in reason else 3)


@pytest.mark.parametrize('place', ['top', 'record', 'array'])
def test_a_malicious_file_is_refused_and_not_run(tmp_path, place):
  target = tmp_path / 'created'
  data = Call(os.system, f'echo > {target}')
  if place == 'record':
    data = make_ntu() | {'meta': data}
  elif place == 'array':
    data = [make_annotation('a', keypoint=np.array([data, None], object))]
  for options in ({}, {'skip_bad': True}):
    with pytest.raises(UserError, match=r'set\.pkl: refused.*\.system'):
      prepare_pyskl(tmp_path, data, **options)
  assert not target.exists()
  assert registry.open_prepared('pyskl/set', tmp_path / 'data') is None


def test_no_usable_clip(tmp_path):
  with pytest.raises(UserError, match=r'record 0 \(a\): label'):
    prepare_pyskl(tmp_path, [make_annotation('a', -1)], skip_bad=True)
  data = {'split': {'train': []}, 'annotations': [make_annotation('a')]}
  with pytest.raises(UserError, match='no clip to write.*in no split'):
    prepare_pyskl(tmp_path, data, 'other')


def test_choice_of_the_file(tmp_path):
  with pytest.raises(UserError, match='(?s)ntu60_3danno.pkl.*kpfiles'):
    prepare_pyskl(tmp_path, config='ntu60')
  (tmp_path / 'raw').mkdir()
  (tmp_path / 'raw' / 'notes.txt').touch()
  with pytest.raises(UserError, match='(?s)no .pkl file[.].*kpfiles'):
    prepare_pyskl(tmp_path, config='ntu60')
  write_pickle(tmp_path / 'raw' / 'mine.pkl', [make_annotation('a')])
  write_pickle(tmp_path / 'raw' / '.mine.pkl', 'a half download')
  builder = registry.prepare_dataset(
    'pyskl', tmp_path / 'data', tmp_path / 'raw'
  )
  assert builder.info.full_name == 'pyskl/mine/1.0.0'
  write_pickle(tmp_path / 'raw' / 'other.pkl', [make_annotation('b')])
  known = 'pyskl/mine, pyskl/other'
  with pytest.raises(UserError, match=f'several .pkl files.*: {known}'):
    registry.prepare_dataset('pyskl', tmp_path / 'data', tmp_path / 'raw')
  with pytest.raises(UserError, match=f'no file ours.pkl.*: {known}'):
    prepare_pyskl(tmp_path, config='ours')
  assert read_ids(prepare_pyskl(tmp_path, config='other'), 'train') == ['b']
  with pytest.raises(UserError, match=r'my \(2\)\.pkl: .*Rename'):
    prepare_pyskl(tmp_path, [make_annotation('c')], 'my (2)')
