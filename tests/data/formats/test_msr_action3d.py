"""MSR-Action3D: parsing, preparation, interruptions, and errors in files."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.msr_action3d import (
  SUFFIX,
  open_msr,
  prepare_msr,
  skeleton_text,
  used_list,
  write_msr_files,
)

from unik_jax.data import registry
from unik_jax.data.clips import check_clip
from unik_jax.data.formats import msr_action3d
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

CHECKOUT = pathlib.Path(__file__).parents[3]
REAL = CHECKOUT.parent / 'shared' / 'data'
FILE = 'a01_s02_e03_skeleton3D.txt'


def make_clip(frames=2):
  """Returns a random clip (T, 20, 4)."""
  clip = np.random.default_rng(0).normal(size=(frames, 20, 4)).round(6)
  return clip.astype(np.float32)


# Parsing


@pytest.mark.parametrize('frames', [1, 2, 5])
def test_parses_rows_of_joints(frames):
  clip = make_clip(frames)
  parsed = msr_action3d.parse_skeleton(skeleton_text(clip).encode(), FILE)
  assert parsed.dtype == np.float32
  np.testing.assert_array_equal(parsed, clip)


def test_blank_lines_and_line_ends_are_ignored():
  text = skeleton_text(make_clip()).replace('\n', '\r\n\r\n')
  parsed = msr_action3d.parse_skeleton(text.encode(), FILE)
  np.testing.assert_array_equal(parsed, make_clip())


def replace_line(line, text):
  """Returns bytes of two frames (40 rows), with one line (from 1) replaced."""
  lines = skeleton_text(make_clip()).splitlines()
  lines[line - 1] = text
  return '\n'.join(lines).encode()


TEXT = skeleton_text(make_clip()).encode()
BAD = {
  'empty': (b'', 'empty'),
  'blank': (b' \r\n\n', 'empty'),
  'cut mid-frame': (b'\n'.join(TEXT.split(b'\n')[:33]), 'line 33'),
  'cut mid-row': (replace_line(40, '0.5 0.1'), 'line 40'),
  'row too long': (replace_line(7, '1 2 3 4 5'), 'line 7'),
  'not numeric': (replace_line(23, '0.1 0.2 zero 1'), r'line 23.*zero'),
  'binary': (TEXT[:100] + b'\xff\x00\x8b' + TEXT[100:], 'byte 100'),
  'nul': (b'\x00' * 64, 'line 1'),
  '19 joints': (skeleton_text(make_clip()[:, :19]).encode(), '38 rows'),
  'NaN': (
    replace_line(23, '0.1 nan 0.2 1'),
    r'frame 1, joint 2 \(shoulder_center',
  ),
  'infinity': (replace_line(20, '0.1 0.3 -inf 1'), r'frame 0, joint 19 \(head'),
  'too large': (
    replace_line(20, '1e39 0.3 0.2 1'),
    r'frame 0, joint 19 \(head',
  ),
  'all zeros': (skeleton_text(np.zeros((2, 20, 4))).encode(), 'zero'),
}


@pytest.mark.parametrize('case', BAD)
def test_errors_name_the_file_and_place(case):
  content, place = BAD[case]
  with pytest.raises(UserError, match=f'(?s){FILE}.*{place}'):
    with np.errstate(over='ignore'):  # numpy warns of 1e39
      clip = msr_action3d.parse_skeleton(content, FILE)
    check_clip(clip[None], get_layout('msr_20'), FILE)


@pytest.mark.parametrize(
  'shape, place',
  [((1, 2, 19, 4), '20'), ((2, 20, 4), '20'), ((1, 0, 20, 4), 'no frames')],
)
def test_clips_of_a_wrong_shape_are_errors(shape, place):
  with pytest.raises(UserError, match=f'{FILE}.*{place}'):
    check_clip(np.ones(shape), get_layout('msr_20'), FILE)


def test_names():
  assert msr_action3d.parse_clip_name('a07_s10_e03', FILE) == (7, 10)


@pytest.mark.parametrize(
  'name',
  [
    'a1_s01_e01',
    'a01_s01',
    'a01_s01_e01x',
    'b01_s01_e01',
    'a00_s01_e01',
    'a21_s01_e01',
    'a01_s00_e01',
    'a01_s11_e01',
  ],
)
def test_errors_in_names(name):
  with pytest.raises(UserError, match=FILE):
    msr_action3d.parse_clip_name(name, FILE)


# Preparing


@pytest.mark.parametrize('archive', [False, True], ids=['files', 'tar.gz'])
def test_prepared_records_equal_the_files(tmp_path, archive):
  clips = write_msr_files(tmp_path / 'manual', archive=archive)
  assert open_msr(tmp_path) is None
  prepare_msr(tmp_path, tmp_path / 'manual')
  builder = open_msr(tmp_path)
  assert builder.info.metadata['layout'] == 'msr_20'
  names = builder.info.features['label'].names
  records = {}
  for split, subjects in (('train', {1, 3}), ('test', {2, 8})):
    for record in builder.as_data_source(split):
      assert record['subject'] in subjects
      records[record['id'].decode()] = record
  assert records.keys() == clips.keys()  # not the unused one
  for name, record in records.items():
    assert record['keypoints'].dtype == np.float32
    np.testing.assert_array_equal(record['keypoints'], clips[name][None])
    assert (record['label'], record['subject']) == (
      int(name[1:3]) - 1,
      int(name[5:7]),
    )
  labels = {int(n[1:3]): names[r['label']] for n, r in records.items()}
  assert labels[1] == 'high arm wave' and labels[20] == 'pickup and throw'
  # A second call needs no raw files.
  shutil.rmtree(tmp_path / 'manual')
  assert prepare_msr(tmp_path, tmp_path / 'manual').is_prepared()


@pytest.mark.parametrize('case', ['cut mid-row', 'NaN', 'all zeros'])
def test_errors_name_the_file_and_nothing_is_written(tmp_path, case):
  content, place = BAD[case]
  replaced = {'a07_s03_e01' + SUFFIX: content}
  write_msr_files(tmp_path / 'manual', replaced=replaced)
  with pytest.raises(UserError, match=f'a07_s03_e01.*{place}'):
    prepare_msr(tmp_path, tmp_path / 'manual')
  assert open_msr(tmp_path) is None


def test_missing_used_files(tmp_path):
  removed = {f'{name}_e01{SUFFIX}': None for name in ('a07_s03', 'a20_s01')}
  write_msr_files(tmp_path / 'manual', replaced=removed)
  with pytest.raises(UserError, match='2 of 12.*a07_s03_e01_skeleton3D.txt'):
    prepare_msr(tmp_path, tmp_path / 'manual')


def test_an_error_in_a_used_name(tmp_path):
  replaced = {
    'a27_s03_e01' + SUFFIX: TEXT,
    'files_used.mat': used_list(['a01_s01_e01', 'a27_s03_e01']),
  }
  write_msr_files(tmp_path / 'manual', replaced=replaced)
  with pytest.raises(UserError, match='a27_s03_e01'):
    prepare_msr(tmp_path, tmp_path / 'manual')


@pytest.mark.parametrize('exists', [False, True])
def test_no_files_prints_what_to_download_and_run(tmp_path, exists):
  manual = tmp_path / 'manual'
  if exists:
    manual.mkdir()
  with pytest.raises(UserError) as error:
    prepare_msr(tmp_path, manual)
  for part in (
    'msraction3d.tar.gz',
    'https://',
    str(manual),
    'python -m unik_jax.prepare msr_action3d',
    f'--manual_dir={manual}',
  ):
    assert part in str(error.value)


def test_other_files(tmp_path):
  (tmp_path / 'manual').mkdir()
  (tmp_path / 'manual' / 'notes.txt').write_text('not here')
  with pytest.raises(UserError, match='msraction3d.tar.gz'):
    prepare_msr(tmp_path, tmp_path / 'manual')


@pytest.mark.parametrize('error', [OSError('disk full'), KeyboardInterrupt()])
def test_an_interrupted_preparation_can_be_repeated(
  tmp_path, monkeypatch, error
):
  clips = write_msr_files(tmp_path / 'manual')
  parse = msr_action3d.parse_skeleton
  remaining = iter(range(5))

  def parse_some(content, where):
    if next(remaining, None) is None:
      raise error
    return parse(content, where)

  with monkeypatch.context() as patch:
    patch.setattr(msr_action3d, 'parse_skeleton', parse_some)
    with pytest.raises(type(error)):
      prepare_msr(tmp_path, tmp_path / 'manual')
  assert open_msr(tmp_path) is None
  prepare_msr(tmp_path, tmp_path / 'manual')
  splits = open_msr(tmp_path).info.splits
  assert sum(s.num_examples for s in splits.values()) == len(clips)


def test_a_killed_preparation_can_be_repeated(tmp_path):
  """After kill -9, no handler runs, and the incomplete folder stays."""
  clips = write_msr_files(tmp_path / 'manual')
  program = f"""
