"""pyskl's annotation pickles: read as pyskl reads them."""

import warnings

import numpy as np
import pytest
from helpers.pickles import write
from helpers.pyskl import COCO, annotation, packed, unpacked

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import pyskl
from unik_jax.errors import UserError


def load(tmp_path, data):
  return pyskl.load_annotations(write(tmp_path / 'set.pkl', data))


@pytest.mark.parametrize(
  ('shape', 'changes', 'form'),
  [
    ((2, 4, 25, 3), {}, ('ntu_25', 3, False, 'metres')),
    (COCO, {}, ('coco_17', 3, True, 'pixels')),
    (COCO, {'keypoint_score': None}, ('coco_17', 2, False, 'pixels')),
    ((1, 3, 18, 2), {}, ('openpose_18', 3, True, 'pixels')),
    # A third channel of joints in an image is the score.
    ((1, 3, 17, 3), {'keypoint_score': None}, ('coco_17', 3, True, 'pixels')),
  ],
)
def test_layouts_are_detected(tmp_path, shape, changes, form):
  record = annotation('a', shape=shape, **changes)
  found = load(tmp_path, [record])
  assert found.form == form
  (clip,) = found.clips
  read = pyskl.read_keypoints(clip, 2)
  assert read.dtype == np.float32
  expected = record['keypoint']
  if 'keypoint_score' in record:
    expected = np.concatenate(
      [expected, record['keypoint_score'][..., None]], 3
    )
  np.testing.assert_array_equal(read, expected.astype(np.float32))


def test_scores_besides_three_coordinates(tmp_path):
  score = np.ones((2, 4, 25), np.float16)
  found = load(tmp_path, [annotation('a', keypoint_score=score)])
  assert found.form == ('ntu_25', 4, True, 'metres')
  assert (pyskl.read_keypoints(found.clips[0], 2)[..., 3] == 1).all()


def test_of_many_tracks_the_first_are_kept(tmp_path):
  """Whatever their scores: pyskl's FormatGCNInput takes the first two."""
  record = annotation('a', shape=(5, 3, 17, 2))
  score = np.full((5, 3, 17), 0.1, np.float16)
  score[1], score[3] = 0.5, 0.9
  record['keypoint_score'] = score
  found = load(tmp_path, [record])
  assert found.persons == 2
  read = pyskl.read_keypoints(found.clips[0], 2)
  np.testing.assert_array_equal(read[..., :2], record['keypoint'][:2])
  np.testing.assert_array_equal(read[..., 2], score[:2])
  assert len(pyskl.read_keypoints(found.clips[0], 9)) == 5


def test_of_many_tracks_without_scores_the_first_are_kept(tmp_path):
  record = annotation('a', shape=(3, 4, 25, 3))
  read = pyskl.read_keypoints(load(tmp_path, [record]).clips[0], 2)
  np.testing.assert_array_equal(read, record['keypoint'][:2])


@pytest.mark.parametrize(
  'frames',
  [
    [0],
    [1, 1, 2, 2, 5, 7, 7],
    [3, 3, 3, 4, 9, 9, 9, 9, 11],
    [2, 2, 1, 1, 1],  # nobody writes this
    [300] * 10 + [301] * 4,
    [300] * 11 + [301] * 3,
  ],
)
@pytest.mark.parametrize('persons', [1, 2, 10])
def test_packed_poses(tmp_path, frames, persons):
  bodies, frames = packed(frames)
  record = annotation('a', keypoint=bodies, frame_inds=frames)
  found = load(tmp_path, [record])
  assert found.form == ('coco_17', 3, True, 'pixels')
  assert found.persons == min(2, np.bincount(frames).max())
  read = pyskl.read_keypoints(found.clips[0], persons)
  np.testing.assert_array_equal(read, unpacked(bodies, frames, persons))


def test_sizes_and_subjects(tmp_path):
  clip, other = load(
    tmp_path,
    [
      annotation('S017C003P020R002A060', 59, COCO),
      annotation('v_Archery_g01_c01', np.int64(2), COCO, img_shape=None),
    ],
  ).clips
  assert clip.image_size == (1920, 1080) and clip.subject == 20
  assert other.image_size == (0, 0) and other.subject == -1
  assert other.label == 2 and type(other.label) is int


