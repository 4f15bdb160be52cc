"""ClipBuilder, with a fake dataset: what all builders share."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.fake_reader import keypoints, read_recording

from unik_jax.data import registry, shard_writer
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile, Recording, read_clip
from unik_jax.data.identical import REPORT
from unik_jax.errors import UserError
from unik_jax.runtime.locks import hold_lock
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import get_layout


class FakeBuilder(ClipBuilder, skip_registration=True):
  """A builder of the clips that a test sets."""

  VERSION = tfds.core.Version('1.0.0')
  clips: tuple = ()

  def _info(self):
    return self.clip_info(
      layout='unik_17',
      persons=2,
      channels=2,
      labels=['wave', 'walk'],
      description='fake',
      units='none',
    )

  def list_clips(self, folder):
    yield from self.clips

  def reader(self):
    return read_recording


def clip(name, *splits, **options):
  return ClipFile(id=name, source=name, splits=splits, label=0, **options)


def build(folder, clips, **options):
  builder = FakeBuilder(data_dir=folder)
  builder.clips = tuple(clips)
  for key, value in options.items():
    setattr(builder, key, value)
  builder.download_and_prepare()
  return tfds.builder_from_directory(builder.data_path)


def ids(builder, split):
  return [record['id'].decode() for record in builder.as_data_source(split)]


SHARED = [
  clip('clip1', 'xsub_train', 'xview_train'),
  clip('clip2', 'xsub_train', 'xview_test'),
  clip('clip3', 'xsub_test', 'xview_train'),
  clip('clip4', 'xsub_test', 'xview_test'),
  clip('clip5', 'xsub_train', 'xview_train'),
]


def test_splits_share_clips_that_are_written_once(tmp_path):
  builder = build(tmp_path, SHARED)
  assert set(builder.info.splits) == {
    f'{protocol}_{part}'
    for protocol in ('xsub', 'xview')
    for part in ('train', 'test')
  }
  for split in builder.info.splits:
    wanted = [c.id for c in SHARED if split in c.splits]
    assert sorted(ids(builder, split)) == wanted
    assert builder.info.splits[split].num_examples == len(wanted)
  files = list(pathlib.Path(builder.data_path).glob('*array_record*'))
  real = [file for file in files if not file.is_symlink()]
  assert len(real) == 4 and len(files) == 8  # four pairs of splits, two each
  assert not list(pathlib.Path(builder.data_path).glob('*.tmp'))


def test_shared_files_survive_a_move(tmp_path):
  build(tmp_path / 'here', SHARED)
  (tmp_path / 'here').rename(tmp_path / 'there')
  folder = tmp_path / 'there' / 'fake_builder' / '1.0.0'
  builder = tfds.builder_from_directory(folder)
  assert len(ids(builder, 'xview_test')) == 2


def test_parts_of_a_split_can_be_asked_for(tmp_path):
  builder = build(tmp_path, SHARED)
  assert len(ids(builder, 'xsub_train[:2]')) == 2
  assert len(ids(builder, 'xsub_train+xsub_test')) == 5


def test_tfds_opens_it_by_name(tmp_path):
  build(tmp_path, SHARED)
  clips = tfds.data_source('fake_builder', split='xsub_test', data_dir=tmp_path)
  assert [record['id'] for record in clips] == [b'clip3', b'clip4']


def test_a_record_holds_what_was_read(tmp_path):
  builder = build(tmp_path, [clip('clip7', 'train', subject=3)])
  (record,) = builder.as_data_source('train')
  np.testing.assert_array_equal(record['keypoints'][:1], keypoints('clip7'))
  assert record['keypoints'].shape == (2, 3, 17, 2)  # the second is absent
  assert not record['keypoints'][1].any()
  assert record['keypoints'].dtype == np.float32
  assert (record['label'], record['subject']) == (0, 3)
  np.testing.assert_array_equal(record['image_size'], [os.getpid(), 1])
  assert dict(builder.info.metadata) == {
    'layout': 'unik_17',
    'units': 'none',
    'confidence': False,
  }


def test_several_processes_keep_the_order(tmp_path):
  clips = [clip(f'clip{i}', 'train') for i in range(250)]
  builder = build(tmp_path, clips, workers=2)
  records = list(builder.as_data_source('train'))
  assert [r['id'].decode() for r in records] == [c.id for c in clips]
  readers = {int(record['image_size'][0]) for record in records}
  # How many of the workers had work is random.
  assert os.getpid() not in readers


def test_shards_are_closed_when_they_are_full(tmp_path, monkeypatch):
  monkeypatch.setattr(shard_writer, '_SHARD_BYTES', 2000)
  clips = [clip(f'clip{i}', 'a_train', f'b{i % 2}_train') for i in range(40)]
  builder = build(tmp_path, clips)
  assert builder.info.splits['a_train'].num_shards > 4
  assert sorted(ids(builder, 'a_train')) == sorted(c.id for c in clips)
  assert len(ids(builder, 'b1_train')) == 20


BAD = {
  'reader': ([clip('bad', 'train')], 'bad: bad'),
  'no split': ([clip('clip1')], 'in no split'),
  'two parts': ([clip('clip1', 'train', 'test')], 'both train and test'),
  'two parts of a protocol': (
    [clip('clip1', 'x_train', 'x_test', 'y_train')],
    'both x_train and x_test',
  ),
  'twice': (
    [clip('clip1', 'train'), clip('clip1', 'test')],
    'twice.*train.*test',
  ),
  'label': (
    [ClipFile('clip1', 'clip1', ('train',), label=2)],
    'label.* 0 to 1,.* 2',
  ),
}


def test_a_clip_may_be_in_splits_that_overlap(tmp_path):
  splits = ('train', 'train_small', 'trainval', 'x_test', 'y_train')
  builder = build(tmp_path, [clip('clip1', *splits)])
  assert set(builder.info.splits) == set(splits)


@pytest.mark.parametrize('case', BAD)
def test_bad_clips_stop_or_are_skipped(case, tmp_path):
  clips, words = BAD[case]
  good = [clip('clip8', 'train'), clip('clip9', 'test')]
  with pytest.raises(UserError, match=f'(?s){words}.*--skip_bad'):
    build(tmp_path / 'stops', good + clips)
  assert not list(tmp_path.glob('stops/fake_builder/*/dataset_info.json'))
  builder = build(tmp_path / 'skips', good + clips, skip_bad=True)
  assert ids(builder, 'test') == ['clip9']
  report = json.loads((pathlib.Path(builder.data_path) / REPORT).read_text())
  (skipped,) = report['skipped']
  assert skipped['clip'] == str(clips[-1].source)
  assert not report['left_out']
  assert report['written'] == len(good) + len(clips) - 1


def test_clips_are_left_out_by_rule(tmp_path):
  builder = build(tmp_path, [clip('clip1', 'train'), clip('out', 'train')])
  assert ids(builder, 'train') == ['clip1']
  report = json.loads((pathlib.Path(builder.data_path) / REPORT).read_text())
  assert report['left_out'] == [{'clip': 'out', 'reason': 'no body'}]
  assert report['skipped'] == []


def test_the_temporary_folder_is_clean(tmp_path, monkeypatch):
  (tmp_path / 'tmp').mkdir()
  monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'tmp'))
  build(tmp_path / 'data', SHARED)
  assert not list((tmp_path / 'tmp').iterdir())


def test_no_report_without_bad_clips(tmp_path):
  builder = build(tmp_path, SHARED)
  assert not (pathlib.Path(builder.data_path) / REPORT).exists()


@pytest.mark.parametrize('clips', [[], [clip('bad', 'train')]])
def test_nothing_to_write(clips, tmp_path):
  with pytest.raises(UserError, match='no clip to write'):
    build(tmp_path, clips, skip_bad=True)


def test_errors_of_workers_are_raised(tmp_path):
  clips = [clip(f'clip{i}', 'train') for i in range(250)]
  with pytest.raises(UserError, match='bad: bad'):
    build(tmp_path, [*clips, clip('bad', 'train')], workers=2)


@pytest.mark.parametrize(
  'shape, words',
  [
    ((3, 4, 17, 2), 'at most 2 .* 2 channels.*got 3 .* 2'),
    ((1, 4, 17, 3), '2 channels.*got 1 .* 3'),
    ((1, 4, 13, 2), 'shape .*17'),
    ((1, 0, 17, 2), 'no frames'),
    ((4, 17, 2), 'shape'),
  ],
)
def test_shapes_that_do_not_fit(shape, words):
  with pytest.raises(UserError, match=words):
    read_clip(
      clip('clip1', 'train'),
      reader=lambda source: Recording(np.ones(shape)),
      layout=get_layout('unik_17'),
      persons=2,
      channels=2,
    )


def test_a_layout_of_ones_own_stays_with_the_data(tmp_path, monkeypatch):
  monkeypatch.setattr(layouts, 'LAYOUTS', dict(layouts.LAYOUTS))
  hand = layouts.Layout(
    name='my_hand',
    joints=tuple(f'joint_{i}' for i in range(17)),
    bones=tuple((f'joint_{i + 1}', f'joint_{i}') for i in range(16)),
    center='joint_0',
  )
  layouts.register_layout(hand)

  class Own(FakeBuilder, skip_registration=True):
    def _info(self):
      return self.clip_info(
        layout='my_hand',
        persons=1,
        channels=2,
        labels=['a'],
        description='',
        units='',
      )

  builder = Own(data_dir=tmp_path)
  builder.clips = (clip('clip1', 'train'),)
  builder.download_and_prepare()
  del layouts.LAYOUTS['my_hand']  # as in another process
  opened = registry.open_prepared('own', tmp_path)
  assert opened.info.metadata['layout'] == 'my_hand'
  assert layouts.get_layout('my_hand') == hand


# Preparing again


@pytest.fixture
def own(tmp_path, monkeypatch):
  """Prepares a folder of three clips a class, as a user's own."""
  for label, start in (('wave', 0), ('walk', 3)):
    (tmp_path / 'raw' / label).mkdir(parents=True)
    for i in range(start, start + 3):
      clip = np.random.default_rng(i).normal(size=(4, 17, 3))
      np.save(tmp_path / 'raw' / label / f'{i}.npy', clip)
  (tmp_path / 'raw' / 'layout.yaml').write_text('layout: coco_17\n')

  def prepare(**options):
    return registry.prepare_dataset(
      'skeleton_folder/mine', tmp_path / 'data', tmp_path / 'raw', **options
    )

  return prepare


