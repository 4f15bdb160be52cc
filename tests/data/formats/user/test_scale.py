"""Units and scale: of a clip in an image, and of all clips of a dataset."""

import numpy as np
import pytest
from helpers.user_clips import (
  alphapose_body,
  body_at,
  make_clip,
  openpose_body,
  parse_clip,
  prepare,
  read_splits,
  write_array,
  write_file,
  write_openpose,
)

from unik_jax.data.clips import Recording
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.formats.user.recordings import parse_clip as parse_source
from unik_jax.data.normalize import get_preset
from unik_jax.data.one_scale import OneScale, median_body_size
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

SIZE = (1920, 1080)


def coco_file(frames, size=()):
  """Returns COCO annotations of one body (V, 3) a frame."""
  size = dict(zip(('width', 'height'), size, strict=False))
  return {
    'images': [{'id': t} | size for t in range(len(frames))],
    'annotations': [
      {'image_id': t, 'keypoints': pose.ravel().tolist()}
      for t, pose in enumerate(frames)
    ],
  }


def alphapose_file(frames):
  return [alphapose_body(f'{t}.jpg', pose) for t, pose in enumerate(frames)]


def body_frames(frames=3, joints=17, seed=0):
  """Returns (T, V, 3): x, y in pixels and confidence."""
  return np.stack(
    [body_at(900, 500, joints, 0.9, seed + t) for t in range(frames)]
  )


# Fractions of the image


def write_fractions(folder, form):
  """Writes a clip in fractions of the image; returns its path and pixels."""
  pixels = body_frames(joints=25 if form == 'openpose' else 17)
  fractions = pixels / [*SIZE, 1]
  if form == 'openpose':
    bodies = [[openpose_body(pose)] for pose in fractions]
    return write_openpose(folder, bodies), pixels
  if form == 'array':
    pixels = pixels[..., :2]
    return write_array(folder.with_suffix('.npy'), fractions[..., :2]), pixels
  make_file = {'coco': coco_file, 'alphapose': alphapose_file}[form]
  return write_file(folder.with_suffix('.json'), make_file(fractions)), pixels


@pytest.mark.parametrize('form', ['openpose', 'alphapose', 'coco', 'array'])
def test_fractions_become_pixels(tmp_path, form):
  path, pixels = write_fractions(tmp_path / 'clip', form)
  parsed = parse_source(ClipSource(str(path), image_size=SIZE))
  np.testing.assert_allclose(parsed.keypoints[0], pixels, atol=1e-3)
  assert (parsed.units, parsed.image_size) == ('pixels', SIZE)
  assert 'fractions' in parsed.notes[-1]


@pytest.mark.parametrize('form', ['openpose', 'alphapose', 'coco'])
def test_fractions_of_an_unknown_image_stay(tmp_path, form):
  path, pixels = write_fractions(tmp_path / 'clip', form)
  parsed = parse_clip(path)
  np.testing.assert_allclose(parsed.keypoints[0], pixels / [*SIZE, 1])
  assert (parsed.units, parsed.image_size) == ('fractions', (1, 1))
  assert 'unknown size' in parsed.notes[-1]


def test_the_files_own_size_counts(tmp_path):
  pixels = body_frames()
  content = coco_file(pixels / [*SIZE, 1], SIZE)
  path = write_file(tmp_path / 'a.json', content)
  parsed = parse_source(ClipSource(str(path), image_size=(640, 480)))
  np.testing.assert_allclose(parsed.keypoints[0], pixels)
  assert parsed.image_size == SIZE


@pytest.mark.parametrize('size', [None, SIZE])
def test_pixels_stay(tmp_path, size):
  pixels = body_frames()
  path = write_file(tmp_path / 'a.json', alphapose_file(pixels))
  parsed = parse_source(ClipSource(str(path), image_size=size))
  np.testing.assert_array_equal(parsed.keypoints[0], pixels)
  assert (parsed.units, parsed.image_size) == ('pixels', size)


def test_a_scale_around_the_centre_is_refused(tmp_path):
  """OpenPose's --keypoint_scale 4: from -1 to 1."""
  rng = np.random.default_rng(0)
  poses = rng.uniform(-0.5, 0.5, (3, 25, 3)) + [0, 0, 0.6]
  folder = write_openpose(tmp_path / 'a', [[openpose_body(p)] for p in poses])
  with pytest.raises(UserError, match='a: expected x and y in pixels.*_scale'):
    parse_clip(folder)


def test_arrays_in_space_are_not_fractions(tmp_path):
  clip = np.random.default_rng(0).uniform(0, 1, (3, 17, 3))
  path = write_array(tmp_path / 'a.npy', clip)
  parsed = parse_source(ClipSource(str(path), image_size=SIZE))
  np.testing.assert_array_equal(parsed.keypoints[0], clip)


