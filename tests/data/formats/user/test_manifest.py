"""A user's own manifest: its clips, classes, subjects and splits."""

import numpy as np
import pytest
from helpers.user_clips import (
  body_at,
  capture_notices,
  make_clip,
  openpose_body,
  prepare,
  read_splits,
  write_clip,
  write_file,
  write_manifest,
  write_openpose,
  write_tree,
)

from unik_jax.data import registry
from unik_jax.errors import UserError


@pytest.fixture
def notices(monkeypatch):
  return capture_notices(monkeypatch)


SETTINGS = 'layout: coco_17\nimage_size: [320, 240]'


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
    write_clip(tmp_path / 'raw' / f'{name}.npy', seed)
  write_clip(tmp_path / 'raw' / 'not listed.npy', 9)
  write_file(tmp_path / 'raw' / 'layout.yaml', SETTINGS)
  write_file(tmp_path / 'raw' / 'manifest.csv', '\n'.join([header, *rows]))
  builder = prepare(tmp_path)
  names = ['sit', 'sit, or stand', 'wave']
  assert builder.info.features['label'].names == names
  splits = read_splits(tmp_path)
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
      'd.npy': ('sit', 7, [320, 240]),
      'e/f.npy': ('sit, or stand', 9, [320, 240]),
    },
    'test': {'second': ('wave', 12, [640, 480])},
    'val': {'g.npy': ('sit, or stand', 12, [320, 240])},
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
    write_clip(root / f'{n}.npy', n)
  write_file(root / 'manifest.json', rows)
  write_file(root / 'layout.yaml', 'layout: coco_17')
  assert prepare(tmp_path).info.features['label'].names == ['8', '9', '10']
  splits = read_splits(tmp_path)
  assert sorted(splits['test']) == ['6.npy', '7.npy', '8.npy']
  for record in splits['train'].values():
    assert record['subject'] % 3 == record['label']
    assert record['image_size'].tolist() == [64, 48]


