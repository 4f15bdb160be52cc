"""COCO's keypoint annotations."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  make_clip,
  parse_clip,
  prepare,
  read_keypoints,
  read_recording,
  read_splits,
  write_file,
)

from unik_jax.data.formats.user.keypoints import NobodySeenError
from unik_jax.errors import UserError

CASES = pathlib.Path(__file__).parents[2] / 'cases'
POSE = body_at(100, 100, 17)


def coco(images, annotations):
  return {
    'info': {},
    'images': images,
    'annotations': annotations,
    'categories': [{'id': 1, 'name': 'person'}],
  }


def test_bodies_without_keypoints(tmp_path):
  images = [image(n) for n in range(3)]
  bodies = [annotation(0, POSE), annotation(1, POSE, keypoints=[])]
  bodies += [annotation(2, POSE), annotation(2, POSE, keypoints=None)]
  path = write_file(tmp_path / 'a.json', coco(images, bodies))
  assert read_keypoints(path).any((0, 2, 3)).tolist() == [True, False, True]
  path = write_file(tmp_path / 'b.json', coco(images, bodies[1:2]))
  with pytest.raises(NobodySeenError, match='any of 3 frames'):
    read_keypoints(path)


def test_a_dataset_with_clips_of_nobody(tmp_path):
  raw = tmp_path / 'raw'
  shutil.copytree(CASES / '31-coco-empty-keypoints', raw)
  (raw / 'b' / '1.json').unlink()  # the same as a/1.json
  for n in (3, 4):
    pose = body_at(50, 50, 17, seed=n)
    images = [image(k, size=(1920, 1080)) for k in range(10)]
    bodies = [annotation(k, pose) for k in range(10)]
    write_file(raw / 'b' / f'{n}.json', coco(images, bodies))
  shutil.copy(raw / 'a' / '1.json', raw / 'a' / '3.json')
  (raw / 'b' / '2.json').unlink()  # the same as a/2.json
  with pytest.raises(UserError, match='a/0.json: nobody is seen in any of 10'):
    prepare(tmp_path)
  shutil.copy(raw / 'a' / '2.json', raw / 'b' / '2.json')
  builder = prepare(tmp_path, skip_bad=True)
  report = json.loads((builder.data_path / 'report.json').read_text())
  skipped = [
    pathlib.Path(n['clip']).relative_to(raw) for n in report['skipped']
  ]
  # b/2.json is in class a too.
  assert sorted(map(str, skipped)) == ['a/0.json', 'b/2.json']
  for split in read_splits(tmp_path).values():
    for record in split.values():
      assert record['keypoints'].shape == (1, 10, 17, 3)
      assert record['keypoints'].any((0, 2, 3)).all()


def image(number, name=None, size=(640, 480)):
  entry = {'id': number, 'file_name': name} if name else {'id': number}
  return entry | dict(zip(('width', 'height'), size, strict=False))


def annotation(number, pose, **fields):
  return {
    'id': 99,
    'image_id': number,
    'keypoints': pose.ravel().tolist(),
  } | fields


def test_coco(tmp_path):
  """Frames are sorted by file name; visibility 0 marks a missing joint."""
  poses = make_clip(3, 17, 3)
  poses[..., 2] = 2
  poses[1, 4:6, 2] = [1, 0]
  images = [image(3, '10.jpg'), image(4, '9.jpg'), image(7, '1.jpg')]
  annotations = [
    annotation(3, poses[2], track_id=5),
    annotation(7, poses[0], track_id=5),
    annotation(4, poses[1], track_id=5),
    {'id': 1, 'image_id': 3, 'bbox': [0, 0, 1, 1]},
  ]
  recording = read_recording(
    write_file(tmp_path / 'a.json', coco(images, annotations))
  )
  poses[1, 5] = 0
  np.testing.assert_array_equal(recording.keypoints, poses[None])
  assert recording.image_size == (640, 480)
  parsed = parse_clip(tmp_path / 'a.json')
  assert (parsed.layout, parsed.units) == ('coco_17', 'pixels')


@pytest.mark.parametrize('nested', [False, True])
def test_coco_persons(tmp_path, nested):
  a, b = body_at(100, 100, 17, 2), body_at(300, 100, 17, 1)
  ids = [{'track_id': 1}, {'track_id': 2}]
  if nested:
    ids = [{'attributes': each} for each in ids]
  annotations = [
    annotation('x', b, **ids[1]),
    annotation('x', a, **ids[0]),
    annotation('y', a, **ids[1]),
    annotation('y', b, **ids[0]),
  ]
  images = [image('x', size=()), image('y', size=()), image('z', size=())]
  path = write_file(tmp_path / 'a.json', coco(images, annotations))
  recording = read_recording(path)
  assert recording.image_size is None
  zero = 0 * a
  np.testing.assert_array_equal(
    recording.keypoints, np.array([[a, b, zero], [b, a, zero]])
  )
  for each in annotations:
    each.pop('track_id', each.pop('attributes', None))
  write_file(path, coco(images, annotations))
  np.testing.assert_array_equal(
    read_keypoints(path), np.array([[a, a, zero], [b, b, zero]])
  )


BAD_COCO = {
  'sizes': (
    coco([image(0), image(1, size=(9, 9))], []),
    r'\(640.0, 480.0\) and \(9.0, 9.0\)',
  ),
  'size text': (
    coco([image(0, size=('a', 'b'))], [annotation(0, POSE)]),
    "image size: .*'a', 'b'",
  ),
  'no width': (
    coco([{'id': 0, 'height': 4}], [annotation(0, POSE)]),
    'image size: .*None, 4.0',
  ),
  'ids': (coco([image(0), image(0)], []), 'id: expected a different'),
  'no id': (coco([{'file_name': 'a'}], []), 'id: expected a different'),
  'images null': (coco(None, []), 'images: expected a list'),
  'annotation null': (coco([image(0)], [None]), 'annotations: expected a list'),
  'image unknown': (
    coco([image(0)], [annotation(0, POSE), annotation(8, POSE)]),
    'annotation 1: image_id 8.0 is not among',
  ),
  'image a list': (coco([image(0)], [annotation([0], POSE)]), 'annotation 0'),
  'values': (coco([image(0)], [annotation(0, POSE[:, :2])]), 'annotation 0'),
  'nobody': (coco([image(0), image(1)], []), 'any of 2 frames'),
  'nothing': (coco([], []), 'any of 0 frames'),
}


@pytest.mark.parametrize('case', BAD_COCO)
def test_bad_coco(tmp_path, case):
  data, message = BAD_COCO[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', data))


@pytest.mark.parametrize(
  'names',
  [
    {'video_id': [1, 2]},
    {'file_name': ['a/1.jpg', 'b/1.jpg']},
    {'file_name': ['a\\1.jpg', 'b\\1.jpg']},
  ],
)
def test_coco_of_several_videos(tmp_path, names):
  ((key, values),) = names.items()
  images = [image(n) | {key: value} for n, value in enumerate(values)]
  path = write_file(tmp_path / 'a.json', coco(images, [annotation(0, POSE)]))
  with pytest.raises(UserError, match='a.json: .*one video'):
    read_keypoints(path)
  if key == 'file_name':
    write_file(path, [alphapose_body(name, POSE) for name in values])
    with pytest.raises(UserError, match='a.json: .*one video.*folders'):
      read_keypoints(path)
