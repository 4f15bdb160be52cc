"""NTU RGB+D as a dataset: protocols, archives, lists, and what can go wrong."""

import itertools
import json
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging
from array_record.python import array_record_module
from helpers.fixtures import ANN, BEN, CAT, make_frames, skeleton_text
from helpers.ntu import altered, parse, with_value

from unik_jax.data import registry
from unik_jax.data.formats import ntu, ntu_actions
from unik_jax.errors import UserError


def protocol(actions, setup, camera, subject):
  """As the authors' papers have it, by the subjects that are tested on."""
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
  splits_of = getattr(ntu_actions, f'assign_splits_{actions}')
  trained_on = set()
  for setup, camera, subject in itertools.product(
    range(1, setups + 1), (1, 2, 3), range(1, subjects + 1)
  ):
    name = f'S{setup:03}C{camera:03}P{subject:03}R001A001'
    splits = splits_of(ntu.parse_clip_name(name, name))
    assert set(splits) == protocol(actions, setup, camera, subject)
    if 'xsub_train' in splits:
      trained_on.add(subject)
  assert len(trained_on) == subjects // 2


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


def frames_of(name):
  """Two persons who change slots, more or fewer frames of them."""
  seed = int(name[-3:])
  ids = [(ANN,), (ANN, BEN), (BEN, ANN), (BEN, ANN, CAT)][: 2 + seed % 3]
  return make_frames(ids, seed)


