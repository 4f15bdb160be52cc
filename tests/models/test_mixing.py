"""A network's mixing matrices against float64 numpy."""

import jax
import numpy as np
import pytest
from helpers import numpy_unik
from helpers.numpy_layers import softmax
from helpers.numpy_unik import small_unik
from helpers.random_values import random_values

from unik_jax.visualize import analysis


def compute_mixing(net, params, stats, x):
  with jax.enable_x64(True):
    blocks = jax.jit(net.mixing)(params, stats, x)
    return jax.tree.map(np.asarray, blocks)


def random_clips(n=2):
  return np.random.default_rng(1).standard_normal((n, 2, 9, 7, 3))


@pytest.mark.parametrize('scaled', [True, False])
def test_attention_of_the_first_block_is_equation_4(scaled):
  net = small_unik(attention_scale=scaled)
  params, stats = random_values(net.shapes)
  x = random_clips()
  first, _ = compute_mixing(net, params, stats, x)
  unit = params['blocks'][0]['spatial']
  for n, clip in enumerate(x):
    bodies = numpy_unik.normalize_input(params, stats, clip)
    for m, body in enumerate(bodies):
      for h in range(3):
        theta, phi = (
          body @ unit[name]['kernel'][h] + unit[name]['bias'][h]
          for name in ('theta', 'phi')
        )
        scores = np.einsum('tue,tpe->up', theta, phi)
        scores /= theta.shape[-1] * 9 if scaled else 1
        np.testing.assert_allclose(
          first.attention[n, m, h], softmax(scores, 0), rtol=1e-9
        )


@pytest.mark.slow
@pytest.mark.parametrize('tau', [1, 3])
def test_matrices_are_those_of_the_forward_pass(tau):
  """A numpy forward pass uses them instead of computing attention."""
  net = small_unik(tau=tau)
  params, stats = random_values(net.shapes)
  x = random_clips()
  with jax.enable_x64(True):
    logits, _ = jax.jit(lambda *a: net.apply(*a, train=False))(params, stats, x)
  blocks = compute_mixing(net, params, stats, x)
  for n, clip in enumerate(x):
    bodies = numpy_unik.normalize_input(params, stats, clip)
    features = []
    for m, body in enumerate(bodies):
      with_matrices = jax.tree.map(np.copy, params)
      for i, block in enumerate(blocks):
        unit = with_matrices['blocks'][i]['spatial']
        del unit['theta'], unit['phi']
        unit['dependency'] = block.dependency + block.attention[n, m]
      out = numpy_unik.person_features(
        with_matrices, stats, body, (1, 2), tau, True
      )
      features.append(out.mean((0, 1)))
    head = params['head']
    expected = np.mean(features, 0) @ head['kernel'] + head['bias']
    np.testing.assert_allclose(logits[n], expected, rtol=1e-9)


def test_columns_of_attention_sum_to_1():
  net = small_unik(tau=3)
  params, stats = random_values(net.shapes)
  for block in compute_mixing(net, params, stats, random_clips()):
    assert block.attention.shape == (2, 2, 3, 21, 21)
    np.testing.assert_allclose(block.attention.sum(-2), 1, rtol=1e-12)
    folded = analysis.fold_window(block.attention, 7)
    assert folded.shape == (2, 2, 3, 7, 7)
    np.testing.assert_allclose(folded.sum(-2), 1, rtol=1e-12)


def test_a_folded_window_sums_source_frames_and_averages_target_frames():
  matrix = np.random.default_rng(0).normal(size=(6, 6))  # 3 frames, 2 joints
  folded = analysis.fold_window(matrix, 2)
  for u in range(2):
    for p in range(2):
      parts = [matrix[2 * w + u, 2 * z + p] for w in range(3) for z in range(3)]
      assert folded[u, p] == pytest.approx(sum(parts) / 3)


def test_networks_without_attention():
  net = small_unik(attention=False)
  params, stats = random_values(net.shapes)
  for x in (None, random_clips()):
    assert all(
      b.attention is None for b in compute_mixing(net, params, stats, x)
    )
