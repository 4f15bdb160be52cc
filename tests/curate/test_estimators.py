import json

import numpy as np
import pytest
from helpers import curation_fixtures as fixtures

from unik_jax.curate import estimators, videos
from unik_jax.data.formats.kinetics import LABELS
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

UNIK, COCO = get_layout('unik_17'), get_layout('coco_17')


@pytest.fixture(scope='module')
def seen():
  poses, _ = fixtures.observed(0, frames=40)
  poses[:, :5] = 0  # nobody in the first frames
  poses[:, 20] = 0
  return poses


def read(folder, name='a', layout=UNIK, **options):
  expert = estimators.open_expert(folder)
  source = estimators.find(expert)[name]
  return estimators.read(expert, source, layout, **options)


def write(path, value):
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(value, np.ndarray):
    np.savez(path, value)
  else:
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text)
  return path.parent


def test_formats_give_the_same_bodies(tmp_path, seen):
  poses = seen[0]
  fixtures.put(tmp_path, 'a', [poses] * 3)
  one, two, three = (read(folder) for folder in fixtures.folders(tmp_path))
  limbs = [n for n, j in enumerate(UNIK.joints) if '_' in j and 'mid' not in j]
  np.testing.assert_allclose(
    one.poses.sum(0)[:, limbs], poses[:, limbs], atol=1e-3
  )
  np.testing.assert_allclose(two.poses[0], poses, rtol=1e-6)
  assert not one.is_whole and two.is_whole and three.is_whole
  # LCR-Net has no confidence, and the middle joints are made of others.
  own = [UNIK.index(j) for j in get_layout('lcrnet_13').joints]
  joints = three.poses.sum(0)[:, own]
  known = joints.any((1, 2))
  np.testing.assert_allclose(joints[known][..., :2], poses[known][:, own, :2])
  assert set(np.unique(joints[..., 2])) == {0, 1}


def test_openpose_coco_and_mmpose(tmp_path, seen):
  poses = fixtures.coco(seen[0])
  for t, pose in enumerate(poses):
    people = [{'pose_keypoints_2d': pose.ravel().tolist()}] * int(pose.any())
    name = f'a_{t:012}_keypoints.json'
    write(tmp_path / 'openpose/a' / name, {'people': people})
  images = [
    {'id': t, 'file_name': f'{t}.jpg', 'width': 1280, 'height': 720}
    for t in range(len(poses))
  ]
  labelled = poses.copy()
  labelled[..., 2] = 2 * labelled.any(-1)
  labelled[:, 5, 2] = np.minimum(labelled[:, 5, 2], 1)
  bodies = [
    {'image_id': t, 'keypoints': pose.ravel().tolist()}
    for t, pose in enumerate(labelled)
    if pose.any()
  ]
  write(tmp_path / 'coco/a.json', {'images': images, 'annotations': bodies})
  found = read(tmp_path / 'openpose', layout=COCO)
  np.testing.assert_allclose(found.poses.sum(0), poses)
  assert found.poses.shape[1] == 40 and found.is_whole
  found = read(tmp_path / 'coco', layout=COCO)
  np.testing.assert_allclose(found.poses.sum(0)[..., :2], poses[..., :2])
  assert set(np.unique(found.poses[..., 2])) == {0, 0.5, 1}
  assert found.image_size == (1280, 720)


def test_mediapipe_is_brought_to_pixels(tmp_path):
  rng = np.random.default_rng(0)
  poses = rng.uniform(0.2, 0.8, (6, 33, 4))
  frames = [
    [dict(zip(('x', 'y', 'z', 'visibility'), j, strict=True)) for j in p]
    for p in poses.tolist()
  ]
  frames[2] = None
  write(tmp_path / 'a.json', frames)
  sized = {'frames': frames, 'width': 640, 'height': 360}
  write(tmp_path / 'b.json', sized)
  layout = get_layout('mediapipe_33')
  expected = poses[..., [0, 1, 3]] * (640, 360, 1)
  expected[2] = 0
  found = read(tmp_path, 'a', layout, image_size=(640, 360))
  np.testing.assert_allclose(found.poses[0], expected)
  found = read(tmp_path, 'b', layout)
  np.testing.assert_allclose(found.poses[0], expected)
  with pytest.raises(UserError, match='a.json: .*say its size with --image_s'):
    read(tmp_path, 'a', layout)
  body = found.poses[:, :, [layout.index('left_wrist')]]
  found = read(tmp_path, 'b', UNIK)
  wrist = found.poses[:, :, [UNIK.index('left_wrist')]]
  np.testing.assert_array_equal(wrist, body)


