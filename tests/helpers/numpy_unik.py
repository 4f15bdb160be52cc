"""Shared by tests: from test_unik."""

import jax
import numpy as np

from unik_jax.models.network import Network

SMALL = {
  'num_classes': 5,
  'num_joints': 7,
  'num_persons': 2,
  'in_channels': 3,
  'widths': (8, 12),
  'strides': (1, 2),
}


def small(**options):
  return Network('unik', **SMALL | options)


def made(net, seed=0):
  """Positive parameters and statistics, none of them trivially 0 or 1."""
  shapes = net.shapes
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda a: np.abs(0.3 * rng.standard_normal(a.shape)) + 0.05, shapes
  )


def softmax(a, axis):
  e = np.exp(a - a.max(axis, keepdims=True))
  return e / e.sum(axis, keepdims=True)


def norm(bn, stats, x):
  x = (x - stats['mean']) / np.sqrt(stats['var'] + 1e-5)
  return x * bn['scale'] + bn['bias']


def conv_norm(p, s, x):
  return norm(p['bn'], s['bn'], x @ p['conv']['kernel'] + p['conv']['bias'])


def person(params, stats, x, strides, tau, scaled):
  for i, stride in enumerate(strides):
    p, s = params['blocks'][i], stats['blocks'][i]
    y = spatial(p['spatial'], s['spatial'], x, tau, scaled)
    kernel, bias = (p['temporal']['conv'][k] for k in ('kernel', 'bias'))
    taps = len(kernel)
    padded = np.pad(y, ((taps // 2, taps // 2), (0, 0), (0, 0)))
    y = np.stack(
      [
        sum(padded[t + k] @ kernel[k] for k in range(taps)) + bias
        for t in range(0, len(y), stride)
      ]
    )
    y = norm(p['temporal']['bn'], s['temporal']['bn'], y)
    if 'residual' in p:
      y = y + conv_norm(p['residual'], s['residual'], x[::stride])
    elif i:
      y = y + x
    x = np.maximum(y, 0)
  return x


def spatial(p, s, x, tau, scaled):
  """Eq. 2 to 4 for x of (T, V, C)."""
  t, v, _ = x.shape
  back = (tau - 1) // 2
  padded = np.pad(x, ((back, tau - 1 - back), (0, 0), (0, 0)))
  x = np.concatenate([padded[w : w + t] for w in range(tau)], 1)
  y = 0
  for h, matrix in enumerate(p['dependency']):
    if 'theta' in p:
      theta = x @ p['theta']['kernel'][h] + p['theta']['bias'][h]
      phi = x @ p['phi']['kernel'][h] + p['phi']['bias'][h]
      scores = sum(a @ b.T for a, b in zip(theta, phi, strict=True))
      scores = scores / (theta.shape[-1] * t if scaled else 1)
      matrix = matrix + softmax(scores, 0)
    mixed = np.stack([(frame.T @ matrix).T for frame in x])
    y = y + mixed @ p['embed']['kernel'][h] + p['embed']['bias'][h]
  y = norm(p['bn'], s['bn'], y)
  y = np.maximum(
    y + (conv_norm(p['shortcut'], s['shortcut'], x) if 'shortcut' in p else x),
    0,
  )
  if tau > 1:
    y = sum(
      y[:, w * v : (w + 1) * v] @ p['window_kernel'][w] for w in range(tau)
    )
    y = norm(p['window_bn'], s['window_bn'], y + p['window_bias'])
  return y