def test_unknown_columns_are_noted(tmp_path, notices):
  rows = [f'{n}.npy,{"ab"[n % 2]},30' for n in range(4)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,fps')
  prepare(tmp_path)
  assert any("column 'fps' of" in text for text in notices)


def test_openpose_in_a_manifest(tmp_path):
  root = tmp_path / 'raw'
  for n in range(4):
    poses = [[openpose_body(body_at(100, 100, seed=n))]] * 2
    write_openpose(root / 'frames' / str(n), poses)
  rows = [f'frames/{n},{"ab"[n % 2]}' for n in range(4)]
  write_file(root / 'manifest.csv', '\n'.join(['file,label', *rows]))
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert sorted(splits['train'] | splits['test']) == [
    f'frames/{n}' for n in range(4)
  ]


GIVEN = ['a.npy,sit,train', 'b.npy,wave,train', 'c.npy,sit,test']


def manifest_of(*rows, header='file,label,split'):
  """Returns a function that overwrites the manifest with these rows."""
  return lambda root: write_file(
    root / 'manifest.csv', '\n'.join([header, *rows])
  )


BAD_MANIFESTS = {
  'no label column': (
    manifest_of('a.npy,sit', header='file,lable'),
    "manifest.csv: no column 'label'.*file, lable",
  ),
  'empty': (lambda r: write_file(r / 'manifest.csv', ''), "no column 'file'"),
  'only a header': (manifest_of(), 'raw: no clip'),
  'not UTF-8': (
    lambda r: write_file(r / 'manifest.csv', b'file,label\n\xff.npy,a'),
    'manifest.csv: byte 11 is not UTF-8',
  ),
  'too few': (manifest_of(GIVEN[0], 'b.npy,wave'), 'line 3: .*as many values'),
  'too many': (manifest_of(GIVEN[0] + ',1'), 'line 2: .*as many values'),
  'truncated quote': (
    manifest_of('"a.npy,sit,train'),
    'line 2: .*as many values',
  ),
  'no file': (manifest_of(*GIVEN, ',sit,test'), 'line 5: file is empty'),
  'no label': (manifest_of(*GIVEN, 'd.npy, ,test'), 'line 5: label is empty'),
  'missing': (
    manifest_of(*GIVEN, 'x.npy,sit,test'),
    'manifest.csv, line 5: no such file: .*raw/x.npy',
  ),
  'all missing': (
    manifest_of('x.npy,sit,test', 'y.npy,sit,train', 'z.npy,wave,train'),
    'line 2: no such file',
  ),
  'unknown kind': (
    manifest_of(*GIVEN, 'layout.yaml,sit,test'),
    "line 5: .*expected .npz.*got suffix '.yaml'",
  ),
  'outside': (
    manifest_of('../a.npy,sit,train'),
    "line 2: file: .*below .*'../a.npy'",
  ),
  'outside, hidden': (
    manifest_of('b/../../a.npy,sit,train'),
    'line 2: file: .*below',
  ),
  'outside, Windows': (
    manifest_of(r'..\a.npy,sit,train'),
    'line 2: file: .*below',
  ),
  'absolute': (manifest_of('/etc/passwd,sit,train'), 'line 2: file: .*below'),
  'the folder': (manifest_of('.,sit,train'), 'line 2: file: .*below'),
  'split unknown': (
    manifest_of('a.npy,sit,dev'),
    "line 2: split: expected train, val or test, got 'dev'",
  ),
  'no split': (manifest_of(*GIVEN, 'd.npy,sit,'), 'line 5: split is missing'),
  'no test': (manifest_of(*GIVEN[:2]), "split 'test': .*got none"),
  'no train': (
    manifest_of(GIVEN[2], 'b.npy,wave,test'),
    "split 'train': .*got none",
  ),
  'not trained': (
    manifest_of(*GIVEN, 'd.npy,run,test'),
    "line 5: class 'run' has no clip to",
  ),
  'twice': (
    manifest_of(*GIVEN, GIVEN[0]),
    'line 5: .* already, in .*line 2. Rem',
  ),
  'twice, otherwise written': (
    manifest_of(*GIVEN, './x/../a.npy,sit,train'),
    'line 5: .* already, in .*line 2',
  ),
  'two splits': (
    manifest_of(*GIVEN, 'a.npy,sit,test'),
    r'line 5.*line 2 \(splits train and test',
  ),
  'id twice': (
    manifest_of(
      'a.npy,s,train,1', 'b.npy,s,test,1', header='file,label,split,id'
    ),
    "line 3: clip '1' is listed already",
  ),
  'no subject': (
    manifest_of('a.npy,s,1', 'b.npy,s,', header='file,label,subject'),
    'line 3: subject is missing',
  ),
  'width': (
    manifest_of('a.npy,s,wide,9', header='file,label,width,height'),
    "line 2: width: .*'wide'",
  ),
  'height': (
    manifest_of('a.npy,s,9,', header='file,label,width,height'),
    r'line 2: image size: .*\[9.0, None\]',
  ),
  'a single clip': (
    manifest_of('a.npy,s', 'b.npy,s', 'c.npy,t', header='file,label'),
    "line 4: class 't': .*got one",
  ),
  'by one subject': (
    manifest_of('a.npy,s,1', 'b.npy,t,2', header='file,label,subject'),
    'a class would have no clip to train on',
  ),
  'both manifests': (
    lambda r: write_file(r / 'manifest.json', []),
    'both manifest.csv and',
  ),
}


@pytest.mark.parametrize('case', BAD_MANIFESTS)
def test_bad_manifests(tmp_path, case):
  alter, message = BAD_MANIFESTS[case]
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  write_clip(root / 'd.npy', 9)
  write_clip(tmp_path / 'a.npy', 10)
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
    ('{}', 'expected a list of objects'),
    ('[3]', 'expected a list of objects'),
    ('[]', "no column 'file'"),
    ('[{"file": "a.npy", "label": true}]', 'record 0: label: .*true'),
    ('[{"file": ["a.npy"], "label": 1}]', 'record 0: file: .*a.npy'),
    ('[{"file": "a.npy", "label": null}]', 'record 0: label is empty'),
    (
      '[{"file": "a.npy", "label": 1}, {"label": 2}]',
      'record 1: file is empty',
    ),
  ],
)
def test_bad_json_manifests(tmp_path, content, message):
  write_file(tmp_path / 'raw' / 'manifest.json', content)
  with pytest.raises(UserError, match=f'manifest.json.*{message}'):
    prepare(tmp_path)


def test_a_table_from_german_excel(tmp_path):
  """Semicolons, capitals, and empty rows and columns at the end."""
  root = write_manifest(tmp_path / 'raw', GIVEN)
  rows = [';'.join(row.split(',')) + ';;' for row in GIVEN]
  text = '\r\n'.join(['File;Label;SPLIT;;', *rows, ';;;;', ';;;;'])
  write_file(root / 'manifest.csv', '\ufeff' + text)
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert sorted(splits['train']) == ['a.npy', 'b.npy']


