"""A dataset from a user's own folder: a tree of clips and a layout.yaml."""

import itertools
import pathlib
import pickle
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.user_clips import (
  body_at,
  capture_notices,
  make_clip,
  openpose_body,
  prepare,
  read_splits,
  write_clip,
  write_file,
  write_openpose,
  write_tree,
)

from unik_jax.data import registry
from unik_jax.data.formats.user import recordings, settings
from unik_jax.errors import UserError
from unik_jax.skeletons import layouts

CHECKOUT = pathlib.Path(__file__).parents[4]
DOCS = CHECKOUT / 'docs' / 'own_data.md'
REAL = CHECKOUT.parent / 'shared' / 'data'


@pytest.fixture
def notices(monkeypatch):
  return capture_notices(monkeypatch)


# The folder tree


def test_a_folder_of_classes(tmp_path, notices):
  write_tree(tmp_path / 'raw')
  builder = prepare(tmp_path)
  info = builder.info
  assert info.full_name == 'skeleton_folder/mine/1.0.0'
  assert info.features['label'].names == ['sit', 'wave']
  assert info.features['keypoints'].shape == (1, None, 17, 2)
  assert info.metadata['layout'] == 'coco_17'
  assert info.metadata['confidence'] is False
  splits = read_splits(tmp_path)
  # 20% of five clips per class.
  assert {k: len(v) for k, v in splits.items()} == {'train': 8, 'test': 2}
  assert {r['label'] for r in splits['test'].values()} == {0, 1}
  records = splits['train'] | splits['test']
  for seed, (label, n) in enumerate(itertools.product((0, 1), range(5))):
    record = records[f'{("sit", "wave")[label]}/{n}.npy']
    assert record['label'] == label and record['subject'] == -1
    np.testing.assert_array_equal(
      record['keypoints'][0], np.float32(make_clip(4, 17, 2, seed=seed))
    )
    assert record['image_size'].tolist() == [0, 0]
  (notice,) = [text for text in notices if 'no splits given' in text]
  assert '2 of 10 clips' in notice and 'subjects' in notice


def test_joints_that_are_only_counted(tmp_path, notices):
  for n, label in itertools.product(range(2), 'ab'):
    path = tmp_path / f'raw/{label}/{n}.npy'
    write_clip(path, n + 2 * ord(label), (4, 24, 2))
  assert prepare(tmp_path).info.metadata['layout'] == 'smpl_24'
  (notice,) = [text for text in notices if 'layout' in text]
  assert "'smpl_24' is assumed, the only built-in one with 24 joints" in notice
  notices.clear()
  write_file(tmp_path / 'raw' / 'layout.yaml', 'layout: smpl_24\n')
  prepare(tmp_path, 'stated')
  assert not any('layout' in text for text in notices)


def test_reading_with_tfds(tmp_path):
  write_tree(tmp_path / 'raw')
  prepare(tmp_path)
  source = tfds.data_source(
    'skeleton_folder/mine', split='test', data_dir=tmp_path / 'data'
  )
  assert len(source) == 2 and source[0]['keypoints'].shape == (1, 4, 17, 2)


def test_prepared_again_without_the_files(tmp_path):
  write_tree(tmp_path / 'raw')
  before = prepare(tmp_path).data_path
  (tmp_path / 'raw').rename(tmp_path / 'gone')
  assert prepare(tmp_path).data_path == before
  with pytest.raises(
    UserError, match='(?s)not prepared.*manifest.csv.*own_data'
  ):
    prepare(tmp_path, 'other')


def test_the_folder_names_the_dataset(tmp_path):
  write_tree(tmp_path / 'My clips (2)')
  builder = registry.prepare_dataset(
    'skeleton_folder', tmp_path / 'data', tmp_path / 'My clips (2)'
  )
  assert builder.info.full_name == 'skeleton_folder/My_clips_2_/1.0.0'
  for name in ('a b', '..', 'a:b'):
    with pytest.raises(UserError, match='dataset name: '):
      registry.prepare_dataset(
        f'skeleton_folder/{name}', tmp_path / 'data', tmp_path / 'My clips (2)'
      )


