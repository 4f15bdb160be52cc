"""Annotation pickles as clips for a trained model, and as a dataset."""

import os
import pickle

import numpy as np
import pytest
from helpers.pyskl import make_annotation

from unik_jax.data import registry
from unik_jax.data.formats.user import recordings, tree
from unik_jax.errors import UserError
from unik_jax.predictor import inputs

SHAPE = (2, 5, 17, 2)


def write_pickle(path, annotations, split=None):
  path.write_bytes(
    pickle.dumps(
      {
        'split': split or {'train': [a['frame_dir'] for a in annotations]},
        'annotations': annotations,
      }
    )
  )
  return path


def test_clips_of_a_pickle(tmp_path):
  made = [make_annotation(f'c{n}', n, SHAPE, seed=n) for n in range(3)]
  write_pickle(tmp_path / 'a.pkl', made)
  sources = inputs.find_clips([str(tmp_path)])
  assert list(map(str, sources)) == [f'{tmp_path}/a.pkl/{n}' for n in range(3)]
  for source, record in zip(sources, made, strict=True):
    clip = recordings.parse_clip(source)
    expected = np.concatenate(
      [record['keypoint'], record['keypoint_score'][..., None]], -1
    )
    np.testing.assert_array_equal(clip.keypoints, expected)
    assert (clip.layout, clip.units) == ('coco_17', 'pixels')
    assert clip.confidence and clip.image_size == (1920, 1080)
  assert recordings.parse_clip(sources[0], persons=1).keypoints.shape[0] == 1


def test_joints_of_ntu(tmp_path):
  made = [make_annotation('S001C001P001R001A001', shape=(1, 4, 25, 3))]
  write_pickle(tmp_path / 'a.pkl', made)
  (source,) = inputs.find_clips([str(tmp_path / 'a.pkl')])
  clip = recordings.parse_clip(source)
  assert (clip.layout, clip.units) == ('ntu_25', 'metres')
  assert not clip.confidence and clip.image_size is None


def test_bad_annotations_are_named(tmp_path):
  made = [make_annotation(f'c{n}', n, SHAPE, seed=n) for n in range(2)]
  made[0]['total_frames'] = 9
  made.append(make_annotation('zeros', 1, SHAPE))
  made[2]['keypoint'] = np.zeros(SHAPE, np.float16)
  write_pickle(tmp_path / 'a.pkl', made)
  good, zeros, bad = inputs.find_clips([str(tmp_path / 'a.pkl')])
  assert recordings.parse_clip(good).keypoints.shape == (2, 5, 17, 3)
  with pytest.raises(UserError, match=r'a.pkl, record 2 \(zeros\): every'):
    recordings.parse_clip(zeros)
  with pytest.raises(UserError, match=r"record 0 \(c0\): 'total_frames'"):
    recordings.parse_clip(bad)


def test_other_pickles(tmp_path):
  class Harm:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / 'harmed'),)

  (tmp_path / 'a.pkl').write_bytes(pickle.dumps([Harm()]))
  with pytest.raises(UserError, match='a.pkl: refused'):
    inputs.find_clips([str(tmp_path)])
  assert not (tmp_path / 'harmed').exists()
  (tmp_path / 'a.pkl').write_bytes(pickle.dumps((['a'], [0])))
  with pytest.raises(UserError, match='a.pkl: no list of annotations'):
    inputs.find_clips([str(tmp_path)])
  os.rename(tmp_path / 'a.pkl', tmp_path / 'label.pkl')  # of a stack
  np.save(tmp_path / 'a.npy', np.ones((4, 17, 2)))
  assert len(inputs.find_clips([str(tmp_path)])) == 1


def prepare(folder, annotations, **options):
  raw = folder / 'raw'
  raw.mkdir(exist_ok=True)
  if annotations:
    write_pickle(raw / 'a.pkl', annotations, options.pop('split', None))
  (raw / 'layout.yaml').write_text(options.pop('layout', 'units: pixels\n'))
  return registry.prepare_dataset(
    'skeleton_folder/mine', folder / 'data', raw, workers=1, **options
  )


def test_a_dataset_of_annotations(tmp_path):
  """Joints that no format of pyskl has, in splits of one protocol."""
  made = [
    make_annotation(f'c{n}', 3 * (n % 2), (1, 5, 24, 3), seed=n, img_shape=None)
    for n in range(7)
  ]
  split = {'xsub_train': ['c0', 'c1', 'c2'], 'xsub_test': ['c3', 'c4', 'c5']}
  builder = prepare(
    tmp_path, made, split=split, layout='layout: smpl_24\nunits: metres\n'
  )
  assert builder.info.features['label'].names == ['0', '3']
  assert builder.info.metadata['layout'] == 'smpl_24'
  for name, ids in split.items():
    records = builder.as_data_source(split=name.removeprefix('xsub_'))
    by_id = {record['id'].decode(): record for record in records}
    assert by_id.keys() == {f'a/{id}' for id in ids}
    for id in ids:
      record = made[int(id[1])]
      expected = np.concatenate(
        [record['keypoint'], record['keypoint_score'][..., None]], -1
      )
      keypoints = by_id[f'a/{id}']['keypoints'].reshape(expected.shape)
      np.testing.assert_array_equal(keypoints, expected)
      assert by_id[f'a/{id}']['label'] == record['label'] // 3


def test_lists_of_annotations(tmp_path):
  """Files without splits: named like splits, or drawn."""
  made = [make_annotation(f'c{n}', n % 2, SHAPE, seed=n) for n in range(6)]
  raw = tmp_path / 'raw'
  raw.mkdir()
  for name, part in (('train', made[:4]), ('test', made[4:])):
    (raw / f'{name}.pkl').write_bytes(pickle.dumps(part))
  builder = prepare(tmp_path, [])
  assert builder.info.metadata['layout'] == 'coco_17'
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 4, 'test': 2}
  (raw / 'test.pkl').unlink()
  found, notes = tree.read_dataset_files(raw)
  assert {entry.split for entry in found} == {''} and not notes


def test_bad_annotations_of_a_dataset(tmp_path):
  made = [make_annotation(f'c{n}', n % 2, SHAPE, seed=n) for n in range(6)]
  made[4]['total_frames'] = 9
  split = {'train': ['c0', 'c1'], 'val': ['c2', 'c3', 'c4']}
  with pytest.raises(UserError, match=r"record 4 \(c4\): 'total_frames'"):
    prepare(tmp_path, made, split=split)
  builder = prepare(tmp_path, made, split=split, skip_bad=True)
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 2, 'test': 2}
  _, notes = tree.read_dataset_files(tmp_path / 'raw')
  assert notes[0].startswith('1 annotations are left out, the first: ')
  assert notes[0].endswith('record 5 (c5): in no split')


@pytest.mark.parametrize(
  'split',
  [
    {'xsub_train': ['c0', 'c1'], 'xview_val': ['c2', 'c3']},
    {'train': ['c0', 'c1'], 'val': ['c1', 'c2', 'c3']},
    {'train': ['c0', 'c1'], 'dev': ['c2', 'c3']},
  ],
)
def test_other_splits(split, tmp_path):
  made = [make_annotation(f'c{n}', n % 2, SHAPE, seed=n) for n in range(4)]
  with pytest.raises(UserError, match='one split.*the dataset pyskl'):
    prepare(tmp_path, made, split=split)
