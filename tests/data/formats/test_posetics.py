"""Posetics: from its files to a prepared dataset, and what can go wrong."""

import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.fixtures import make_lcrnet
from helpers.lcrnet import parse
from helpers.pickles import malicious_pickle

from unik_jax.data import registry
from unik_jax.data.formats import lcrnet
from unik_jax.errors import UserError

# Real YouTube ids look like this: eleven of letters, digits, - and _.
TRAIN = {
  '---0dWlqevI_000019_000029': (7, True, make_lcrnet((2, 0, 1), 1)),
  '0_abcdefgh-_000000_000010': (319, True, make_lcrnet((0, 1, 1, 3), 2)),
  'no_skeleton_000000_000010': (5, False, make_lcrnet((1,), 3)),
  'nobodyThere_000000_000010': (5, True, make_lcrnet((0, 0), 4)),
  'zzzzzzzzzzz_000123_000133': (0, True, make_lcrnet((1,) * 5, 5)),
}
TEST = {'valvalval01_000005_000015': (42, True, make_lcrnet((2, 2), 6))}


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
    wanted = {k: v for k, v in clips.items() if not k.startswith('no')}
    source = builder.as_data_source(split)
    assert [read['id'].decode() for read in source] == sorted(wanted)
    for read in source:
      label, _, clip = wanted[read['id'].decode()]
      assert read['label'] == label and read['subject'] == -1
      assert read['image_size'].tolist() == [0, 0]
      expected = lcrnet.to_unik_17(parse(clip, channels=config))
      np.testing.assert_array_equal(read['keypoints'], expected)
  assert prepare(tmp_path, config).is_prepared()  # and does nothing


def test_clips_without_a_pose_are_reported(tmp_path):
  write_posetics(tmp_path / 'raw')
  report = json.loads((prepare(tmp_path).data_path / 'report.json').read_text())
  assert report['written'] == 4 and not report['skipped']
  assert {
    pathlib.Path(left['clip']).name[:11]: left['reason']
    for left in report['left_out']
  } == {
    'no_skeleton': 'has_skeleton is false',
    'nobodyThere': 'no pose in the file',
  }


def test_all_labels_are_looked_up_before_a_clip_is_read(tmp_path):
  write_posetics(tmp_path / 'raw')
  put('posetics_train/zzzzzzzzzzz_000123_000133.json', '{')(tmp_path / 'raw')
  relabelled(label_index=320)(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'{LABELS}.*320'):
    prepare(tmp_path)


def relabelled(**entry):
  """Alters the labels of a written fixture."""

  def alter(folder):
    path = folder / 'posetics_val_label.json'
    labels = json.loads(path.read_text())
    labels['valvalval01'].update(entry)
    path.write_text(json.dumps(labels))

  return alter


def put(name, text=''):
  return lambda folder: (folder / name).write_text(text)


def with_body(**changes):
  clip = make_lcrnet((2, 2))
  clip['frames'][1][1] |= changes
  return put(FIRST, json.dumps(clip))


def slip(folder):
  path = folder / 'posetics_train' / 'more.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('../../zzzzzzzzzzz_000200_000210.json', '{}')


ODD = os.fsdecode(b'posetics_train/zzzzzzzz\xffzz_000200_000210.json')


def empty_train(folder):
  for path in (folder / 'posetics_train').iterdir():
    path.unlink()


