"""Damaged clips: what is damaged and what not, and the curves of a run."""

import json

import jax
import numpy as np
import pytest

from unik_jax import evaluate, optim
from unik_jax.config import default
from unik_jax.data.normalize import PRESETS
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.sampling import SAMPLERS
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.models import network
from unik_jax.report import robustness
from unik_jax.run import restore
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.workdir import claim_workdir
from unik_jax.skeletons.body import limb_joints
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, get_layout
from unik_jax.step import make_init_state

LIMBS = ('left_arm', 'right_arm', 'left_leg', 'right_leg')


def make_clip(persons=2, frames=20, joints=17, channels=3, seed=0):
  rng = np.random.default_rng(seed)
  clip = rng.uniform(0.1, 1, (persons, frames, joints, channels))
  return clip.astype(np.float32)


def rng_of(seed):
  return np.random.default_rng(seed)


def missing(damaged, clip):
  """(M, T, V) which joints are gone; all others are as they were."""
  assert damaged.dtype == np.float32
  gone = ~damaged.any(-1)
  np.testing.assert_array_equal(damaged[~gone], clip[~gone])
  return gone


# Damage

HIDDEN = [3, 8, 9]


@pytest.mark.parametrize(
  'damage, options',
  [
    (robustness.drop_joints, {}),
    (robustness.drop_frames, {}),
    (robustness.hide_joints, {'joints': HIDDEN}),
    (robustness.add_noise, {}),
  ],
)
def test_damage_is_repeatable_and_leaves_its_input_alone(damage, options):
  clip = make_clip()
  before = clip.copy()
  one, same, other = (
    damage(clip, 0.3, rng_of(s), **options) for s in (1, 1, 2)
  )
  np.testing.assert_array_equal(clip, before)
  np.testing.assert_array_equal(one, same)
  assert (one != other).any() and (one != clip).any()
  np.testing.assert_array_equal(damage(clip, 0, rng_of(1), **options), clip)


@pytest.mark.parametrize('share, count', [(0.1, 2), (0.5, 8), (1.0, 17)])
def test_joints_are_dropped_from_each_frame(share, count):
  clip = make_clip()
  gone = missing(robustness.drop_joints(clip, share, rng_of(0)), clip)
  np.testing.assert_array_equal(gone.sum(-1), np.full((2, 20), count))
  if count < 17:  # others in each frame and of each person
    assert len({tuple(row) for row in gone.reshape(-1, 17)}) > 30
  less = missing(robustness.drop_joints(clip, share / 2, rng_of(0)), clip)
  assert not (less & ~gone).any()


@pytest.mark.parametrize('share, count', [(0.1, 2), (0.5, 10), (1.0, 20)])
def test_frames_are_dropped_for_all_persons(share, count):
  clip = make_clip()
  gone = missing(robustness.drop_frames(clip, share, rng_of(0)), clip)
  frames = gone[0, :, 0]
  assert frames.sum() == count
  np.testing.assert_array_equal(
    gone, np.broadcast_to(frames[:, None], gone.shape)
  )
  less = missing(robustness.drop_frames(clip, share / 2, rng_of(0)), clip)
  assert not (less & ~gone).any()


@pytest.mark.parametrize('share, count', [(0.25, 5), (0.5, 10), (1.0, 20)])
def test_joints_are_hidden_for_a_stretch(share, count):
  clip = make_clip()
  starts = set()
  for seed in range(30):
    gone = missing(
      robustness.hide_joints(clip, share, rng_of(seed), joints=HIDDEN), clip
    )
    assert not np.delete(gone, HIDDEN, 2).any()
    for person in gone:
      times = [np.flatnonzero(person[:, joint]).tolist() for joint in HIDDEN]
      assert times[0] == times[1] == times[2]
      assert times[0] == list(range(times[0][0], times[0][0] + count))
      starts.add(times[0][0])
    less = missing(
      robustness.hide_joints(clip, share / 2, rng_of(seed), joints=HIDDEN), clip
    )
    assert not (less & ~gone).any()
  assert len(starts) > 10 or count == 20


def test_noise_is_in_units_of_the_body():
  clip = make_clip(3, 400, 17, 3)
  clip[1] *= 50  # a larger person
  clip[2] = 0  # nobody
  clip[0, ::3, 5] = 0  # a joint that is lost now and then
  clip[0, 7] = 0  # a frame without anybody
  out = robustness.add_noise(clip, 0.05, rng_of(0))
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


def test_noise_leaves_confidence_alone():
  clip = make_clip(channels=3)
  clip[:, :, 4, :2] = 0  # missing, whatever its confidence
  out = robustness.add_noise(clip, 0.1, rng_of(0), coordinates=2)
  np.testing.assert_array_equal(out[..., 2], clip[..., 2])
  assert not out[:, :, 4, :2].any()
  assert (np.delete(out, 4, 2)[..., :2] != np.delete(clip, 4, 2)[..., :2]).all()


