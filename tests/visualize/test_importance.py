"""Importance of joints, on linear networks whose answers numpy knows too."""

import jax.numpy as jnp
import numpy as np
from helpers.numpy_unik import softmax

from unik_jax.config import default_config
from unik_jax.skeletons.layouts import get_layout
from unik_jax.visualize import analysis

LAYOUT = get_layout('unik_17')


def test_gradient_times_input_of_a_linear_network():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
  weights = rng.normal(size=(6, 2, 5, 4, 3)).astype(np.float32)
  logits, found = analysis.gradient_times_input(
    lambda x: jnp.einsum('nmtvc,kmtvc->nk', x, weights), x
  )
  expected = np.einsum('mtvc,kmtvc->k', np.float64(x), weights)
  np.testing.assert_allclose(logits, expected, rtol=1e-4)
  of_answer = (np.float64(x) * weights[expected.argmax()]).sum(-1)
  np.testing.assert_allclose(found, np.abs(of_answer), rtol=1e-4, atol=1e-6)


def made_up_record(persons=2, frames=16):
  rng = np.random.default_rng(2)
  keypoints = rng.normal(3, 1, (persons, frames, 17, 2)).astype(np.float32)
  return {'keypoints': keypoints, 'image_size': (0, 0), 'label': 0}


def toy():
  """Settings of two persons' data, and the kernel of a linear network."""
  data = default_config().data
  data.update(
    layout='unik_17', persons=2, channels=2, sampling='uniform', frames=16
  )
  rng = np.random.default_rng(3)
  kernel = rng.normal(0, 0.02, (20, 2, 16, 17, 2)).astype(np.float32)
  return data, kernel


def linear(kernel):
  return lambda x: jnp.einsum('nmtvc,kmtvc->nk', x, kernel)


def probability(kernel, keypoints, answer=None):
  logits = np.einsum('mtvc,kmtvc->k', np.float64(keypoints), kernel)
  answer = logits.argmax() if answer is None else answer
  return softmax(logits, 0)[answer], answer


def test_occlusion_is_the_fall_of_the_probability():
  data, kernel = toy()
  kernel[:, :, :, 3] = 0  # a joint that the network ignores
  record = made_up_record()
  record['keypoints'][1, :, 5] = 0  # one that is missing anyway
  traced = []

  def logits_of(x):
    traced.append(x.shape)
    return linear(kernel)(x)

  _, found = analysis.occlusion(logits_of, data, record)
  assert traced == [(analysis.BATCH, 2, 16, 17, 2)]  # it compiles once
  assert found.shape == (2, 16, 17)
  assert np.abs(found[:, :, 3]).max() < 1e-6
  assert not found[1, :, 5].any()
  whole, answer = probability(kernel, record['keypoints'])
  for m, v in np.ndindex(2, 17):
    hidden = record['keypoints'].copy()
    hidden[m, :, v] = 0
    fall = whole - probability(kernel, hidden, answer)[0]
    np.testing.assert_allclose(found[m, :, v], fall, rtol=1e-3, atol=1e-6)
  assert found.min() < 0 < found.max()


def test_occlusion_in_windows_finds_the_frames_that_count():
  data, kernel = toy()
  kernel[:, :, 8:] = 0  # the network looks at the first half
  record = made_up_record(frames=48)  # each third frame is seen
  _, found = analysis.occlusion(linear(kernel), data, record, windows=4)
  assert np.abs(found[:, 8:]).max() < 1e-6
  assert np.abs(found[:, :8]).max() > 1e-3
  # All frames of a window have one value.
  np.testing.assert_array_equal(found[:, :4], found[:, :1].repeat(4, 1))
  assert np.abs(found[:, 4] - found[:, 0]).max() > 1e-4


def test_occlusion_hides_recorded_joints_before_they_are_mapped():
  data, kernel = toy()
  data.joints = 'lcrnet_13'
  kernel = kernel[:, :, :, :13]
  _, found = analysis.occlusion(linear(kernel), data, made_up_record())
  assert found.shape == (2, 16, 17)
  unused = [LAYOUT.index(j) for j in ('chest', 'mid_hip', 'neck')]
  assert np.abs(found[:, :, unused]).max() < 1e-6
  assert np.abs(found[:, :, LAYOUT.index('left_wrist')]).min() > 1e-4


def test_people_who_are_absent_have_no_importance():
  data, kernel = toy()
  record = made_up_record(persons=1)
  _, found = analysis.occlusion(linear(kernel), data, record)
  assert found.shape == (2, 16, 17)
  assert found[0].any() and not found[1].any()
