"""Tensor names of CTR-GCN in the official PyTorch checkpoints.

Written after the official code; no file of the authors was at hand.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unik_jax.models.layers import ConvNorm
from unik_jax.official import multi_scale, state_dict


def tensors(model) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of a CTR-GCN, in the official order.

  Args:
    model: a `unik_jax.models.ctr_gcn.CTRGCN`, abstract or not.
  """
  yield from state_dict.batch_norm('data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    yield from _block(f'l{i + 1}', ('blocks', i), block)
  yield from state_dict.conv('fc', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no CTR-GCN's.

  Args:
    tensors: arrays by official name.
    options: options of the model; not used.

  Returns:
    num_classes, num_joints, num_persons and in_channels.
  """
  del options
  try:
    channels = tensors['l1.gcn1.convs.0.conv3.weight'].shape[1]
    joints = tensors['l1.gcn1.PA'].shape[-1]
    return {
      'num_classes': len(tensors['fc.weight']),
      'num_joints': joints,
      'num_persons': len(tensors['data_bn.weight']) // (joints * channels),
      'in_channels': channels,
    }
  except (KeyError, IndexError, TypeError, ZeroDivisionError):
    return None


def _block(name, path, block):
  spatial, unit = (*path, 'spatial'), f'{name}.gcn1'
  yield state_dict.Tensor(
    f'{unit}.PA', ('params', *spatial, 'dependency'), 'transposed'
  )
  yield state_dict.Tensor(f'{unit}.alpha', ('params', *spatial, 'alpha'))
  names = (('conv1', 'theta'), ('conv2', 'phi'))
  names += (('conv3', 'value'), ('conv4', 'refine'))
  for head in range(len(block.spatial.dependency)):
    for official, ours in names:
      yield from state_dict.conv(
        f'{unit}.convs.{head}.{official}', (*spatial, ours), head=head
      )
  if isinstance(block.spatial.shortcut, ConvNorm):
    yield from state_dict.conv(f'{unit}.down.0', (*spatial, 'shortcut', 'conv'))
    yield from state_dict.batch_norm(
      f'{unit}.down.1', (*spatial, 'shortcut', 'bn')
    )
  yield from state_dict.batch_norm(f'{unit}.bn', (*spatial, 'bn'))
  yield from multi_scale.tensors(
    f'{name}.tcn1', (*path, 'temporal'), block.temporal
  )
  if isinstance(block.residual, ConvNorm):
    residual = (*path, 'residual')
    yield from state_dict.conv(f'{name}.residual.conv', (*residual, 'conv'))
    yield from state_dict.batch_norm(f'{name}.residual.bn', (*residual, 'bn'))
