"""The transform of a clip, step by step."""

import itertools

import numpy as np
import pytest
from helpers.configs import load_config
from helpers.random_clips import make_config, make_records
from scipy.spatial.transform import Rotation

from unik_jax.data import loader
from unik_jax.data.streams import STREAMS
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


def transformed(record, *, training=False, **settings):
  transform = Transform(make_config(**settings), train=training)
  return transform(record, np.random.default_rng(0))['x']


def test_absent_persons_are_zeros_and_others_are_cut():
  (record,) = make_records(1, persons=2, frames=(6, 7))
  clip = record['keypoints'][..., :3]
  np.testing.assert_array_equal(transformed(record, persons=1), clip[:1])
  np.testing.assert_array_equal(transformed(record, persons=2), clip)
  padded = transformed(record, persons=4, normalize='center_first')
  assert padded.shape == (4, 6, 20, 3)
  assert padded[:2].all((1, 2, 3)).any() and not padded[2:].any()


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_channels_are_cut(channels):
  (record,) = make_records(1, frames=(6, 7))
  np.testing.assert_array_equal(
    transformed(record, channels=channels), record['keypoints'][..., :channels]
  )


def test_centring_comes_before_the_scale():
  (record,) = make_records(1, frames=(6, 7))
  clip = np.float64(record['keypoints'][..., :3])
  out = transformed(record, normalize='center_first', scale=0.25)
  hips = clip[0, 0, 7 - 1]  # joint 7 of MSR-Action3D's 20
  np.testing.assert_allclose(out, (clip - hips) * 4, rtol=1e-5, atol=1e-6)


def test_joints_are_mapped_first():
  (record,) = make_records(1, frames=(6, 7))
  out = transformed(record, joints='unik_17', normalize='center_first')
  clip = np.float64(record['keypoints'][..., :3])
  source, target = get_layout('msr_20'), get_layout('unik_17')
  chest = clip[:, :, source.index('spine')]
  left = clip[:, :, source.index('left_wrist')] - chest[:, :1]
  assert out.shape == (1, 6, 17, 3)
  np.testing.assert_allclose(
    out[:, :, target.index('left_wrist')], left, atol=1e-5
  )


def test_tracks_are_repeated_before_they_are_sampled():
  (record,) = make_records(1, persons=2, frames=(5, 6))
  record['keypoints'][1, 3:] = 0
  out = transformed(record, persons=2, pad=14, frames=14)
  clip = record['keypoints'][..., :3]
  for t in range(14):
    np.testing.assert_array_equal(out[0, t], clip[0, t % 5])
    np.testing.assert_array_equal(out[1, t], clip[1, t % 3])


def test_empty_ends_are_trimmed_with_their_confidence():
  (record,) = make_records(1, frames=(9, 10))
  record['keypoints'][:, [0, 1, 8], :, :3] = (
    0  # confidences are present in empty frames
  )
  out = transformed(record, channels=4, confidence=True, trim=True)
  np.testing.assert_array_equal(out, record['keypoints'][:, 2:8])


def test_the_image_size_reaches_the_preset():
  (record,) = make_records(1, frames=(6, 7))
  record['image_size'] = np.int32([40, 10])
  out = transformed(record, channels=2, normalize='clean')
  clip = np.float64(record['keypoints'][..., :2])
  np.testing.assert_allclose(out, (clip - [20, 5]) / 20, atol=1e-6)


def test_several_random_views_of_a_test_clip():
  records = make_records(3, frames=(30, 40))
  config = make_config(sampling='uniform', test_clips=4)
  batches = [
    list(loader.eval_batches(records, config, batch_size=size))
    for size in (2, 3)
  ]
  assert [batch['x'].shape for batch in batches[0]] == [(2, 4, 1, 6, 20, 3)] * 2
  (large,) = batches[1]
  np.testing.assert_array_equal(batches[0][0]['x'], large['x'][:2])
  np.testing.assert_array_equal(batches[0][1]['x'][0], large['x'][2])
  for i, j in itertools.combinations(range(4), 2):
    assert (large['x'][:, i] != large['x'][:, j]).any()
  # Views have frames of the clip, in their order.
  clip = records[0]['keypoints'][0, :, 0, 0].tolist()
  for sampled in large['x'][0, :, 0, :, 0, 0]:
    places = [clip.index(value) for value in sampled]
    assert places == sorted(places)


