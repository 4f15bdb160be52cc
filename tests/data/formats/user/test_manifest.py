"""A user's own manifest: which clips, classes, subjects and splits it gives."""

import pathlib

import numpy as np
import pytest
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
  write_manifest,
  write_tree,
)

from unik_jax.data import registry
from unik_jax.errors import UserError


@pytest.fixture
def notices(monkeypatch):
  return record_notices(monkeypatch)


# The manifest

SUBJECTS = ['Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Flo']
BY_SUBJECT = [
  f'{label}/{who}.npy,{label},{who}'
  for label in ('sit', 'wave')
  for who in SUBJECTS
]


def test_a_manifest(tmp_path, notices):
  rows = [
    'a.npy,wave,7,train,first,640,480',
    'b/c.npy,wave,12,Test,second,640,480',
    'd.npy,sit,7,train,,,',
    r'e\f.npy,"sit, or stand",9,training,,,',
    'g.npy,"sit, or stand",12,validation,,,',
  ]
  header = 'file,label,subject,split,id,width,height'
  for seed, name in enumerate(['a', 'b/c', 'd', 'e/f', 'g']):
    write(tmp_path / 'raw' / f'{name}.npy', seed)
  write(tmp_path / 'raw' / 'not listed.npy', 9)
  put(tmp_path / 'raw' / 'layout.yaml', 'layout: coco_17')
  put(tmp_path / 'raw' / 'manifest.csv', '\n'.join([header, *rows]))
  builder = prepare(tmp_path)
  names = ['sit', 'sit, or stand', 'wave']
  assert builder.info.features['label'].names == names
  splits = records(tmp_path)
  seen = {
    split: {
      name: (names[r['label']], int(r['subject']), r['image_size'].tolist())
      for name, r in clips.items()
    }
    for split, clips in splits.items()
  }
  assert seen == {
    'train': {
      'first': ('wave', 7, [640, 480]),
      'd.npy': ('sit', 7, [0, 0]),
      'e/f.npy': ('sit, or stand', 9, [0, 0]),
    },
    'test': {'second': ('wave', 12, [640, 480])},
    'val': {'g.npy': ('sit, or stand', 12, [0, 0])},
  }
  np.testing.assert_array_equal(
    splits['train']['e/f.npy']['keypoints'][0],
    np.float32(make_clip(4, 17, 2, seed=3)),
  )
  assert not [text for text in notices if 'no splits' in text]


def test_a_json_manifest(tmp_path):
  root = tmp_path / 'raw'
  rows = [
    {
      'file': f'{n}.npy',
      'label': n % 3 + 8,
      'subject': n,
      'width': 64,
      'height': 48,
      'split': 'test' if n > 5 else 'train',
    }
    for n in range(9)
  ]
  for n in range(9):
    write(root / f'{n}.npy', n)
  put(root / 'manifest.json', rows)
  put(root / 'layout.yaml', 'layout: coco_17')
  assert prepare(tmp_path).info.features['label'].names == ['8', '9', '10']
  splits = records(tmp_path)
  assert sorted(splits['test']) == ['6.npy', '7.npy', '8.npy']
  for record in splits['train'].values():
    assert record['subject'] % 3 == record['label']
    assert record['image_size'].tolist() == [64, 48]


def test_splits_by_subject(tmp_path, notices):
  write_manifest(tmp_path / 'raw', BY_SUBJECT, 'file,label,subject')
  prepare(tmp_path)
  splits = records(tmp_path)
  who = {
    split: {int(r['subject']) for r in clips.values()}
    for split, clips in splits.items()
  }
  # 20% of six is one; names are numbered in alphabetical order.
  assert len(who['test']) == 1
  assert who['train'] | who['test'] == set(range(6))
  assert not who['train'] & who['test']
  assert {k: len(v) for k, v in splits.items()} == {'train': 10, 'test': 2}
  for name, record in (splits['train'] | splits['test']).items():
    assert SUBJECTS[record['subject']] == pathlib.Path(name).stem
  (notice,) = [text for text in notices if 'no splits given' in text]
  (tested,) = who['test']
  assert 'of 6 subjects, 1 are for testing' in notice
  assert notice.endswith(f': {SUBJECTS[tested]}')


