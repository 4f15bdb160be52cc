"""Tensor names of ST-GCN in the official PyTorch checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unik_jax.models import graphs
from unik_jax.models.layers import ConvNorm
from unik_jax.official import state_dict


def tensors(model) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of an ST-GCN, in the official order.

  Args:
    model: a `unik_jax.models.st_gcn.STGCN`, abstract or not.
  """
  graph = graphs.partitioned(model.blocks[0].layout)
  yield state_dict.Tensor('A', None, constant=graph)
  yield from state_dict.batch_norm('data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    name, path = f'st_gcn_networks.{i}', ('blocks', i)
    yield from state_dict.conv(f'{name}.gcn.conv', (*path, 'graph_conv'))
    yield from state_dict.batch_norm(f'{name}.tcn.0', (*path, 'graph_bn'))
    temporal = (*path, 'temporal')
    yield from state_dict.conv(f'{name}.tcn.2', (*temporal, 'conv'), 'temporal')
    yield from state_dict.batch_norm(f'{name}.tcn.3', (*temporal, 'bn'))
    if isinstance(block.residual, ConvNorm):
      residual = (*path, 'residual')
      yield from state_dict.conv(f'{name}.residual.0', (*residual, 'conv'))
      yield from state_dict.batch_norm(f'{name}.residual.1', (*residual, 'bn'))
  for i, block in enumerate(model.blocks):
    if block.importance:
      yield state_dict.Tensor(
        f'edge_importance.{i}', ('params', 'blocks', i, 'edge_importance')
      )
  yield from state_dict.conv('fcn', ('head',))


def shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no ST-GCN's.

  Args:
    tensors: arrays by official name.
    options: options of the model; not used.

  Returns:
    num_classes, num_joints and in_channels.
  """
  del options
  try:
    channels = tensors['st_gcn_networks.0.gcn.conv.weight'].shape[1]
    return {
      'num_classes': len(tensors['fcn.weight']),
      'num_joints': len(tensors['data_bn.weight']) // channels,
      'in_channels': channels,
    }
  except (KeyError, IndexError, TypeError):
    return None
