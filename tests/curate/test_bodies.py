"""Bodies of a video, read from the output of each pose estimator."""

import json

import numpy as np
import pytest
from helpers import curation_fixtures as fixtures

from unik_jax.curate import bodies, estimators
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

UNIK, COCO = get_layout('unik_17'), get_layout('coco_17')


@pytest.fixture(scope='module')
def simulated():
  """Returns poses (3, 40, 17, 3) of three estimators; some frames are empty."""
  poses, _ = fixtures.simulate_poses(0, frames=40)
  poses[:, :5] = 0
  poses[:, 20] = 0
  return poses


def read_video(folder, name='a', layout=UNIK, **options):
  estimator = estimators.open_estimator(folder)
  source = estimators.find_videos(estimator)[name]
  return bodies.read_bodies(estimator, source, layout, **options)


def write_file(path, value):
  """Writes an array as .npz, another value as JSON; returns the folder."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(value, np.ndarray):
    np.savez(path, value)
  else:
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text)
  return path.parent


def test_formats_give_the_same_bodies(tmp_path, simulated):
  poses = simulated[0]
  fixtures.write_video(tmp_path, 'a', [poses] * 3)
  alphapose, arrays, lcrnet = (
    read_video(folder) for folder in fixtures.estimator_folders(tmp_path)
  )
  limbs = [n for n, j in enumerate(UNIK.joints) if '_' in j and 'mid' not in j]
  np.testing.assert_allclose(
    alphapose.poses.sum(0)[:, limbs], poses[:, limbs], atol=1e-3
  )
  np.testing.assert_allclose(arrays.poses[0], poses, rtol=1e-6)
  assert not alphapose.has_all_frames
  assert arrays.has_all_frames and lcrnet.has_all_frames
  # LCR-Net has no confidence, and UNIK derives the middle joints from others.
  own = [UNIK.index(j) for j in get_layout('lcrnet_13').joints]
  joints = lcrnet.poses.sum(0)[:, own]
  known = joints.any((1, 2))
  np.testing.assert_allclose(joints[known][..., :2], poses[known][:, own, :2])
  assert set(np.unique(joints[..., 2])) == {0, 1}


def test_openpose_coco_and_mmpose(tmp_path, simulated):
  poses = fixtures.to_coco(simulated[0])
  for t, pose in enumerate(poses):
    people = [{'pose_keypoints_2d': pose.ravel().tolist()}] * int(pose.any())
    name = f'a_{t:012}_keypoints.json'
    write_file(tmp_path / 'openpose/a' / name, {'people': people})
  images = [
    {'id': t, 'file_name': f'{t}.jpg', 'width': 1280, 'height': 720}
    for t in range(len(poses))
  ]
  labelled = poses.copy()
  labelled[..., 2] = 2 * labelled.any(-1)
  labelled[:, 5, 2] = np.minimum(labelled[:, 5, 2], 1)
  annotations = [
    {'image_id': t, 'keypoints': pose.ravel().tolist()}
    for t, pose in enumerate(labelled)
    if pose.any()
  ]
  write_file(
    tmp_path / 'coco/a.json', {'images': images, 'annotations': annotations}
  )
  video = read_video(tmp_path / 'openpose', layout=COCO)
  np.testing.assert_allclose(video.poses.sum(0), poses)
  assert video.poses.shape[1] == 40 and video.has_all_frames
  video = read_video(tmp_path / 'coco', layout=COCO)
  np.testing.assert_allclose(video.poses.sum(0)[..., :2], poses[..., :2])
  assert set(np.unique(video.poses[..., 2])) == {0, 0.5, 1}
  assert video.image_size == (1280, 720)


def test_mediapipe_is_converted_to_pixels(tmp_path):
  rng = np.random.default_rng(0)
  poses = rng.uniform(0.2, 0.8, (6, 33, 4))
  frames = [
    [dict(zip(('x', 'y', 'z', 'visibility'), j, strict=True)) for j in p]
    for p in poses.tolist()
  ]
  frames[2] = None
  write_file(tmp_path / 'a.json', frames)
  sized = {'frames': frames, 'width': 640, 'height': 360}
  write_file(tmp_path / 'b.json', sized)
  layout = get_layout('mediapipe_33')
  expected = poses[..., [0, 1, 3]] * (640, 360, 1)
  expected[2] = 0
  video = read_video(tmp_path, 'a', layout, image_size=(640, 360))
  np.testing.assert_allclose(video.poses[0], expected)
  video = read_video(tmp_path, 'b', layout)
  np.testing.assert_allclose(video.poses[0], expected)
  with pytest.raises(UserError, match='a.json: .*--image_size'):
    read_video(tmp_path, 'a', layout)
  body = video.poses[:, :, [layout.index('left_wrist')]]
  video = read_video(tmp_path, 'b', UNIK)
  wrist = video.poses[:, :, [UNIK.index('left_wrist')]]
  np.testing.assert_array_equal(wrist, body)


def test_an_array_of_17_joints_is_in_cocos_order(tmp_path):
  pose = np.random.default_rng(0).uniform(1, 400, (8, 17, 2))
  pose[3] = 0
  video = read_video(write_file(tmp_path / 'a.npz', pose), layout=COCO)
  np.testing.assert_array_equal(video.poses[0, ..., :2], pose)
  video = read_video(tmp_path, layout=UNIK)
  wrists = [layout.index('left_wrist') for layout in (UNIK, COCO)]
  np.testing.assert_array_equal(
    video.poses[0, :, wrists[0], :2], pose[:, wrists[1]]
  )
  # A third channel with values from 0 to 1 is a confidence.
  pose = np.concatenate([pose, np.full((8, 17, 1), 0.3)], -1)
  video = read_video(write_file(tmp_path / 'a.npz', pose), layout=COCO)
  assert video.poses[0, 0, 0, 2] == 0.3
  pose[..., 2] = 40
  with pytest.raises(UserError, match='confidence.* from 0 to 40'):
    read_video(write_file(tmp_path / 'a.npz', pose), layout=COCO)


def test_joints_that_an_estimator_lacks_are_missing(tmp_path, simulated):
  fixtures.write_video(tmp_path, 'a', simulated)
  poses = read_video(tmp_path / 'lcrnet', layout=COCO).poses
  assert not poses[..., COCO.index('left_eye'), :].any()
  assert poses[..., COCO.index('left_elbow'), :].any()
  clip = np.ones((1, 2, 13, 3))
  with pytest.raises(UserError, match='no joints to derive left_eye'):
    joint_maps.convert_clip(
      clip, get_layout('lcrnet_13'), COCO, confidence=True
    )


def test_alphapose_frames_are_placed_by_their_numbers(tmp_path, simulated):
  poses = simulated[0]
  records = fixtures.to_alphapose(poses)
  assert records[0]['image_id'] == '5.jpg'
  placed = read_video(write_file(tmp_path / 'a.json', records)).poses
  assert not placed[:, :5].any() and placed[:, 5].any()
  placed = read_video(tmp_path, first_frame=5).poses
  assert placed[:, 0].any() and placed.shape[1] == 35
  with pytest.raises(UserError, match='--first_frame=9.*frame 5'):
    read_video(tmp_path, first_frame=9)
  named = [
    body | {'image_id': f'a.v2_{int(body["image_id"][:-4]):05}.jpg'}
    for body in records
  ]
  again = read_video(
    write_file(tmp_path / 'a.json', named), first_frame=5
  ).poses
  np.testing.assert_array_equal(again, placed)
  numbered = [b | {'image_id': int(b['image_id'][:-4])} for b in records]
  again = read_video(
    write_file(tmp_path / 'a.json', numbered), first_frame=5
  ).poses
  np.testing.assert_array_equal(again, placed)
  # The camera is no frame.
  for form in ('{}_cam0.jpg', 'frame{}_1080p.png'):
    named = [
      body | {'image_id': form.format(body['image_id'][:-4])}
      for body in records
    ]
    again = read_video(
      write_file(tmp_path / 'a.json', named), first_frame=5
    ).poses
    np.testing.assert_array_equal(again, placed)
  # Only every second frame was processed.
  records = [b for b in records if int(b['image_id'][:-4]) % 2]
  placed = read_video(
    write_file(tmp_path / 'a.json', records), layout=COCO
  ).poses.sum(0)
  np.testing.assert_allclose(placed[7], fixtures.to_coco(poses)[7], atol=1e-3)
  assert not placed[::2].any() and len(placed) == 40


def test_a_file_without_bodies_is_no_error(tmp_path):
  write_file(tmp_path / 'lcr/a.json', {'frames': [[], [], []]})
  write_file(tmp_path / 'alpha/a.json', [])
  write_file(tmp_path / 'open/a/a_0_keypoints.json', {'people': []})
  write_file(tmp_path / 'array/a.npz', np.zeros((4, 17, 2)))
  by_format = {
    folder.name: read_video(folder) for folder in sorted(tmp_path.iterdir())
  }
  assert {name: each.poses.shape[1] for name, each in by_format.items()} == {
    'lcr': 3,
    'alpha': 0,
    'open': 1,
    'array': 4,
  }
  assert not any(each.poses.any() for each in by_format.values())
  assert not by_format['alpha'].has_all_frames
  assert by_format['lcr'].has_all_frames


def test_errors_name_the_file(tmp_path, simulated):
  text = json.dumps(fixtures.to_lcrnet(simulated[0]))
  write_file(tmp_path / 'a.json', text[: len(text) // 2])
  with pytest.raises(UserError, match='a.json: .*line'):
    read_video(tmp_path)
  np.savez(tmp_path / 'b.npz', simulated[0])
  content = (tmp_path / 'b.npz').read_bytes()
  (tmp_path / 'b.npz').write_bytes(content[: len(content) // 2])
  with pytest.raises(UserError, match='b.npz: '):
    read_video(tmp_path, 'b')
  pose = np.array(simulated[0])
  pose[7, 3, 1] = np.nan
  np.savez(tmp_path / 'c.npz', pose)
  with pytest.raises(UserError, match=r'c.npz, frame 7, person 0: .*left_ear'):
    read_video(tmp_path, 'c')
  pose[7, 3] = np.nan  # all coordinates: a missing joint
  np.savez(tmp_path / 'c.npz', pose)
  assert not read_video(tmp_path, 'c', COCO).poses[0, 7, 3].any()
  path = tmp_path / 'other'
  write_file(path / 'layout.yaml', 'layout: unik_17')
  write_file(path / 'a.json', fixtures.to_alphapose(simulated[0]))
  with pytest.raises(UserError, match="'unik_17'.*'coco_17'"):
    read_video(path)
  write_file(tmp_path / 'twelve/d.npz', np.ones((4, 12, 2)))
  with pytest.raises(UserError, match='d.npz: .*12 joints'):
    read_video(tmp_path / 'twelve', 'd')
