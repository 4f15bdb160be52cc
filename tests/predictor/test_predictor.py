"""Predictions for a user's own clips, in Python."""

import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.user_clips import make_walker

import unik_jax
from unik_jax import training
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.predictor.predictor import Predictor
from unik_jax.run import scores
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def pair_model():
  """A model of two persons with a confidence."""
  config = synthetic_run.make_config(
    layout='coco_17', persons=2, channels=3, confidence=True, normalize='clean'
  )
  return Predictor(synthetic_run.make_run(config))


# Same as the evaluation of a run


@pytest.mark.parametrize('test_clips', [1, 2])
def test_predictions_equal_the_evaluation(config, clips, run_dir, test_clips):
  config = config.copy_and_resolve_references()
  config.eval_only = True
  config.data.test_clips = test_clips
  training.run(config, run_dir)
  stored = scores.read_scores(run_dir / 'scores' / 'test.npz')

  model = unik_jax.load(run_dir)
  model.run.config.data.test_clips = test_clips
  predictions = model.predict(
    [clip['keypoints'] for clip in clips],
    image_size=[clip['image_size'] for clip in clips],
  )
  logits = np.stack([prediction.logits for prediction in predictions])
  np.testing.assert_allclose(logits, stored.logits, rtol=0, atol=1e-5)
  assert [prediction.clip for prediction in predictions] == list(range(21))
  assert model.classes == list(stored.classes)


def test_prediction_is_the_softmax_of_the_logits(model, clips):
  record = clips[3]
  run = model.run
  x = Transform(run.config.data, train=False)(record)['x']
  logits, _ = run.net.apply(run.params, run.batch_stats, x[None], train=False)
  powers = np.exp(np.float64(logits[0]) - np.max(logits))
  expected = powers / powers.sum()

  (prediction,) = model.predict(record['keypoints'], top_k=3)
  np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
  order = np.argsort(-expected)[:3]
  names = [name for name, _ in prediction.top]
  assert names == [model.classes[k] for k in order]
  (label, probability), *_ = prediction.top
  assert prediction.label == label
  assert prediction.probability == probability == prediction.probabilities.max()
  assert (prediction.clip, prediction.person) == (0, None)


def test_any_number_and_length_takes_few_compilations(model, monkeypatch):
  model = Predictor(model.run)
  traced = []
  apply = model.run.net.apply_features

  def spy(params, stats, x):
    traced.append(len(x))
    return apply(params, stats, x)

  monkeypatch.setattr(model.run.net, 'apply_features', spy)
  clips = [make_walker(5 + 7 * n, seed=n) for n in range(19)]
  expected = [model.predict(clip)[0].logits for clip in clips]
  for count in (3, 5, 6, 7, 19):
    predictions = model.predict(clips[:count])
    logits = np.stack([prediction.logits for prediction in predictions])
    np.testing.assert_allclose(logits, expected[:count], atol=1e-5)
  assert traced == [1, 4, 8]
  assert model.predict([]) == []


def test_an_image_size_in_the_wrong_order(pair_model):
  clip = make_walker() * (1900, 1060)
  assert pair_model.predict(clip, image_size=(1920, 1080))
  with pytest.raises(UserError, match='image size: .* Exchange the two'):
    pair_model.predict(clip, image_size=(1080, 1920))


def test_stacked_clips(pair_model):
  clips = np.stack([make_walker(seed=n) for n in range(2)])
  with pytest.raises(UserError, match=r'2 persons or 2 clips.*list\(array\)'):
    pair_model.predict(clips)
  expected = [pair_model.predict(clip)[0].logits for clip in clips]
  # A stack of clips of several persons has five axes.
  for several in (list(clips), clips[:, None]):
    predictions = pair_model.predict(several)
    logits = [prediction.logits for prediction in predictions]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
  # Rows of zeros are absent persons: a clip as a prepared dataset has it.
  (padded,) = pair_model.predict(np.stack([clips[0], 0 * clips[0]]))
  np.testing.assert_allclose(padded.logits, expected[0], atol=1e-5)


# Persons


def test_each_person_is_predicted_as_if_alone(pair_model):
  one, other = make_walker(seed=1), make_walker(seed=2, at=5)
  clip = np.stack([one, np.zeros_like(one), other])
  predictions = pair_model.predict([one, clip], together=False)
  places = [(p.clip, p.person) for p in predictions]
  assert places == [(0, 0), (1, 0), (1, 2)]
  for prediction, person in zip(predictions, (one, one, other), strict=True):
    (expected,) = pair_model.predict(person)
    np.testing.assert_allclose(prediction.logits, expected.logits, atol=1e-5)


def test_the_most_confident_of_too_many_persons_count(pair_model):
  persons = np.stack([make_walker(channels=3, seed=m, at=m) for m in range(4)])
  persons[..., 2] = np.array([0.2, 0.9, 0.1, 0.8])[:, None, None]
  (prediction,) = pair_model.predict([persons])
  (expected,) = pair_model.predict([persons[[1, 3]]])
  np.testing.assert_array_equal(prediction.logits, expected.logits)


def test_a_person_of_three_frames_is_sampled_as_in_training(pair_model):
  clip = np.zeros((2, 30, 17, 3))
  clip[0, :, :, :2], clip[0, ..., 2] = make_walker(30), 1
  clip[1, 10:13, :, :2], clip[1, 10:13, :, 2] = make_walker(3, seed=1), 1
  (both,) = pair_model.predict([clip])
  first, brief = pair_model.predict([clip], together=False)
  assert (first.person, brief.person) == (0, 1)
  data, run = pair_model.run.config.data, pair_model.run
  transform = Transform(data, train=False)
  for prediction, persons in (
    (both, clip),
    (first, clip[:1]),
    (brief, clip[1:]),
  ):
    record = {
      'keypoints': np.float32(persons),
      'image_size': (0, 0),
      'label': 0,
    }
    x = transform(record)['x'][None]
    logits, _ = jax.jit(run.net.apply, static_argnames='train')(
      run.params, run.batch_stats, x, train=False
    )
    np.testing.assert_allclose(prediction.logits, logits[0], atol=1e-5)
  assert not np.allclose(both.logits, first.logits)


# Joints and options


def test_other_joints_are_mapped_by_name(model):
  layout = get_layout('openpose_18')
  clip = make_walker(joints=18)
  (prediction,) = model.predict(clip, layout='openpose_18')
  mapped = joint_maps.convert_clip(clip[None], layout, get_layout('unik_17'))
  (expected,) = model.predict(mapped)
  np.testing.assert_allclose(prediction.logits, expected.logits, atol=1e-5)
  assert np.ptp(prediction.logits) > 0.01


@pytest.mark.parametrize(
  'options, message',
  [
    ({'layout': 'coco_71'}, "joint layout: .*coco_17.*got 'coco_71'"),
    ({'layout': 'mediapipe_33'}, 'clip 0: .*got 17 joints'),
    ({'image_size': (1, 2, 3)}, r'image_size: .*\(1, 2, 3\)'),
    ({'top_k': 0}, 'top_k: .*got 0'),
  ],
)
def test_bad_options(model, options, message):
  with pytest.raises(UserError, match=message):
    model.predict([make_walker()], **options)


def test_a_layout_that_cannot_be_mapped(pair_model):
  with pytest.raises(UserError, match='left_eye'):
    pair_model.predict(make_walker(joints=20), layout='msr_20')


def test_importing_the_library_does_not_import_jax():
  code = "import sys, unik_jax; print('jax' in sys.modules, unik_jax.load)"
  out = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  ).stdout
  assert out.startswith('False <function load')
