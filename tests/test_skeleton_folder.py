"""A user's own folder: from a tree of clips and layout.yaml to a dataset."""

import itertools
import os
import pathlib
import pickle
import re
import runpy

import numpy as np
import pytest
import tensorflow_datasets as tfds
from own_fixtures import (
  body_at,
  make_clip,
  person,
  prepare,
  put,
  put_frames,
  record_notices,
  records,
  report,
  save,
  table,
  write,
  write_manifest,
  write_tree,
)

from unik_jax import skeletons
from unik_jax.data import registry
from unik_jax.data.formats import own
from unik_jax.data.formats.own import settings
from unik_jax.errors import UserError

CHECKOUT = pathlib.Path(__file__).parents[1]
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
  builder = registry.prepare(
    'skeleton_folder', tmp_path / 'data', tmp_path / 'My clips (2)'
  )
  assert builder.info.full_name == 'skeleton_folder/My_clips_2_/1.0.0'
  for name in ('a b', '..', 'a:b'):
    with pytest.raises(UserError, match='is no name for a dataset'):
      registry.prepare(
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
    registry.prepare(f'skeleton_folder/{name}', tmp_path / 'data', root)
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
    del skeletons.LAYOUTS['robot']
    (root / 'layout.yaml').unlink()
    assert sum(map(len, records(tmp_path).values())) == 4
    layout = skeletons.get_layout('robot')
    assert layout.joints == ('base', 'arm', 'left_hand', 'right_hand')
    assert layout.bone_indices == ((1, 0), (2, 1), (3, 1))
    assert (layout.center, layout.up) == ('base', ('base', 'arm'))
    assert layout.left_right == ((2, 3),)
  finally:
    skeletons.LAYOUTS.pop('robot', None)


def test_a_reader_goes_to_another_process_with_its_layout(tmp_path):
  root = write_tree(tmp_path / 'raw', layout='')
  put(root / 'layout.yaml', 'layout: unik_17')
  cls = registry.builder_class('skeleton_folder')
  builder = cls(data_dir=tmp_path / 'data', config=cls.configure('mine', root))
  reader = pickle.loads(pickle.dumps(builder.reader()))
  path = root / 'sit' / '0.npy'
  read = reader(pickle.loads(pickle.dumps(own.Source(str(path)))))
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
    'layout.yaml.*circle',
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


# Bad trees and bad clips


def link(root):
  (root / 'wave' / 'again.npy').symlink_to(root / 'sit' / '0.npy')


def both_kinds(root):
  write_tree(root, ('train', 'test'), layout='')


def copied(root):
  for path in sorted(root.glob('*/*.npy')):
    target = root / ('test' if path.stem == '0' else 'train') / path.parent.name
    target.mkdir(parents=True, exist_ok=True)
    path.rename(target / path.name)
  for label in ('sit', 'wave'):
    (root / label).rmdir()
  content = (root / 'train' / 'sit' / '1.npy').read_bytes()
  (root / 'test' / 'sit' / 'copy.npy').write_bytes(content)


BAD_TREES = {
  'beside': (
    lambda r: write(r / 'lost.npy'),
    'raw/lost.npy: no clip in a class folder',
  ),
  'frames right there': (
    lambda r: put_frames(r, [[]], 'lost'),
    'raw/lost: no clip in a class folder',
  ),
  'empty class': (
    lambda r: (r / 'run').mkdir(),
    'raw/run: no clip in this folder; remove it',
  ),
  'spreadsheets alone': (
    lambda r: put(r / 'run/a.xlsx', ''),
    r'raw/run: no clip in this folder \(.xlsx alone\); remove it',
  ),
  'case': (
    lambda r: write(r / 'Wave' / '0.npy', 99),
    "label 'wave', but in .*Wave/0.npy 'Wave'; write both",
  ),
  'space': (
    lambda r: write(r / 'wave ' / '0.npy', 99),
    "label 'wave ', but in .*wave/.*'wave'; write both",
  ),
  'two classes': (
    lambda r: save(r / 'wave/9.npy', np.load(r / 'sit/0.npy')),
    'wave/9.npy: the same content as .*sit/0.npy, but in',
  ),
  'splits and classes': (both_kinds, "and 'sit' beside them: are they splits"),
  'linked': (link, 'wave/again.npy.*listed already, in .*sit/0.npy'),
  'one clip': (
    lambda r: write(r / 'run' / '0.npy', 99),
    "only clip of class 'run'",
  ),
  'copied': (
    copied,
    'same content as .*test/sit/copy.npy.*in split train, not test',
  ),
  'truncated': (
    lambda r: put(r / 'sit/1.npy', b'\x93NUM'),
    'sit/1.npy: cannot',
  ),
  'joints': (
    lambda r: write(r / 'wave/4.npy', 9, (4, 18, 2)),
    "wave/4.npy: 18 joints, but layout 'coco_17' has 17; .*openpose_18",
  ),
  'channels': (
    lambda r: write(r / 'wave/4.npy', 9, (4, 17, 3)),
    'wave/4.npy: joints have x y z, but in the first clip x y;',
  ),
  'no frames': (
    lambda r: write(r / 'wave/4.npy', 9, (0, 17, 2)),
    'wave/4.npy: no frames',
  ),
  'all zero': (
    lambda r: save(r / 'wave/4.npy', np.zeros((4, 17, 2))),
    'wave/4.npy: every coordinate is zero',
  ),
  'all missing': (
    lambda r: save(r / 'wave/4.npy', np.full((4, 17, 2), np.nan)),
    'wave/4.npy: every coordinate is zero',
  ),
  'too large': (
    lambda r: save(r / 'wave/4.npy', make_clip(4, 17, 2) * 1e39),
    'wave/4.npy: NaN or infinity at person 0, frame 0, joint 0',
  ),
}


@pytest.mark.parametrize('case', BAD_TREES)
def test_bad_trees(tmp_path, case):
  alter, message = BAD_TREES[case]
  alter(write_tree(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert (
    registry.open_prepared('skeleton_folder/mine', tmp_path / 'data') is None
  )


def test_nothing_usable(tmp_path):
  put(tmp_path / 'raw' / 'wave' / 'a.mp4', '')
  with pytest.raises(UserError, match=r'raw: no clip in it.*\(1 files .*mp4'):
    prepare(tmp_path)


def test_names_that_are_not_utf8(tmp_path):
  root = write_tree(tmp_path / 'raw')
  bad = os.fsencode(root) + b'/wave/\xff.npy'
  try:
    with open(bad, 'wb'):
      pass
  except OSError:
    pytest.skip('this file system has UTF-8 names alone')
  with pytest.raises(UserError, match=r'\\xff.npy.*not UTF-8; rename'):
    prepare(tmp_path)


def test_skip_bad_goes_on_and_reports(tmp_path):
  rows = [
    f'{n}.npy,{"ab"[n % 2]},{"test" if n > 7 else "train"}' for n in range(10)
  ]
  root = write_manifest(tmp_path / 'raw', rows, 'file,label,split')
  (root / '0.npy').unlink()
  put(root / '1.npy', b'')
  write(root / '2.npy', 2, (4, 18, 2))
  clip = make_clip(4, 17, 2)
  clip[1, 2, 0] = np.nan
  save(root / '3.npy', clip)
  with pytest.raises(UserError, match='--skip_bad'):
    prepare(tmp_path)
  notes = report(prepare(tmp_path, skip_bad=True))
  assert notes['written'] == 6
  reasons = [note['reason'] for note in notes['skipped']]
  assert len(reasons) == 4
  for reason, message in zip(
    reasons,
    ['no such file', 'cannot be read', '18 joints', 'frame 1, person 0: x'],
    strict=True,
  ):
    assert message in reason
  assert sorted(records(tmp_path)['train']) == [f'{n}.npy' for n in range(4, 8)]


# The wrong level


def test_a_folder_too_high(tmp_path):
  write_tree(tmp_path / 'raw' / 'export', layout='')
  put(tmp_path / 'raw' / 'layout.yaml', 'layout: coco_17')
  with pytest.raises(
    UserError, match="one class, 'export': is --manual_dir one level too high"
  ):
    prepare(tmp_path)


def test_folders_of_subjects(tmp_path, notices):
  """Either level may be the classes, so it is said and not refused."""
  root = tmp_path / 'raw'
  for seed, (who, label, n) in enumerate(
    itertools.product(('Ann', 'Bob'), ('sit', 'wave'), range(2))
  ):
    write(root / who / label / f'{n}.npy', seed)
  put(root / 'layout.yaml', 'layout: coco_17')
  prepare(tmp_path)
  text = '\n'.join(notices)
  assert 'all classes (Ann, Bob) have the same folders (sit, wave)' in text
  assert '2 clips in split test: Ann 1, Bob 1' in text
  notices.clear()
  write(root / 'Ann' / 'other' / '0.npy', 20)
  prepare(tmp_path, 'uneven')
  assert 'same folders' not in '\n'.join(notices)


def test_a_folder_for_each_clip(tmp_path, notices):
  for seed, (label, n) in enumerate(itertools.product('ab', '012')):
    write(tmp_path / 'raw' / label / n / 'clip.npy', seed)
  put(tmp_path / 'raw' / 'layout.yaml', 'layout: coco_17')
  prepare(tmp_path)
  assert 'same folders' not in '\n'.join(notices)


def test_counts_are_always_noted(tmp_path, notices):
  write_tree(tmp_path / 'raw')
  prepare(tmp_path)
  text = '\n'.join(notices)
  assert '8 clips in split train: sit 4, wave 4' in text
  assert '2 clips in split test: sit 1, wave 1' in text
  assert 'same folders' not in text


def test_columns_that_are_not_read_are_noted(tmp_path, notices):
  joints = skeletons.get_layout('coco_17').joints
  header = [f'{joint}_{axis}' for joint in joints for axis in 'xy']
  for seed in range(4):
    rows = np.column_stack(
      [make_clip(4, 17, 2, seed=seed).reshape(4, -1), np.arange(4)]
    )
    text = table(rows, [*header, 'time'])
    put(tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.csv', text)
  prepare(tmp_path)
  assert any("column 'time', as in" in text for text in notices)


def test_a_third_channel_has_to_be_stated(tmp_path):
  root = write_tree(tmp_path / 'raw')
  for seed, path in enumerate(sorted(root.rglob('*.npy'))):
    clip = make_clip(4, 17, 3, seed=seed)
    clip[..., 2] /= 400
    save(path, clip)
  with pytest.raises(UserError, match='sit/0.npy: of three.*confidence: true'):
    prepare(tmp_path)
  put(root / 'layout.yaml', 'layout: coco_17\nconfidence: true')
  assert prepare(tmp_path).info.metadata['confidence'] is True


@pytest.mark.parametrize(
  'name', ['layout.yml', 'sit/layout.yaml', 'Layout.YAML', 'layout.yaml.txt']
)
def test_settings_in_the_wrong_place(tmp_path, name):
  root = write_tree(tmp_path / 'raw', layout='')
  put(root / name, 'layout: coco_17')
  with pytest.raises(
    UserError, match=f'found .*raw/{name}; it must be .*raw/layout.yaml'
  ):
    prepare(tmp_path)


def test_the_name_alone_is_due():
  with pytest.raises(UserError, match='only the name .*configs/own.py:x$'):
    runpy.run_path(str(CHECKOUT / 'configs' / 'own.py'))['get_config'](
      'skeleton_folder/x'
    )


# The documentation


def test_the_docs_name_all_layouts_and_suffixes():
  text = DOCS.read_text()
  for name in (*skeletons.BUILT_IN, *own.SUFFIXES):
    assert f'`{name}`' in text, name


def blocks(language):
  return re.findall(rf'```{language}\n(.*?)```', DOCS.read_text(), re.DOTALL)


def test_the_settings_in_the_docs_are_read(tmp_path):
  builtin, custom = blocks('yaml')
  put(tmp_path / 'layout.yaml', builtin)
  got = settings.read(tmp_path)
  assert got.layout == skeletons.get_layout('coco_17')
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
  builder = registry.prepare(
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
