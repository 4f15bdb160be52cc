"""Folders that are refused or noted."""

import itertools
import os
import pathlib
import runpy

import numpy as np
import pytest
from helpers.reports import read_report
from helpers.user_clips import (
  body_at,
  capture_notices,
  csv_columns,
  csv_text,
  make_clip,
  openpose_body,
  prepare,
  read_splits,
  write_array,
  write_clip,
  write_file,
  write_manifest,
  write_openpose,
  write_tree,
)

from unik_jax.data import registry
from unik_jax.errors import UserError
from unik_jax.skeletons import layouts

CHECKOUT = pathlib.Path(__file__).parents[4]


@pytest.fixture
def notices(monkeypatch):
  return capture_notices(monkeypatch)


def link(root):
  (root / 'wave' / 'again.npy').symlink_to(root / 'sit' / '0.npy')


def both_kinds(root):
  write_tree(root, ('train', 'test'), layout='')


BAD_TREES = {
  'beside': (
    lambda r: write_clip(r / 'lost.npy'),
    'raw/lost.npy: expected LABEL/CLIP',
  ),
  'frames right there': (
    lambda r: write_openpose(r, [[]], 'lost'),
    'raw/lost: expected LABEL/CLIP',
  ),
  'empty class': (
    lambda r: (r / 'run').mkdir(),
    'raw/run: no clip in this folder',
  ),
  'only spreadsheets': (
    lambda r: write_file(r / 'run/a.xlsx', ''),
    r'raw/run: no clip in this folder \(only .xlsx\)',
  ),
  'case': (
    lambda r: write_clip(r / 'Wave' / '0.npy', 99),
    "label 'wave', but in .*Wave/0.npy 'Wave'",
  ),
  'space': (
    lambda r: write_clip(r / 'wave ' / '0.npy', 99),
    "label 'wave ', but in .*wave/.*'wave'",
  ),
  'two classes': (
    lambda r: write_array(r / 'wave/9.npy', np.load(r / 'sit/0.npy')),
    'wave/9.npy: the same content as .*sit/0.npy, but in',
  ),
  'splits and classes': (both_kinds, "train and test beside 'sit'"),
  'linked': (link, 'wave/again.npy.*listed already, in .*sit/0.npy'),
  'one clip': (
    lambda r: write_clip(r / 'run' / '0.npy', 99),
    "class 'run': .*got one",
  ),
  'truncated': (
    lambda r: write_file(r / 'sit/1.npy', b'\x93NUM'),
    'sit/1.npy: cannot',
  ),
  'joints': (
    lambda r: write_clip(r / 'wave/4.npy', 9, (4, 18, 2)),
    "wave/4.npy: expected 17 joints.*'coco_17'.*got 18: .*openpose_18",
  ),
  'channels': (
    lambda r: write_clip(r / 'wave/4.npy', 9, (4, 17, 3)),
    'wave/4.npy: .*x y, as in the first clip, got x y z[.]',
  ),
  'no frames': (
    lambda r: write_clip(r / 'wave/4.npy', 9, (0, 17, 2)),
    r'wave/4.npy: .*empty array \(0, 17, 2\)',
  ),
  'all zero': (
    lambda r: write_array(r / 'wave/4.npy', np.zeros((4, 17, 2))),
    'wave/4.npy: .*only zeros',
  ),
  'all missing': (
    lambda r: write_array(r / 'wave/4.npy', np.full((4, 17, 2), np.nan)),
    'wave/4.npy: .*only zeros',
  ),
  'too large': (
    lambda r: write_array(r / 'wave/4.npy', make_clip(4, 17, 2) * 1e39),
    'wave/4.npy, frame 0, person 0: x of joint 0',
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


def test_no_clips(tmp_path):
  write_file(tmp_path / 'raw' / 'wave' / 'a.mp4', '')
  with pytest.raises(UserError, match=r'raw: no clip.*\(1 files .*mp4'):
    prepare(tmp_path)


def test_names_that_are_not_utf8(tmp_path):
  root = write_tree(tmp_path / 'raw')
  bad = os.fsencode(root) + b'/wave/\xff.npy'
  try:
    with open(bad, 'wb'):
      pass
  except OSError:
    pytest.skip('this file system takes only UTF-8 names')
  with pytest.raises(UserError, match=r'\\xff.npy.*not UTF-8; rename'):
    prepare(tmp_path)


def test_skip_bad_reports(tmp_path):
  rows = [
    f'{n}.npy,{"ab"[n % 2]},{"test" if n > 7 else "train"}' for n in range(10)
  ]
  root = write_manifest(tmp_path / 'raw', rows, 'file,label,split')
  (root / '0.npy').unlink()
  write_file(root / '1.npy', b'')
  write_clip(root / '2.npy', 2, (4, 18, 2))
  clip = make_clip(4, 17, 2)
  clip[1, 2, 0] = np.nan
  write_array(root / '3.npy', clip)
  with pytest.raises(UserError, match='--skip_bad'):
    prepare(tmp_path)
  notes = read_report(prepare(tmp_path, skip_bad=True))
  assert notes['written'] == 6
  reasons = [note['reason'] for note in notes['skipped']]
  assert len(reasons) == 4
  for reason, message in zip(
    reasons,
    ['no such file', 'cannot be read', 'got 18', 'frame 1, person 0: x'],
    strict=True,
  ):
    assert message in reason
  assert sorted(read_splits(tmp_path)['train']) == [
    f'{n}.npy' for n in range(4, 8)
  ]


# The wrong folder level


def test_a_folder_one_level_too_high(tmp_path):
  write_tree(tmp_path / 'raw' / 'export', layout='')
  write_file(tmp_path / 'raw' / 'layout.yaml', 'layout: coco_17')
  with pytest.raises(
    UserError, match="got only 'export'. Is --manual_dir one level too high"
  ):
    prepare(tmp_path)


def test_folders_of_subjects(tmp_path, notices):
  """Either level may be the classes, so this is noted and not refused."""
  root = tmp_path / 'raw'
  for seed, (subject, label, n) in enumerate(
    itertools.product(('Ann', 'Bob'), ('sit', 'wave'), range(2))
  ):
    write_clip(root / subject / label / f'{n}.npy', seed)
  write_file(root / 'layout.yaml', 'layout: coco_17')
  prepare(tmp_path)
  text = '\n'.join(notices)
  assert 'all classes (Ann, Bob) have the same folders (sit, wave)' in text
  assert '2 clips in split test: Ann 1, Bob 1' in text
  notices.clear()
  write_clip(root / 'Ann' / 'other' / '0.npy', 20)
  prepare(tmp_path, 'uneven')
  assert 'same folders' not in '\n'.join(notices)


def test_a_folder_for_each_clip(tmp_path, notices):
  for seed, (label, n) in enumerate(itertools.product('ab', '012')):
    write_clip(tmp_path / 'raw' / label / n / 'clip.npy', seed)
  write_file(tmp_path / 'raw' / 'layout.yaml', 'layout: coco_17')
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
  joints = layouts.get_layout('coco_17').joints
  header = [f'{joint}_{axis}' for joint in joints for axis in 'xy']
  for seed in range(4):
    rows = np.column_stack(
      [make_clip(4, 17, 2, seed=seed).reshape(4, -1), np.arange(4)]
    )
    text = csv_text(rows, [*header, 'time'])
    write_file(tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.csv', text)
  prepare(tmp_path)
  assert any("column 'time' is skipped" in text for text in notices)


def test_sparse_frame_numbers_are_told_of_once(tmp_path, notices):
  """The first clip has all frames, three others every 30th."""
  header = csv_columns(extra=['frame'])
  for seed in range(4):
    times = np.arange(4) * (30 if seed else 1)
    rows = np.column_stack(
      [make_clip(4, 17, 2, seed=seed).reshape(4, -1), times]
    )
    path = tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.csv'
    write_file(path, csv_text(rows, header))
  prepare(tmp_path)
  (note,) = [text for text in notices if 'steps of' in text]
  assert '.csv: frames are numbered in steps of 30,' in note
  assert '2 other clips' in note


def test_openpose_folders_with_a_camera_in_the_names_are_clips(tmp_path):
  for seed, (label, n) in enumerate(itertools.product('ab', '012')):
    for t in range(12):
      body = openpose_body(body_at(100 + 2 * t, 100, seed=seed))
      name = f'frame{t}_cam0_keypoints.json'
      write_file(tmp_path / 'raw' / label / n / name, {'people': [body]})
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  assert {split: len(clips) for split, clips in splits.items()} == {
    'train': 4,
    'test': 2,
  }
  for clip in itertools.chain(*(clips.values() for clips in splits.values())):
    steps = np.diff(clip['keypoints'][0, :, :, 0], axis=0)
    np.testing.assert_allclose(steps, np.full((11, 25), 2), atol=1e-3)


def test_a_third_channel_has_to_be_stated(tmp_path):
  root = write_tree(tmp_path / 'raw')
  for seed, path in enumerate(sorted(root.rglob('*.npy'))):
    clip = make_clip(4, 17, 3, seed=seed)
    clip[..., 2] /= 400
    write_array(path, clip)
  with pytest.raises(UserError, match='sit/0.npy: .*three.*confidence: true'):
    prepare(tmp_path)
  write_file(root / 'layout.yaml', 'layout: coco_17\nconfidence: true')
  assert prepare(tmp_path).info.metadata['confidence'] is True


@pytest.mark.parametrize(
  'name', ['layout.yml', 'sit/layout.yaml', 'Layout.YAML', 'layout.yaml.txt']
)
def test_settings_in_the_wrong_place(tmp_path, name):
  root = write_tree(tmp_path / 'raw', layout='')
  write_file(root / name, 'layout: coco_17')
  with pytest.raises(
    UserError, match=f'raw/{name}: expected the path .*raw/layout.yaml'
  ):
    prepare(tmp_path)


def test_only_the_name_is_expected():
  with pytest.raises(
    UserError, match='only the name .*skeleton_folder/x.*own:x$'
  ):
    runpy.run_path(str(CHECKOUT / 'configs' / 'own.py'))['get_config'](
      'skeleton_folder/x'
    )
