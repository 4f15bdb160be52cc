"""A user's own folder: from a tree of clips and layout.yaml to a dataset."""

import itertools
import pathlib
import pickle
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.own_fixtures import (
  body_at,
  make_clip,
  person,
  prepare,
  put,
  put_frames,
  record_notices,
  records,
  write,
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
  return record_notices(monkeypatch)


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
  splits = records(tmp_path)
  # One of five is 20%.
  assert {k: len(v) for k, v in splits.items()} == {'train': 8, 'test': 2}
  assert {r['label'] for r in splits['test'].values()} == {0, 1}
  found = splits['train'] | splits['test']
  for seed, (label, n) in enumerate(itertools.product((0, 1), range(5))):
    record = found[f'{("sit", "wave")[label]}/{n}.npy']
    assert record['label'] == label and record['subject'] == -1
    np.testing.assert_array_equal(
      record['keypoints'][0], np.float32(make_clip(4, 17, 2, seed=seed))
    )
    assert record['image_size'].tolist() == [0, 0]
  (notice,) = [text for text in notices if 'no splits given' in text]
  assert '2 of 10 clips' in notice and 'subjects' in notice


def test_three_lines_from_python(tmp_path):
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
    with pytest.raises(UserError, match='is no name for a dataset'):
      registry.prepare_dataset(
        f'skeleton_folder/{name}', tmp_path / 'data', tmp_path / 'My clips (2)'
      )


def test_a_folder_of_splits(tmp_path, notices):
  for split in ('Train', 'validation', 'test'):
    write_tree(tmp_path / 'raw' / split, layout='', clips=2)
  for seed, path in enumerate(sorted((tmp_path / 'raw').rglob('*.npy'))):
    write(path, seed)
  put(tmp_path / 'raw' / 'layout.yaml', 'layout: unik_17')
  prepare(tmp_path)
  splits = records(tmp_path)
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
    test = sorted(records(tmp_path, name)['test'])
    assert first.setdefault('test', test) == test and len(test) == 6


def test_classes_that_are_numbers_are_in_their_order(tmp_path):
  write_tree(tmp_path / 'raw', ('10', '9', '-1'), 2)
  assert prepare(tmp_path).info.features['label'].names == ['-1', '9', '10']
  write_tree(tmp_path / 'raw', ('10', '9', '-1', 'walk'), 2)
  builder = prepare(tmp_path, 'words')
  assert builder.info.features['label'].names == ['-1', '10', '9', 'walk']


def test_other_files_are_left_aside_and_named(tmp_path, notices):
  root = write_tree(tmp_path / 'raw')
  for name in ('wave/0.mp4', 'wave/1.mp4', 'README', 'clips.zip'):
    put(root / name, '')
  for name in (
    '.hidden/x.npy',
    'wave/.DS_Store',
    '__MACOSX/a.npy',
    '__pycache__/a.pyc',
  ):
    put(root / name, '')
  prepare(tmp_path)
  assert sum(map(len, records(tmp_path).values())) == 10
  (first, *_) = [text for text in notices if 'unknown kind' in text]
  text = '\n'.join(notices)
  assert '2 files of unknown kind are left aside: .mp4' in text
  assert '.zip' in text and 'without suffix' in text and 'yaml' not in text
  assert 'DS_Store' not in text and '.pyc' not in text and '.npy' not in text


def test_openpose_in_folders_and_side_by_side(tmp_path):
  """wave/a is a folder; b and c lie together, as OpenPose writes them."""
  poses = {
    name: [body_at(100 + t, 100, seed=seed) for t in range(seed + 2)]
    for seed, name in enumerate('abcdef')
  }

  def frames(name):
    return [[person(pose)] for pose in poses[name]]

  root = tmp_path / 'raw'
  put_frames(root / 'wave' / 'a', frames('a'), 'a')
  put_frames(root / 'wave', frames('b'), 'b')
  put_frames(root / 'wave', frames('c'), 'c')
  put_frames(root / 'sit' / 'deep' / 'd', frames('d'), 'any')
  put_frames(root / 'sit' / 'deep' / 'both', frames('e'), 'e')
  put_frames(root / 'sit' / 'deep' / 'both', frames('f'), 'f')
  builder = prepare(tmp_path)
  assert builder.info.metadata['layout'] == 'openpose_25'  # 75 values say so
  assert builder.info.metadata['units'] == 'pixels'
  assert builder.info.metadata['confidence'] is True
  splits = records(tmp_path)
  found = splits['train'] | splits['test']
  paths = dict(
    zip(
      'abcdef',
      ['wave/a', 'wave/b', 'wave/c', 'sit/deep/d']
      + ['sit/deep/both/e', 'sit/deep/both/f'],
      strict=True,
    )
  )
  assert sorted(found) == sorted(paths.values())
  for name, path in paths.items():
    np.testing.assert_array_equal(
      found[path]['keypoints'][0], np.float32(poses[name])
    )


# What layout.yaml says


def test_settings(tmp_path):
  root = write_tree(tmp_path / 'raw', layout='')
  for seed, path in enumerate(sorted(root.rglob('*.npy'))):
    write(path, seed, (3, 4, 17, 3))
  put(
    root / 'layout.yaml',
    'layout: coco_17\nunits: pixels\npersons: 1\nconfidence: true\n'
    'image_size: [1280, 720]\n',
  )
  builder = prepare(tmp_path)
  assert builder.info.features['keypoints'].shape == (1, None, 17, 3)
  assert builder.info.metadata['units'] == 'pixels'
  assert builder.info.metadata['confidence'] is True
  for split in records(tmp_path).values():
    for record in split.values():
      assert record['image_size'].tolist() == [1280, 720]


def test_the_image_size_of_mediapipe(tmp_path):
  for seed in range(4):
    clip = np.random.default_rng(seed).uniform(0.1, 0.9, (3, 33, 4))
    put(tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.json', clip.tolist())
  put(tmp_path / 'raw' / 'layout.yaml', 'image_size: [200, 400]')
  prepare(tmp_path)
  splits = records(tmp_path)
  got = (splits['train'] | splits['test'])['b/3.json']['keypoints'][0]
  np.testing.assert_allclose(got, clip * [1, 2, 1, 1], rtol=1e-6)


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
    write(root / 'ab'[seed % 2] / f'{seed}.npy', seed, (6, 4, 3))
  put(root / 'layout.yaml', ROBOT)
  try:
    metadata = prepare(tmp_path).info.metadata
    assert metadata['layout'] == 'robot'
    assert metadata['units'] == 'millimetres'
    # Another process knows it from the prepared data alone.
    del layouts.LAYOUTS['robot']
    (root / 'layout.yaml').unlink()
    assert sum(map(len, records(tmp_path).values())) == 4
    layout = layouts.get_layout('robot')
    assert layout.joints == ('base', 'arm', 'left_hand', 'right_hand')
    assert layout.bone_indices == ((1, 0), (2, 1), (3, 1))
    assert (layout.center, layout.up) == ('base', ('base', 'arm'))
    assert layout.left_right == ((2, 3),)
  finally:
    layouts.LAYOUTS.pop('robot', None)


def test_a_reader_goes_to_another_process_with_its_layout(tmp_path):
  root = write_tree(tmp_path / 'raw', layout='')
  put(root / 'layout.yaml', 'layout: unik_17')
  cls = registry.get_builder_class('skeleton_folder')
  builder = cls(data_dir=tmp_path / 'data', config=cls.configure('mine', root))
  reader = pickle.loads(pickle.dumps(builder.reader()))
  path = root / 'sit' / '0.npy'
  read = reader(pickle.loads(pickle.dumps(recordings.Source(str(path)))))
  np.testing.assert_array_equal(read.keypoints[0], np.load(path))


BAD_SETTINGS = {
  'not YAML': ('layout: [', 'layout.yaml: cannot be read'),
  'not UTF-8': (b'layout: \xff', 'layout.yaml: cannot be read'),
  'a word': ('coco_17', 'write lines such as `layout: coco_17`'),
  'unknown': ('layout: coco_18', "layout.yaml: unknown.*'coco_18'.*coco_17"),
  'a list': ('layout: [a, b]', 'layout.yaml: unknown'),
  'both': ('layout: coco_17\njoints: [a]', "unknown key 'joints' beside"),
  'parts': ('name: mine\njoints: a b', "layout.yaml: .* needs 'bones'"),
  'circle': (
    'name: mine\njoints: a b c\nbones: b<c c<b\ncenter: a',
    'layout.yaml.*cycle',
  ),
  'taken': (
    'name: coco_17\njoints: a b\nbones: b<a\ncenter: a',
    "'coco_17' is built in",
  ),
  'persons': ('layout: coco_17\npersons: none', "persons is 'none'"),
  'no persons': ('layout: coco_17\npersons: 0', 'persons is 0'),
  'confidence': ('layout: coco_17\nconfidence: 1', 'confidence is 1'),
  'size': ('layout: coco_17\nimage_size: 640x480', "image_size is '640x480'"),
  'one size': ('layout: coco_17\nimage_size: [640]', r'image size \[640\]'),
  'channels': ('layout: coco_17\nconfidence: true', '2 channels a joint'),
  'joints': ('layout: ntu_25', "17 joints, but layout 'ntu_25' has 25"),
}


@pytest.mark.parametrize('case', BAD_SETTINGS)
def test_bad_settings(tmp_path, case):
  content, message = BAD_SETTINGS[case]
  root = write_tree(tmp_path / 'raw')
  put(root / 'layout.yaml', content)
  if case == 'taken':
    for seed, path in enumerate(sorted(root.rglob('*.npy'))):
      write(path, seed, (3, 2, 2))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)


def test_without_settings_the_clips_have_to_say(tmp_path):
  write_tree(tmp_path / 'raw', layout='')
  with pytest.raises(UserError, match='sit/0.npy: 17 joints.*coco_17, unik_17'):
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
  put(tmp_path / 'layout.yaml', builtin)
  got = settings.read(tmp_path)
  assert got.layout == layouts.get_layout('coco_17')
  assert (got.units, got.persons, got.confidence) == ('pixels', 1, True)
  assert got.image_size == (1920, 1080)
  put(tmp_path / 'layout.yaml', custom)
  layout = settings.read(tmp_path).layout
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
  assert builder.info.features['keypoints'].shape == (1, None, 20, 4)
  assert builder.info.features['label'].num_classes == 20
  subjects = {
    r['subject'] for r in records(tmp_path, 'gaming')['train'].values()
  }
  assert subjects == {1, 3, 5, 7, 9}
