"""Importance of joints, mostly on linear networks that numpy can run."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.numpy_layers import softmax

from unik_jax.config import default_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout
from unik_jax.visualize import analysis, importance

pytestmark = pytest.mark.slow

LAYOUT = get_layout('unik_17')


def test_gradient_times_input_of_a_linear_network():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
  weights = rng.normal(size=(6, 2, 5, 4, 3)).astype(np.float32)
  logits, shares = importance.compute_gradient_importance(
    lambda x: jnp.einsum('nmtvc,kmtvc->nk', x, weights), x
  )
  expected = np.einsum('mtvc,kmtvc->k', np.float64(x), weights)
  np.testing.assert_allclose(logits, expected, rtol=1e-4)
  products = (np.float64(x) * weights[expected.argmax()]).sum(-1)
  np.testing.assert_allclose(shares, np.abs(products), rtol=1e-4, atol=1e-6)


def make_record(persons=2, frames=16):
  rng = np.random.default_rng(2)
  keypoints = rng.normal(3, 1, (persons, frames, 17, 2)).astype(np.float32)
  return {'keypoints': keypoints, 'image_size': (0, 0), 'label': 0}


def make_linear_network():
  """Returns settings of two persons' data, and a linear network's kernel."""
  data = default_config().data
  data.update(
    layout='unik_17', persons=2, channels=2, sampling='uniform', frames=16
  )
  rng = np.random.default_rng(3)
  kernel = rng.normal(0, 0.02, (20, 2, 16, 17, 2)).astype(np.float32)
  return data, kernel


def linear(kernel):
  return lambda x: jnp.einsum('nmtvc,kmtvc->nk', x, kernel)


def probability(kernel, keypoints, label=None):
  """Returns the probability of a class, by default the predicted one."""
  logits = np.einsum('mtvc,kmtvc->k', np.float64(keypoints), kernel)
  label = logits.argmax() if label is None else label
  return softmax(logits, 0)[label], label


def test_occlusion_is_the_fall_in_probability():
  data, kernel = make_linear_network()
  kernel[:, :, :, 3] = 0  # a joint that the network ignores
  record = make_record()
  record['keypoints'][1, :, 5] = 0  # a missing joint
  traced = []

  def logits_of(x):
    traced.append(x.shape)
    return linear(kernel)(x)

  _, falls = importance.compute_occlusion_importance(logits_of, data, record)
  assert traced == [(importance.BATCH, 2, 16, 17, 2)]  # compiles once
  assert falls.shape == (2, 16, 17)
  assert np.abs(falls[:, :, 3]).max() < 1e-6
  assert not falls[1, :, 5].any()
  complete, label = probability(kernel, record['keypoints'])
  for m, v in np.ndindex(2, 17):
    hidden = record['keypoints'].copy()
    hidden[m, :, v] = 0
    fall = complete - probability(kernel, hidden, label)[0]
    np.testing.assert_allclose(falls[m, :, v], fall, rtol=1e-3, atol=1e-6)
  assert falls.min() < 0 < falls.max()


def test_occlusion_in_windows_finds_the_frames_that_count():
  data, kernel = make_linear_network()
  kernel[:, :, 8:] = 0  # the network uses the first half only
  record = make_record(frames=48)  # every third frame is sampled
  _, falls = importance.compute_occlusion_importance(
    linear(kernel), data, record, windows=4
  )
  assert np.abs(falls[:, 8:]).max() < 1e-6
  assert np.abs(falls[:, :8]).max() > 1e-3
  # All frames of a window have one value.
  np.testing.assert_array_equal(falls[:, :4], falls[:, :1].repeat(4, 1))
  assert np.abs(falls[:, 4] - falls[:, 0]).max() > 1e-4


def test_occlusion_hides_recorded_joints_before_they_are_mapped():
  data, kernel = make_linear_network()
  data.joints = 'lcrnet_13'
  kernel = kernel[:, :, :, :13]
  _, falls = importance.compute_occlusion_importance(
    linear(kernel), data, make_record()
  )
  assert falls.shape == (2, 16, 17)
  unused = [LAYOUT.index(j) for j in ('chest', 'mid_hip', 'neck')]
  assert np.abs(falls[:, :, unused]).max() < 1e-6
  assert np.abs(falls[:, :, LAYOUT.index('left_wrist')]).min() > 1e-4


def test_absent_persons_have_no_importance():
  data, kernel = make_linear_network()
  record = make_record(persons=1)
  _, falls = importance.compute_occlusion_importance(
    linear(kernel), data, record
  )
  assert falls.shape == (2, 16, 17)
  assert falls[0].any() and not falls[1].any()


def test_explanation(run):
  record = analysis.select_clip(analysis.open_test_split(run))
  x = Transform(run.config.data, train=False)(record)['x'][None]
  config = run.config.copy_and_resolve_references()
  config.data.test_clips = 3  # random samplings; the explained one is another
  run = run._replace(config=config)
  logits, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
  for method in importance.METHODS:
    explanation = importance.explain_prediction(run, record, method)
    np.testing.assert_allclose(
      explanation.logits, logits[0], rtol=1e-4, atol=1e-5
    )
    assert (
      explanation.importance.shape == explanation.poses.shape[:3] == (1, 16, 17)
    )
    assert (
      explanation.importance.any() and np.isfinite(explanation.importance).all()
    )
  # Poses are the recorded coordinates of the sampled frames.
  length = record['keypoints'].shape[1]
  sampled = ((np.arange(16) + 0.5) * length / 16).astype(int)
  np.testing.assert_array_equal(
    explanation.poses, record['keypoints'][:1, sampled]
  )
  with pytest.raises(UserError, match='gradient, occlusion'):
    importance.explain_prediction(run, record, 'guess')
