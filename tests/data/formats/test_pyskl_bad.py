"""Errors in pyskl's annotation pickles."""

import numpy as np
import pytest
from helpers.pickles import write_pickle
from helpers.pyskl import (
  COCO_SHAPE,
  make_annotation,
  make_packed,
)

from unik_jax.data.formats import pyskl
from unik_jax.errors import UserError

BOMB = ()  # small in memory, with a repr of terabytes
for _ in range(40):
  BOMB = (BOMB, BOMB)
DEEP = 'DEEP'  # `load_pickled` replaces it by 5,000 nested lists


def load_pickled(tmp_path, data):
  """Writes and loads an annotation pickle, with nested lists for DEEP."""
  path = write_pickle(tmp_path / 'set.pkl', data, protocol=3)
  text = b'X\x04\0\0\0DEEP'
  nested = b']' * 5000 + b'a' * 4999
  path.write_bytes(path.read_bytes().replace(text, nested))
  return pyskl.load_annotations(path)


BAD_RECORDS = {
  'no dict': (None, 'names the clip'),
  'no name': (make_annotation(None), 'names the clip'),
  'a number for a name': (make_annotation(7), 'names the clip'),
  'name not UTF-8': (make_annotation('clip\udcff'), r'clip\\udcff.*not UTF-8'),
  'twice': (make_annotation('good'), 'record 0 has this name too'),
  'no label': (make_annotation('x', None), 'label: .*got None'),
  'label below': (make_annotation('x', -1), 'label: .*got -1'),
  'label beyond': (make_annotation('x', 10**9), 'label: .*got 1000000000'),
  'label no number': (make_annotation('x', 'walk'), 'walk'),
  'label true': (make_annotation('x', True), 'label: .*got True'),
  'label half': (make_annotation('x', 0.5), r'label: .*got 0\.5'),
  'no keypoints': (
    make_annotation('x', keypoint=None),
    "'keypoint': expected an array",
  ),
  'a list': (
    make_annotation('x', keypoint=[[1, 2]]),
    "'keypoint': expected an array",
  ),
  'texts': (
    make_annotation('x', keypoint=np.array(['a'])),
    "'keypoint': expected an array",
  ),
  'flat': (make_annotation('x', keypoint=np.ones((4, 25, 3))), r'\(4, 25, 3\)'),
  'no frames': (make_annotation('x', shape=(2, 0, 25, 3)), 'no frames'),
  'frames': (
    make_annotation('x', total_frames=5),
    "'total_frames': .*4.*got 5",
  ),
  'none of the frames': (make_annotation('x', total_frames=0), '4.*got 0'),
  'frames unsaid': (make_annotation('x', total_frames=None), '4.*got None'),
  'frames an array': (
    make_annotation('x', total_frames=np.ones(2)),
    "'total_frames': .*4.*got a ndarray",
  ),
  'joints': (
    make_annotation('x', shape=(1, 4, 13, 2)),
    'ntu_25.*coco.*got 13 joints',
  ),
  'plane Kinect': (
    make_annotation('x', shape=(1, 4, 25, 2)),
    '25 joints with 2',
  ),
  'score': (
    make_annotation('x', keypoint_score=np.ones((2, 4, 24))),
    'keypoint_sc',
  ),
  'other layout': (
    make_annotation('x', shape=COCO_SHAPE),
    "'ntu_25'.*'coco_17'.*separate",
  ),
  'other size': (
    make_annotation('x', img_shape=(0, 5)),
    r"'img_shape': .*got \(0, 5\)",
  ),
  'size of frames': (make_annotation('x', img_shape=(3, 4, 5)), "'img_shape'"),
  'endless size': (make_annotation('x', img_shape=(1, 10**30)), "'img_shape'"),
  # Values that cannot be printed or compared.
  'label huge': (make_annotation('x', 10**5000), 'label: .*got a huge integer'),
  'label a bomb': (make_annotation('x', BOMB), 'label: .*got a tuple'),
  'label deep': (make_annotation('x', DEEP), 'label: .*got a list'),
  'frames huge': (
    make_annotation('x', total_frames=10**5000),
    'got a huge integer',
  ),
  'frames a bomb': (make_annotation('x', total_frames=BOMB), 'got a tuple'),
  'frames deep': (make_annotation('x', total_frames=DEEP), 'got a list'),
  'size huge': (
    make_annotation('x', img_shape=10**5000),
    "'img_shape': .*got .a huge",
  ),
  'size of huge': (
    make_annotation('x', img_shape=(10**5000, 5)),
    'a huge integ.*5',
  ),
  'size a bomb': (make_annotation('x', img_shape=BOMB), 'a tuple, a tuple'),
  'size deep': (
    make_annotation('x', img_shape=DEEP),
    "'img_shape': .*got .a list",
  ),
  'size a number': (make_annotation('x', img_shape=np.array(5)), "'img_shape'"),
  'size a table': (
    make_annotation('x', img_shape=np.ones((2, 2))),
    "'img_shape'",
  ),
  'elsewhere': (
    make_annotation(
      'x', keypoint=None, frame_inds=np.array([1]), raw_file=BOMB
    ),
    "'keypoint', or a 'raw_file'",
  ),
  'elsewhere, unnamed': (
    make_annotation(
      BOMB,
      filename='x',
      keypoint=None,
      frame_inds=np.array([1]),
      raw_file='a.pkl',
    ),
    "'frame_dir'",
  ),
}