import itertools, os
from unik_jax.data import registry
from unik_jax.data.formats import msr_action3d
parse, count = msr_action3d.parse_skeleton, itertools.count()
msr_action3d.parse_skeleton = lambda *args: (
  os._exit(9) if next(count) == 8 else parse(*args)
)
registry.prepare_dataset('msr_action3d', {str(tmp_path / 'data')!r},
                 {str(tmp_path / 'manual')!r})
"""
  process = subprocess.run(
    [sys.executable, '-c', program], cwd=CHECKOUT, capture_output=True
  )
  assert process.returncode == 9, process.stderr
  written = tmp_path / 'data' / 'msr_action3d'
  incomplete = written / '.incomplete'
  assert list(incomplete.rglob('*.tmp'))
  assert open_msr(tmp_path) is None
  # Killed later: all is written, but the folder is not renamed.
  (incomplete / '1.1.0').mkdir()
  (incomplete / '1.1.0' / 'dataset_info.json').write_text('{}')
  assert open_msr(tmp_path) is None
  prepare_msr(tmp_path, tmp_path / 'manual')
  assert not incomplete.exists()
  assert (written / '1.1.0').is_dir()
  splits = open_msr(tmp_path).info.splits
  assert sum(s.num_examples for s in splits.values()) == len(clips)


def test_unknown_dataset_and_config(tmp_path):
  with pytest.raises(UserError, match='msr_actoin3d.*known.*msr_action3d'):
    registry.prepare_dataset('msr_actoin3d', tmp_path)
  with pytest.raises(UserError, match="no config 'xview'"):
    registry.prepare_dataset('msr_action3d/xview', tmp_path)


# The authors' archive


@pytest.fixture(scope='module')
def real(tmp_path_factory):
  """Records of the authors' archive, by split."""
  if not (REAL / 'msraction3d.tar.gz').exists():
    pytest.skip(f'no msraction3d.tar.gz in {REAL}')
  data_dir = tmp_path_factory.mktemp('real')
  builder = registry.prepare_dataset('msr_action3d', data_dir, REAL)
  return {
    split: list(builder.as_data_source(split)) for split in ('train', 'test')
  }


def test_the_real_archive_has_284_and_273_clips(real):
  assert [len(real[split]) for split in ('train', 'test')] == [284, 273]
  assert {r['subject'] for r in real['train']} == {1, 3, 5, 7, 9}
  assert {r['subject'] for r in real['test']} == {2, 4, 6, 8, 10}
  ids = {r['id'].decode() for split in real.values() for r in split}
  assert len(ids) == 557 and 'a13_s09_e02' not in ids
  for split in real.values():
    assert {r['label'] for r in split} == set(range(20))


def test_the_real_clips_have_the_known_spread(real):
  """The standard deviation of a clip, after subtracting its first joint 7."""

  def spread(records):
    clips = [np.float64(r['keypoints'][0, ..., :3]) for r in records]
    return np.mean([(clip - clip[0, 7 - 1]).std() for clip in clips])

  assert round(spread(real['train']), 4) == 0.3227
  assert round(spread(real['train'] + real['test']), 4) == 0.3418