def test_one_subject_alone_is_split_by_clips(tmp_path):
  rows = [f'{n}.npy,{"ab"[n % 2]},Ann' for n in range(6)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject')
  prepare(tmp_path)
  splits = records(tmp_path)
  assert {k: len(v) for k, v in splits.items()} == {'train': 4, 'test': 2}
  assert {int(r['subject']) for r in splits['test'].values()} == {0}


def test_columns_that_mean_nothing_here_are_named(tmp_path, notices):
  rows = [f'{n}.npy,{"ab"[n % 2]},30' for n in range(4)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,fps')
  prepare(tmp_path)
  assert any("column 'fps' of" in text for text in notices)


def test_openpose_in_a_manifest(tmp_path):
  root = tmp_path / 'raw'
  for n in range(4):
    poses = [[person(body_at(100, 100, seed=n))]] * 2
    put_frames(root / 'frames' / str(n), poses)
  rows = [f'frames/{n},{"ab"[n % 2]}' for n in range(4)]
  put(root / 'manifest.csv', '\n'.join(['file,label', *rows]))
  prepare(tmp_path)
  splits = records(tmp_path)
  assert sorted(splits['train'] | splits['test']) == [
    f'frames/{n}' for n in range(4)
  ]


GIVEN = ['a.npy,sit,train', 'b.npy,wave,train', 'c.npy,sit,test']


def rows_of(*rows, header='file,label,split'):
  """A manifest of these rows instead."""
  return lambda root: put(root / 'manifest.csv', '\n'.join([header, *rows]))


BAD_MANIFESTS = {
  'no label column': (
    rows_of('a.npy,sit', header='file,lable'),
    "manifest.csv: no column 'label'.*file, lable",
  ),
  'empty': (lambda r: put(r / 'manifest.csv', ''), "no column 'file'"),
  'header alone': (rows_of(), 'raw: no clip in it'),
  'not UTF-8': (
    lambda r: put(r / 'manifest.csv', b'file,label\n\xff.npy,a'),
    'manifest.csv: byte 11 is not UTF-8',
  ),
  'too few': (rows_of(GIVEN[0], 'b.npy,wave'), 'line 3: not as many values'),
  'too many': (rows_of(GIVEN[0] + ',1'), 'line 2: not as many values'),
  'truncated quote': (rows_of('"a.npy,sit,train'), 'line 2: not as many'),
  'no file': (rows_of(*GIVEN, ',sit,test'), 'line 5: no file'),
  'no label': (rows_of(*GIVEN, 'd.npy, ,test'), 'line 5: no label'),
  'missing': (
    rows_of(*GIVEN, 'x.npy,sit,test'),
    'manifest.csv, line 5: no such file: .*raw/x.npy',
  ),
  'all missing': (
    rows_of('x.npy,sit,test', 'y.npy,sit,train', 'z.npy,wave,train'),
    'line 2: no such file',
  ),
  'unknown kind': (
    rows_of(*GIVEN, 'layout.yaml,sit,test'),
    'line 5: .*no known kind: .npz',
  ),
  'outside': (rows_of('../a.npy,sit,train'), "line 2: '../a.npy' leads out"),
  'outside, hidden': (rows_of('b/../../a.npy,sit,train'), 'line 2: .* leads'),
  'outside, Windows': (rows_of(r'..\a.npy,sit,train'), 'line 2: .* leads out'),
  'absolute': (rows_of('/etc/passwd,sit,train'), 'line 2: .* leads out'),
  'the folder': (rows_of('.,sit,train'), 'line 2: .* leads out'),
  'split unknown': (
    rows_of('a.npy,sit,dev'),
    "line 2: unknown split 'dev'; use train, val or",
  ),
  'no split': (rows_of(*GIVEN, 'd.npy,sit,'), 'line 5: no split, while other'),
  'no test': (rows_of(*GIVEN[:2]), "no clip is in split 'test'"),
  'no train': (
    rows_of(GIVEN[2], 'b.npy,wave,test'),
    "no clip is in split 'train'",
  ),
  'not trained': (
    rows_of(*GIVEN, 'd.npy,run,test'),
    "line 5: class 'run' has no clip to",
  ),
  'twice': (rows_of(*GIVEN, GIVEN[0]), 'line 5: .* already, in .*line 2; rem'),
  'twice, otherwise written': (
    rows_of(*GIVEN, './x/../a.npy,sit,train'),
    'line 5: .* already, in .*line 2',
  ),
  'two splits': (
    rows_of(*GIVEN, 'a.npy,sit,test'),
    r'line 5.*line 2 \(splits train and test',
  ),
  'id twice': (
    rows_of('a.npy,s,train,1', 'b.npy,s,test,1', header='file,label,split,id'),
    "line 3: clip '1' is listed already",
  ),
  'no subject': (
    rows_of('a.npy,s,1', 'b.npy,s,', header='file,label,subject'),
    'line 3: no subject, while',
  ),
  'width': (
    rows_of('a.npy,s,wide,9', header='file,label,width,height'),
    "line 2: width is 'wide'",
  ),
  'height': (
    rows_of('a.npy,s,9,', header='file,label,width,height'),
    r'line 2: image size \[9.0, None\]',
  ),
  'alone': (
    rows_of('a.npy,s', 'b.npy,s', 'c.npy,t', header='file,label'),
    "line 4: the only clip of class 't'",
  ),
  'by one subject': (
    rows_of('a.npy,s,1', 'b.npy,t,2', header='file,label,subject'),
    'has no clip to train on',
  ),
  'both manifests': (
    lambda r: put(r / 'manifest.json', []),
    'both manifest.csv and',
  ),
}


@pytest.mark.parametrize('case', BAD_MANIFESTS)
def test_bad_manifests(tmp_path, case):
  alter, message = BAD_MANIFESTS[case]
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  write(root / 'd.npy', 9)
  write(tmp_path / 'a.npy', 10)
  alter(root)
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert (
    registry.open_prepared('skeleton_folder/mine', tmp_path / 'data') is None
  )


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('[{"file": "a.npy"', 'cut short or not JSON, at line 1'),
    ('{}', 'not of the form'),
    ('[3]', 'not of the form'),
    ('[]', "no column 'file'"),
    ('[{"file": "a.npy", "label": true}]', 'record 0: label is true'),
    ('[{"file": ["a.npy"], "label": 1}]', 'record 0: file is '),
    ('[{"file": "a.npy", "label": null}]', 'record 0: no label'),
    ('[{"file": "a.npy", "label": 1}, {"label": 2}]', 'record 1: no file'),
  ],
)
def test_bad_json_manifests(tmp_path, content, message):
  put(tmp_path / 'raw' / 'manifest.json', content)
  with pytest.raises(UserError, match=f'manifest.json.*{message}'):
    prepare(tmp_path)


