"""MMPose's predictions."""

import numpy as np
import pytest
from helpers.user_clips import (
  body_at,
  make_clip,
  parse_clip,
  read_keypoints,
  write_file,
)

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

POSE = body_at(100, 100, 17)


def instance(pose, **fields):
  return {
    'keypoints': pose[:, :-1].tolist(),
    'keypoint_scores': pose[:, -1].tolist(),
    'bbox': [[0, 0, 1, 1]],
  } | fields


def frame(number, *poses, **fields):
  bodies = [instance(pose, **fields) for pose in poses]
  return {'frame_id': number, 'instances': bodies}


@pytest.mark.parametrize('bare', [True, False])
def test_mmpose(tmp_path, bare):
  a = [body_at(100 + t, 100, 17) for t in range(3)]
  b = [body_at(300 - t, 100, 17, 0.5) for t in range(3)]
  data = [frame(1, a[0], b[0]), frame(3), frame(2, b[1], a[1]), frame(4, a[2])]
  data = data if bare else {'meta_info': {}, 'instance_info': data}
  path = write_file(tmp_path / 'a.json', data)
  expected = np.zeros((2, 4, 17, 3))
  expected[0, [0, 1, 3]], expected[1, :2] = a, b[:2]
  np.testing.assert_array_equal(read_keypoints(path), expected)
  parsed = parse_clip(path)
  assert (parsed.layout, parsed.units) == ('coco_17', 'pixels')


def test_3d_keypoints(tmp_path):
  poses = make_clip(2, 17, 4)
  data = [frame(n, pose, track_id=4) for n, pose in enumerate(poses)]
  parsed = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(parsed.keypoints[0], poses)
  assert (parsed.layout, parsed.confidence) == ('', True)


def with_meta(frames, dataset, names, links=()):
  meta = {
    'dataset_name': dataset,
    'keypoint_id2name': {str(n): name for n, name in enumerate(names)},
    'skeleton_links': [list(link) for link in links],
    'keypoint_colors': {'__ndarray__': [[0, 1, 2]], 'dtype': 'uint8'},
  }
  return {'meta_info': meta, 'instance_info': frames}


def test_joints_of_the_dataset(tmp_path):
  """17 joints may be those of COCO, Human3.6M or an animal."""
  names = [f'joint {n}' for n in range(17)]
  frames = [frame(1, POSE), frame(2, POSE)]
  for dataset in ('coco', 'h36m'):
    data = with_meta(frames, dataset, names)
    parsed = parse_clip(write_file(tmp_path / 'a.json', data))
    assert parsed.layout == {'coco': 'coco_17', 'h36m': 'human36m_17'}[dataset]
  links = [(4, n) for n in range(17) if n != 4]
  data = with_meta(frames, 'ap10k', names, links)
  layout = get_layout(parse_clip(write_file(tmp_path / 'a.json', data)).layout)
  assert layout.joints == tuple(name.replace(' ', '_') for name in names)
  assert layout.center == 'joint_4' and len(layout.bones) == 16
  with pytest.raises(UserError, match="joints of 'coco_17'.*points joint_0"):
    read_keypoints(tmp_path / 'a.json')
  same = with_meta(frames, 'mine', get_layout('coco_17').joints, links)
  parsed = parse_clip(write_file(tmp_path / 'b.json', same))
  assert parsed.layout == 'coco_17'
  data['meta_info']['skeleton_links'] = [[1]]
  path = write_file(tmp_path / 'a.json', data)
  with pytest.raises(UserError, match='a.json: meta_info: expected the names'):
    parse_clip(path)


def test_3d_keypoints_of_the_demo(tmp_path):
  """MMPose's 3-D demo writes Human3.6M's joints, z up, in metres."""
  poses = make_clip(2, 17, 4)
  frames = [frame(n, pose) for n, pose in enumerate(poses)]
  data = with_meta(frames, 'h36m', 'abcdefghijklmnopq')
  parsed = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_array_equal(parsed.keypoints[0], poses)
  assert (parsed.layout, parsed.units) == ('human36m_17', '')


BAD_MMPOSE = {
  'an image': ([instance(POSE)], 'a single image'),
  'no number': (
    [frame(0, POSE), {'instances': []}],
    'record 1: expected a frame',
  ),
  'null': ([frame(0, POSE), None], 'record 1: expected a frame'),
  'half': ([frame(0.5, POSE)], 'record 0: expected a frame'),
  'no scores': (
    [frame(0, POSE, keypoint_scores=None)],
    'record 0, instance 0: expected keypoints',
  ),
  'cut short': (
    [frame(0, POSE, keypoint_scores=[0.5])],
    'record 0, instance 0: expected keypoints',
  ),
  'other joints': (
    [frame(0, POSE), frame(1, POSE[:9])],
    'record 1, instance 0: expected 17 joints.*got 9',
  ),
  'nobody': ([frame(0), frame(1)], 'any of 2 frames'),
}


@pytest.mark.parametrize('case', BAD_MMPOSE)
def test_bad_mmpose(tmp_path, case):
  data, message = BAD_MMPOSE[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data))
