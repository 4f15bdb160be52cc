"""Tensor names of ST-GCN++ in pyskl's checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unik_jax.models.layers import ConvNorm
from unik_jax.official import state_dict


def tensors(model) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of an ST-GCN++, in pyskl's order.

  Args:
    model: a `unik_jax.models.st_gcn_pp.STGCNPP`, abstract or not.
  """
  yield from state_dict.batch_norm('backbone.data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    yield from _block(f'backbone.gcn.{i}', ('blocks', i), block)
  yield from state_dict.conv('cls_head.fc_cls', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no ST-GCN++'s.

  Args:
    tensors: arrays by pyskl's name.
    options: options of the model; not used.

  Returns:
    num_classes, num_joints and in_channels.
  """
  del options
  try:
    return {
      'num_classes': len(tensors['cls_head.fc_cls.weight']),
      'num_joints': tensors['backbone.gcn.0.gcn.A'].shape[-1],
      'in_channels': tensors['backbone.gcn.0.gcn.conv.weight'].shape[1],
    }
  except (KeyError, IndexError, TypeError):
    return None


def _block(name, path, block):
  graph, unit = (*path, 'graph'), f'{name}.gcn'
  yield state_dict.Tensor(f'{unit}.A', ('params', *graph, 'dependency'))
  yield from state_dict.batch_norm(f'{unit}.bn', (*graph, 'bn'))
  yield from state_dict.conv(f'{unit}.conv', (*graph, 'entry'))
  if isinstance(block.graph.shortcut, ConvNorm):
    shortcut = (*graph, 'shortcut')
    yield from state_dict.conv(f'{unit}.down.0', (*shortcut, 'conv'))
    yield from state_dict.batch_norm(f'{unit}.down.1', (*shortcut, 'bn'))
  yield from _temporal(f'{name}.tcn', (*path, 'temporal'), block.temporal)
  if isinstance(block.residual, ConvNorm):
    residual = (*path, 'residual')
    yield from state_dict.conv(f'{name}.residual.conv', (*residual, 'conv'))
    yield from state_dict.batch_norm(f'{name}.residual.bn', (*residual, 'bn'))


def _temporal(name, path, unit):
  dilated, entry = len(unit.dilated), (*path, 'entry')
  for i in range(dilated + 1):  # the last one is the maximum
    at, place = f'{name}.branches.{i}', {'part': i, 'parts': tuple(unit.ends)}
    yield from state_dict.conv(f'{at}.0', (*entry, 'conv'), **place)
    yield from state_dict.batch_norm(f'{at}.1', (*entry, 'bn'), **place)
    if i < dilated:
      ours = (*path, 'dilated', i)
      yield from state_dict.conv(f'{at}.3.conv', ours, 'temporal')
  plain = f'{name}.branches.{dilated + 1}'
  yield from state_dict.conv(plain, (*path, 'plain'))
  yield from state_dict.batch_norm(f'{name}.transform.0', (*path, 'joined_bn'))
  yield from state_dict.conv(f'{name}.transform.2', (*path, 'exit', 'conv'))
  yield from state_dict.batch_norm(f'{name}.bn', (*path, 'exit', 'bn'))
