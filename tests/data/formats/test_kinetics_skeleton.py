"""Kinetics-skeleton: parsing, preparation, and errors in its files."""

import json
import os
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers.alterations import remove_files, write_file
from helpers.pickles import malicious_pickle
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.data.formats import kinetics
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError


def make_body(rng, missing=()):
  """Returns a random body; the scores of missing joints are 0."""
  pose = rng.uniform(0.01, 1, (18, 2)).round(3)
  score = rng.uniform(0.01, 1, 18).round(3)
  score[list(missing)] = 0
  return {'pose': pose.ravel().tolist(), 'score': score.tolist()}


def make_clip(bodies=(1, 2, 0, 2), seed=0, first=1):
  """Returns a file's content as an object.

  Args:
    bodies: number of bodies in each frame.
    seed: of their random poses.
    first: frame_index of the first frame.
  """
  rng = np.random.default_rng(seed)
  data = [
    {
      'frame_index': first + t,
      'skeleton': [make_body(rng, missing=(t % 18, 17)) for _ in range(count)],
    }
    for t, count in enumerate(bodies)
  ]
  return {'data': data, 'label': 'clapping', 'label_index': 57}


def parse_clip(clip, **options):
  """Parses a file's content that is given as an object."""
  return kinetics.parse_bodies(
    json.dumps(clip).encode(), 'clip.json', **options
  )


def choose_bodies(clip, persons=2, start=1):
  """Returns the keypoints as ST-GCN's feeder chooses them, body by body."""
  frames = {frame['frame_index']: frame['skeleton'] for frame in clip['data']}
  out = np.zeros((persons, max(frames) + 1 - start, 18, 3))
  for number, bodies in frames.items():
    bodies = sorted(bodies[:5], key=lambda body: -sum(body['score']))
    for m, body in enumerate(bodies[:persons]):
      for v in range(18):
        if body['score'][v]:
          x, y = body['pose'][2 * v : 2 * v + 2]
          out[m, number - start, v] = x, y, body['score'][v]
  return np.float32(out)


# Parsing


def test_classes():
  assert len(kinetics.LABELS) == len(set(kinetics.LABELS)) == 400
  assert kinetics.LABELS == sorted(kinetics.LABELS, key=str.lower)
  assert [kinetics.LABELS[i] for i in (0, 57, 399)] == [
    'abseiling',
    'clapping',
    'zumba',
  ]


@pytest.mark.parametrize('persons', [1, 2, 3])
@pytest.mark.parametrize('bodies', [(1,), (1, 2, 0, 2), (7, 3, 1), (0, 0, 5)])
def test_the_bodies_of_highest_score_are_kept(bodies, persons):
  clip = make_clip(bodies)
  read = parse_clip(clip, persons=persons)
  assert read.dtype == np.float32
  assert read.shape == (persons, len(bodies), 18, 3)
  np.testing.assert_array_equal(read, choose_bodies(clip, persons))


def test_a_sixth_body_is_not_read():
  clip = make_clip((6,))
  clip['data'][0]['skeleton'][5]['score'] = [1] * 18
  np.testing.assert_array_equal(parse_clip(clip), choose_bodies(clip))
  clip['data'][0]['skeleton'][5] = 'not read either'
  parse_clip(clip)


def test_frames_go_by_their_index():
  clip = make_clip((1, 2, 1, 1))
  del clip['data'][1]
  clip['data'].reverse()
  read = parse_clip(clip)
  assert read.shape[1] == 4 and not read[:, 1].any()
  np.testing.assert_array_equal(read, choose_bodies(clip))
  late = parse_clip(make_clip((1, 1), first=9))
  assert late.shape[1] == 10 and not late[:, :8].any() and late[0, 8:].any()
  zero = make_clip((1, 1, 1), first=0)
  np.testing.assert_array_equal(parse_clip(zero), choose_bodies(zero, start=0))


def test_bodies_of_equal_scores_keep_their_order():
  clip = make_clip((3,))
  for body in clip['data'][0]['skeleton']:
    body['score'] = [0.5] * 18
  np.testing.assert_array_equal(parse_clip(clip), choose_bodies(clip))


