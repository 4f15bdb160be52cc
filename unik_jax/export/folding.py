"""Batch norm folded into the linear maps before it, for evaluation only.

At evaluation, batch norm is a scale and a shift of each channel:

  (x W + b - mean) factor + shift = x (W factor) + (b - mean) factor + shift,
  factor = scale / sqrt(var + eps)

So a map with the kernel W factor and the bias (b - mean) factor + shift
computes both. The batch norm stays in the network as the identity, which
compilers drop. The input's batch norm has no map before it and is unchanged.
"""

import numpy as np

EPSILON = 1e-5  # of `layers.BatchNorm`
# sqrt(var + eps) is 1.
_IDENTITY = {'scale': 1.0, 'bias': 0.0, 'mean': 0.0, 'var': 1.0 - EPSILON}


def fold_batch_norm(params: dict, batch_stats: dict) -> tuple[dict, dict]:
  """Folds each batch norm into the map before it.

  The pairs are found by the names of our layers: `conv` and `bn`; `embed` and
  `bn` (whose heads are summed); `window_kernel`, `window_bias` and `window_bn`.

  Args:
    params: parameters of a network, nested dicts of numpy arrays. Not changed.
    batch_stats: batch statistics of the same network. Not changed.

  Returns:
    (params, batch_stats) that give the same outputs at evaluation.
  """
  params, batch_stats = dict(params), dict(batch_stats)
  for key in params:
    if isinstance(params[key], dict) and key in batch_stats:
      params[key], batch_stats[key] = fold_batch_norm(
        params[key], batch_stats[key]
      )
  if 'window_bn' in batch_stats:
    factor, shift = _replace_by_identity(params, batch_stats, 'window_bn')
    params['window_kernel'] = params['window_kernel'] * factor
    params['window_bias'] = params['window_bias'] * factor + shift
  for name in ('conv', 'embed'):
    if name in params and 'bn' in batch_stats:
      factor, shift = _replace_by_identity(params, batch_stats, 'bn')
      kernel, bias = params[name]['kernel'], params[name]['bias']
      bias = bias * factor
      if bias.ndim == 2:
        # The biases of the heads are summed, so one of them gets the shift.
        bias = bias + shift * (np.arange(len(bias)) == 0)[:, None]
      else:
        bias = bias + shift
      params[name] = {'kernel': kernel * factor, 'bias': bias}
  return params, batch_stats


def _replace_by_identity(
  params: dict, batch_stats: dict, name: str
) -> tuple[np.ndarray, np.ndarray]:
  """Makes a batch norm the identity, and returns its former (factor, shift)."""
  norm = {**params[name], **batch_stats[name]}
  epsilon = norm['var'].dtype.type(EPSILON)
  factor = norm['scale'] / np.sqrt(norm['var'] + epsilon)
  shift = norm['bias'] - norm['mean'] * factor
  for tree in (params, batch_stats):
    tree[name] = {
      key: np.full_like(value, _IDENTITY[key])
      for key, value in tree[name].items()
    }
  return factor, shift
