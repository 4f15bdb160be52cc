"""The synthetic dataset: plausible bodies, disjoint and balanced splits."""

import itertools
import re

import numpy as np
import pytest

from unik_jax.data import clips, registry, synthetic, synthetic_actions
from unik_jax.data.synthetic_body import (
  JOINTS,
  forward_kinematics,
  make_subject,
)
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow

_VIEWS = (('unik_17', 2), ('ntu_25', 3), ('msr_20', 3))


@pytest.fixture(scope='module')
def splits():
  """Returns all clips of the default config by split."""
  return {split: _records(split, 'unik_17', 2) for split in synthetic.SPLITS}


def _records(split, layout, channels):
  """Returns the records of a split."""
  return [
    {
      'id': clip.id,
      'keypoints': synthetic.read_episode(
        clip.source, layout=layout, channels=channels
      ),
      'label': clip.label,
      'subject': clip.subject,
    }
    for clip in synthetic.list_episodes()
    if clip.splits == (split,)
  ]


def _clip(action, layout='ntu_25', subject=3, seed=0, **options):
  return synthetic.generate_clip(
    action,
    make_subject(subject),
    np.random.default_rng(seed),
    layout,
    **options,
  )


def test_two_generations_are_equal_bit_for_bit(splits):
  again = _records('validation', 'unik_17', 2)
  for first, second in zip(splits['validation'], again, strict=True):
    assert first['id'] == second['id']
    np.testing.assert_array_equal(first['keypoints'], second['keypoints'])


def test_splits_share_no_subject_clip_or_viewpoint(splits):
  for a, b in itertools.combinations(splits, 2):
    for key in ('subject', 'id'):
      assert not {r[key] for r in splits[a]} & {r[key] for r in splits[b]}
    # Ids and seeds consist of the same numbers, so seeds are disjoint too.
    assert not set(synthetic.SPLITS[a].views) & set(synthetic.SPLITS[b].views)


@pytest.mark.parametrize('split', synthetic.SPLITS)
def test_yaw_stays_in_the_slices_of_its_split(split):
  rng = np.random.default_rng(0)
  yaws = np.array([synthetic.draw_yaw(split, rng) for _ in range(500)])
  assert np.abs(yaws).max() <= synthetic.YAW
  slices = np.floor((yaws + synthetic.YAW) / synthetic.SLICE).astype(int)
  assert set(slices % 5) == set(synthetic.SPLITS[split].views)


def test_labels_are_complete_and_balanced(splits):
  for records in splits.values():
    counts = np.bincount([r['label'] for r in records])
    assert len(counts) == len(synthetic.LABELS) >= 14
    assert len(set(counts)) == 1
  assert [len(splits[s]) for s in splits] == [1600, 320, 480]


def test_records_are_valid(splits):
  shortest, longest = synthetic.FRAMES
  lengths = set()
  occluded = []
  for record in itertools.chain(*splits.values()):
    keypoints = clips.check_clip(
      record['keypoints'], get_layout('unik_17'), record['id']
    )
    assert keypoints.shape[0] == 1 and keypoints.shape[3] == 2
    assert np.abs(keypoints).max() < 1.2  # inside the image, or almost
    assert re.fullmatch(r'a\d\d_s\d\d_e\d\d', record['id'])
    lengths.add(keypoints.shape[1])
    occluded.append((keypoints == 0).all(-1).any())
  assert min(lengths) == shortest and max(lengths) == longest
  assert 0.2 < np.mean(occluded) < 0.9  # in many clips, not in all


@pytest.mark.parametrize('action', synthetic.LABELS)
def test_bones_keep_their_length(action):
  for name in ('ntu_25', 'msr_20', 'unik_17'):
    clip = _clip(action, name, noise=False)[0].astype(np.float64)
    child, parent = np.array(get_layout(name).bone_indices).T
    length = np.linalg.norm(clip[:, child] - clip[:, parent], axis=-1)
    assert length.min() > 0.01
    np.testing.assert_allclose(length, length[:1] * np.ones_like(length), 1e-4)


@pytest.mark.parametrize('action', synthetic.LABELS)
def test_limbs_are_plausible(action):
  """Elbows and knees bend one way; feet are on the floor, toes forwards."""
  subject = make_subject(0)
  rng = np.random.default_rng(1)
  angles = synthetic.perform_action(action, subject, 40, rng)
  for name, track in angles.items():
    if name.endswith(('elbow', 'knee')):
      assert track.min() >= 0 and track.max() < 165, name
  points = forward_kinematics(angles, subject)
  for side in ('left', 'right'):
    hip, knee, ankle, foot = (
      points[:, JOINTS.index(f'{side}_{j}')]
      for j in ('hip', 'knee', 'ankle', 'foot')
    )
    thigh, shin = knee - hip, ankle - knee
    # Seen from the left, the shin is behind the line of the thigh.
    bend = thigh[:, 2] * shin[:, 1] - thigh[:, 1] * shin[:, 2]
    assert (bend < 0.02).all()
    assert points[..., 1].min() > -1e-9  # no joint is below the floor
    assert (foot[:, 2] > ankle[:, 2]).all()


