"""NTU RGB+D as a dataset: protocols, archives, lists, and errors in them."""

import itertools
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging
from array_record.python import array_record_module
from helpers.alterations import write_file
from helpers.ntu import (
  ANN,
  BEN,
  CAT,
  make_frames,
  parse_frames,
  replace_lines,
  skeleton_text,
  text_with_coordinate,
)
from helpers.reports import read_report

from unik_jax.data import registry
from unik_jax.data.formats import ntu, ntu_actions, ntu_tracks
from unik_jax.errors import UserError


def expected_splits(actions, setup, camera, subject):
  """Returns the splits as the papers state them, by their test subjects."""
  tested = {3, 6, 7, 10, 11, 12, 20, 21, 22, 23, 24, 26, 29, 30, 32, 33, 36}
  tested |= {37, 39, 40}
  if actions == 60:
    view = 'xview_test' if camera == 1 else 'xview_train'
    return {'xsub_test' if subject in tested else 'xsub_train', view}
  tested |= {41, 42, 43, 44, 48, 51, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69}
  tested |= {71, 72, 73, 75, 76, 77, 79, 87, 88, 90, 96, 99, 101, 102}
  tested |= {104, 105, 106}
  setups = 'xset_test' if setup % 2 else 'xset_train'
  return {'xsub_test' if subject in tested else 'xsub_train', setups}


@pytest.mark.parametrize(
  ('actions', 'setups', 'subjects'), [(60, 17, 40), (120, 32, 106)]
)
def test_splits_follow_the_protocols(actions, setups, subjects):
  assign_splits = getattr(ntu_actions, f'assign_splits_{actions}')
  train_subjects = set()
  for setup, camera, subject in itertools.product(
    range(1, setups + 1), (1, 2, 3), range(1, subjects + 1)
  ):
    name = f'S{setup:03}C{camera:03}P{subject:03}R001A001'
    splits = assign_splits(ntu.parse_clip_name(name, name))
    assert set(splits) == expected_splits(actions, setup, camera, subject)
    if 'xsub_train' in splits:
      train_subjects.add(subject)
  assert len(train_subjects) == subjects // 2


# Preparing

NTU_60 = [
  'S001C001P001R001A001',
  'S001C002P003R002A050',
  'S002C003P008R002A012',
  'S003C001P002R001A007',
  'S017C001P017R001A060',
]
NTU_120 = [
  'S018C001P045R001A061',
  'S019C002P044R001A120',
  'S032C003P106R002A100',
]
MISSING = ['S005C002P004R001A001', 'S020C002P041R001A063']
LISTS = {
  'NTU_RGBD_samples_with_missing_skeletons.txt': MISSING[:1],
  'NTU_RGBD120_samples_with_missing_skeletons.txt': MISSING,
}


def make_clip(name):
  """Returns 2 to 4 frames of persons who change slots."""
  seed = int(name[-3:])
  ids = [(ANN,), (ANN, BEN), (BEN, ANN), (BEN, ANN, CAT)][: 2 + seed % 3]
  return make_frames(ids, seed)


def write_ntu(folder, *, zipped=False, lists=LISTS):
  """Writes all clips, as files or as the two archives. Returns the folder."""
  folder.mkdir()
  texts = {
    f'{name}.skeleton': skeleton_text(
      [[]] if name in MISSING else make_clip(name)
    )
    for name in NTU_60 + NTU_120 + MISSING
  }
  for number, (first, last) in enumerate([('001', '017'), ('018', '032')]):
    part = {k: v for k, v in texts.items() if first <= k[1:4] <= last}
    inner = f'nturgb+d_skeletons{number or ""}'
    if zipped:
      archive = folder / f'nturgbd_skeletons_s{first}_to_s{last}.zip'
      with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as out:
        for name, text in part.items():
          out.writestr(f'{inner}/{name}', text)
    else:
      (folder / 'some' / inner).mkdir(parents=True)
      for name, text in part.items():
        (folder / 'some' / inner / name).write_text(text)
  for name, missing in lists.items():
    prose = f'{len(missing)} of the captured samples are incomplete.\n\n'
    (folder / name).write_text(prose + '\n'.join([*missing, '']))
  return folder


