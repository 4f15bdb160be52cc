"""Damaged clips: what is damaged, and what stays unchanged."""

import numpy as np
import pytest

from unik_jax.config import default_config
from unik_jax.data.normalize import PRESETS
from unik_jax.data.sampling import SAMPLERS
from unik_jax.data.transform import Transform
from unik_jax.report import damage
from unik_jax.skeletons.layouts import get_layout

HIDDEN = [3, 8, 9]


def make_clip(persons=2, frames=20, joints=17, channels=3, seed=0):
  rng = np.random.default_rng(seed)
  clip = rng.uniform(0.1, 1, (persons, frames, joints, channels))
  return clip.astype(np.float32)


def rng_of(seed):
  return np.random.default_rng(seed)


def missing(damaged, clip):
  """Returns which joints (M, T, V) are missing; all others are unchanged."""
  assert damaged.dtype == np.float32
  gone = ~damaged.any(-1)
  np.testing.assert_array_equal(damaged[~gone], clip[~gone])
  return gone


@pytest.mark.parametrize(
  'function, options',
  [
    (damage.drop_joints, {}),
    (damage.drop_frames, {}),
    (damage.hide_joints, {'joints': HIDDEN}),
    (damage.add_noise, {}),
  ],
)
def test_damage_is_repeatable_and_keeps_its_input(function, options):
  clip = make_clip()
  before = clip.copy()
  one, same, other = (
    function(clip, 0.3, rng_of(s), **options) for s in (1, 1, 2)
  )
  np.testing.assert_array_equal(clip, before)
  np.testing.assert_array_equal(one, same)
  assert (one != other).any() and (one != clip).any()
  np.testing.assert_array_equal(function(clip, 0, rng_of(1), **options), clip)


@pytest.mark.parametrize('share, count', [(0.1, 2), (0.5, 8), (1.0, 17)])
def test_joints_are_dropped_from_each_frame(share, count):
  clip = make_clip()
  gone = missing(damage.drop_joints(clip, share, rng_of(0)), clip)
  np.testing.assert_array_equal(gone.sum(-1), np.full((2, 20), count))
  if count < 17:  # others in each frame and for each person
    assert len({tuple(row) for row in gone.reshape(-1, 17)}) > 30
  less = missing(damage.drop_joints(clip, share / 2, rng_of(0)), clip)
  assert not (less & ~gone).any()


@pytest.mark.parametrize('share, count', [(0.1, 2), (0.5, 10), (1.0, 20)])
def test_frames_are_dropped_for_all_persons(share, count):
  clip = make_clip()
  gone = missing(damage.drop_frames(clip, share, rng_of(0)), clip)
  frames = gone[0, :, 0]
  assert frames.sum() == count
  np.testing.assert_array_equal(
    gone, np.broadcast_to(frames[:, None], gone.shape)
  )
  less = missing(damage.drop_frames(clip, share / 2, rng_of(0)), clip)
  assert not (less & ~gone).any()


@pytest.mark.parametrize('share, count', [(0.25, 5), (0.5, 10), (1.0, 20)])
def test_joints_are_hidden_for_a_stretch(share, count):
  clip = make_clip()
  starts = set()
  for seed in range(30):
    gone = missing(
      damage.hide_joints(clip, share, rng_of(seed), joints=HIDDEN), clip
    )
    assert not np.delete(gone, HIDDEN, 2).any()
    for person in gone:
      times = [np.flatnonzero(person[:, joint]).tolist() for joint in HIDDEN]
      assert times[0] == times[1] == times[2]
      assert times[0] == list(range(times[0][0], times[0][0] + count))
      starts.add(times[0][0])
    less = missing(
      damage.hide_joints(clip, share / 2, rng_of(seed), joints=HIDDEN), clip
    )
    assert not (less & ~gone).any()
  assert len(starts) > 10 or count == 20


