"""pyskl's annotation pickles are keypoints as pyskl reads them."""

import pathlib
import pickle
import warnings

import numpy as np
import pytest
from helpers.pickles import write_pickle
from helpers.pyskl import (
  COCO_SHAPE,
  make_annotation,
  make_packed,
  unpack_as_pyskl,
)

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import pyskl
from unik_jax.errors import UserError


def load_pickled(tmp_path, data):
  """Writes and loads an annotation pickle."""
  return pyskl.load_annotations(write_pickle(tmp_path / 'set.pkl', data))


@pytest.mark.parametrize(
  ('shape', 'changes', 'form'),
  [
    ((2, 4, 25, 3), {}, ('ntu_25', 3, False, 'metres')),
    (COCO_SHAPE, {}, ('coco_17', 3, True, 'pixels')),
    (COCO_SHAPE, {'keypoint_score': None}, ('coco_17', 2, False, 'pixels')),
    ((1, 3, 18, 2), {}, ('openpose_18', 3, True, 'pixels')),
    ((1, 3, 18, 3), {}, ('openpose_18', 4, True, 'as in the files')),
  ],
)
def test_layouts_are_detected(tmp_path, shape, changes, form):
  record = make_annotation('a', shape=shape, **changes)
  annotations = load_pickled(tmp_path, [record])
  assert annotations.format == form
  (clip,) = annotations.clips
  keypoints = pyskl.read_keypoints(clip, 2)
  assert keypoints.dtype == np.float32
  expected = record['keypoint']
  if 'keypoint_score' in record:
    expected = np.concatenate(
      [expected, record['keypoint_score'][..., None]], 3
    )
  np.testing.assert_array_equal(keypoints, expected.astype(np.float32))


CASES = pathlib.Path(__file__).parents[1] / 'cases'


def test_the_third_channel_of_joints_in_an_image_is_the_score(tmp_path):
  keypoint = np.full((1, 3, 17, 3), 300, np.float16)
  keypoint[..., 2] = 0.75
  changes = {'keypoint': keypoint, 'keypoint_score': None}
  record = make_annotation('a', shape=(1, 3, 17, 3), **changes)
  annotations = load_pickled(tmp_path, [record])
  assert annotations.format == ('coco_17', 3, True, 'pixels')
  (clip,) = annotations.clips
  np.testing.assert_array_equal(pyskl.read_keypoints(clip, 2), keypoint)


def test_17_joints_in_three_dimensions_have_no_score():
  path = CASES / 'v17x3_noscore.pkl'
  annotations = pyskl.load_annotations(path)
  assert annotations.format == ('coco_17', 3, False, 'as in the files')
  assert "count as those of 'coco_17'" in annotations.notes[-1]
  stored = pickle.loads(path.read_bytes())['annotations']
  for clip, record in zip(annotations.clips, stored, strict=True):
    keypoints = pyskl.read_keypoints(clip, 2)
    np.testing.assert_array_equal(keypoints, np.float32(record['keypoint']))


@pytest.mark.parametrize(
  ('shape', 'scale', 'has_score'),
  [
    ((1, 3, 17, 3), 1, False),  # fractions of the image, or z
    ((1, 3, 17, 3), 300, True),  # two scores
    ((1, 3, 25, 3), 300, False),  # OpenPose's 25 joints, not NTU RGB+D's
  ],
)
def test_a_third_channel_that_may_be_a_score(tmp_path, shape, scale, has_score):
  keypoint = np.random.default_rng(0).uniform(0, 1, shape)
  keypoint[..., :2] *= scale
  score = np.ones(shape[:3]) if has_score else None
  record = make_annotation(
    'a', shape=shape, keypoint=keypoint, keypoint_score=score
  )
  with pytest.raises(UserError, match=r"\(a\): .*'keypoint_score'"):
    load_pickled(tmp_path, [record])


def test_labels_that_skip_classes(tmp_path):
  annotations = pyskl.load_annotations(CASES / 'label_from_1.pkl')
  (note,) = annotations.notes
  assert note.startswith('labels are from 1 to 3, but should begin at 0')
  records = [make_annotation(str(label), label) for label in (0, 2, 5)]
  (note,) = load_pickled(tmp_path, records).notes
  assert note == 'no clip has the label 1, 3, 4: 3 classes are empty'
  assert load_pickled(tmp_path, records[:1]).notes == []