LABELS = 'posetics_val_label.json'
FIRST = 'posetics_val/valvalval01_000005_000015.json'
WRONG = {
  'label missing': (put(LABELS, '{}'), f'{FIRST}.*no label.*valvalval01'),
  'label out of range': (relabelled(label_index=320), f'{LABELS}.*320'),
  'label negative': (relabelled(label_index=-1), f'{LABELS}.*-1'),
  'label text': (relabelled(label_index='3'), f"{LABELS}.*'3'"),
  'has_skeleton text': (relabelled(has_skeleton='no'), f"{LABELS}.*'no'"),
  'none left': (relabelled(has_skeleton=False), 'posetics_val: all 1 clips'),
  'labels a list': (put(LABELS, '[]'), f'{LABELS}.*not of the form'),
  'labels truncated': (put(LABELS, '{"a'), f'{LABELS}.*cut short'),
  'no labels': (lambda f: (f / LABELS).unlink(), f'{LABELS}.*no such file'),
  'odd name': (put('posetics_train/a.json'), 'a.json: name is not'),
  'no files': (empty_train, 'posetics_train: no .json files'),
  'clip truncated': (put(FIRST, '{"frames": [[{'), f'{FIRST}.*cut short'),
  '17 joints': (
    with_body(pose2d=[1.0] * 34),
    f'{FIRST}, frame 1, person 1: pose2d has 34 values where 26',
  ),
  'NaN': (
    with_body(pose2d=[1.0] * 25 + [float('nan')]),
    rf'{FIRST}, frame 1, person 1: NaN.*joint 12 \(head',
  ),
  'name not UTF-8': (put(ODD, '{}'), r'\\xffzz_.*name is not UTF-8'),
  'zip slip': (slip, r'more\.zip: member .*leads out'),
  'broken archive': (
    put('posetics_val/more.zip', 'no archive'),
    r'posetics_val/more\.zip: cannot be read',
  ),
  'no frames': (put(FIRST, '{"frames": []}'), f'{FIRST}.*no frames'),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_wrong_with_posetics_is_named(tmp_path, case):
  alter, message = WRONG[case]
  alter(write_posetics(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert registry.open_prepared('posetics/2d', tmp_path / 'data') is None


@pytest.mark.parametrize('name', [FIRST, LABELS])
def test_a_pickle_is_not_run(tmp_path, name):
  folder = write_posetics(tmp_path / 'raw')
  (folder / name).write_bytes(malicious_pickle(tmp_path / 'made'))
  with pytest.raises(UserError, match=f'{name}: byte 0 is not UTF-8'):
    prepare(tmp_path)
  assert not (tmp_path / 'made').exists()


def test_more_than_two_bodies(tmp_path):
  """The first two of the file are kept, however much the others move."""
  clip = make_lcrnet((4, 3), 7)
  put(FIRST, json.dumps(clip))(write_posetics(tmp_path / 'raw'))
  (record,) = prepare(tmp_path).as_data_source('test')
  clip['frames'] = [bodies[:2] for bodies in clip['frames']]
  np.testing.assert_array_equal(
    record['keypoints'], lcrnet.to_unik_17(parse(clip))
  )


def test_a_video_in_both_splits_is_refused(tmp_path):
  again = {'zzzzzzzzzzz_000000_000010': (1, True, make_lcrnet((1,), 7))}
  write_posetics(tmp_path / 'raw', test=TEST | again)
  with pytest.raises(UserError, match='posetics_val/zzz.*: video zzzzzzzzzzz'):
    prepare(tmp_path)


def test_without_files_it_says_what_to_get(tmp_path):
  with pytest.raises(UserError, match='(?s)on request.*posetics_val_label'):
    prepare(tmp_path)


def test_bad_clips_can_be_skipped(tmp_path):
  """Also a file and an archive that cannot even be listed."""
  again = {
    'zzzzzzzzzzz_000000_000010': (1, True, make_lcrnet((1,), 7)),
    'noLabelHere_000000_000010': (1, True, make_lcrnet((1,), 8)),
  }
  folder = write_posetics(tmp_path / 'raw', test=TEST | again)
  labels = json.loads((folder / LABELS).read_text())
  del labels['noLabelHere']
  (folder / LABELS).write_text(json.dumps(labels))
  put('posetics_train/0_abcdefgh-_000000_000010.json', '{')(folder)
  put(ODD, '{}')(folder)
  slip(folder)
  with pytest.raises(UserError):
    prepare(tmp_path)
  builder = prepare(tmp_path, skip_bad=True)
  report = json.loads((builder.data_path / 'report.json').read_text())
  assert (
    {pathlib.Path(bad['clip']).name[:11] for bad in report['skipped']}
    == {
      'zzzzzzzzzzz',  # trained on
      'noLabelHere',
      '0_abcdefgh-',
      pathlib.Path(ODD).name[:11],
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
