"""Annotation pickles as clips for a trained model."""

import os
import pickle

import numpy as np
import pytest
from helpers.pyskl import make_annotation

from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.predictor import inputs

SHAPE = (2, 5, 17, 2)


def write_pickle(path, annotations):
  path.write_bytes(
    pickle.dumps(
      {
        'split': {'train': [a['frame_dir'] for a in annotations]},
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