def write(folder, *, zipped=False, lists=LISTS):
  """All of NTU-60 and NTU-120, as files or as the two archives."""
  folder.mkdir()
  texts = {
    f'{name}.skeleton': skeleton_text(
      [[]] if name in MISSING else frames_of(name)
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


def prepare(tmp_path, config='ntu60', **options):
  return registry.prepare_dataset(
    f'ntu_rgbd/{config}', tmp_path / 'data', tmp_path / 'raw', **options
  )


@pytest.mark.parametrize('zipped', [False, True], ids=['files', 'zip'])
@pytest.mark.parametrize('config', ['ntu60', 'ntu120', 'ntu60_slots'])
def test_prepares_what_the_files_hold(tmp_path, config, zipped):
  write(tmp_path / 'raw', zipped=zipped)
  prepare(tmp_path, config)
  actions = int(config.removeprefix('ntu').removesuffix('_slots'))
  names = NTU_60 if actions == 60 else NTU_60 + NTU_120
  builder = registry.open_prepared(f'ntu_rgbd/{config}', tmp_path / 'data')
  assert builder.info.metadata['layout'] == 'ntu_25'
  assert builder.info.metadata['units'] == 'metres'
  assert builder.info.features['keypoints'].shape == (2, None, 25, 3)
  labels = builder.info.features['label'].names
  assert labels == list(ntu_actions.ACTIONS[:actions])
  found = {name: set() for name in names}
  for split in builder.info.splits:
    source = builder.as_data_source(split)
    assert len(source) == builder.info.splits[split].num_examples > 0
    for record in source:
      name = record['id'].decode()
      found[name].add(split)
      assert record['label'] == int(name[-3:]) - 1
      assert record['subject'] == int(name[9:12])
      read = (
        ntu.track_by_slot if config.endswith('slots') else ntu.track_by_body
      )
      np.testing.assert_array_equal(
        record['keypoints'], read(parse(frames_of(name)))
      )
  for name, splits in found.items():
    setup, camera, subject = int(name[1:4]), int(name[5:8]), int(name[9:12])
    assert splits == protocol(actions, setup, camera, subject)
  # And on the disk there is each clip once.
  paths = set(map(os.path.realpath, builder.data_path.glob('*.array_record*')))
  readers = map(array_record_module.ArrayRecordReader, paths)
  assert sum(reader.num_records() for reader in readers) == len(names)


def test_the_tracks_by_body_and_by_slot_differ(tmp_path):
  write(tmp_path / 'raw')
  clips = []
  for config in ('ntu120', 'ntu120_slots'):
    builder = prepare(tmp_path, config)
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
  write(tmp_path / 'raw')
  prepare(tmp_path)
  source = tfds.data_source(
    'ntu_rgbd/ntu60', split='xsub_train', data_dir=tmp_path / 'data'
  )
  assert len(source) == 4 and source[0]['keypoints'].shape[2:] == (25, 3)


# The lists of missing skeletons


@pytest.fixture
def warnings(monkeypatch):
  seen = []
  monkeypatch.setattr(
    logging, 'warning', lambda text, *args: seen.append(text % args)
  )
  return seen


@pytest.mark.parametrize(
  ('config', 'left_out'), [('ntu60', MISSING[:1]), ('ntu120', MISSING)]
)
def test_listed_clips_are_left_out(tmp_path, warnings, config, left_out):
  write(tmp_path / 'raw')
  builder = prepare(tmp_path, config)
  report = json.loads((builder.data_path / 'report.json').read_text())
  found = [pathlib.Path(note['clip']).stem for note in report['left_out']]
  assert found == left_out and not report['skipped']
  assert not [text for text in warnings if 'missing' in text]


@pytest.mark.parametrize(
  ('config', 'lists', 'due'),
  [
    ('ntu60', {}, 'NTU_RGBD_samples'),
    ('ntu120', {}, 'NTU_RGBD120_samples'),
    ('ntu120', dict(list(LISTS.items())[:1]), 'NTU_RGBD120_samples'),
  ],
)
def test_without_the_list_there_is_a_warning(
  tmp_path, warnings, config, lists, due
):
  write(tmp_path / 'raw', lists=lists)
  message = 'no body in any of its 1 frames.*missing_skeletons.txt.*manual'
  with pytest.raises(UserError, match=message):
    prepare(tmp_path, config)
  (warning,) = [text for text in warnings if 'missing' in text]
  assert due in warning and str(tmp_path / 'raw') in warning
  assert 'https://github.com/shahroudy/NTURGB-D' in warning


def test_with_its_own_list_alone_ntu60_is_content(tmp_path, warnings):
  write(tmp_path / 'raw', lists=dict(list(LISTS.items())[:1]))
  hidden = tmp_path / 'raw' / '._NTU_RGBD_samples_with_missing_skeletons.txt'
  hidden.write_bytes(b'\0\5\x16\7\xff')  # as a Mac leaves them
  prepare(tmp_path)
  assert not [text for text in warnings if 'missing' in text]


# What can be wrong

FINE = skeleton_text(make_frames())
ONE = 'S004C002P001R001A009.skeleton'


def put(content, name=ONE):
  if isinstance(content, str):
    content = content.encode()
  return lambda folder: (folder / 'some' / name).write_bytes(content)


def put_archive(member, content=FINE):
  def alter(folder):
    with zipfile.ZipFile(folder / 'more.zip', 'w') as archive:
      archive.writestr(member, content)

  return alter


def break_archive(folder):
  put_archive(ONE)(folder)
  path = folder / 'more.zip'
  path.write_bytes(path.read_bytes()[:-40])


def damage_member(folder):
  """Bits that only the archive's checksum can tell."""
  put_archive(ONE)(folder)
  path = folder / 'more.zip'
  path.write_bytes(path.read_bytes().replace(b' 0.1 ', b' 0.3 ', 1))


def odd_bytes(folder):
  path = os.fsencode(folder / 'some') + b'/S001\xff.skeleton'
  pathlib.Path(os.fsdecode(path)).write_text(FINE)


class Malice:
  def __reduce__(self):
    return os.mkdir, ('executed',)


WRONG = {
  'truncated': (put(FINE[:-999]), f'{ONE}, line 1[0-9]+: .* where'),
  'empty': (put(''), f'{ONE}, line 1: '),
  'no frames': (put('0\n'), f'{ONE}, line 1: .*frames above 0'),
  'nobody': (put('2\n0\n0\n'), f'{ONE}: no body in any of its 2 frames'),
  'bodies': (put(altered((30, '3'))), f'{ONE}, line 85: '),
  'joints': (put(altered((4, '20'))), f"{ONE}, line 4: '20' where 25"),
  'NaN': (put(with_value('nan')), f'{ONE}, line 10: .* finite'),
  'all zeros': (
    put(skeleton_text([[(ANN, np.zeros((25, 3)))]])),
    f'{ONE}: every coordinate is zero',
  ),
  'a pickle': (put(pickle.dumps(Malice())), f'{ONE}, line 1: '),
  'odd name': (put(FINE, 'walk.skeleton'), 'walk.skeleton: name is not of'),
  'no such action': (
    put(FINE, 'S001C001P001R001A121.skeleton'),
    'A121.skeleton: action 121',
  ),
  'no such camera': (
    put(FINE, 'S001C004P001R001A001.skeleton'),
    'camera 4, but they go from 1 to 3',
  ),
  'not UTF-8': (odd_bytes, 'not UTF-8'),
  'there twice': (
    put(FINE, f'{NTU_60[0]}.skeleton'),
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
    put_archive(f'a/{ONE}', FINE[:-99]),
    f'more.zip: a/{ONE}, line 139: ',
  ),
  'list cut short': (
    put('S001C0', '../a_missing_skeletons.txt'),
    'a_missing_skeletons.txt, line 1: name is not of the form',
  ),
  'list not UTF-8': (
    put(b'\xff\xfe', '../a_missing_skeletons.txt'),
    'a_missing_skeletons.txt: byte 0 is not UTF-8',
  ),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_wrong_is_named_and_nothing_is_left(
  tmp_path, case, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  alter, message = WRONG[case]
  alter(write(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare(tmp_path)
  assert registry.open_prepared('ntu_rgbd', tmp_path / 'data') is None
  assert not pathlib.Path('executed').exists()


def test_bad_clips_can_be_skipped(tmp_path):
  folder = write(tmp_path / 'raw')
  put(FINE[:-99])(folder)
  put(FINE, 'walk.skeleton')(folder)
  put(FINE, 'S004C002P001R001A121.skeleton')(folder)
  put_archive('a/S1.skeleton')(folder)
  builder = prepare(tmp_path, skip_bad=True)
  report = json.loads((builder.data_path / 'report.json').read_text())
  assert report['written'] == len(NTU_60)
  skipped = {pathlib.Path(bad['clip']).name for bad in report['skipped']}
  bad_names = {'walk.skeleton', 'S004C002P001R001A121.skeleton', 'S1.skeleton'}
  assert skipped == {ONE, *bad_names}


def test_more_than_two_bodies_are_no_error(tmp_path):
  put(skeleton_text(make_frames([(ANN, BEN, CAT)] * 5)))(
    write(tmp_path / 'raw')
  )
  made = prepare(tmp_path)
  records = [
    record
    for split in ('xsub_train', 'xsub_test')
    for record in made.as_data_source(split)
  ]
  (clip,) = [r['keypoints'] for r in records if r['id'].decode() in ONE]
  assert clip.shape == (2, 5, 25, 3) and clip.any((2, 3)).all()


def test_without_files_it_says_what_to_get(tmp_path):
  with pytest.raises(UserError, match='(?s)rose1.ntu.edu.sg.*s001_to_s017.zip'):
    prepare(tmp_path)
  (tmp_path / 'raw').mkdir()
  (tmp_path / 'raw' / 'notes.txt').write_text('no clips here')
  with pytest.raises(UserError, match='raw: no clip to write'):
    prepare(tmp_path)