@pytest.mark.parametrize('encoding', ['cp1252', 'utf-16'])
def test_other_encodings(tmp_path, encoding):
  text = 'file,label\na.npy,öffnen\n'
  write_file(tmp_path / 'raw' / 'manifest.csv', text.encode(encoding))
  with pytest.raises(UserError, match='manifest.csv: byte .*"CSV UTF-8"'):
    prepare(tmp_path)


@pytest.mark.parametrize(
  'name', ['Manifest.csv', 'manifest.csv.txt', 'manifest.xlsx']
)
def test_a_misnamed_manifest(tmp_path, name):
  write_tree(tmp_path / 'raw')
  write_file(tmp_path / 'raw' / name, 'file,label\n')
  with pytest.raises(UserError, match=f'raw/{name}: expected.*manifest.csv'):
    prepare(tmp_path)


@pytest.mark.parametrize('name', ['subjects', 'Splits', 'subject_id', 'labels'])
def test_a_misspelled_column(tmp_path, name):
  rows = ['a.npy,sit,1', 'b.npy,wave,2']
  write_manifest(tmp_path / 'raw', rows, f'file,label,{name}')
  with pytest.raises(UserError, match=f"unknown column '{name.lower()}'"):
    prepare(tmp_path)


def test_absolute_and_windows_paths(tmp_path):
  root = write_manifest(tmp_path / 'raw', GIVEN)
  rows = [
    f'{root / "a.npy"},sit,train',
    r'C:\Users\me\raw\b.npy,wave,train',
    'c.npy,sit,test',
  ]
  write_file(root / 'manifest.csv', '\n'.join(['file,label,split', *rows]))
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert sorted(splits['train']) == ['a.npy', 'b.npy']
  for path in (r'C:\Users\me\b.npy', r'C:\raw', r'C:\raw\..\b.npy'):
    write_file(root / 'manifest.csv', f'file,label\n{path},sit')
    with pytest.raises(UserError, match='line 2: file: .*below'):
      prepare(tmp_path, 'other')


@pytest.mark.parametrize('key', ['label', 'subject'])
def test_names_that_differ_only_by_case(tmp_path, key):
  rows = ['a.npy,Gehen,x,train', 'b.npy,stehen,y,train', 'c.npy,gehen,z,test']
  if key == 'subject':
    rows = ['a.npy,a,Ann,train', 'b.npy,b,Bob,train', 'c.npy,a,ann,test']
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject,split')
  names = "'gehen', .*'Gehen'" if key == 'label' else "'ann', .*'Ann'"
  with pytest.raises(UserError, match=f'{key} {names}'):
    prepare(tmp_path)


@pytest.mark.parametrize(
  ('one', 'other'),
  [
    ('1', '01'),
    ('2', '2.0'),
    ('A5', 'A005'),
    ('sit down', 'sit_down'),
    ('sit-down', 'sit_down'),
  ],
)
def test_labels_that_may_be_one_class(tmp_path, one, other):
  rows = [f'a.npy,{one}', f'b.npy,{other}', 'c.npy,7', 'd.npy,7']
  write_manifest(tmp_path / 'raw', rows)
  with pytest.raises(UserError, match=f'label .{other}.*{one}|{one}.*{other}'):
    prepare(tmp_path)


def test_labels_with_numbers_that_differ(tmp_path):
  labels = ['10', '1', '-1', '0', '1.5', '1.05', 'A1', 'A10', 'v 1.1', 'v 1.01']
  rows = [f'{n}.npy,{labels[n % 10]}' for n in range(20)]
  write_manifest(tmp_path / 'raw', rows)
  assert prepare(tmp_path).info.features['label'].num_classes == 10


def test_one_class(tmp_path):
  write_manifest(tmp_path / 'raw', ['a.npy,sit', 'b.npy,sit'])
  with pytest.raises(UserError, match="two classes, got only 'sit'"):
    prepare(tmp_path)


def test_unlisted_files_are_noted(tmp_path, notices):
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  write_clip(root / 'more' / 'x.npy', 20)
  write_clip(root / 'more' / 'y.npy', 21)
  write_clip(root / 'more' / '__pycache__' / 'z.npy', 22)
  prepare(tmp_path)
  (text,) = [text for text in notices if 'not listed' in text]
  assert '2 files are not listed in' in text and 'more/x.npy' in text