def test_splits(tmp_path):
  records = [annotation(name) for name in 'abc']
  splits = {
    'xsub_train': ['a', 'b'],
    'xsub_val': {'c'},
    'train1': ('b', 'b'),
    'test1': np.array(['a', 'c']),
    'cross-set 2': ['b'],
    'all': ['a'],
  }
  found = load(tmp_path, {'split': splits, 'annotations': records})
  assert not found.bad
  assert {clip.id: set(clip.splits) for clip in found.clips} == {
    'a': {'xsub_train', 'split1_test', 'all_clips'},
    'b': {'xsub_train', 'split1_train', 'cross_set_2'},
    'c': {'xsub_val', 'split1_test'},
  }
  for data in (records, {'annotations': records}):
    found = load(tmp_path, data)
    assert [clip.splits for clip in found.clips] == [('train',)] * 3


def test_splits_go_by_the_name_of_the_file(tmp_path):
  record = annotation('a', filename='videos/a.mp4')
  data = {'split': {'train': ['videos/a.mp4']}, 'annotations': [record]}
  (clip,) = load(tmp_path, data).clips
  assert clip.id == 'videos/a.mp4' and clip.splits == ('train',)


# What pyskl takes as it is


@pytest.mark.parametrize('value', ['coordinate', 'score'])
@pytest.mark.parametrize('form', ['tracks', 'packed', 'third channel'])
def test_what_is_nan_in_an_image_is_missing(tmp_path, form, value):
  poses = np.ones((1, 3, 17, 3), np.float16)
  poses[0, 1, 4, 2 if value == 'score' else 1] = np.nan
  changes = {'keypoint': poses, 'keypoint_score': None}
  if form == 'tracks':
    changes = {'keypoint': poses[..., :2], 'keypoint_score': poses[..., 2]}
  elif form == 'packed':
    changes = {'keypoint': poses[0], 'frame_inds': np.arange(3)}
  record = annotation('a', shape=COCO, **changes)
  read = pyskl.read_keypoints(load(tmp_path, [record]).clips[0], 2)
  expected = np.ones((1, 3, 17, 3), np.float32)
  expected[0, 1, 4] = 0
  np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize('shape', [(2, 4, 25, 3), (2, 4, 17, 2)])
def test_frames_beyond_the_last_are_not_read(tmp_path, shape):
  record = annotation('a', shape=shape, total_frames=3)
  read = pyskl.read_keypoints(load(tmp_path, [record]).clips[0], 2)
  assert read.shape[:2] == (2, 3)
  coordinates = read[..., : shape[3]]
  np.testing.assert_array_equal(coordinates, record['keypoint'][:, :3])
  if shape[2] == 17:
    np.testing.assert_array_equal(read[..., 2], record['keypoint_score'][:, :3])


def test_what_is_left_out(tmp_path):
  nobody = annotation('x', shape=(0, 4, 17, 2))
  bodies, frames = packed([])
  empty = annotation('y', keypoint=bodies, frame_inds=frames)
  data = {
    'split': {'train': ['a', 'x', 'gone'], 'test1': ['y', 'lost']},
    'annotations': [annotation('a', shape=COCO), nobody, empty],
  }
  found = load(tmp_path, data)
  assert [clip.id for clip in found.clips] == ['a'] and not found.bad
  path = tmp_path / 'set.pkl'
  assert found.left_out == [
    (f'{path}, record 1 (x)', 'nobody in it'),
    (f'{path}, record 2 (y)', 'nobody in it'),
    (f'{path}, split train', "clip 'gone' has no annotation"),
    (f'{path}, split split1_test', "clip 'lost' has no annotation"),
  ]
  with pytest.raises(UserError, match=r'set\.pkl: no clip.*1 left out.*nobody'):
    load(tmp_path, [nobody])


@pytest.mark.parametrize('persons', [1, 3])
def test_nothing_but_zeros_is_left_out(tmp_path, persons):
  keypoint = np.zeros((3, 3, 17, 2), np.float16)
  keypoint[2] = persons == 1  # whom nobody asks for
  record = annotation('a', shape=(3, 3, 17, 2), keypoint=keypoint)
  with pytest.raises(LeftOut, match='every coordinate is zero'):
    pyskl.read_keypoints(load(tmp_path, [record]).clips[0], persons)


def test_what_float32_cannot_hold_is_infinite_without_a_warning(tmp_path):
  keypoint = np.full((1, 1, 17, 3), 1e300)
  record = annotation('a', shape=(1, 1, 17, 3), keypoint=keypoint)
  del record['keypoint_score']
  with warnings.catch_warnings(action='error'):
    read = pyskl.read_keypoints(load(tmp_path, [record]).clips[0], 1)
  assert np.isinf(read).all()
