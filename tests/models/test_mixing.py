"""The matrices that a network mixes joints by, against float64 numpy."""

import jax
import numpy as np
import pytest
from helpers.numpy_unik import made, norm, person, small, softmax

from unik_jax.visualize import analysis


def mixing(net, params, stats, x):
  with jax.enable_x64(True):
    found = jax.jit(net.mixing)(params, stats, x)
    return jax.tree.map(np.asarray, found)


def random_clips(n=2):
  return np.random.default_rng(1).standard_normal((n, 2, 9, 7, 3))


@pytest.mark.parametrize('scaled', [True, False])
def test_attention_of_the_first_block_is_equation_4(scaled):
  net = small(attention_scale=scaled)
  params, stats = made(net)
  x = random_clips()
  first, _ = mixing(net, params, stats, x)
  unit = jax.tree.map(np.float64, params['blocks'][0]['spatial'])
  for n, clip in enumerate(x):
    flat = norm(
      jax.tree.map(np.float64, params['input_bn']),
      jax.tree.map(np.float64, stats['input_bn']),
      clip.transpose(1, 0, 2, 3).reshape(9, -1),
    )
    bodies = flat.reshape(9, 2, 7, 3).transpose(1, 0, 2, 3)
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


@pytest.mark.parametrize('tau', [1, 3])
def test_the_matrices_are_those_of_the_forward_pass(tau):
  """A numpy forward pass that is given them, and computes no attention."""
  net = small(tau=tau)
  params, stats = made(net)
  x = random_clips()
  with jax.enable_x64(True):
    logits, _ = jax.jit(lambda *a: net.apply(*a, train=False))(params, stats, x)
  blocks = mixing(net, params, stats, x)
  params, stats = jax.tree.map(np.float64, (params, stats))
  for n, clip in enumerate(x):
    flat = clip.transpose(1, 0, 2, 3).reshape(9, -1)
    flat = norm(params['input_bn'], stats['input_bn'], flat)
    features = []
    for m, body in enumerate(flat.reshape(9, 2, 7, 3).transpose(1, 0, 2, 3)):
      given = jax.tree.map(np.copy, params)
      for i, block in enumerate(blocks):
        unit = given['blocks'][i]['spatial']
        del unit['theta'], unit['phi']
        unit['dependency'] = block.dependency + block.attention[n, m]
      out = person(given, stats, body, (1, 2), tau, True)
      features.append(out.mean((0, 1)))
    head = params['head']
    expected = np.mean(features, 0) @ head['kernel'] + head['bias']
    np.testing.assert_allclose(logits[n], expected, rtol=1e-9)


def test_columns_of_attention_sum_to_1():
  net = small(tau=3)
  params, stats = made(net)
  for block in mixing(net, params, stats, random_clips()):
    assert block.attention.shape == (2, 2, 3, 21, 21)
    np.testing.assert_allclose(block.attention.sum(-2), 1, rtol=1e-12)
    folded = analysis.fold_window(block.attention, 7)
    assert folded.shape == (2, 2, 3, 7, 7)
    np.testing.assert_allclose(folded.sum(-2), 1, rtol=1e-12)


def test_a_window_is_summed_over_frames_taken_and_averaged_over_those_made():
  matrix = np.random.default_rng(0).normal(size=(6, 6))  # 3 frames, 2 joints
  folded = analysis.fold_window(matrix, 2)
  for u in range(2):
    for p in range(2):
      parts = [matrix[2 * w + u, 2 * z + p] for w in range(3) for z in range(3)]
      assert folded[u, p] == pytest.approx(sum(parts) / 3)


def test_no_attention():
  net = small(attention=False)
  params, stats = made(net)
  for x in (None, random_clips()):
    assert all(b.attention is None for b in mixing(net, params, stats, x))