@pytest.mark.parametrize('size', [(1920, 1080), (1080, 1920)])
def test_landmarks_are_times_the_images_own_size(tmp_path, size):
  """A body in the middle of an image is in its middle after `clean`."""
  t = np.arange(33)
  pose = 0.5 + 0.01 * np.stack([np.sin(t), np.cos(t)], -1)
  data = {'width': size[0], 'height': size[1], 'frames': [pose.tolist()] * 3}
  parsed = parse_clip(write_file(tmp_path / 'a.json', data))
  np.testing.assert_allclose(parsed.keypoints[0, 0], pose * size)
  assert (parsed.units, parsed.image_size) == ('pixels', size)
  clean = get_preset('clean')(
    parsed.keypoints, get_layout('mediapipe_33'), parsed.image_size
  )
  width, height = size
  expected = (pose - 0.5) * [2, 2 * height / width]
  np.testing.assert_allclose(clean[0, 0], expected, atol=1e-12)


def test_image_and_world_landmarks_in_one_file(tmp_path):
  pose = np.random.default_rng(0).uniform(0.1, 0.9, (33, 3)).tolist()
  frames = [{'pose_landmarks': pose}, {'pose_world_landmarks': pose}]
  path = write_file(tmp_path / 'a.json', frames)
  with pytest.raises(UserError, match='a.json: .*image or world'):
    parse_clip(path)


# All clips of a dataset


def write_dataset(root, make_a, make_b, settings=''):
  """Writes four clips of class a and four of class b."""
  for n in range(4):
    frames = body_frames(seed=10 * n)
    write_file(root / 'a' / f'{n}.json', make_a(frames))
    write_file(root / 'b' / f'{n}.json', make_b(frames + 0.5))
  write_file(root / 'layout.yaml', f'layout: coco_17\n{settings}')


def sized_coco(frames):
  return coco_file(frames, SIZE)


def test_image_sizes_of_some_clips_are_refused(tmp_path):
  write_dataset(tmp_path / 'raw', sized_coco, alphapose_file)
  with pytest.raises(UserError, match=r'b/\d.json: expected an image size.*a/'):
    prepare(tmp_path)


def test_layout_yaml_states_the_other_image_sizes(tmp_path):
  settings = 'image_size: [640, 480]'
  write_dataset(tmp_path / 'raw', sized_coco, alphapose_file, settings)
  prepare(tmp_path)
  splits = read_splits(tmp_path)
  records = splits['train'] | splits['test']
  assert records['a/0.json']['image_size'].tolist() == list(SIZE)
  assert records['b/0.json']['image_size'].tolist() == [640, 480]


def test_layout_yaml_ignores_all_image_sizes(tmp_path):
  settings = 'image_size: unknown'
  write_dataset(tmp_path / 'raw', sized_coco, alphapose_file, settings)
  prepare(tmp_path)
  for split in read_splits(tmp_path).values():
    for record in split.values():
      assert record['image_size'].tolist() == [0, 0]


def mediapipe_file(key, centre):
  def make(frames):
    poses = np.resize(frames / 1000, (len(frames), 33, 3)) - 0.5 + centre
    return [{key: pose.tolist()} for pose in poses]

  return make


def test_fractions_beside_metres_are_refused(tmp_path):
  image = mediapipe_file('pose_landmarks', 0.5)
  world = mediapipe_file('pose_world_landmarks', 0)
  root = tmp_path / 'raw'
  for n in range(4):
    write_file(root / 'a' / f'{n}.json', image(body_frames(seed=10 * n)))
    write_file(root / 'b' / f'{n}.json', world(body_frames(seed=10 * n + 5)))
  with pytest.raises(UserError, match=r'b/\d.json: expected fractions.*metres'):
    prepare(tmp_path)


@pytest.mark.parametrize(
  ('channels', 'factor'), [(2, 1 / 1920), (2, 1 / 40), (3, 1000), (3, 10)]
)
def test_arrays_of_two_units_are_refused(tmp_path, channels, factor):
  root = tmp_path / 'raw'
  for n in range(4):
    for label, scale in ('a', 1), ('b', factor):
      (root / label).mkdir(parents=True, exist_ok=True)
      clip = make_clip(4, 17, channels, seed=n)
      write_array(root / label / f'{n}.npy', clip * scale + n)
  write_file(root / 'layout.yaml', 'layout: coco_17')
  with pytest.raises(UserError, match=r'[ab]/\d.npy: expected one unit'):
    prepare(tmp_path)


@pytest.mark.parametrize(('coordinates', 'largest'), [(2, 50), (3, 4)])
def test_near_and_far_bodies_are_of_one_unit(coordinates, largest):
  """Sizes without a gap, as in a dataset of people near and far."""
  check = OneScale(coordinates, compares_bodies=True)
  pose = np.random.default_rng(0).uniform(0.1, 1, (1, 3, 17, coordinates))
  for n, size in enumerate(np.geomspace(1, largest, 9)):
    check.add(n, Recording(pose * size))
  check.finish()


def test_bodies_in_images_of_known_sizes_may_be_near_or_far():
  check = OneScale(2, compares_bodies=True)
  for n, size in enumerate((30, 900)):
    check.add(n, Recording(size * make_clip(1, 3, 17, 2), SIZE))
  check.finish()


def test_the_size_of_a_body():
  clip = np.zeros((2, 3, 17, 3))
  clip[0, :2, :2, :2] = [[10, 10], [13, 14]]  # one person, in two frames
  clip[..., 2] = 0.9  # not a coordinate
  assert median_body_size(clip, 2) == 5
  assert median_body_size(np.zeros((1, 3, 17, 2)), 2) == 0