def test_two_dimensions_are_the_projection_of_three():
  solid = _clip('drink', 'unik_17', noise=False, yaw=25)
  flat = _clip('drink', 'unik_17', noise=False, yaw=25, channels=2)
  half_width = 1 / np.tan(np.radians(70) / 2)
  x, y, z = np.moveaxis(solid, -1, 0)
  np.testing.assert_allclose(flat[..., 0], -half_width * x / z, rtol=3e-3)
  np.testing.assert_allclose(flat[..., 1], -half_width * y / z, rtol=3e-3)
  layout = get_layout('unik_17')
  head, hip = layout.index('head'), layout.index('mid_hip')
  assert (flat[..., head, 1] < flat[..., hip, 1]).all()  # y points down


def test_seen_from_the_front_the_left_hand_is_on_the_right():
  flat = _clip('march_in_place', 'unik_17', noise=False, channels=2)
  layout = get_layout('unik_17')
  left, right = layout.index('left_shoulder'), layout.index('right_shoulder')
  assert (flat[..., left, 0] > flat[..., right, 0]).all()


def test_layouts_show_the_same_motion():
  clips_by_layout = {
    name: (get_layout(name), _clip('lunge', name, yaw=-30)[0])
    for name in ('ntu_25', 'msr_20', 'kinect_20', 'unik_17')
  }
  for joint in ('left_wrist', 'right_knee', 'head'):
    tracks = [
      clip[:, layout.index(joint)] for layout, clip in clips_by_layout.values()
    ]
    for track in tracks[1:]:
      np.testing.assert_array_equal(track, tracks[0])


def test_mirror_is_its_own_inverse():
  keys = synthetic_actions.performed_keys(
    synthetic_actions.ACTIONS['side_stretch'], np.random.default_rng(0)
  )
  once = synthetic_actions.mirror_keys(keys)
  twice = synthetic_actions.mirror_keys(once)
  assert once.keys() == keys.keys()
  assert (once['spine.lean'] != keys['spine.lean']).all()
  for name, value in keys.items():
    np.testing.assert_array_equal(twice[name], value)


def test_curve_passes_through_its_keys():
  keys = np.array([3.0, -1.0, 7.0, 2.0])
  at_keys = synthetic_actions.interpolate_keys(
    keys, np.arange(8) / 4, cyclic=True
  )
  np.testing.assert_allclose(at_keys, np.tile(keys, 2), atol=1e-12)
  at_keys = synthetic_actions.interpolate_keys(
    keys, np.linspace(0, 1, 4), cyclic=False
  )
  np.testing.assert_allclose(at_keys, keys, atol=1e-12)


@pytest.mark.parametrize(('name', 'channels'), _VIEWS)
def test_mean_poses_do_not_tell_the_actions(name, channels):
  layout = get_layout(name)

  def mean_poses(split):
    poses, labels = [], []
    for record in _records(split, name, channels):
      clip = record['keypoints'][0]
      seen = (clip != 0).any(-1, keepdims=True)
      centred = seen * (clip - clip[:, [layout.index(layout.center)]])
      poses.append(centred.sum(0) / np.maximum(seen.sum(0), 1))
      labels.append(record['label'])
    return np.array(poses), np.array(labels)

  poses, labels = mean_poses('train')
  centroids = np.stack([poses[labels == k].mean(0) for k in np.unique(labels)])
  poses, labels = mean_poses('test')
  distance = ((poses[:, None] - centroids) ** 2).sum((2, 3))
  accuracy = (distance.argmin(1) == labels).mean()
  assert 2 / len(centroids) < accuracy < 0.6


def test_tfds_round_trip(tmp_path, monkeypatch):
  small_splits = {
    'train': synthetic.Split(range(2), (0, 1, 3)),
    'test': synthetic.Split(range(2, 3), (4,)),
  }
  monkeypatch.setattr(synthetic, 'SPLITS', small_splits)
  builder = registry.get_builder_class('synthetic_skeletons')(
    data_dir=tmp_path, config='msr_20_3d', file_format='array_record'
  )
  assert builder.name == 'synthetic_skeletons'
  assert builder.info.metadata['layout'] == 'msr_20'
  builder.download_and_prepare(file_format='array_record')
  for split in small_splits:
    source = builder.as_data_source(split)
    expected = _records(split, 'msr_20', 3)
    assert len(source) == len(expected)
    by_id = {record['id']: record for record in expected}
    for record in source:
      wanted = by_id.pop(record['id'].decode())
      np.testing.assert_array_equal(record['keypoints'], wanted['keypoints'])
      assert record['label'] == wanted['label']
      assert record['subject'] == wanted['subject']


def test_the_default_config_is_2d():
  builder = registry.get_builder_class('synthetic_skeletons')
  assert builder.BUILDER_CONFIGS[0].name == 'unik_17_2d'
  names = {config.name for config in builder.BUILDER_CONFIGS}
  assert names == {'unik_17_2d', 'ntu_25_3d', 'msr_20_3d'}