def test_a_folder_of_splits(tmp_path, notices):
  for split in ('Train', 'validation', 'test'):
    write_tree(tmp_path / 'raw' / split, layout='', clips=2)
  for seed, path in enumerate(sorted((tmp_path / 'raw').rglob('*.npy'))):
    write_clip(path, seed)
  write_file(tmp_path / 'raw' / 'layout.yaml', 'layout: unik_17')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert {k: sorted(v) for k, v in splits.items()} == {
    name: [
      f'{folder}/{label}/{n}.npy' for label in ('sit', 'wave') for n in (0, 1)
    ]
    for name, folder in (
      ('train', 'Train'),
      ('val', 'validation'),
      ('test', 'test'),
    )
  }
  assert not [text for text in notices if 'no splits' in text]


def test_the_same_clips_give_the_same_splits(tmp_path):
  first = {}
  for name in ('one', 'two'):
    root = write_tree(tmp_path / name, ('c', 'a', 'b'), 10)
    registry.prepare_dataset(f'skeleton_folder/{name}', tmp_path / 'data', root)
    test = sorted(read_splits(tmp_path, name)['test'])
    assert first.setdefault('test', test) == test and len(test) == 6


def test_numeric_classes_are_sorted_by_value(tmp_path):
  write_tree(tmp_path / 'raw', ('10', '9', '-1'), 2)
  assert prepare(tmp_path).info.features['label'].names == ['-1', '9', '10']
  write_tree(tmp_path / 'raw', ('10', '9', '-1', 'walk'), 2)
  builder = prepare(tmp_path, 'words')
  assert builder.info.features['label'].names == ['-1', '10', '9', 'walk']


def test_other_files_are_skipped_and_named(tmp_path, notices):
  root = write_tree(tmp_path / 'raw')
  for name in ('wave/0.mp4', 'wave/1.mp4', 'README', 'clips.zip'):
    write_file(root / name, '')
  for name in (
    '.hidden/x.npy',
    'wave/.DS_Store',
    '__MACOSX/a.npy',
    '__pycache__/a.pyc',
  ):
    write_file(root / name, '')
  prepare(tmp_path)
  assert sum(map(len, read_splits(tmp_path).values())) == 10
  (first, *_) = [text for text in notices if 'of an unknown kind' in text]
  text = '\n'.join(notices)
  assert '2 files of an unknown kind are skipped: .mp4' in text
  assert '.zip' in text and 'without suffix' in text and 'yaml' not in text
  assert 'DS_Store' not in text and '.pyc' not in text and '.npy' not in text


def test_openpose_in_folders_and_side_by_side(tmp_path):
  """wave/a is a folder of one video; b and c share one."""
  poses = {
    name: [body_at(100 + t, 100, seed=seed) for t in range(seed + 2)]
    for seed, name in enumerate('abcdef')
  }

  def frames(name):
    return [[openpose_body(pose)] for pose in poses[name]]

  root = tmp_path / 'raw'
  write_openpose(root / 'wave' / 'a', frames('a'), 'a')
  write_openpose(root / 'wave', frames('b'), 'b')
  write_openpose(root / 'wave', frames('c'), 'c')
  write_openpose(root / 'sit' / 'deep' / 'd', frames('d'), 'any')
  write_openpose(root / 'sit' / 'deep' / 'both', frames('e'), 'e')
  write_openpose(root / 'sit' / 'deep' / 'both', frames('f'), 'f')
  builder = prepare(tmp_path)
  # From 75 values per body.
  assert builder.info.metadata['layout'] == 'openpose_25'
  assert builder.info.metadata['units'] == 'pixels'
  assert builder.info.metadata['confidence'] is True
  splits = read_splits(tmp_path)
  records = splits['train'] | splits['test']
  paths = dict(
    zip(
      'abcdef',
      ['wave/a', 'wave/b', 'wave/c', 'sit/deep/d']
      + ['sit/deep/both/e', 'sit/deep/both/f'],
      strict=True,
    )
  )
  assert sorted(records) == sorted(paths.values())
  for name, path in paths.items():
    np.testing.assert_array_equal(
      records[path]['keypoints'][0], np.float32(poses[name])
    )


