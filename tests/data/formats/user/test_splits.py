"""Splits, classes and subjects of a user's own clips."""

import pathlib

import pytest
from helpers.configs import load_config
from helpers.user_clips import (
  body_at,
  capture_notices,
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
from unik_jax.data.splits import complete_config
from unik_jax.errors import UserError


@pytest.fixture
def notices(monkeypatch):
  return capture_notices(monkeypatch)


SUBJECTS = ['Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Flo']


BY_SUBJECT = [
  f'{label}/{subject}.npy,{label},{subject}'
  for label in ('sit', 'wave')
  for subject in SUBJECTS
]


def test_splits_by_subject(tmp_path, notices):
  write_manifest(tmp_path / 'raw', BY_SUBJECT, 'file,label,subject')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  subjects = {
    split: {int(r['subject']) for r in clips.values()}
    for split, clips in splits.items()
  }
  # 20% of six is one. Names are numbered in alphabetical order.
  assert len(subjects['test']) == 1
  assert subjects['train'] | subjects['test'] == set(range(6))
  assert not subjects['train'] & subjects['test']
  assert {k: len(v) for k, v in splits.items()} == {'train': 10, 'test': 2}
  for name, record in (splits['train'] | splits['test']).items():
    assert SUBJECTS[record['subject']] == pathlib.Path(name).stem
  (notice,) = [text for text in notices if 'no splits given' in text]
  (tested,) = subjects['test']
  assert 'drew 1 of 6 subjects' in notice
  assert notice.endswith(f': {SUBJECTS[tested]}')


def test_a_single_subject_is_split_by_clips(tmp_path):
  rows = [f'{n}.npy,{"ab"[n % 2]},Ann' for n in range(6)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert {k: len(v) for k, v in splits.items()} == {'train': 4, 'test': 2}
  assert {int(r['subject']) for r in splits['test'].values()} == {0}


def test_subjects_01_and_1_are_the_same(tmp_path):
  subjects = ['01', '1', '02', '2', '3', '03', '04', '4', '5', '05']
  rows = [f'{n}.npy,{"ab"[n % 2]},{s}' for n, s in enumerate(subjects)]
  write_manifest(tmp_path / 'raw', rows, 'file,label,subject')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
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
  assert 'split test has no clip of class t' in text
  assert '2 clips in split train: s 1, t 1' in text
  assert '1 clips in split test: s 1' in text


def test_the_only_subject_of_a_class_is_not_drawn(tmp_path, notices):
  """Tried with each of six subjects, so also with the one to be drawn."""
  for number, solo in enumerate(SUBJECTS):
    notices.clear()
    rows = [*BY_SUBJECT, f'solo.npy,solo,{solo}']
    root = write_manifest(tmp_path / str(number), rows, 'file,label,subject')
    registry.prepare_dataset(
      f'skeleton_folder/n{number}', tmp_path / 'data', root, workers=1
    )
    splits = read_splits(tmp_path, f'n{number}')
    assert 'solo.npy' in splits['train'] and len(splits['test']) == 2
    if any('were drawn too' in text for text in notices):
      (text,) = [text for text in notices if 'were drawn too' in text]
      assert f'({solo} were drawn too' in text
      return
  raise AssertionError('nobody was drawn')


GIVEN = ['a.npy,sit,train', 'b.npy,wave,train', 'c.npy,sit,test']


@pytest.mark.parametrize(
  ('gone', 'message'),
  [('c', "split 'test': .*got none"), ('b', "class 'wave' has no clip to")],
)
def test_skip_bad_may_not_empty_a_class_or_split(tmp_path, gone, message):
  root = write_manifest(tmp_path / 'raw', GIVEN, 'file,label,split')
  (root / f'{gone}.npy').unlink()
  with pytest.raises(UserError, match='no such file'):
    prepare(tmp_path)
  with pytest.raises(UserError, match=message):
    prepare(tmp_path, skip_bad=True)


def test_the_same_frames_in_two_splits_or_classes(tmp_path, notices):
  root = tmp_path / 'raw'
  for n, name in enumerate(['one', 'two', 'three']):
    poses = [[openpose_body(body_at(100 + t, 100, seed=n))] for t in range(3)]
    write_openpose(root / name, poses)
  poses = [[openpose_body(body_at(100 + t, 100, seed=0))] for t in range(3)]
  write_openpose(root / 'other', poses, 'renamed')
  rows = ['one,sit,train', 'two,wave,train', 'three,wave,test']
  head = 'file,label,split'
  write_file(root / 'manifest.csv', '\n'.join([head, *rows, 'other,sit,test']))
  builder = prepare(tmp_path)
  assert len(builder.as_data_source('test')) == 2
  assert (
    'skeleton_folder/mine: 1 of 2 test clips are also in training; test'
    ' accuracy is reported with and without them'
  ) in notices
  write_file(
    root / 'manifest.csv', '\n'.join([head, *rows, 'other,wave,train'])
  )
  with pytest.raises(
    UserError, match='raw/other: the same content.*one, but in class wave, not'
  ):
    prepare(tmp_path, overwrite=True)


def test_val_is_the_test_if_there_is_none(tmp_path, notices):
  for split, clips in (('train', 4), ('valid', 2)):
    write_tree(tmp_path / 'raw' / split, layout='', clips=clips)
  for seed, path in enumerate(sorted((tmp_path / 'raw').rglob('*.npy'))):
    write_clip(path, seed)
  write_file(tmp_path / 'raw' / 'layout.yaml', 'layout: unik_17')
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert {name: len(clips) for name, clips in splits.items()} == {
    'train': 8,
    'test': 4,
  }
  assert all(id.startswith('valid/') for id in splits['test'])
  assert any('val are used as test' in text for text in notices)


def test_own_uses_a_split_val_that_is_there(tmp_path):
  config = load_config('own:mine')
  config.data.data_dir = str(tmp_path / 'data')
  for name, parts in (('mine', ('train', 'val', 'test')), ('a', ('train',))):
    for part in parts:
      root = tmp_path / name / (part if len(parts) > 1 else '')
      write_tree(root, layout='', clips=3)
    for seed, path in enumerate(sorted((tmp_path / name).rglob('*.npy'))):
      write_clip(path, seed)
    write_file(tmp_path / name / 'layout.yaml', 'layout: unik_17')
    config.data.manual_dir = str(tmp_path / name)
    config.data.name = f'skeleton_folder/{name}'
    completed = complete_config(config)
    assert completed.data.val_split == ('val' if name == 'mine' else '')
    assert config.data.val_split == 'auto'