def test_noise_is_a_share_of_the_body_size():
  clip = make_clip(3, 400, 17, 3)
  clip[1] *= 50  # a larger person
  clip[2] = 0  # absent
  clip[0, ::3, 5] = 0  # a joint that is sometimes missing
  clip[0, 7] = 0  # an empty frame
  out = damage.add_noise(clip, 0.05, rng_of(0))
  np.testing.assert_array_equal(out.any(-1), clip.any(-1))
  assert not out[2].any()
  for person in (0, 1):
    diagonals = []
    for frame in np.float64(clip[person]):
      joints = frame[frame.any(-1)]
      if len(joints):
        diagonals.append(np.sqrt(((joints.max(0) - joints.min(0)) ** 2).sum()))
    seen = clip[person].any(-1)
    change = (np.float64(out[person]) - clip[person])[seen]
    expected = 0.05 * np.median(diagonals)
    np.testing.assert_allclose(change.std(0), expected, rtol=0.05)
    np.testing.assert_allclose(change.mean(0) / expected, 0, atol=0.06)


def test_noise_keeps_confidence():
  clip = make_clip(channels=3)
  clip[:, :, 4, :2] = 0  # missing at any confidence
  out = damage.add_noise(clip, 0.1, rng_of(0), coordinates=2)
  np.testing.assert_array_equal(out[..., 2], clip[..., 2])
  assert not out[:, :, 4, :2].any()
  assert (np.delete(out, 4, 2)[..., :2] != np.delete(clip, 4, 2)[..., :2]).all()


def make_records(count, joints=25, channels=3):
  return [
    {
      'keypoints': make_clip(2, 9 + i, joints, channels, seed=i),
      'image_size': np.zeros(2, np.int32),
      'label': i % 20,
    }
    for i in range(count)
  ]


def make_data(**settings):
  data = default_config().data
  data.update(layout='ntu_25', num_classes=20, persons=2, frames=16)
  data.update(**settings)
  return data


def damaged(records, name, strength, seed=0, **settings):
  data = make_data(**settings)
  layout = get_layout(data.layout)
  return damage.DamagedClips(records, data, layout, name, strength, seed)


@pytest.mark.parametrize('name', damage.DAMAGES)
def test_damage_depends_on_index_and_seed(name):
  records = make_records(3)
  records[1]['keypoints'] = records[0]['keypoints']
  clips = damaged(records, name, 0.4)
  assert len(clips) == len(list(clips)) == 3
  assert [clip['label'] for clip in clips] == [0, 1, 2]
  x, again = clips[0]['keypoints'], clips[0]['keypoints']
  np.testing.assert_array_equal(x, again)
  assert (x != clips[1]['keypoints']).any()
  assert (x != damaged(records, name, 0.4, seed=1)[0]['keypoints']).any()
  with pytest.raises(IndexError):
    clips[3]


def test_noise_ignores_unused_channels():
  (record,) = make_records(1, channels=4)
  record['keypoints'][..., :2] = 0
  record['keypoints'][0, :, :3, :2] = 1.5
  out = damaged([record], 'noise', 0.1, channels=2)[0]['keypoints']
  assert out.shape[-1] == 2 and not out[0, :, 3:].any() and not out[1].any()
  scored = damaged([record], 'noise', 0.1, channels=3, confidence=True)
  np.testing.assert_array_equal(
    scored[0]['keypoints'][..., 2], record['keypoints'][..., 2]
  )
  dropped = damaged([record], 'joints', 1.0, channels=3, confidence=True)
  assert not dropped[0]['keypoints'].any()


@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('sampling', SAMPLERS)
@pytest.mark.parametrize('settings', [{}, {'trim': True, 'pad': 30}])
def test_presets_accept_damaged_clips(preset, sampling, settings):
  channels = 2 if preset in ('screen_640', 'kinetics') else 3
  (record,) = make_records(1, channels=channels)
  clips = [damaged([record], 'frames', 1.0, channels=channels)[0], record]
  clips[1]['keypoints'] = record['keypoints'].copy()
  clips[1]['keypoints'][:, :2] = 0
  data = make_data(
    channels=channels, normalize=preset, sampling=sampling, **settings
  )
  transform = Transform(data, train=False)
  empty, late = (transform(clip)['x'] for clip in clips)
  assert not empty.any()
  assert np.isfinite(late).all() and late.any()