# layout.yaml


def test_settings(tmp_path):
  root = write_tree(tmp_path / 'raw', layout='')
  for seed, path in enumerate(sorted(root.rglob('*.npy'))):
    write_clip(path, seed, (3, 4, 17, 3))
  write_file(
    root / 'layout.yaml',
    'layout: coco_17\nunits: pixels\npersons: 1\nconfidence: true\n'
    'image_size: [1280, 720]\n',
  )
  builder = prepare(tmp_path)
  assert builder.info.features['keypoints'].shape == (1, None, 17, 3)
  assert builder.info.metadata['units'] == 'pixels'
  assert builder.info.metadata['confidence'] is True
  for split in read_splits(tmp_path).values():
    for record in split.values():
      assert record['image_size'].tolist() == [1280, 720]


def test_the_image_size_of_mediapipe(tmp_path):
  for seed in range(4):
    clip = np.random.default_rng(seed).uniform(0.1, 0.9, (3, 33, 4))
    write_file(
      tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.json', clip.tolist()
    )
  write_file(tmp_path / 'raw' / 'layout.yaml', 'image_size: [200, 400]')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  keypoints = (splits['train'] | splits['test'])['b/3.json']['keypoints'][0]
  np.testing.assert_allclose(keypoints, clip * [1, 2, 1, 1], rtol=1e-6)


ROBOT = """\
name: robot
joints: [base, arm, left_hand, right_hand]
bones: [[arm, base], [left_hand, arm], [right_hand, arm]]
center: base
up: [base, arm]
units: millimetres
"""


def test_a_layout_of_ones_own(tmp_path):
  root = tmp_path / 'raw'
  for seed in range(4):
    write_clip(root / 'ab'[seed % 2] / f'{seed}.npy', seed, (6, 4, 3))
  write_file(root / 'layout.yaml', ROBOT)
  try:
    metadata = prepare(tmp_path).info.metadata
    assert metadata['layout'] == 'robot'
    assert metadata['units'] == 'millimetres'
    # Another process needs only the prepared data.
    del layouts.LAYOUTS['robot']
    (root / 'layout.yaml').unlink()
    assert sum(map(len, read_splits(tmp_path).values())) == 4
    layout = layouts.get_layout('robot')
    assert layout.joints == ('base', 'arm', 'left_hand', 'right_hand')
    assert layout.bone_indices == ((1, 0), (2, 1), (3, 1))
    assert (layout.center, layout.up) == ('base', ('base', 'arm'))
    assert layout.left_right == ((2, 3),)
  finally:
    layouts.LAYOUTS.pop('robot', None)


def test_a_reader_can_be_pickled(tmp_path):
  root = write_tree(tmp_path / 'raw', layout='')
  write_file(root / 'layout.yaml', 'layout: unik_17')
  cls = registry.get_builder_class('skeleton_folder')
  builder = cls(data_dir=tmp_path / 'data', config=cls.configure('mine', root))
  reader = pickle.loads(pickle.dumps(builder.reader()))
  path = root / 'sit' / '0.npy'
  read = reader(pickle.loads(pickle.dumps(recordings.ClipSource(str(path)))))
  np.testing.assert_array_equal(read.keypoints[0], np.load(path))


