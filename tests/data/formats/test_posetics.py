"""Posetics: preparation from its files, and errors in them."""

import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.alterations import remove_files, write_file
from helpers.lcrnet import make_lcrnet_clip, parse_clip
from helpers.pickles import malicious_pickle
from helpers.reports import read_report

from unik_jax.data import registry
from unik_jax.data.formats import lcrnet
from unik_jax.errors import UserError

# Real YouTube ids look like this: eleven of letters, digits, - and _.
TRAIN = {
  '---0dWlqevI_000019_000029': (7, True, make_lcrnet_clip((2, 0, 1), 1)),
  '0_abcdefgh-_000000_000010': (319, True, make_lcrnet_clip((0, 1, 1, 3), 2)),
  'no_skeleton_000000_000010': (5, False, make_lcrnet_clip((1,), 3)),
  'nobodyThere_000000_000010': (5, True, make_lcrnet_clip((0, 0), 4)),
  'zzzzzzzzzzz_000123_000133': (0, True, make_lcrnet_clip((1,) * 5, 5)),
}
TEST = {'valvalval01_000005_000015': (42, True, make_lcrnet_clip((2, 2), 6))}


def write_posetics(folder, train=TRAIN, test=TEST):
  for part, clips in (('train', train), ('val', test)):
    (folder / f'posetics_{part}').mkdir(parents=True)
    labels = {}
    for name, (label, has_skeleton, clip) in clips.items():
      path = folder / f'posetics_{part}' / f'{name}.json'
      path.write_text(json.dumps(clip))
      labels[name[:11]] = {'label_index': label, 'has_skeleton': has_skeleton}
    label_path = folder / f'posetics_{part}_label.json'
    label_path.write_text(json.dumps(labels))
  return folder