def test_an_array_of_17_joints_is_in_cocos_order(tmp_path):
  pose = np.random.default_rng(0).uniform(1, 400, (8, 17, 2))
  pose[3] = 0
  found = read(write(tmp_path / 'a.npz', pose), layout=COCO)
  np.testing.assert_array_equal(found.poses[0, ..., :2], pose)
  found = read(tmp_path, layout=UNIK)
  wrists = [layout.index('left_wrist') for layout in (UNIK, COCO)]
  np.testing.assert_array_equal(
    found.poses[0, :, wrists[0], :2], pose[:, wrists[1]]
  )
  # A third channel is a confidence, if it looks like one.
  pose = np.concatenate([pose, np.full((8, 17, 1), 0.3)], -1)
  found = read(write(tmp_path / 'a.npz', pose), layout=COCO)
  assert found.poses[0, 0, 0, 2] == 0.3
  pose[..., 2] = 40
  with pytest.raises(
    UserError, match='third of three channels goes from 0 to 40'
  ):
    read(write(tmp_path / 'a.npz', pose), layout=COCO)


def test_joints_that_an_expert_lacks_are_missing(tmp_path, seen):
  fixtures.put(tmp_path, 'a', seen)
  found = read(tmp_path / 'lcrnet', layout=COCO).poses
  assert not found[..., COCO.index('left_eye'), :].any()
  assert found[..., COCO.index('left_elbow'), :].any()
  clip = np.ones((1, 2, 13, 3))
  with pytest.raises(UserError, match='nothing to make left_eye'):
    joint_maps.convert_clip(
      clip, get_layout('lcrnet_13'), COCO, confidence=True
    )


def test_frames_of_alphapose_are_where_their_numbers_say(tmp_path, seen):
  poses = seen[0]
  bodies = fixtures.alphapose(poses)
  assert bodies[0]['image_id'] == '5.jpg'
  found = read(write(tmp_path / 'a.json', bodies)).poses
  assert not found[:, :5].any() and found[:, 5].any()
  found = read(tmp_path, first_frame=5).poses
  assert found[:, 0].any() and found.shape[1] == 35
  with pytest.raises(UserError, match='frame 5, where --first_frame=9'):
    read(tmp_path, first_frame=9)
  named = [
    body | {'image_id': f'a.v2_{int(body["image_id"][:-4]):05}.jpg'}
    for body in bodies
  ]
  again = read(write(tmp_path / 'a.json', named), first_frame=5).poses
  np.testing.assert_array_equal(again, found)
  numbered = [b | {'image_id': int(b['image_id'][:-4])} for b in bodies]
  again = read(write(tmp_path / 'a.json', numbered), first_frame=5).poses
  np.testing.assert_array_equal(again, found)
  # Every second frame alone.
  bodies = [b for b in bodies if int(b['image_id'][:-4]) % 2]
  found = read(write(tmp_path / 'a.json', bodies), layout=COCO).poses.sum(0)
  np.testing.assert_allclose(found[7], fixtures.coco(poses)[7], atol=1e-3)
  assert not found[::2].any() and len(found) == 40


def test_nobody_is_no_error_of_a_file(tmp_path):
  write(tmp_path / 'lcr/a.json', {'frames': [[], [], []]})
  write(tmp_path / 'alpha/a.json', [])
  write(tmp_path / 'open/a/a_0_keypoints.json', {'people': []})
  write(tmp_path / 'array/a.npz', np.zeros((4, 17, 2)))
  found = {folder.name: read(folder) for folder in sorted(tmp_path.iterdir())}
  assert {name: each.poses.shape[1] for name, each in found.items()} == {
    'lcr': 3,
    'alpha': 0,
    'open': 1,
    'array': 4,
  }
  assert not any(each.poses.any() for each in found.values())
  assert not found['alpha'].is_whole and found['lcr'].is_whole