# What the first users met


def test_as_german_excel_writes_it(tmp_path):
  """Semicolons, capitals, and rows and columns of nothing at the end."""
  root = write_manifest(tmp_path / 'raw', GIVEN)
  rows = [';'.join(row.split(',')) + ';;' for row in GIVEN]
  text = '\r\n'.join(['File;Label;SPLIT;;', *rows, ';;;;', ';;;;'])
  put(root / 'manifest.csv', '\ufeff' + text)
  prepare(tmp_path)
  splits = records(tmp_path)
  assert sorted(splits['train']) == ['a.npy', 'b.npy']


@pytest.mark.parametrize('encoding', ['cp1252', 'utf-16'])
def test_other_encodings_are_told_how_to_save(tmp_path, encoding):
  text = 'file,label\na.npy,öffnen\n'
  put(tmp_path / 'raw' / 'manifest.csv', text.encode(encoding))
  with pytest.raises(UserError, match='manifest.csv: byte .*"CSV UTF-8"'):
    prepare(tmp_path)


@pytest.mark.parametrize(
  'name', ['Manifest.csv', 'manifest.csv.txt', 'manifest.xlsx']
)
def test_a_manifest_by_another_name(tmp_path, name):
  write_tree(tmp_path / 'raw')
  put(tmp_path / 'raw' / name, 'file,label\n')
  with pytest.raises(UserError, match=f'raw/{name}: found, but.*manifest.csv'):
    prepare(tmp_path)


@pytest.mark.parametrize('name', ['subjects', 'Splits', 'subject_id', 'labels'])
def test_a_column_almost_known(tmp_path, name):
  rows = ['a.npy,sit,1', 'b.npy,wave,2']
  write_manifest(tmp_path / 'raw', rows, f'file,label,{name}')
  with pytest.raises(UserError, match=f"column '{name.lower()}' is not known"):
    prepare(tmp_path)


def test_paths_that_are_absolute_or_of_windows(tmp_path):
  root = write_manifest(tmp_path / 'raw', GIVEN)
  rows = [
    f'{root / "a.npy"},sit,train',
    r'C:\Users\me\raw\b.npy,wave,train',
    'c.npy,sit,test',
  ]
  put(root / 'manifest.csv', '\n'.join(['file,label,split', *rows]))
  prepare(tmp_path)
  splits = records(tmp_path)
  assert sorted(splits['train']) == ['a.npy', 'b.npy']
  for path in (r'C:\Users\me\b.npy', r'C:\raw', r'C:\raw\..\b.npy'):
    put(root / 'manifest.csv', f'file,label\n{path},sit')
    with pytest.raises(UserError, match='line 2: .*leads out of'):
      prepare(tmp_path, 'other')