def prepare(tmp_path, config='2d', **options):
  return registry.prepare_dataset(
    f'posetics/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


@pytest.mark.parametrize(('config', 'channels'), [('2d', 2), ('3d', 3)])
def test_posetics(tmp_path, config, channels):
  write_posetics(tmp_path / 'raw')
  prepare(tmp_path, config)
  builder = registry.open_prepared(f'posetics/{config}', tmp_path / 'data')
  assert builder.info.metadata['layout'] == 'unik_17'
  assert builder.info.features['label'].num_classes == 320
  assert builder.info.features['keypoints'].shape == (2, None, 17, channels)
  for split, clips in (('train', TRAIN), ('test', TEST)):
    expected_clips = {k: v for k, v in clips.items() if not k.startswith('no')}
    source = builder.as_data_source(split)
    assert [record['id'].decode() for record in source] == sorted(
      expected_clips
    )
    for record in source:
      label, _, clip = expected_clips[record['id'].decode()]
      assert record['label'] == label and record['subject'] == -1
      assert record['image_size'].tolist() == [0, 0]
      expected = lcrnet.to_unik_17(parse_clip(clip, channels=config))
      np.testing.assert_array_equal(record['keypoints'], expected)
  assert prepare(tmp_path, config).is_prepared()  # and writes nothing


def test_clips_without_a_pose_are_reported(tmp_path):
  write_posetics(tmp_path / 'raw')
  report = read_report(prepare(tmp_path))
  assert report['written'] == 4 and not report['skipped']
  assert {
    pathlib.Path(note['clip']).name[:11]: note['reason']
    for note in report['left_out']
  } == {
    'no_skeleton': 'has_skeleton is false',
    'nobodyThere': 'no pose in the file',
  }


def test_all_labels_are_looked_up_before_a_clip_is_read(tmp_path):
  write_posetics(tmp_path / 'raw')
  write_file('posetics_train/zzzzzzzzzzz_000123_000133.json', '{')(
    tmp_path / 'raw'
  )
  change_label(label_index=320)(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'{LABELS}.*320'):
    prepare(tmp_path)


def change_label(**entry):
  """Returns a function that changes values of the test clip's label."""

  def alter(folder):
    path = folder / 'posetics_val_label.json'
    labels = json.loads(path.read_text())
    labels['valvalval01'].update(entry)
    path.write_text(json.dumps(labels))

  return alter


def change_body(**changes):
  """Returns a function that changes one body of the test clip."""
  clip = make_lcrnet_clip((2, 2))
  clip['frames'][1][1] |= changes
  return write_file(FIRST, json.dumps(clip))


def add_escaping_member(folder):
  """Adds an archive with a member whose name leads out of it."""
  path = folder / 'posetics_train' / 'more.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('../../zzzzzzzzzzz_000200_000210.json', '{}')


NOT_UTF8 = os.fsdecode(b'posetics_train/zzzzzzzz\xffzz_000200_000210.json')


LABELS = 'posetics_val_label.json'
FIRST = 'posetics_val/valvalval01_000005_000015.json'
WRONG = {
  'label missing': (
    write_file(LABELS, '{}'),
    f'{FIRST}.*no label.*valvalval01',
  ),
  'label out of range': (change_label(label_index=320), f'{LABELS}.*320'),
  'label negative': (change_label(label_index=-1), f'{LABELS}.*-1'),
  'label text': (change_label(label_index='3'), f"{LABELS}.*'3'"),
  'has_skeleton text': (change_label(has_skeleton='no'), f"{LABELS}.*'no'"),
  'none left': (change_label(has_skeleton=False), 'posetics_val: all 1 clips'),
  'labels a list': (
    write_file(LABELS, '[]'),
    f'{LABELS}: expected .*got a list',
  ),
  'labels truncated': (write_file(LABELS, '{"a'), f'{LABELS}.*cut short'),
  'no labels': (remove_files(LABELS), f'{LABELS}.*no such file'),
  'other name': (write_file('posetics_train/a.json'), 'a.json: .*YOUTUBEID'),
  'no files': (
    remove_files('posetics_train/*'),
    'posetics_train: no .json files',
  ),
  'clip truncated': (
    write_file(FIRST, '{"frames": [[{'),
    f'{FIRST}.*cut short',
  ),
  '17 joints': (
    change_body(pose2d=[1.0] * 34),
    f'{FIRST}, frame 1, person 1: pose2d: .*26.*34',
  ),
  'NaN': (
    change_body(pose2d=[1.0] * 25 + [float('nan')]),
    rf'{FIRST}, frame 1, person 1: joint 12 \(head\) is NaN',
  ),
  'name not UTF-8': (
    write_file(NOT_UTF8, '{}'),
    r'\\xffzz_.*name is not UTF-8',
  ),
  'zip slip': (add_escaping_member, r'more\.zip: member .*leads out'),
  'broken archive': (
    write_file('posetics_val/more.zip', 'no archive'),
    r'posetics_val/more\.zip: cannot be read',
  ),
  'no frames': (write_file(FIRST, '{"frames": []}'), f'{FIRST}.*no frames'),
}


@pytest.mark.parametrize('case', WRONG)
def test_errors_name_the_file(tmp_path, case):
  alter, message = WRONG[case]
  alter(write_posetics(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert registry.open_prepared('posetics/2d', tmp_path / 'data') is None


@pytest.mark.parametrize('name', [FIRST, LABELS])
def test_a_pickle_is_not_run(tmp_path, name):
  folder = write_posetics(tmp_path / 'raw')
  (folder / name).write_bytes(malicious_pickle(tmp_path / 'created'))
  with pytest.raises(UserError, match=f'{name}: byte 0 is not UTF-8'):
    prepare(tmp_path)
  assert not (tmp_path / 'created').exists()


def test_more_than_two_bodies(tmp_path):
  """The first two of the file are kept, even if the others move more."""
  clip = make_lcrnet_clip((4, 3), 7)
  write_file(FIRST, json.dumps(clip))(write_posetics(tmp_path / 'raw'))
  (record,) = prepare(tmp_path).as_data_source('test')
  clip['frames'] = [bodies[:2] for bodies in clip['frames']]
  np.testing.assert_array_equal(
    record['keypoints'], lcrnet.to_unik_17(parse_clip(clip))
  )


def test_a_video_in_both_splits_is_refused(tmp_path):
  train_clip = {
    'zzzzzzzzzzz_000000_000010': (1, True, make_lcrnet_clip((1,), 7))
  }
  write_posetics(tmp_path / 'raw', test=TEST | train_clip)
  with pytest.raises(UserError, match='posetics_val/zzz.*: video zzzzzzzzzzz'):
    prepare(tmp_path)


def test_no_files_prints_what_to_download(tmp_path):
  with pytest.raises(UserError, match='(?s)on request.*posetics_val_label'):
    prepare(tmp_path)


def test_bad_clips_can_be_skipped(tmp_path):
  """Among them are a file and an archive that cannot be listed."""
  bad = {
    'zzzzzzzzzzz_000000_000010': (1, True, make_lcrnet_clip((1,), 7)),
    'noLabelHere_000000_000010': (1, True, make_lcrnet_clip((1,), 8)),
  }
  folder = write_posetics(tmp_path / 'raw', test=TEST | bad)
  labels = json.loads((folder / LABELS).read_text())
  del labels['noLabelHere']
  (folder / LABELS).write_text(json.dumps(labels))
  write_file('posetics_train/0_abcdefgh-_000000_000010.json', '{')(folder)
  write_file(NOT_UTF8, '{}')(folder)
  add_escaping_member(folder)
  with pytest.raises(UserError):
    prepare(tmp_path)
  builder = prepare(tmp_path, skip_bad=True)
  report = read_report(builder)
  assert (
    {pathlib.Path(note['clip']).name[:11] for note in report['skipped']}
    == {
      'zzzzzzzzzzz',  # in the training split
      'noLabelHere',
      '0_abcdefgh-',
      pathlib.Path(NOT_UTF8).name[:11],
      'more.zip',
    }
  )
  splits = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert splits == {'train': 2, 'test': 1}


def test_three_lines_of_python(tmp_path):
  write_posetics(tmp_path / 'raw')
  prepare(tmp_path)
  source = tfds.data_source(
    'posetics/2d', split='test', data_dir=tmp_path / 'data'
  )
  assert source[0]['label'] == 42