BAD_SETTINGS = {
  'not YAML': ('layout: [', 'layout.yaml: cannot be read'),
  'not UTF-8': (b'layout: \xff', 'layout.yaml: cannot be read'),
  'a word': ('coco_17', 'expected lines such as `layout: coco_17`'),
  'unknown': ('layout: coco_18', "layout.yaml: .*coco_17.*got 'coco_18'"),
  'a list': ('layout: [a, b]', r'layout.yaml: .*got "\['),
  'both': ('layout: coco_17\njoints: [a]', "beside .*got 'joints'"),
  'parts': ('name: mine\njoints: a b', 'layout.yaml, bones: expected'),
  'circle': (
    'name: mine\njoints: a b c\nbones: b<c c<b\ncenter: a',
    'layout.yaml.*cycle',
  ),
  'taken': (
    'name: coco_17\njoints: a b\nbones: b<a\ncenter: a',
    "got 'coco_17', the name of a built-in",
  ),
  'persons': (
    'layout: coco_17\npersons: none',
    "layout.yaml, persons: .*'none'",
  ),
  'no persons': ('layout: coco_17\npersons: 0', 'persons: .*got 0'),
  'confidence': ('layout: coco_17\nconfidence: 1', 'confidence: .*got 1'),
  'size': ('layout: coco_17\nimage_size: 640x480', "image_size: .*'640x480'"),
  'one size': ('layout: coco_17\nimage_size: [640]', r'image size: .*\[640\]'),
  'channels': ('layout: coco_17\nconfidence: true', 'got 2 channels'),
  'joints': ('layout: ntu_25', "expected 25 joints.*'ntu_25'.*got 17"),
}


@pytest.mark.parametrize('case', BAD_SETTINGS)
def test_bad_settings(tmp_path, case):
  content, message = BAD_SETTINGS[case]
  root = write_tree(tmp_path / 'raw')
  write_file(root / 'layout.yaml', content)
  if case == 'taken':
    for seed, path in enumerate(sorted(root.rglob('*.npy'))):
      write_clip(path, seed, (3, 2, 2))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)


def test_without_settings_a_layout_must_be_clear(tmp_path):
  write_tree(tmp_path / 'raw', layout='')
  with pytest.raises(UserError, match='sit/0.npy: 17 joints.*coco_17.*unik_17'):
    prepare(tmp_path)


# The documentation


def test_the_docs_name_all_layouts_and_suffixes():
  text = DOCS.read_text()
  for name in (*layouts.BUILT_IN, *recordings.SUFFIXES):
    assert f'`{name}`' in text, name


def blocks(language):
  return re.findall(rf'```{language}\n(.*?)```', DOCS.read_text(), re.DOTALL)


def test_the_settings_in_the_docs_are_read(tmp_path):
  builtin, custom = blocks('yaml')
  write_file(tmp_path / 'layout.yaml', builtin)
  stated = settings.read_settings(tmp_path)
  assert stated.layout == layouts.get_layout('coco_17')
  assert (stated.units, stated.persons, stated.confidence) == (
    'pixels',
    1,
    True,
  )
  assert stated.image_size == (1920, 1080)
  write_file(tmp_path / 'layout.yaml', custom)
  layout = settings.read_settings(tmp_path).layout
  assert (layout.name, layout.num_joints) == ('upper_body', 5)
  assert layout.bone_indices == ((1, 0), (2, 1), (3, 1), (4, 1))


def test_the_real_files_of_the_docs(tmp_path, monkeypatch):
  archive = REAL / 'msraction3d.tar.gz'
  if not archive.exists():
    pytest.skip(f'no msraction3d.tar.gz in {REAL}')
  monkeypatch.chdir(tmp_path)
  (tmp_path / archive.name).symlink_to(archive)
  _, convert = blocks('python')
  exec(convert, {})
  builder = registry.prepare_dataset(
    'skeleton_folder/gaming', tmp_path / 'data', tmp_path / 'gaming', workers=1
  )
  splits = {k: v.num_examples for k, v in builder.info.splits.items()}
  assert splits == {'train': 284, 'test': 273}
  assert builder.info.features['keypoints'].shape == (1, None, 20, 3)
  assert builder.info.features['label'].num_classes == 20
  subjects = {
    r['subject'] for r in read_splits(tmp_path, 'gaming')['train'].values()
  }
  assert subjects == {1, 3, 5, 7, 9}