def test_scores_with_three_coordinates(tmp_path):
  score = np.ones((2, 4, 25), np.float16)
  annotations = load_pickled(
    tmp_path, [make_annotation('a', keypoint_score=score)]
  )
  assert annotations.format == ('ntu_25', 4, True, 'metres')
  assert (pyskl.read_keypoints(annotations.clips[0], 2)[..., 3] == 1).all()


def test_the_first_tracks_are_kept(tmp_path):
  """pyskl's FormatGCNInput takes the first two, regardless of their scores."""
  record = make_annotation('a', shape=(5, 3, 17, 2))
  score = np.full((5, 3, 17), 0.1, np.float16)
  score[1], score[3] = 0.5, 0.9
  record['keypoint_score'] = score
  annotations = load_pickled(tmp_path, [record])
  assert annotations.persons == 2
  keypoints = pyskl.read_keypoints(annotations.clips[0], 2)
  np.testing.assert_array_equal(keypoints[..., :2], record['keypoint'][:2])
  np.testing.assert_array_equal(keypoints[..., 2], score[:2])
  assert len(pyskl.read_keypoints(annotations.clips[0], 9)) == 5


def test_the_first_tracks_without_scores_are_kept(tmp_path):
  record = make_annotation('a', shape=(3, 4, 25, 3))
  keypoints = pyskl.read_keypoints(load_pickled(tmp_path, [record]).clips[0], 2)
  np.testing.assert_array_equal(keypoints, record['keypoint'][:2])


@pytest.mark.parametrize(
  'frames',
  [
    [0],
    [1, 1, 2, 2, 5, 7, 7],
    [3, 3, 3, 4, 9, 9, 9, 9, 11],
    [2, 2, 1, 1, 1],  # not sorted, as no script writes it
    [300] * 10 + [301] * 4,
    [300] * 11 + [301] * 3,
  ],
)
@pytest.mark.parametrize('persons', [1, 2, 10])
def test_packed_poses(tmp_path, frames, persons):
  bodies, frames = make_packed(frames)
  record = make_annotation('a', keypoint=bodies, frame_inds=frames)
  annotations = load_pickled(tmp_path, [record])
  assert annotations.format == ('coco_17', 3, True, 'pixels')
  assert annotations.persons == min(2, np.bincount(frames).max())
  keypoints = pyskl.read_keypoints(annotations.clips[0], persons)
  np.testing.assert_array_equal(
    keypoints, unpack_as_pyskl(bodies, frames, persons)
  )


def test_sizes_and_subjects(tmp_path):
  clip, other = load_pickled(
    tmp_path,
    [
      make_annotation('S017C003P020R002A060', 59, COCO_SHAPE),
      make_annotation(
        'v_Archery_g01_c01', np.int64(2), COCO_SHAPE, img_shape=None
      ),
    ],
  ).clips
  assert clip.image_size == (1920, 1080) and clip.subject == 20
  assert other.image_size == (0, 0) and other.subject == -1
  assert other.label == 2 and type(other.label) is int


def test_splits(tmp_path):
  records = [make_annotation(name) for name in 'abc']
  splits = {
    'xsub_train': ['a', 'b'],
    'xsub_val': {'c'},
    'train1': ('b', 'b'),
    'test1': np.array(['a', 'c']),
    'cross-set 2': ['b'],
    'all': ['a'],
  }
  annotations = load_pickled(
    tmp_path, {'split': splits, 'annotations': records}
  )
  assert not annotations.bad
  assert {clip.id: set(clip.splits) for clip in annotations.clips} == {
    'a': {'xsub_train', 'split1_test', 'all_clips'},
    'b': {'xsub_train', 'split1_train', 'cross_set_2'},
    'c': {'xsub_val', 'split1_test'},
  }
  for data in (records, {'annotations': records}):
    annotations = load_pickled(tmp_path, data)
    assert [clip.splits for clip in annotations.clips] == [('train',)] * 3