def test_nobody_in_any_frame():
  assert parse_clip(make_clip((0, 0, 0))).shape == (2, 3, 18, 3)


def change(frame=1, body=None, **changes):
  """Returns bytes of a clip with other values in a frame or a body."""
  clip = make_clip()
  target = clip['data'][frame]
  if body is not None:
    target = target['skeleton'][body]
  target |= changes
  return json.dumps(clip).encode()


def change_value(field, index, value):
  """Returns bytes of a clip with another number in a body."""
  values = make_clip()['data'][1]['skeleton'][1][field]
  values[index] = value
  return change(1, 1, **{field: values})


CONTENT = json.dumps(make_clip()).encode()
SECOND = 'frame 2, person 1'
BAD = {
  'empty': (b'', 'line 1, column 1'),
  'cut short': (CONTENT[: len(CONTENT) // 2], 'cut short.*line 1'),
  'not UTF-8': (CONTENT[:40] + b'\xff' + CONTENT[40:], 'byte 40'),
  'nested without end': (b'[' * 200_000, 'nested'),
  'a list': (b'[1]', 'no list "data"'),
  'data no list': (b'{"data": {}}', 'no list "data"'),
  'no frames': (b'{"data": []}', 'no frames'),
  'frame no dict': (b'{"data": [[]]}', 'entry 0.*no list "skeleton"'),
  'no skeletons': (change(skeleton=None), 'entry 1.*no list "skeleton"'),
  'no index': (change(frame_index=None), 'entry 1.*frame_index: .*got None'),
  'half an index': (change(frame_index=1.5), 'entry 1.*frame_index: .*got 1.5'),
  'below': (change(frame_index=-1), 'entry 1.*frame_index: .*got -1'),
  'beyond': (change(frame_index=10**9), 'entry 1.*frame_index: .*got 10000'),
  'infinite': (change(frame_index=float('inf')), 'entry 1.*got inf'),
  'twice': (change(frame_index=1), 'entry 1.*1 occurs twice'),
  'body no dict': (change(skeleton=[5]), "person 0: no list 'pose'"),
  'no pose': (change(1, 1, pose=None), f"{SECOND}: no list 'pose'"),
  'no score': (change(1, 1, score=None), f"{SECOND}: no list 'score'"),
  '17 joints': (change(1, 1, pose=[0.1] * 34), f'{SECOND}: pose: .*36.*34'),
  '25 scores': (change(1, 1, score=[0.1] * 25), f'{SECOND}: score: .*18.*25'),
  'text': (change_value('pose', 3, 'left'), f"{SECOND}: pose: .*got 'left'"),
  'null': (change_value('score', 3, None), f"{SECOND}: score: .*got 'None'"),
  'NaN': (
    change_value('pose', 5, float('nan')),
    r'frame 2: .*\(right_shoulder\) is NaN',
  ),
  'infinity': (change_value('score', 0, float('-inf')), r'frame 2.*\(nose'),
  'too large': (change_value('pose', 0, 1e39), r'frame 2.*joint 0 \(nose'),
}


@pytest.mark.parametrize('case', BAD)
def test_errors_name_the_file_and_place(case):
  content, place = BAD[case]
  with pytest.raises(UserError, match=f'(?s)clip.json.*{place}'):
    kinetics.parse_bodies(content, 'clip.json')


# Preparing

TRAIN = {
  '---0dWlqevI': (57, True, make_clip((2, 0, 1), 1)),
  '_2hHyXxsyFo': (399, True, make_clip((0, 1, 1, 3), 2)),
  'no_skeleton': (5, False, make_clip((1,), 3)),
  'nobodyThere': (5, True, make_clip((0, 0), 4)),
  'zzzzzzzzzzz': (0, True, make_clip((1,) * 5, 5)),
}
TEST = {'valvalval01': (42, True, make_clip((2, 2), 6))}
LABELS = 'kinetics_train_label.json'


def write_kinetics(folder):
  """Writes TRAIN and TEST as files."""
  for part, clips in (('train', TRAIN), ('val', TEST)):
    (folder / f'kinetics_{part}').mkdir(parents=True)
    labels = {}
    for name, (label, has_skeleton, clip) in clips.items():
      path = folder / f'kinetics_{part}' / f'{name}.json'
      path.write_text(json.dumps(clip))
      labels[name] = {
        'has_skeleton': has_skeleton,
        'label': kinetics.LABELS[label],
        'label_index': label,
      }
    (folder / f'kinetics_{part}_label.json').write_text(json.dumps(labels))


def pack(folder, archive):
  with zipfile.ZipFile(archive, 'w') as out:
    for path in sorted(folder.rglob('*.json')):
      out.write(path, f'kinetics-skeleton/{path.relative_to(folder)}')


def prepare(tmp_path, **options):
  return registry.prepare_dataset(
    'kinetics_skeleton', tmp_path / 'data', tmp_path / 'raw', **options
  )


@pytest.mark.parametrize('layout', ['files', 'folder', 'zip'])
def test_prepared_records_equal_the_files(tmp_path, layout):
  raw = tmp_path / 'raw'
  if layout == 'zip':
    write_kinetics(tmp_path / 'extracted')
    raw.mkdir()
    pack(tmp_path / 'extracted', raw / 'kinetics-skeleton.zip')
  else:
    write_kinetics(raw / 'kinetics-skeleton' if layout == 'folder' else raw)
  prepare(tmp_path)
  info = registry.open_prepared('kinetics_skeleton', tmp_path / 'data').info
  assert info.features['label'].names == kinetics.LABELS
  assert info.metadata['layout'] == 'openpose_18'
  assert info.metadata['confidence']
  assert set(info.splits) == {'train', 'test'}
  for split, clips in (('train', TRAIN), ('test', TEST)):
    expected = {k: v for k, v in clips.items() if not k.startswith('no')}
    # The three lines of the documentation.
    source = tfds.data_source(
      'kinetics_skeleton', split=split, data_dir=tmp_path / 'data'
    )
    assert {record['id'].decode() for record in source} == set(expected)
    for record in source:
      label, _, clip = expected[record['id'].decode()]
      assert record['label'] == label and record['subject'] == -1
      np.testing.assert_array_equal(record['keypoints'], choose_bodies(clip))


def test_clips_without_a_skeleton_or_a_file_are_reported(tmp_path):
  write_kinetics(tmp_path / 'raw')
  (tmp_path / 'raw' / 'kinetics_train' / '_2hHyXxsyFo.json').unlink()
  report = read_report(prepare(tmp_path))
  assert report['written'] == 3 and not report['skipped']
  assert reasons_by_name(report['left_out']) == {
    'no_skeleton.json': 'has_skeleton is false',
    'nobodyThere.json': 'nobody in any frame',
    f'{LABELS}, _2hHyXxsyFo': 'there is no such file',
  }


def change_label(**entry):
  """Returns a function that changes values of the last clip's label."""

  def alter(folder):
    labels = json.loads((folder / LABELS).read_text())
    labels['zzzzzzzzzzz'] |= entry
    (folder / LABELS).write_text(json.dumps(labels))

  return alter


LAST = 'kinetics_train/zzzzzzzzzzz.json'
BAD_CLIPS = {
  'cut short': (
    write_file(LAST, '{"data": [{"fra'),
    f'{LAST}: cut short.*line 1',
  ),
  'name not UTF-8': (
    write_file(os.fsdecode(b'kinetics_train/\xff.json'), '{}'),
    r'\\xff\.json.*name is not UTF-8',
  ),
  'no archive': (write_file('thesis.zip', 'x'), r'thesis\.zip: cannot be read'),
  'no frames': (write_file(LAST, '{"data": []}'), f'{LAST}: .*no frames'),
  'unknown name': (
    write_file('kinetics_train/notes.json', '{}'),
    f'notes.json: .*{LABELS} has no label for notes',
  ),
  'label no number': (change_label(label_index='1'), f"{LABELS}, zz.*got '1'"),
  'label true': (change_label(label_index=True), f'{LABELS}, zz.*got True'),
  'label beyond': (
    change_label(label_index=400),
    f'{LABELS}, zz.*399, got 400',
  ),
  'label below': (change_label(label_index=-1), f'{LABELS}, zz.*399, got -1'),
  'other dataset': (
    change_label(label='walk'),
    f"{LABELS}, zz.*label 0: .*'abseiling'.*'walk'.*skeleton_folder",
  ),
  'maybe': (
    change_label(has_skeleton=1),
    f'{LABELS}, zz.*has_skeleton: .*got 1',
  ),
}


@pytest.mark.parametrize('case', BAD_CLIPS)
def test_bad_clips_are_errors_or_reported(tmp_path, case):
  damage, problem = BAD_CLIPS[case]
  write_kinetics(tmp_path / 'raw')
  damage(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'(?s){problem}.*--skip_bad'):
    prepare(tmp_path)
  assert registry.open_prepared('kinetics_skeleton', tmp_path / 'data') is None
  builder = prepare(tmp_path, skip_bad=True)
  assert len(read_report(builder)['skipped']) == 1
  assert builder.info.splits['train'].num_examples >= 2


def test_a_clip_in_both_splits(tmp_path):
  write_kinetics(tmp_path / 'raw')
  path = tmp_path / 'raw' / 'kinetics_val_label.json'
  labels = json.loads(path.read_text())
  labels['zzzzzzzzzzz'] = labels['valvalval01']
  path.write_text(json.dumps(labels))
  write_file('kinetics_val/zzzzzzzzzzz.json', '{}')(tmp_path / 'raw')
  with pytest.raises(UserError, match='(?s)val/zzz.*occurs twice.*train.*test'):
    prepare(tmp_path)


@pytest.mark.parametrize(
  ('damage', 'problem'),
  [
    (remove_files(LABELS), f'{LABELS}.*got 0 and.*kinetics-skeleton.zip'),
    (remove_files('kinetics_val/*'), 'kinetics_val/.*got 1 and 0'),
    (write_file(LABELS, '{"a": '), f'{LABELS}: cut short.*line 1'),
    (write_file(LABELS, '[]'), f'{LABELS}: expected .*has_skeleton'),
    (write_file(f'kinetics_val/{LABELS}', '{}'), f'{LABELS}.*got 2 and'),
  ],
)
def test_errors_in_files_that_all_clips_need(tmp_path, damage, problem):
  write_kinetics(tmp_path / 'raw')
  damage(tmp_path / 'raw')
  with pytest.raises(UserError, match=f'(?s){problem}'):
    prepare(tmp_path)


def test_an_archive_that_leads_out_of_itself(tmp_path):
  write_kinetics(tmp_path / 'raw')
  with zipfile.ZipFile(tmp_path / 'raw' / 'more.zip', 'w') as archive:
    archive.writestr('../kinetics_train/evil.json', '{}')
  with pytest.raises(UserError, match=r'more\.zip.*\.\./kinetics_train'):
    prepare(tmp_path)
  assert not list(tmp_path.rglob('evil.json'))


def test_a_pickle_is_not_run(tmp_path):
  write_kinetics(tmp_path / 'raw')
  content = malicious_pickle(tmp_path / 'created')
  (tmp_path / 'raw' / LAST).write_bytes(content)
  with pytest.raises(UserError, match=f'{LAST}: byte 0 is not UTF-8'):
    prepare(tmp_path)
  assert not (tmp_path / 'created').exists()


def test_no_files_prints_what_to_download(tmp_path):
  with pytest.raises(UserError, match='(?s)https://.*kinetics_val_label.json'):
    prepare(tmp_path)


def test_the_reader_names_the_file(tmp_path):
  (tmp_path / 'a.json').write_text('{}')
  with pytest.raises(UserError, match=f'{tmp_path}/a.json: no list'):
    kinetics.read_bodies(RawFile(str(tmp_path / 'a.json')))
