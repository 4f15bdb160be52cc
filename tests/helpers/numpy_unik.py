"""UNIK in numpy, head by head and frame by frame, and a small network.

p holds parameters and s batch statistics. Shape legend: M persons, T frames,
V joints, C channels, H heads.
"""

import numpy as np
from helpers.numpy_layers import batch_norm, conv_norm, softmax, temporal_conv

from unik_jax.models.network import Network

SMALL = {
  'num_classes': 5,
  'num_joints': 7,
  'num_persons': 2,
  'in_channels': 3,
  'widths': (8, 12),
  'strides': (1, 2),
}


def small_unik(**options):
  return Network('unik', **SMALL | options)


def normalize_input(p, s, clip):
  """Input batch norm of a clip (M, T, V, C)."""
  persons, frames, joints, channels = clip.shape
  flat = clip.transpose(1, 0, 2, 3).reshape(frames, -1)
  flat = batch_norm(p['input_bn'], flat, s['input_bn'])
  return flat.reshape(frames, persons, joints, channels).transpose(1, 0, 2, 3)


def person_features(params, stats, x, strides, tau, scaled):
  """The blocks, for one person; (T, V, C) to (T, V, C)."""
  for i, stride in enumerate(strides):
    p, s = params['blocks'][i], stats['blocks'][i]
    y = spatial_unit(p['spatial'], s['spatial'], x, tau, scaled)
    y = temporal_conv(p['temporal']['conv'], y, stride)
    y = batch_norm(p['temporal']['bn'], y, s['temporal']['bn'])
    if 'residual' in p:
      y = y + conv_norm(p['residual'], x[::stride], s['residual'])
    elif i:
      y = y + x
    x = np.maximum(y, 0)
  return x


def spatial_unit(p, s, x, tau, scaled):
  """Eq. 2 to 4 for x of (T, V, C)."""
  t, v, _ = x.shape
  back = (tau - 1) // 2
  padded = np.pad(x, ((back, tau - 1 - back), (0, 0), (0, 0)))
  x = np.concatenate([padded[w : w + t] for w in range(tau)], 1)
  y = 0
  for h, matrix in enumerate(p['dependency']):
    if 'theta' in p:
      matrix = matrix + attention_map(p, x, h, scaled)
    mixed = np.stack([(frame.T @ matrix).T for frame in x])
    y = y + mixed @ p['embed']['kernel'][h] + p['embed']['bias'][h]
  y = batch_norm(p['bn'], y, s['bn'])
  y += conv_norm(p['shortcut'], x, s['shortcut']) if 'shortcut' in p else x
  y = np.maximum(y, 0)
  if tau > 1:
    y = sum(
      y[:, w * v : (w + 1) * v] @ p['window_kernel'][w] for w in range(tau)
    )
    y = batch_norm(p['window_bn'], y + p['window_bias'], s['window_bn'])
  return y


def attention_map(p, x, h, scaled):
  """Eq. 4 for head h and x of (T, V, C); returns (V, V)."""
  theta = x @ p['theta']['kernel'][h] + p['theta']['bias'][h]
  phi = x @ p['phi']['kernel'][h] + p['phi']['bias'][h]
  scores = sum(a @ b.T for a, b in zip(theta, phi, strict=True))
  return softmax(scores / (theta.shape[-1] * len(x) if scaled else 1), 0)