def test_splits_use_the_filename(tmp_path):
  record = make_annotation('a', filename='videos/a.mp4')
  data = {'split': {'train': ['videos/a.mp4']}, 'annotations': [record]}
  (clip,) = load_pickled(tmp_path, data).clips
  assert clip.id == 'videos/a.mp4' and clip.splits == ('train',)


# Quirks


@pytest.mark.parametrize('value', ['coordinate', 'score'])
@pytest.mark.parametrize('form', ['tracks', 'packed', 'third channel'])
def test_2d_joints_with_nan_are_missing(tmp_path, form, value):
  poses = np.full((1, 3, 17, 3), 16, np.float16)
  poses[..., 2] = 1
  poses[0, 1, 4, 2 if value == 'score' else 1] = np.nan
  changes = {'keypoint': poses, 'keypoint_score': None}
  if form == 'tracks':
    changes = {'keypoint': poses[..., :2], 'keypoint_score': poses[..., 2]}
  elif form == 'packed':
    changes = {'keypoint': poses[0], 'frame_inds': np.arange(3)}
  record = make_annotation('a', shape=COCO_SHAPE, **changes)
  keypoints = pyskl.read_keypoints(load_pickled(tmp_path, [record]).clips[0], 2)
  expected = np.full((1, 3, 17, 3), 16, np.float32)
  expected[..., 2] = 1
  expected[0, 1, 4] = 0
  np.testing.assert_array_equal(keypoints, expected)


@pytest.mark.parametrize('shape', [(2, 4, 25, 3), (2, 4, 17, 2)])
def test_frames_beyond_total_frames_are_not_read(tmp_path, shape):
  record = make_annotation('a', shape=shape, total_frames=3)
  keypoints = pyskl.read_keypoints(load_pickled(tmp_path, [record]).clips[0], 2)
  assert keypoints.shape[:2] == (2, 3)
  coordinates = keypoints[..., : shape[3]]
  np.testing.assert_array_equal(coordinates, record['keypoint'][:, :3])
  if shape[2] == 17:
    np.testing.assert_array_equal(
      keypoints[..., 2], record['keypoint_score'][:, :3]
    )


def test_clips_without_persons_are_left_out(tmp_path):
  no_tracks = make_annotation('x', shape=(0, 4, 17, 2))
  bodies, frames = make_packed([])
  no_bodies = make_annotation('y', keypoint=bodies, frame_inds=frames)
  data = {
    'split': {'train': ['a', 'x', 'gone'], 'test1': ['y', 'lost']},
    'annotations': [
      make_annotation('a', shape=COCO_SHAPE),
      no_tracks,
      no_bodies,
    ],
  }
  annotations = load_pickled(tmp_path, data)
  assert [clip.id for clip in annotations.clips] == [
    'a'
  ] and not annotations.bad
  path = tmp_path / 'set.pkl'
  assert annotations.left_out == [
    (f'{path}, record 1 (x)', 'nobody in it'),
    (f'{path}, record 2 (y)', 'nobody in it'),
    (f'{path}, split train', "clip 'gone' has no annotation"),
    (f'{path}, split split1_test', "clip 'lost' has no annotation"),
  ]
  with pytest.raises(
    UserError, match=r'set\.pkl: no usable clip.*1 left out.*nobody'
  ):
    load_pickled(tmp_path, [no_tracks])


@pytest.mark.parametrize('persons', [1, 3])
def test_clips_of_zeros_are_left_out(tmp_path, persons):
  keypoint = np.zeros((3, 3, 17, 2), np.float16)
  keypoint[2] = persons == 1  # not requested if persons is 1
  record = make_annotation('a', shape=(3, 3, 17, 2), keypoint=keypoint)
  with pytest.raises(LeftOut, match='every coordinate is zero'):
    pyskl.read_keypoints(load_pickled(tmp_path, [record]).clips[0], persons)


def test_numbers_beyond_float32_become_infinite_without_a_warning(tmp_path):
  keypoint = np.full((1, 1, 17, 3), 1e300)
  record = make_annotation('a', shape=(1, 1, 17, 3), keypoint=keypoint)
  del record['keypoint_score']
  with warnings.catch_warnings(action='error'):
    keypoints = pyskl.read_keypoints(
      load_pickled(tmp_path, [record]).clips[0], 1
    )
  assert np.isinf(keypoints).all()
