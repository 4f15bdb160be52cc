"""Identical clips: found when a dataset is written, and in a run's splits."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.real_data import extract
from helpers.reports import read_report
from helpers.user_clips import (
  capture_notices,
  csv_columns,
  csv_text,
  make_clip,
  prepare,
  write_array,
  write_file,
)

from unik_jax.config import default_config
from unik_jax.data import registry, splits
from unik_jax.data.clips import ClipFile
from unik_jax.data.identical import IdenticalClips, read_groups
from unik_jax.data.prepared_split import PreparedSplit, fill_data_config


@pytest.fixture
def notices(monkeypatch):
  return capture_notices(monkeypatch)


# Clip a is in training (subject 1), twice in test and in validation, once as
# another kind of file; b twice in training; c in training (subject 2) and test.
CLIPS = (
  ('a.npy', 'sit', 1, 'train', 'a'),
  ('a_again.csv', 'sit', 1, 'test', 'a'),
  ('a_last.npy', 'sit', 3, 'test', 'a'),
  ('a_val.npy', 'sit', 3, 'val', 'a'),
  ('b.npy', 'wave', 1, 'train', 'b'),
  ('b_again.npy', 'wave', 1, 'train', 'b'),
  ('c.npy', 'wave', 2, 'train', 'c'),
  ('c_again.npy', 'wave', 3, 'test', 'c'),
  ('d.npy', 'wave', 3, 'test', 'd'),
  ('e.npy', 'sit', 2, 'train', 'e'),
)


DOCS = pathlib.Path(__file__).parents[2] / 'docs'


def write_clips(root, clips=CLIPS):
  """Writes the files of clips and their manifest."""
  root.mkdir(parents=True)
  for name, *_, content in clips:
    poses = make_clip(4, 17, 2, seed=ord(content))
    if name.endswith('.csv'):
      rows = poses.reshape(4, -1).tolist()
      write_file(root / name, csv_text(rows, csv_columns()))
    else:
      write_array(root / name, poses)
  rows = [','.join(map(str, clip[:4])) for clip in clips]
  text = '\n'.join(['file,label,subject,split', *rows])
  write_file(root / 'manifest.csv', text)
  write_file(root / 'layout.yaml', 'layout: coco_17\n')


def data_config(tmp_path, name='skeleton_folder/mine', **options):
  config = default_config().data
  config.update(layout='', num_classes=0, persons=0, channels=0)
  config.update(name=name, data_dir=str(tmp_path / 'data'), **options)
  fill_data_config(config)
  return config


def find_seen(tmp_path, **options):
  """Returns the ids of the test clips that are also in training, or None."""
  data = data_config(tmp_path, **options)
  tested = splits.open_split(data, 'test')
  seen = splits.find_seen(data, tested)
  if seen is None:
    return None
  return {name for name, s in zip(tested.ids(), seen, strict=True) if s}


def test_own_clips_in_training_and_test(tmp_path, notices):
  write_clips(tmp_path / 'raw')
  builder = prepare(tmp_path)
  counts = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert counts == {'train': 5, 'test': 4, 'val': 1}
  report = read_report(builder)
  assert report['written'] == 10 and not report['skipped']
  a, b, c = sorted(report['identical'], key=lambda group: group[0]['clip'])
  assert {clip['clip'] for clip in a} == {
    'a.npy',
    'a_again.csv',
    'a_last.npy',
    'a_val.npy',
  }
  assert {clip['clip'] for clip in b} == {'b.npy', 'b_again.npy'}
  assert sorted(c, key=str) == [
    {'clip': 'c.npy', 'splits': ['train'], 'label': 'wave', 'subject': 2},
    {'clip': 'c_again.npy', 'splits': ['test'], 'label': 'wave', 'subject': 3},
  ]
  (note,) = [text for text in notices if 'also in training' in text]
  assert '3 of 4 test clips are also in training' in note
  assert '1 of 1 val clips are also in training' in note


def test_seen_clips_follow_the_configured_splits(tmp_path):
  write_clips(tmp_path / 'raw')
  prepare(tmp_path)
  every = {'a_again.csv', 'a_last.npy', 'c_again.npy'}
  assert find_seen(tmp_path) == every
  assert find_seen(tmp_path, train_subjects=(2,)) == {'c_again.npy'}
  assert find_seen(tmp_path, test_subjects=(1,)) == {'a_again.csv'}
  assert find_seen(tmp_path, train_split='val') == every - {'c_again.npy'}
  # The same clips, or some of them, on purpose.
  assert find_seen(tmp_path, test_split='train') == {
    clip[0] for clip in CLIPS if clip[3] == 'train'
  }
  assert (
    find_seen(
      tmp_path, test_split='train', test_subjects=(1,), train_subjects=(2,)
    )
    is None
  )
  assert find_seen(tmp_path, train_split='other') is None


def test_datasets_of_older_versions_have_no_groups(tmp_path):
  write_clips(tmp_path / 'raw')
  builder = prepare(tmp_path)
  report = builder.data_path / 'report.json'
  table = json.loads(report.read_text())
  del table['identical']
  report.write_text(json.dumps(table))
  assert find_seen(tmp_path) is None
  report.unlink()
  assert read_groups(builder.data_path) == []
  assert find_seen(tmp_path) is None


def test_different_clips_leave_no_report(tmp_path, notices):
  write_clips(tmp_path / 'raw', [c for c in CLIPS if '_' not in c[0]])
  builder = prepare(tmp_path)
  assert not (builder.data_path / 'report.json').exists()
  assert not [text for text in notices if 'also in training' in text]
  assert find_seen(tmp_path) is None


def test_only_equal_numbers_are_identical():
  clips = IdenticalClips()
  zero = np.zeros((1, 3, 2, 2), np.float32)
  nearly = zero.copy()
  nearly[0, 2, 1, 1] = 1e-30
  arrays = {
    'zero': zero,
    'minus zero': -zero,
    'not contiguous': np.zeros((1, 2, 3, 2), np.float32).swapaxes(1, 2),
    'nearly': nearly,
    'other shape': zero.reshape(1, 2, 3, 2),
  }
  for name, array in arrays.items():
    clips.add(ClipFile(name, name, ('train',), label=0), array)
  ((*names,),) = clips.groups()
  assert [c.id for c in names] == ['zero', 'minus zero', 'not contiguous']


def test_protocols_and_classes_in_the_notes():
  clips = IdenticalClips()
  ones = np.ones((1, 3, 2, 2), np.float32)
  for k in range(3):
    first = ('xsub_train', 'xview_train', 'cam_test')
    second = ('xsub_test', 'xview_train', 'cam_train')
    for n, of in enumerate((first, second)):
      clip = ClipFile(f'{k}{n}', '', of, label=n if k == 2 else 0)
      clips.add(clip, k * ones)
  sizes = {
    'xsub_train': 9,
    'xsub_test': 8,
    'xview_train': 20,
    'cam_test': 1700,
    'cam_train': 9,
  }
  assert clips.describe(sizes) == [
    '3 of 1,700 test clips are also in training (protocol cam), 3 of 8 test'
    ' clips are also in training (protocol xsub); test accuracy is reported'
    ' with and without them',
    '2 clips are identical to one of another class, such as 20 and 21',
  ]


@pytest.mark.slow
def test_the_twins_of_nw_ucla(tmp_path, notices):
  """Of the numbers in the JSON files, without the builder's parser."""
  raw = extract('nw_ucla.tar.xz', tmp_path / 'raw')
  digests = {}
  for path in raw.rglob('a*_v*.json'):
    numbers = np.array(json.loads(path.read_text())['skeletons'])
    digests[path.stem] = hashlib.sha256(numbers.tobytes()).digest()
  trained = {d for name, d in digests.items() if not name.endswith('v03')}
  twins = {n for n, d in digests.items() if n.endswith('v03') and d in trained}
  assert len(twins) == 95 and {name[:3] for name in twins} == {'a02', 'a03'}

  builder = registry.prepare_dataset('nw_ucla', tmp_path / 'data', raw)
  (note,) = [text for text in notices if 'also in training' in text]
  assert note.startswith(
    'nw_ucla: 95 of 464 test clips are also in training (protocol xview), '
  )
  groups = read_report(builder)['identical']
  assert all(len(group) == 2 for group in groups) and len(groups) == 95
  for protocol, expected in (('xview', twins), ('xview_clean', None)):
    seen = find_seen(
      tmp_path,
      name='nw_ucla',
      train_split=f'{protocol}_train',
      test_split=f'{protocol}_test',
    )
    assert seen == expected
  test = PreparedSplit(
    data_config(tmp_path, 'nw_ucla', test_split='xview_test'), 'xview_test'
  )
  assert len(test) - len(twins) == 369


@pytest.mark.slow
def test_the_command_of_the_page(tmp_path):
  raw = extract('nw_ucla.tar.xz', tmp_path / 'raw')
  page = (DOCS / 'data.md').read_text()
  command, printed = re.search(
    r'```bash\n(python - FOLDER.*?)```\n\n```\n(.*?)```', page, re.DOTALL
  ).groups()
  command = command.replace('python', sys.executable, 1)
  run = subprocess.run(
    ['bash', '-c', command.replace('FOLDER', f"'{raw}'")],
    capture_output=True,
    text=True,
    check=True,
    env={**os.environ, 'PYTHONPATH': ''},
  )
  assert run.stdout == printed
