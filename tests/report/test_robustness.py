"""Accuracy on damaged clips, by damage and strength."""

import json

import jax
import numpy as np
import pytest
from helpers import untrained_run

from unik_jax import evaluate
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.report import damage, robustness
from unik_jax.run import restore
from unik_jax.skeletons.body import limb_joints
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def config(synthetic_dir):
  return untrained_run.make_config(synthetic_dir)


@pytest.fixture(scope='module')
def folder(config, tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  untrained_run.write_run(folder, config)
  return folder


def test_curves_match_clips_damaged_here(config, folder, monkeypatch):
  run = restore.load_run(folder)
  forward = jax.jit(
    lambda p, x: run.net.apply(p, run.batch_stats, x, train=False)[0]
  )
  transform = Transform(config.data, train=False)
  source = PreparedSplit(config.data, config.data.test_split)
  clips = [source[i] for i in range(21)]
  # Uses centred predictions as labels: undamaged clips are then all correct,
  # and damage costs accuracy.
  x = np.stack([transform(clip)['x'] for clip in clips])
  logits = np.array(forward(run.params, x))
  head = run.params['head']
  head = {**head, 'bias': head['bias'] - logits.mean(0)}
  run = run._replace(params={**run.params, 'head': head})
  labels = (logits - logits.mean(0)).argmax(1)
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
  logged = []
  measured = robustness.measure_clips(
    run,
    clips,
    seed=3,
    strengths={'frames': (1.0, 0.5), 'left_arm': (0.5,)},
    log=logged.append,
  )
  assert len(traced) == 1  # compiled once for all strengths
  assert len(logged) == 4 and logged[0].startswith('undamaged 0: top1')
  assert {
    key: measured[key] for key in ('split', 'headline', 'clips', 'seed')
  } == {
    'split': 'test',
    'headline': 'top1',
    'clips': 21,
    'seed': 3,
  }
  assert list(measured['curves']) == ['frames', 'left_arm']
  assert json.loads(json.dumps(measured)) == measured

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
  half['frames'] = lambda x, rng: damage.drop_frames(x, 0.5, rng)
  half['left_arm'] = lambda x, rng: damage.hide_joints(x, 0.5, rng, joints=arm)
  undamaged = expected(lambda x, rng: x)
  for name, curve in measured['curves'].items():
    strengths = [point.pop('strength') for point in curve]
    assert strengths == sorted(strengths) and strengths[:2] == [0.0, 0.5]
    assert curve[0] == pytest.approx(undamaged)
    assert curve[1] == pytest.approx(expected(half[name]))
    assert curve[0]['top1'] == 1 and curve[1]['top1'] < 1
  # Without frames, all clips get the same prediction.
  empty = expected(lambda x, rng: 0 * x)
  assert measured['curves']['frames'][2] == pytest.approx(empty)


def test_a_run_is_measured_on_its_test_split(folder):
  measured = robustness.measure_run(folder)
  assert json.loads((folder / 'robustness.json').read_text()) == measured
  assert (measured['clips'], measured['split'], measured['step']) == (
    21,
    'test[:21]',
    0,
  )
  assert list(measured['curves']) == list(damage.DAMAGES)
  for curve in measured['curves'].values():
    assert len(curve) >= 4 and curve[0] == measured['curves']['joints'][0]
    assert all(0 <= point['top1'] <= point['top5'] <= 1 for point in curve)


def test_errors(config, folder, tmp_path):
  with pytest.raises(UserError, match='unik_jax.prepare'):
    robustness.measure_run(folder, tmp_path)
  with pytest.raises(UserError, match='config.json'):
    robustness.measure_run(tmp_path)
  run = restore.load_run(folder)
  split = PreparedSplit(config.data, config.data.test_split)
  with pytest.raises(UserError, match="split 'test'"):
    robustness.measure_clips(run, [])
  with pytest.raises(UserError, match="joints.*'fog'"):
    robustness.measure_clips(run, split, strengths={'fog': (1,)})


def test_a_layout_without_limbs_has_no_limb_curves(config, folder):
  run = restore.load_run(folder)
  joints = tuple(f'point_{i}' for i in range(17))
  bones = tuple((joint, joints[0]) for joint in joints[1:])
  layout = type(run.data_layout)('points', joints, bones, joints[0])
  clips = PreparedSplit(config.data, config.data.test_split)
  measured = robustness.measure_clips(
    run._replace(data_layout=layout),
    [clips[i] for i in range(8)],
    strengths={'joints': (0.5,), 'left_leg': (1.0,)},
  )
  assert list(measured['curves']) == ['joints'] and measured['clips'] == 8