def test_bad_files_are_named(tmp_path, seen):
  text = json.dumps(fixtures.lcrnet(seen[0]))
  write(tmp_path / 'a.json', text[: len(text) // 2])
  with pytest.raises(UserError, match='a.json: cut short or not JSON, at line'):
    read(tmp_path)
  np.savez(tmp_path / 'b.npz', seen[0])
  whole = (tmp_path / 'b.npz').read_bytes()
  (tmp_path / 'b.npz').write_bytes(whole[: len(whole) // 2])
  with pytest.raises(UserError, match='b.npz: cannot be read .*not a zip file'):
    read(tmp_path, 'b')
  pose = np.array(seen[0])
  pose[7, 3, 1] = np.nan
  np.savez(tmp_path / 'c.npz', pose)
  with pytest.raises(
    UserError, match=r'c.npz, frame 7, person 0: y of joint 3 \(left_ear\)'
  ):
    read(tmp_path, 'c')
  pose[7, 3] = np.nan  # all of it: the joint is missing
  np.savez(tmp_path / 'c.npz', pose)
  assert not read(tmp_path, 'c', COCO).poses[0, 7, 3].any()
  path = tmp_path / 'other'
  write(path / 'layout.yaml', 'layout: unik_17')
  write(path / 'a.json', fixtures.alphapose(seen[0]))
  with pytest.raises(UserError, match="joints of 'coco_17', but .*'unik_17'"):
    read(path)
  write(tmp_path / 'twelve/d.npz', np.ones((4, 12, 2)))
  with pytest.raises(UserError, match='d.npz: 12 joints; no built-in layout'):
    read(tmp_path / 'twelve', 'd')


def test_labels_and_sources(tmp_path, seen):
  for name in ('abc_000010_000020', 'abc_000030_000040', 'other'):
    np.savez(
      write(tmp_path / f'one/{name}.npz', seen[0]) / f'{name}.npz', seen[0]
    )
  expert = estimators.open_expert(tmp_path / 'one')
  with pytest.raises(UserError, match="'abc_000010_000020' is in no class fol"):
    videos.find([expert])
  table = tmp_path / 'labels.csv'
  table.write_text(
    'video,label,width,height,source\n'
    'abc_000010_000020.mp4,wave,640,360,\nabc_000030_000040.mp4,jump,,,\n'
    'gone.mp4,wave,,,tape 4\n'
  )
  found, notes = videos.find([expert], table, (1280, 720))
  assert [(v.name, v.label, v.source, v.image_size) for v in found] == [
    ('abc_000010_000020', 'wave', 'abc', (640, 360)),
    ('abc_000030_000040', 'jump', 'abc', (1280, 720)),
    ('gone', 'wave', 'tape 4', (1280, 720)),
  ]
  assert found[2].entries == (None,)
  assert any(
    '1 videos are not in' in note and 'other' in note for note in notes
  )
  table.write_text('video,label\nabc_000010_000020,wave\nother,Wave\n')
  with pytest.raises(UserError, match="line 3: label 'Wave', but in .*line 2"):
    videos.find([expert], table)
  table.write_text('video,label\nnone,wave\n')
  with pytest.raises(UserError, match='none of its 1 videos is among'):
    videos.find([expert], table)


def test_folders_of_splits(tmp_path, seen):
  for name in ('train/wave/a', 'train/jump/b', 'Testing/wave/c'):
    path = tmp_path / f'{name}.npz'
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, seen[0])
  found, _ = videos.find([estimators.open_expert(tmp_path)])
  assert {(v.name, v.label, v.split) for v in found} == {
    ('train/wave/a', 'wave', 'train'),
    ('train/jump/b', 'jump', 'train'),
    ('Testing/wave/c', 'wave', 'test'),
  }


def test_kinetics_400_becomes_320():
  from unik_jax.curate import labels

  classes = labels.read('kinetics_320')
  assert set(classes) == set(LABELS) and len(classes) == 400
  assert len(set(classes.values())) == 320
  food = ('making a cake', 'making sushi', 'making pizza')
  assert {classes[label] for label in food} == {'making food'}
  for label in ('washing feet', 'washing hair', 'doing laundry'):
    assert classes[label] == label
    assert list(classes.values()).count(label) == 1


def test_label_maps_that_make_no_sense(tmp_path):
  from unik_jax.curate import labels

  path = tmp_path / 'map.yaml'

  def read_text(text):
    path.write_text(text)
    return labels.read(path)

  classes = read_text('merge:\n  food: [cake, sushi]\nkeep: [walk]\n')
  assert classes == {'cake': 'food', 'sushi': 'food', 'walk': 'walk'}
  where = [('cake', 'x.csv, line 2'), ('walks', 'x.csv, line 3')]
  with pytest.raises(
    UserError, match="x.csv, line 3: label 'walks' is not in .*has 'walk'"
  ):
    labels.merge(where, classes, str(path))
  assert labels.merge(where, classes, '', 'keep') == ['food', 'walks']
  assert labels.merge(where, classes, '', 'drop') == ['food', None]
  for text, message in (
    ('keep: [on]', 'True.*is no text; quote it'),
    ('merge: {a: [b], c: [b]}', "'b' is in class 'a' and in 'c'"),
    ('merge: {a: b}', "class 'a' needs a list"),
    ('classes: [a]', 'keys merge and keep'),
    ('keep: [', 'cannot be read'),
  ):
    with pytest.raises(UserError, match=message):
      read_text(text)