@pytest.mark.parametrize('case', BAD_RECORDS)
def test_errors_name_the_record(tmp_path, case):
  record, problem = BAD_RECORDS[case]
  annotations = load_pickled(
    tmp_path, [make_annotation('good'), record, make_annotation('fine')]
  )
  assert [clip.id for clip in annotations.clips] == ['good', 'fine']
  ((where, error),) = annotations.bad
  name = r'( \((x|good|clip.*)\))?'
  assert str(error).startswith(where)
  with pytest.raises(
    UserError, match=rf'set\.pkl, record 1{name}: .*{problem}'
  ):
    raise error


BAD_PACKED = {
  'fractions': (
    (make_packed([1])[0], np.array([0.5])),
    "'frame_inds': .*integers",
  ),
  'fewer frames': (
    (make_packed([1, 2])[0], np.array([1])),
    r'1 bodies.*\(2, 17, 3\)',
  ),
  'no scores': ((np.ones((1, 17, 2)), np.array([1])), r'score.*\(1, 17, 2\)'),
  'joints': ((np.ones((1, 13, 3)), np.array([1])), '13 joints'),
}


@pytest.mark.parametrize('case', BAD_PACKED)
def test_errors_in_packed_poses(tmp_path, case):
  (bodies, frames), problem = BAD_PACKED[case]
  record = make_annotation('a', keypoint=bodies, frame_inds=frames)
  with pytest.raises(
    UserError, match=rf'set\.pkl, record 0 \(a\): .*{problem}'
  ):
    load_pickled(tmp_path, [record])


@pytest.mark.parametrize(
  'data',
  [
    5,
    [],
    {},
    {'a': 1},
    {'split': {}, 'annotations': []},
  ],
)
def test_files_of_another_format(tmp_path, data):
  with pytest.raises(UserError, match=r'set\.pkl: '):
    load_pickled(tmp_path, data)


@pytest.mark.parametrize(
  ('splits', 'problem'),
  [
    ([1], "'split': expected a dict"),
    (np.array('a'), "'split': expected a dict"),
    ({'train': 'a'}, "split 'train': expected a name with a list"),
    ({'train': None}, "split 'train': expected a name with a list"),
    ({'train': np.array('a')}, "split 'train': expected a name with a list"),
    (
      {'train': np.array([['a']])},
      "split 'train': expected a name with a list",
    ),
    ({1: ['a']}, 'split 1: expected a name with a list'),
    ({'a-b': ['a'], 'a b': []}, "split 'a b': would be written as 'a_b'"),
    ({'': ['a']}, "split '': expected a name"),
    ({'train': ['a', 7]}, "split 'train': .*name of a clip, got 7"),
    ({'train': np.array([1, 2])}, "split 'train': .*name of a clip, got 1"),
    ({'train': [10**5000]}, "split 'train': .*got a huge integer"),
    ({'train': [['a']]}, "split 'train': .*got a list"),
    ({'train': [BOMB]}, "split 'train': .*got a tuple"),
    ({'train': [DEEP]}, "split 'train': .*got a list"),
    ({'train': [b'a']}, "split 'train': .*got b'a'"),
  ],
)
def test_errors_in_splits(tmp_path, splits, problem):
  data = {'split': splits, 'annotations': [make_annotation('a')]}
  with pytest.raises(UserError, match=rf'set\.pkl[:,] {problem}'):
    load_pickled(tmp_path, data)