@pytest.mark.parametrize('key', ['label', 'subject'])
def test_names_that_differ_by_case(tmp_path, key):
  rows = ['a.npy,Gehen,x,train', 'b.npy,stehen,y,train', 'c.npy,gehen,z,test']
  if key == 'subject':
    rows = ['a.npy,a,Ann,train', 'b.npy,b,Bob,train', 'c.npy,a,ann,test']
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject,split')
  names = "'gehen', .*'Gehen'" if key == 'label' else "'ann', .*'Ann'"
  with pytest.raises(UserError, match=f'{key} {names}; write both the same'):
    prepare(tmp_path)


def test_one_class(tmp_path):
  write_manifest(tmp_path / 'raw', ['a.npy,sit', 'b.npy,sit'])
  with pytest.raises(UserError, match="one class, 'sit': two are the least"):
    prepare(tmp_path)


def test_subjects_01_and_1_are_one(tmp_path):
  who = ['01', '1', '02', '2', '3', '03', '04', '4', '5', '05']
  rows = [f'{n}.npy,{"ab"[n % 2]},{w}' for n, w in enumerate(who)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject')
  prepare(tmp_path)
  splits = records(tmp_path)
  train, test = (
    {int(r['subject']) for r in splits[name].values()}
    for name in ('train', 'test')
  )
  assert not train & test and train | test == {1, 2, 3, 4, 5}


def test_subjects_in_both_splits_are_noted(tmp_path, notices):
  rows = ['a.npy,s,7,train', 'b.npy,t,8,train', 'c.npy,s,7,test']
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject,split')
  prepare(tmp_path)
  text = '\n'.join(notices)
  assert 'subjects 7 are in both train and test' in text
  assert 'no clip to test with of class t' in text
  assert '2 clips in split train: s 1, t 1' in text
  assert '1 clips in split test: s 1' in text


def test_who_alone_has_a_class_is_not_drawn(tmp_path, notices):
  """Whoever it is: with each of six in turn, so also who would be drawn."""
  for number, solo in enumerate(SUBJECTS):
    notices.clear()
    rows = [*BY_SUBJECT, f'solo.npy,solo,{solo}']
    root = write_manifest(tmp_path / str(number), rows, 'file,label,subject')
    registry.prepare_dataset(
      f'skeleton_folder/n{number}', tmp_path / 'data', root, workers=1
    )
    splits = records(tmp_path, f'n{number}')
    assert 'solo.npy' in splits['train'] and len(splits['test']) == 2
    if any('had been drawn too' in text for text in notices):
      (text,) = [text for text in notices if 'had been drawn' in text]
      assert f'({solo} had been drawn too' in text
      return
  raise AssertionError('nobody was drawn')


def test_files_that_are_not_listed_are_noted(tmp_path, notices):
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  write(root / 'more' / 'x.npy', 20)
  write(root / 'more' / 'y.npy', 21)
  write(root / 'more' / '__pycache__' / 'z.npy', 22)
  prepare(tmp_path)
  (text,) = [text for text in notices if 'not listed' in text]
  assert '2 files are not listed in' in text and 'more/x.npy' in text


@pytest.mark.parametrize(
  ('gone', 'message'),
  [('c', "no clip is in split 'test'"), ('b', "class 'wave' has no clip to")],
)
def test_skip_bad_may_not_empty_a_class_or_split(tmp_path, gone, message):
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  (root / f'{gone}.npy').unlink()
  with pytest.raises(UserError, match='no such file'):
    prepare(tmp_path)
  with pytest.raises(UserError, match=message):
    prepare(tmp_path, skip_bad=True)


def test_the_same_frames_in_two_splits(tmp_path):
  root = tmp_path / 'raw'
  for n, name in enumerate(['one', 'two', 'three']):
    poses = [[person(body_at(100 + t, 100, seed=n))] for t in range(3)]
    put_frames(root / name, poses)
  poses = [[person(body_at(100 + t, 100, seed=0))] for t in range(3)]
  put_frames(root / 'other', poses, 'renamed')
  rows = ['one,sit,train', 'two,wave,train', 'three,wave,test']
  head = 'file,label,split'
  put(root / 'manifest.csv', '\n'.join([head, *rows, 'other,sit,test']))
  with pytest.raises(
    UserError,
    match='raw/other: the same content as .*raw/one, but in split test',
  ):
    prepare(tmp_path)
  put(root / 'manifest.csv', '\n'.join([head, *rows, 'other,wave,train']))
  with pytest.raises(
    UserError, match='raw/other: the same content.*one, but in class wave, not'
  ):
    prepare(tmp_path)