def names_of(layout, limb):
  layout = get_layout(layout)
  return {layout.joints[i] for i in limb_joints(layout, limb)}


def test_limbs_of_known_layouts():
  assert names_of('unik_17', 'left_arm') == {
    'left_shoulder',
    'left_elbow',
    'left_wrist',
  }
  assert names_of('ntu_25', 'right_arm') == {
    f'right_{part}'
    for part in ('shoulder', 'elbow', 'wrist', 'hand', 'hand_tip', 'thumb')
  }
  assert names_of('mediapipe_33', 'left_leg') == {
    f'left_{part}' for part in ('hip', 'knee', 'ankle', 'heel', 'foot_index')
  }


@pytest.mark.parametrize('name', sorted(BUILT_IN))
def test_limbs_hold_all_of_a_side_but_the_face(name):
  layout = LAYOUTS[name]
  limbs = {limb: names_of(name, limb) for limb in LIMBS}
  assert all(len(joints) >= 3 for joints in limbs.values())
  for part in ('arm', 'leg'):
    mirrored = {j.replace('left_', 'right_') for j in limbs[f'left_{part}']}
    assert mirrored == limbs[f'right_{part}']
  found = [joint for joints in limbs.values() for joint in joints]
  assert len(found) == len(set(found))
  rest = {j for j in layout.joints if j.startswith(('left_', 'right_'))}
  for joint in rest - set(found):
    assert joint.split('_')[1] in ('eye', 'ear', 'mouth')


# Clips


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
  data = default().data
  data.update(layout='ntu_25', num_classes=20, persons=2, frames=16)
  data.update(**settings)
  return data


def damaged(records, name, strength, seed=0, **settings):
  data = make_data(**settings)
  layout = get_layout(data.layout)
  return robustness.Damaged(records, data, layout, name, strength, seed)


@pytest.mark.parametrize('name', robustness.DAMAGES)
def test_index_and_seed_decide(name):
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


def test_channels_that_are_not_used_do_not_count():
  (record,) = make_records(1, channels=4)
  record['keypoints'][..., :2] = 0
  record['keypoints'][0, :, :3, :2] = 1.5
  out = damaged([record], 'noise', 0.1, channels=2)[0]['keypoints']
  assert out.shape[-1] == 2 and not out[0, :, 3:].any() and not out[1].any()
  scored = damaged([record], 'noise', 0.1, channels=3, confidence=True)
  np.testing.assert_array_equal(
    scored[0]['keypoints'][..., 2], record['keypoints'][..., 2]
  )
  lost = damaged([record], 'joints', 1.0, channels=3, confidence=True)
  assert not lost[0]['keypoints'].any()


@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('sampling', SAMPLERS)
@pytest.mark.parametrize('settings', [{}, {'trim': True, 'pad': 30}])
def test_whatever_is_lost_no_preset_fails(preset, sampling, settings):
  channels = 2 if preset in ('screen_640', 'kinetics') else 3
  (record,) = make_records(1, channels=channels)
  clips = [damaged([record], 'frames', 1.0, channels=channels)[0], record]
  clips[1]['keypoints'] = record['keypoints'].copy()
  clips[1]['keypoints'][:, :2] = 0
  data = make_data(
    channels=channels, normalize=preset, sampling=sampling, **settings
  )
  transform = Transform(data, train=False)
  nothing, late = (transform(clip)['x'] for clip in clips)
  assert not nothing.any()
  assert np.isfinite(late).all() and late.any()


# Curves


@pytest.fixture(scope='module')
def config(synthetic_dir):
  config = default()
  config.eval_batch_size = 8
  config.model.update(widths=(8, 8), strides=(1, 2))
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    data_dir=str(synthetic_dir),
    layout='unik_17',
    num_classes=20,
    persons=1,
    channels=2,
    test_split='test[:21]',
    normalize='center_first',
    sampling='uniform',
    frames=16,
  )
  return config


@pytest.fixture(scope='module')
def folder(config, tmp_path_factory):
  """An untrained run."""
  folder = tmp_path_factory.mktemp('run')
  claim_workdir(folder, config)
  clips = PreparedSplit(config.data, config.data.test_split)
  restore.write_data_json(folder, clips.info, clips.class_names)
  net = network.from_config(config)
  _, optimizer = optim.from_config(config, steps_per_epoch=1)
  state = jax.jit(make_init_state(optimizer))(*net.init(jax.random.key(0)))
  with Checkpoints(folder / 'checkpoints', 1) as saved:
    saved.save(7, state, wait=True)
  return folder