def prepare_ntu(tmp_path, config='ntu60', **options):
  return registry.prepare_dataset(
    f'ntu_rgbd/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


@pytest.mark.parametrize('zipped', [False, True], ids=['files', 'zip'])
@pytest.mark.parametrize('config', ['ntu60', 'ntu120', 'ntu60_slots'])
def test_prepared_records_equal_the_files(tmp_path, config, zipped):
  write_ntu(tmp_path / 'raw', zipped=zipped)
  prepare_ntu(tmp_path, config)
  actions = int(config.removeprefix('ntu').removesuffix('_slots'))
  names = NTU_60 if actions == 60 else NTU_60 + NTU_120
  builder = registry.open_prepared(f'ntu_rgbd/{config}', tmp_path / 'data')
  assert builder.info.metadata['layout'] == 'ntu_25'
  assert builder.info.metadata['units'] == 'metres'
  assert builder.info.features['keypoints'].shape == (2, None, 25, 3)
  labels = builder.info.features['label'].names
  assert labels == list(ntu_actions.ACTIONS[:actions])
  splits_by_name = {name: set() for name in names}
  for split in builder.info.splits:
    source = builder.as_data_source(split)
    assert len(source) == builder.info.splits[split].num_examples > 0
    for record in source:
      name = record['id'].decode()
      splits_by_name[name].add(split)
      assert record['label'] == int(name[-3:]) - 1
      assert record['subject'] == int(name[9:12])
      track = (
        ntu_tracks.track_by_slot
        if config.endswith('slots')
        else ntu_tracks.track_by_body
      )
      np.testing.assert_array_equal(
        record['keypoints'], track(parse_frames(make_clip(name)))
      )
  for name, splits in splits_by_name.items():
    setup, camera, subject = int(name[1:4]), int(name[5:8]), int(name[9:12])
    assert splits == expected_splits(actions, setup, camera, subject)
  # Each clip is on disk once.
  paths = set(map(os.path.realpath, builder.data_path.glob('*.array_record*')))
  readers = map(array_record_module.ArrayRecordReader, paths)
  assert sum(reader.num_records() for reader in readers) == len(names)


def test_the_tracks_by_body_and_by_slot_differ(tmp_path):
  write_ntu(tmp_path / 'raw')
  clips = []
  for config in ('ntu120', 'ntu120_slots'):
    builder = prepare_ntu(tmp_path, config)
    clips.append(
      {
        record['id']: record['keypoints']
        for part in ('train', 'test')
        for record in builder.as_data_source(f'xset_{part}')
      }
    )
  assert clips[0].keys() == clips[1].keys()
  assert len(clips[0]) == len(NTU_60 + NTU_120)
  assert any((clips[0][name] != clips[1][name]).any() for name in clips[0])


def test_three_lines_of_python(tmp_path):
  write_ntu(tmp_path / 'raw')
  prepare_ntu(tmp_path)
  source = tfds.data_source(
    'ntu_rgbd/ntu60', split='xsub_train', data_dir=tmp_path / 'data'
  )
  assert len(source) == 4 and source[0]['keypoints'].shape[2:] == (25, 3)


# The lists of missing skeletons


@pytest.fixture
def warnings(monkeypatch):
  """The texts of logged warnings."""
  texts = []
  monkeypatch.setattr(
    logging, 'warning', lambda text, *args: texts.append(text % args)
  )
  return texts


@pytest.mark.parametrize(
  ('config', 'left_out'), [('ntu60', MISSING[:1]), ('ntu120', MISSING)]
)
def test_listed_clips_are_left_out(tmp_path, warnings, config, left_out):
  write_ntu(tmp_path / 'raw')
  builder = prepare_ntu(tmp_path, config)
  report = read_report(builder)
  names = [pathlib.Path(note['clip']).stem for note in report['left_out']]
  assert names == left_out and not report['skipped']
  assert not [text for text in warnings if 'missing' in text]


@pytest.mark.parametrize(
  ('config', 'lists', 'expected'),
  [
    ('ntu60', {}, 'NTU_RGBD_samples'),
    ('ntu120', {}, 'NTU_RGBD120_samples'),
    ('ntu120', dict(list(LISTS.items())[:1]), 'NTU_RGBD120_samples'),
  ],
)
def test_without_the_list_there_is_a_warning(
  tmp_path, warnings, config, lists, expected
):
  write_ntu(tmp_path / 'raw', lists=lists)
  message = 'no body in any of its 1 frames.*manual.*missing_skeletons.txt'
  with pytest.raises(UserError, match=message):
    prepare_ntu(tmp_path, config)
  (warning,) = [text for text in warnings if 'missing' in text]
  assert expected in warning and str(tmp_path / 'raw') in warning
  assert 'https://github.com/shahroudy/NTURGB-D' in warning


def test_ntu60_needs_only_its_own_list(tmp_path, warnings):
  write_ntu(tmp_path / 'raw', lists=dict(list(LISTS.items())[:1]))
  hidden = tmp_path / 'raw' / '._NTU_RGBD_samples_with_missing_skeletons.txt'
  hidden.write_bytes(b'\0\5\x16\7\xff')  # as macOS writes it
  prepare_ntu(tmp_path)
  assert not [text for text in warnings if 'missing' in text]


# Errors

VALID = skeleton_text(make_frames())
ONE = 'S004C002P001R001A009.skeleton'


def put(content, name=ONE):
  """Returns a function that writes a file among the clips."""
  return write_file(pathlib.Path('some', name), content)


def put_archive(member, content=VALID):
  """Returns a function that adds an archive with one member."""

  def alter(folder):
    with zipfile.ZipFile(folder / 'more.zip', 'w') as archive:
      archive.writestr(member, content)

  return alter


def break_archive(folder):
  put_archive(ONE)(folder)
  path = folder / 'more.zip'
  path.write_bytes(path.read_bytes()[:-40])


def damage_member(folder):
  """Changes a value that only the archive's checksum protects."""
  put_archive(ONE)(folder)
  path = folder / 'more.zip'
  path.write_bytes(path.read_bytes().replace(b' 0.1 ', b' 0.3 ', 1))


def add_name_not_utf8(folder):
  path = os.fsencode(folder / 'some') + b'/S001\xff.skeleton'
  pathlib.Path(os.fsdecode(path)).write_text(VALID)


class Malice:
  """Its pickle creates a folder when it is loaded."""

  def __reduce__(self):
    return os.mkdir, ('executed',)


WRONG = {
  'truncated': (put(VALID[:-999]), f'{ONE}, line 1[0-9]+: '),
  'empty': (put(''), f'{ONE}, line 1: '),
  'no frames': (put('0\n'), f'{ONE}, line 1: .*frames above 0'),
  'nobody': (put('2\n0\n0\n'), f'{ONE}: no body in any of its 2 frames'),
  'bodies': (put(replace_lines((30, '3'))), f'{ONE}, line 85: '),
  'joints': (put(replace_lines((4, '20'))), f"{ONE}, line 4: .*25.*got '20'"),
  'NaN': (put(text_with_coordinate('nan')), f'{ONE}, line 10: .* finite'),
  'all zeros': (
    put(skeleton_text([[(ANN, np.zeros((25, 3)))]])),
    f'{ONE}: .*only zeros',
  ),
  'a pickle': (put(pickle.dumps(Malice())), f'{ONE}, line 1: '),
  'other name': (put(VALID, 'walk.skeleton'), 'walk.skeleton: .*SsssCccc'),
  'no such action': (
    put(VALID, 'S001C001P001R001A121.skeleton'),
    'A121.skeleton: .*action.*got 121',
  ),
  'no such camera': (
    put(VALID, 'S001C004P001R001A001.skeleton'),
    'camera from 1 to 3, got 4',
  ),
  'not UTF-8': (add_name_not_utf8, 'not UTF-8'),
  'clip twice': (
    put(VALID, f'{NTU_60[0]}.skeleton'),
    f"{NTU_60[0]}.skeleton: clip '{NTU_60[0]}' occurs twice",
  ),
  'in a folder and an archive': (
    put_archive(f'a/{NTU_60[0]}.skeleton'),
    f"clip '{NTU_60[0]}' occurs twice",
  ),
  'zip slip': (put_archive(f'../{ONE}'), r'more.zip: member .*\.\./.* leads'),
  'broken archive': (break_archive, 'more.zip: cannot be read'),
  'damaged member': (damage_member, f'more.zip: {ONE}: cannot be read'),
  'bad in an archive': (
    put_archive(f'a/{ONE}', VALID[:-99]),
    f'more.zip: a/{ONE}, line 139: ',
  ),
  'list cut short': (
    put('S001C0', '../a_missing_skeletons.txt'),
    'a_missing_skeletons.txt, line 1: .*SsssCccc',
  ),
  'list not UTF-8': (
    put(b'\xff\xfe', '../a_missing_skeletons.txt'),
    'a_missing_skeletons.txt: byte 0 is not UTF-8',
  ),
}


@pytest.mark.parametrize('case', WRONG)
def test_errors_name_the_file_and_nothing_is_written(
  tmp_path, case, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  alter, message = WRONG[case]
  alter(write_ntu(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare_ntu(tmp_path)
  assert registry.open_prepared('ntu_rgbd', tmp_path / 'data') is None
  assert not pathlib.Path('executed').exists()


def test_bad_clips_can_be_skipped(tmp_path):
  folder = write_ntu(tmp_path / 'raw')
  put(VALID[:-99])(folder)
  put(VALID, 'walk.skeleton')(folder)
  put(VALID, 'S004C002P001R001A121.skeleton')(folder)
  put_archive('a/S1.skeleton')(folder)
  builder = prepare_ntu(tmp_path, skip_bad=True)
  report = read_report(builder)
  assert report['written'] == len(NTU_60)
  skipped = {pathlib.Path(note['clip']).name for note in report['skipped']}
  bad_names = {'walk.skeleton', 'S004C002P001R001A121.skeleton', 'S1.skeleton'}
  assert skipped == {ONE, *bad_names}


def test_more_than_two_bodies_are_not_an_error(tmp_path):
  put(skeleton_text(make_frames([(ANN, BEN, CAT)] * 5)))(
    write_ntu(tmp_path / 'raw')
  )
  builder = prepare_ntu(tmp_path)
  records = [
    record
    for split in ('xsub_train', 'xsub_test')
    for record in builder.as_data_source(split)
  ]
  (clip,) = [r['keypoints'] for r in records if r['id'].decode() in ONE]
  assert clip.shape == (2, 5, 25, 3) and clip.any((2, 3)).all()


def test_no_files_prints_what_to_download(tmp_path):
  with pytest.raises(UserError, match='(?s)rose1.ntu.edu.sg.*s001_to_s017.zip'):
    prepare_ntu(tmp_path)
  (tmp_path / 'raw').mkdir()
  (tmp_path / 'raw' / 'notes.txt').write_text('no clips here')
  with pytest.raises(UserError, match='raw: no clip to write'):
    prepare_ntu(tmp_path)
