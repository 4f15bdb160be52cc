"""A user's own folder that is not as it has to be, or may not be."""

import itertools
import os
import pathlib
import runpy

import numpy as np
import pytest
from helpers.own_fixtures import (
  make_clip,
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

from unik_jax.data import registry
from unik_jax.errors import UserError
from unik_jax.skeletons import layouts

CHECKOUT = pathlib.Path(__file__).parents[4]


@pytest.fixture
def notices(monkeypatch):
  return record_notices(monkeypatch)


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
  joints = layouts.get_layout('coco_17').joints
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
