"""Layers in numpy, written in the plainest way.

p holds a layer's parameters, and its batch statistics unless s holds them.
"""

import numpy as np


def softmax(x, axis=-1):
  powers = np.exp(np.float64(x) - np.max(x, axis, keepdims=True))
  return powers / powers.sum(axis, keepdims=True)


def batch_norm(p, x, s=None):
  """Batch norm in evaluation mode."""
  s = p if s is None else s
  x = (x - s['mean']) / np.sqrt(s['var'] + 1e-5)
  return x * p['scale'] + p['bias']


def conv_norm(p, x, s=None):
  """A 1 x 1 convolution and batch norm."""
  x = x @ p['conv']['kernel'] + p['conv']['bias']
  return batch_norm(p['bn'], x, s and s['bn'])


def temporal_conv(p, x, stride):
  """A temporal convolution, tap by tap; x is (..., T, V, C)."""
  kernel, half = p['kernel'], len(p['kernel']) // 2
  frames = x.shape[-3]
  out = np.zeros(
    (*x.shape[:-3], -(-frames // stride), x.shape[-2], len(p['bias']))
  )
  for i, t in enumerate(range(0, frames, stride)):
    for k, weights in enumerate(kernel):
      if 0 <= t + k - half < frames:
        out[..., i, :, :] += x[..., t + k - half, :, :] @ weights
  return out + p['bias']
