"""pyskl's annotation pickles: what can be wrong in one."""

import numpy as np
import pytest
from helpers.pickles import write
from helpers.pyskl import COCO, annotation, packed

from unik_jax.data.formats import pyskl
from unik_jax.errors import UserError

BOMB = ()  # in memory small, and its repr long beyond all measure
for _ in range(40):
  BOMB = (BOMB, BOMB)
DEEP = 'DEEP'  # for which `load_file` puts a list in a list in a list...


def load_file(tmp_path, data):
  path = write(tmp_path / 'set.pkl', data, protocol=3)
  text = b'X\x04\0\0\0DEEP'
  nested = b']' * 5000 + b'a' * 4999
  path.write_bytes(path.read_bytes().replace(text, nested))
  return pyskl.load_annotations(path)


BAD_RECORDS = {
  'no dict': (None, 'names the clip'),
  'no name': (annotation(None), 'names the clip'),
  'a number for a name': (annotation(7), 'names the clip'),
  'name not UTF-8': (annotation('clip\udcff'), r'clip\\udcff.*not UTF-8'),
  'twice': (annotation('good'), 'record 0 has this name too'),
  'no label': (annotation('x', None), 'label: .*got None'),
  'label below': (annotation('x', -1), 'label: .*got -1'),
  'label beyond': (annotation('x', 10**9), 'label: .*got 1000000000'),
  'label no number': (annotation('x', 'walk'), 'walk'),
  'label true': (annotation('x', True), 'label: .*got True'),
  'label half': (annotation('x', 0.5), r'label: .*got 0\.5'),
  'no keypoints': (annotation('x', keypoint=None), "'keypoint' is no array"),
  'a list': (annotation('x', keypoint=[[1, 2]]), "'keypoint' is no array"),
  'texts': (annotation('x', keypoint=np.array(['a'])), "'keypoint' is no ar"),
  'flat': (annotation('x', keypoint=np.ones((4, 25, 3))), r'\(4, 25, 3\)'),
  'no frames': (annotation('x', shape=(2, 0, 25, 3)), 'no frames'),
  'frames': (annotation('x', total_frames=5), "'total_frames' is 5.*has 4"),
  'none of the frames': (annotation('x', total_frames=0), 'is 0.*has 4'),
  'frames unsaid': (annotation('x', total_frames=None), 'is None.*has 4'),
  'frames an array': (annotation('x', total_frames=np.ones(2)), 'has 4'),
  'joints': (annotation('x', shape=(1, 4, 13, 2)), '13 joints.*ntu_25.*coco'),
  'plane Kinect': (annotation('x', shape=(1, 4, 25, 2)), '25 joints with 2'),
  'score': (annotation('x', keypoint_score=np.ones((2, 4, 24))), 'keypoint_sc'),
  'other layout': (
    annotation('x', shape=COCO),
    "'coco_17'.*'ntu_25'.*separate",
  ),
  'other size': (
    annotation('x', img_shape=(0, 5)),
    r"'img_shape': .*got \(0, 5\)",
  ),
  'size of frames': (annotation('x', img_shape=(3, 4, 5)), "'img_shape'"),
  'endless size': (annotation('x', img_shape=(1, 10**30)), "'img_shape'"),
  # What cannot be shown, or not be compared.
  'label huge': (annotation('x', 10**5000), 'label: .*got a huge integer'),
  'label a bomb': (annotation('x', BOMB), 'label: .*got a tuple'),
  'label deep': (annotation('x', DEEP), 'label: .*got a list'),
  'frames huge': (annotation('x', total_frames=10**5000), 'is a huge integer'),
  'frames a bomb': (annotation('x', total_frames=BOMB), 'is a tuple'),
  'frames deep': (annotation('x', total_frames=DEEP), 'is a list'),
  'size huge': (
    annotation('x', img_shape=10**5000),
    "'img_shape': .*got .a huge",
  ),
  'size of huge': (annotation('x', img_shape=(10**5000, 5)), 'a huge integ.*5'),
  'size a bomb': (annotation('x', img_shape=BOMB), 'a tuple, a tuple'),
  'size deep': (
    annotation('x', img_shape=DEEP),
    "'img_shape': .*got .a list",
  ),
  'size a number': (annotation('x', img_shape=np.array(5)), "'img_shape'"),
  'size a table': (annotation('x', img_shape=np.ones((2, 2))), "'img_shape'"),
  'elsewhere': (
    annotation('x', keypoint=None, frame_inds=np.array([1]), raw_file=BOMB),
    "nor a 'raw_file'",
  ),
  'elsewhere, unnamed': (
    annotation(
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
def test_bad_records_are_named(tmp_path, case):
  record, problem = BAD_RECORDS[case]
  found = load_file(tmp_path, [annotation('good'), record, annotation('fine')])
  assert [clip.id for clip in found.clips] == ['good', 'fine']
  ((where, error),) = found.bad
  name = r'( \((x|good|clip.*)\))?'
  assert str(error).startswith(where)
  with pytest.raises(
    UserError, match=rf'set\.pkl, record 1{name}: .*{problem}'
  ):
    raise error


BAD_PACKED = {
  'fractions': ((packed([1])[0], np.array([0.5])), 'no row of whole numbers'),
  'fewer frames': ((packed([1, 2])[0], np.array([1])), r'\(2, 17, 3\).*1 bod'),
  'no scores': ((np.ones((1, 17, 2)), np.array([1])), r'\(1, 17, 2\).*score'),
  'joints': ((np.ones((1, 13, 3)), np.array([1])), '13 joints'),
}


@pytest.mark.parametrize('case', BAD_PACKED)
def test_bad_packed_poses(tmp_path, case):
  (bodies, frames), problem = BAD_PACKED[case]
  record = annotation('a', keypoint=bodies, frame_inds=frames)
  with pytest.raises(
    UserError, match=rf'set\.pkl, record 0 \(a\): .*{problem}'
  ):
    load_file(tmp_path, [record])


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
def test_files_of_another_form(tmp_path, data):
  with pytest.raises(UserError, match=r'set\.pkl: '):
    load_file(tmp_path, data)


@pytest.mark.parametrize(
  ('splits', 'problem'),
  [
    ([1], "'split' is no dict"),
    (np.array('a'), "'split' is no dict"),
    ({'train': 'a'}, "split 'train': no list of clips"),
    ({'train': None}, "split 'train': no list of clips"),
    ({'train': np.array('a')}, "split 'train': no list of clips"),
    ({'train': np.array([['a']])}, "split 'train': no list of clips"),
    ({1: ['a']}, 'split 1: no list of clips under a name'),
    ({'a-b': ['a'], 'a b': []}, "split 'a b': would be written as 'a_b'"),
    ({'': ['a']}, "split '': a split without a name"),
    ({'train': ['a', 7]}, "split 'train': 7, where the name"),
    ({'train': np.array([1, 2])}, "split 'train': 1, where the name"),
    ({'train': [10**5000]}, "split 'train': a huge integer, where"),
    ({'train': [['a']]}, "split 'train': a list, where"),
    ({'train': [BOMB]}, "split 'train': a tuple, where"),
    ({'train': [DEEP]}, "split 'train': a list, where"),
    ({'train': [b'a']}, "split 'train': b'a', where"),
  ],
)
def test_bad_splits(tmp_path, splits, problem):
  data = {'split': splits, 'annotations': [annotation('a')]}
  with pytest.raises(UserError, match=rf'set\.pkl[:,] {problem}'):
    load_file(tmp_path, data)