def test_curves_are_those_of_clips_damaged_by_hand(config, folder, monkeypatch):
  run = restore.load_run(folder)
  forward = jax.jit(
    lambda p, x: run.net.apply(p, run.batch_stats, x, train=False)[0]
  )
  transform = Transform(config.data, train=False)
  source = PreparedSplit(config.data, config.data.test_split)
  clips = [source[i] for i in range(21)]
  # Answers centred to differ, and taken for labels, so that damage costs some.
  x = np.stack([transform(clip)['x'] for clip in clips])
  answers = np.array(forward(run.params, x))
  head = run.params['head']
  head = {**head, 'bias': head['bias'] - answers.mean(0)}
  run = run._replace(params={**run.params, 'head': head})
  answers -= answers.mean(0)
  labels = answers.argmax(1)
  assert len(set(labels.tolist())) > 3
  clips = [
    {**clip, 'label': label} for clip, label in zip(clips, labels, strict=True)
  ]
  traced = []
  step = evaluate.Evaluator.step

  def counting(*arguments):
    traced.append(1)
    return step(*arguments)

  monkeypatch.setattr(robustness.evaluate.Evaluator, 'step', counting)
  told = []
  found = robustness.curves(
    run,
    clips,
    seed=3,
    strengths={'frames': (1.0, 0.5), 'left_arm': (0.5,)},
    tell=told.append,
  )
  assert len(traced) == 1  # compiled once for all strengths
  assert len(told) == 4 and told[0].startswith('undamaged 0: top1')
  assert {
    key: found[key] for key in ('split', 'headline', 'clips', 'seed')
  } == {
    'split': 'test',
    'headline': 'top1',
    'clips': 21,
    'seed': 3,
  }
  assert list(found['curves']) == ['frames', 'left_arm']
  assert json.loads(json.dumps(found)) == found

  def expected(damage):
    x = []
    for i in range(21):
      record = clips[i]
      keypoints = damage(record['keypoints'], np.random.default_rng((3, i)))
      x.append(transform({**record, 'keypoints': keypoints})['x'])
    ranks = np.argsort(
      -np.asarray(forward(run.params, np.stack(x))), 1, kind='stable'
    )
    hits = ranks == labels[:, None]
    classes = [hits[labels == k, 0].mean() for k in np.unique(labels)]
    return {
      'top1': hits[:, 0].mean(),
      'top5': hits[:, :5].any(1).mean(),
      'mean_class': np.mean(classes),
    }

  half, arm = {}, limb_joints(get_layout('unik_17'), 'left_arm')
  half['frames'] = lambda x, rng: robustness.drop_frames(x, 0.5, rng)
  half['left_arm'] = lambda x, rng: robustness.hide_joints(
    x, 0.5, rng, joints=arm
  )
  whole = expected(lambda x, rng: x)
  for name, curve in found['curves'].items():
    strengths = [point.pop('strength') for point in curve]
    assert strengths == sorted(strengths) and strengths[:2] == [0.0, 0.5]
    assert curve[0] == pytest.approx(whole)
    assert curve[1] == pytest.approx(expected(half[name]))
    assert curve[0]['top1'] == 1 and curve[1]['top1'] < 1
  # A clip that is gone gets the same answer as any other.
  nothing = expected(lambda x, rng: 0 * x)
  assert found['curves']['frames'][2] == pytest.approx(nothing)


def test_a_run_is_measured_on_its_test_split(folder):
  found = robustness.measure(folder)
  assert json.loads((folder / 'robustness.json').read_text()) == found
  assert (found['clips'], found['split'], found['step']) == (21, 'test[:21]', 0)
  assert list(found['curves']) == list(robustness.DAMAGES)
  for curve in found['curves'].values():
    assert len(curve) >= 4 and curve[0] == found['curves']['joints'][0]
    assert all(0 <= point['top1'] <= point['top5'] <= 1 for point in curve)


def test_what_is_missing_is_named(folder, tmp_path):
  with pytest.raises(UserError, match='unik_jax.prepare'):
    robustness.measure(folder, tmp_path)
  with pytest.raises(UserError, match='config.json'):
    robustness.measure(tmp_path)
  run = restore.load_run(folder)
  with pytest.raises(UserError, match='no clips'):
    robustness.curves(run, [])
  with pytest.raises(UserError, match="'fog'; use some of joints"):
    robustness.curves(run, make_records(1), strengths={'fog': (1,)})


def test_a_layout_without_limbs_has_no_curve_of_them(config, folder):
  run = restore.load_run(folder)
  joints = tuple(f'point_{i}' for i in range(17))
  bones = tuple((joint, joints[0]) for joint in joints[1:])
  layout = type(run.data_layout)('points', joints, bones, joints[0])
  clips = PreparedSplit(config.data, config.data.test_split)
  found = robustness.curves(
    run._replace(data_layout=layout),
    [clips[i] for i in range(8)],
    strengths={'joints': (0.5,), 'left_leg': (1.0,)},
  )
  assert list(found['curves']) == ['joints'] and found['clips'] == 8
