"""Batch norm folded into the linear maps before it, for evaluation alone.

At evaluation batch norm is a scale and a shift of each channel,

  (x W + b - mean) f + shift = x (W f) + (b - mean) f + shift,
  f = scale / sqrt(var + eps),

so that W f and the new bias say the same with one map. The batch norm stays in
the network as the identity, which compilers drop. That of the input stays as
it is, having no map before it.
"""

from typing import Any

import numpy as np

EPSILON = 1e-5  # of `layers.BatchNorm`
_IDENTITY = {'scale': 1.0, 'bias': 0.0, 'mean': 0.0, 'var': 1.0 - EPSILON}


def fold(params: dict, batch_stats: dict) -> tuple[dict, dict]:
  """The same network with fewer operations.

  Folded are the pairs of names that our layers have: conv and bn; embed and
  bn (whose heads are summed); window_kernel, window_bias and window_bn.

  Args:
    params: of a network, nested dicts of numpy arrays.
    batch_stats: likewise.

  Returns:
    (params, batch_stats) that compute the same at evaluation.
  """
  params, batch_stats = dict(params), dict(batch_stats)
  for key in params:
    if isinstance(params[key], dict) and key in batch_stats:
      params[key], batch_stats[key] = fold(params[key], batch_stats[key])
  if 'window_bn' in batch_stats:
    factor, shift = _take(params, batch_stats, 'window_bn')
    params['window_kernel'] = params['window_kernel'] * factor
    params['window_bias'] = params['window_bias'] * factor + shift
  for name in ('conv', 'embed'):
    if name in params and 'bn' in batch_stats:
      factor, shift = _take(params, batch_stats, 'bn')
      kernel, bias = params[name]['kernel'], params[name]['bias']
      bias = bias * factor
      if bias.ndim == 2:  # of heads, which are summed: the shift comes once
        bias = bias + shift * (np.arange(len(bias)) == 0)[:, None]
      else:
        bias = bias + shift
      params[name] = {'kernel': kernel * factor, 'bias': bias}
  return params, batch_stats


def _take(params: dict, batch_stats: dict, name: str) -> tuple[Any, Any]:
  """Makes a batch norm the identity; what it multiplied by, and added."""
  norm = {**params[name], **batch_stats[name]}
  factor = norm['scale'] / np.sqrt(
    norm['var'] + norm['var'].dtype.type(EPSILON)
  )
  shift = norm['bias'] - norm['mean'] * factor
  for tree in (params, batch_stats):
    tree[name] = {
      key: np.full_like(value, _IDENTITY[key])
      for key, value in tree[name].items()
    }
  return factor, shift