def clips_in(builder):
  return sum(split.num_examples for split in builder.info.splits.values())


def test_changed_files_are_noticed(own, tmp_path):
  assert clips_in(own()) == clips_in(own()) == 6
  np.save(tmp_path / 'raw' / 'walk' / 'new.npy', np.full((5, 17, 3), 3))
  with pytest.raises(UserError, match='mine/1.0.0: .*changed.*--overwrite'):
    own()
  assert clips_in(own(overwrite=True)) == clips_in(own()) == 7
  shutil.rmtree(tmp_path / 'raw')  # no longer needed
  assert clips_in(own()) == 7


def test_a_new_data_dir_is_told_of_once(own, tmp_path, caplog):
  note = f'{tmp_path / "data"}: created, since this data_dir did not exist'
  own()
  assert caplog.messages.count(note) == 1
  own(overwrite=True)
  assert caplog.messages.count(note) == 1


def test_a_failed_overwrite_keeps_the_old_dataset(own, tmp_path):
  own()
  bad = tmp_path / 'raw' / 'walk' / 'bad.npy'
  bad.write_bytes(b'no array')
  with pytest.raises(UserError, match='bad.npy'):
    own(overwrite=True)
  left = registry.open_prepared('skeleton_folder/mine', tmp_path / 'data')
  assert clips_in(left) == 6
  assert clips_in(own(overwrite=True, skip_bad=True)) == 6
  folder = tmp_path / 'data' / 'skeleton_folder' / 'mine'
  assert {path.name for path in folder.iterdir()} == {'.lock', '1.0.0'}


def test_a_split_that_loses_all_its_clips_is_an_error(tmp_path):
  clips = [clip('clip1', 'train'), clip('bad', 'test')]
  with pytest.raises(UserError, match="left in split 'test'.*bad: bad"):
    build(tmp_path, clips, skip_bad=True)


_KILLED = """
import os, signal, sys
from unik_jax.data import builder, registry

def killed(*_):
  os.kill(os.getpid(), signal.SIGKILL)

builder.ShardWriter.finish = killed
registry.prepare_dataset('synthetic_skeletons/unik_17_2d', sys.argv[1])
"""


@pytest.mark.slow
def test_the_next_preparation_removes_what_a_killed_one_left(own, tmp_path):
  data_dir = tmp_path / 'data'
  done = subprocess.run(
    [sys.executable, '-c', _KILLED, str(data_dir)],
    cwd=pathlib.Path(__file__).parents[2],
  )
  assert done.returncode == -signal.SIGKILL
  (left,) = data_dir.rglob('.incomplete')
  # As while another process prepares that dataset.
  with hold_lock(left.with_name('.lock')):
    own()
    assert left.is_dir()
  own()
  assert not [*data_dir.rglob('.incomplete')]
