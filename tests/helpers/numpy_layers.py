"""Shared by tests: from test_models."""

import numpy as np


def over_time(p, x, stride):
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