@pytest.mark.parametrize('sampling', ['crop', 'repeat'])
def test_several_windows_of_a_test_clip(sampling):
  lengths = (4, 6, 7, 17)
  records = make_records(4, frames=(17, 18))
  for record, length in zip(records, lengths, strict=True):
    record['keypoints'] = record['keypoints'][:, :length]
  config = make_config(sampling=sampling, test_crops=3, stream='joint_motion')
  batches = [
    list(loader.eval_batches(records, config, batch_size=size))
    for size in (3, 4)
  ]
  assert [batch['x'].shape for batch in batches[0]] == [(3, 3, 1, 6, 20, 3)] * 2
  (large,) = batches[1]
  np.testing.assert_array_equal(batches[0][0]['x'], large['x'][:3])
  np.testing.assert_array_equal(batches[0][1]['x'][0], large['x'][3])
  assert large['label'].tolist() == [0, 1, 2, 3]
  transform = Transform(
    make_config(sampling=sampling, stream='joint_motion'), train=False
  )
  for record, length, views in zip(records, lengths, large['x'], strict=True):
    for view, start in enumerate((0, (length - 6) // 2, length - 6)):
      start = max(start, 0)
      part = record['keypoints'][:, start : start + 6]
      single = transform({**record, 'keypoints': part})
      np.testing.assert_array_equal(views[view], single['x'])


def test_streams_are_derived_from_the_sampled_frames():
  (record,) = make_records(1, frames=(12, 13))
  joints = np.float64(transformed(record, sampling='uniform', scale=2.0))
  assert joints.shape == (1, 6, 20, 3)
  bones = joints.copy()
  layout = get_layout('msr_20')
  bones[:, :, layout.root] = 0
  for child, parent in layout.bone_indices:
    bones[:, :, child] = joints[:, :, child] - joints[:, :, parent]

  def moving(x):
    return np.concatenate([x[:, 1:] - x[:, :-1], 0 * x[:, :1]], 1)

  expected = {
    'bone': bones,
    'joint_motion': moving(joints),
    'bone_motion': moving(bones),
  }
  for stream, x in expected.items():
    out = transformed(record, sampling='uniform', scale=2.0, stream=stream)
    np.testing.assert_allclose(out, x, atol=1e-5)


# CTR-GCN's feeder for NW-UCLA: (child, parent), from 1.
UCLA_BONES = (
  *((1, 2), (2, 3), (3, 3), (4, 3), (5, 3), (6, 5), (7, 6), (8, 7), (9, 3)),
  *((10, 9), (11, 10), (12, 11), (13, 1), (14, 13), (15, 14), (16, 15)),
  *((17, 1), (18, 17), (19, 18), (20, 19)),
)


@pytest.mark.parametrize('frames', [9, 120])
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('stream', STREAMS)
def test_ctr_gcn_recipe_of_nw_ucla(stream, training, frames):
  """The steps of its feeder, in their order, with rotations of scipy."""
  record = make_records(1, frames=(frames, frames + 1), channels=3)[0]
  record['keypoints'] += np.float32([0.3, -1, 3])
  config = load_config(f'nw_ucla:ctr_gcn,{stream}').data
  transform = Transform(config, train=training)
  out = transform(record, np.random.default_rng(5) if training else None)['x']

  clip = np.float64(record['keypoints'][0])
  clip -= clip[0, 2 - 1]
  if training:
    choices = transform.choose(frames, np.random.default_rng(5))
    angles = [choices['rotate'], choices['rotate_x']]
    assert (np.abs(np.rad2deg(angles)) < 60.001).all()
    assert 0.5 <= choices['factor'] <= 1.5
    # About y, then about x.
    turn = Rotation.from_euler('yx', angles).as_matrix()
    clip = choices['factor'] * clip @ turn.T
    index = choices['times'].astype(int)
    assert (np.diff(index) >= 0).all() and set(index) <= set(range(frames))
  else:
    index = np.linspace(0, frames - 1, 52).astype(int)
  low, high = clip.min((0, 1)), clip.max((0, 1))
  x = ((clip - low) / (high - low) * 2 - 1)[index]
  if 'bone' in stream:
    child, parent = np.array(UCLA_BONES).T - 1
    joints, x = x, np.zeros_like(x)
    x[:, child] = joints[:, child] - joints[:, parent]
  if 'motion' in stream:
    x = np.concatenate([x[1:] - x[:-1], np.zeros_like(x[:1])])
  assert out.shape == (1, 52, 20, 3)
  np.testing.assert_allclose(out[0], x, atol=2e-5)


def test_test_frames():
  (record,) = make_records(1)
  settings = {'frames': 6, 'test_frames': 10}
  assert transformed(record, **settings).shape[1] == 10
  assert transformed(record, **settings, training=True).shape[1] == 6


@pytest.mark.parametrize(
  'settings, word',
  [
    ({'normalize': 'centre'}, 'data.normalize'),
    ({'sampling': 'croop'}, 'data.sampling'),
    ({'stream': 'bones'}, 'data.stream'),
    ({'layout': 'msr_21'}, 'layout'),
    ({'rotate': 0.3, 'channels': 2}, 'data.rotate'),
    (
      {'rotate': 0.3, 'rotate_z': 0.1, 'channels': 2},
      'Set --config.data.rotate=0 --config.data.rotate_z=0',
    ),
    ({'fit_axes': True, 'random_move': True}, 'data.fit_axes.*random_move'),
    ({'sampling': 'uniform', 'test_crops': 2}, 'data.test_crops.*uniform'),
    ({'test_clips': 2, 'test_crops': 2}, 'data.test_crops'),
  ],
)
@pytest.mark.parametrize('training', [True, False])
def test_wrong_settings_are_named(settings, word, training):
  with pytest.raises(UserError, match=word):
    Transform(make_config(**settings), train=training)
