"""Tensor names of Res-GCN in the official PyTorch checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unik_jax.models import graphs
from unik_jax.models.layers import ConvNorm
from unik_jax.models.res_gcn import INPUTS, Branches
from unik_jax.models.res_gcn_block import (
  COUNTED_HOPS,
  Bottleneck,
  PartAttention,
)
from unik_jax.official import state_dict


def tensors(model) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of a Res-GCN, in the official order.

  Args:
    model: a `unik_jax.models.res_gcn.ResGCN`, abstract or not.
  """
  stages = list(enumerate(model.blocks))
  branches = [(i, b) for i, b in stages if isinstance(b, Branches)]
  main = stages[len(branches) :]
  graph = np.float32(graphs.by_hops(main[0][1].graph.layout, COUNTED_HOPS))
  yield state_dict.Tensor('A', None, constant=graph)
  for part in range(INPUTS):
    name = f'input_branches.{part}'
    yield state_dict.Tensor(f'{name}.A', None, constant=graph)
    place = {'part': part, 'parts': INPUTS}
    yield from state_dict.batch_norm(f'{name}.bn', ('input_bn',), **place)
    for i, stage in branches:
      path = ('blocks', i, 'blocks', part)
      yield from _block(f'{name}.layers.{i}', path, stage.blocks[part])
  for j, (i, block) in enumerate(main):
    yield from _block(f'main_stream.{j}', ('blocks', i), block)
  yield from state_dict.conv('fcn', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no Res-GCN's.

  Args:
    tensors: arrays by official name.
    options: options of the model; not used.

  Returns:
    num_classes, num_joints and in_channels.
  """
  del options
  try:
    return {
      'num_classes': len(tensors['fcn.weight']),
      'num_joints': tensors['main_stream.0.edge'].shape[-1],
      'in_channels': len(tensors['input_branches.0.bn.weight']) // 2,
    }
  except (KeyError, IndexError, TypeError):
    return None


def _block(name, path, block):
  bottleneck = isinstance(block.spatial, Bottleneck)
  spatial, temporal = (*path, 'spatial'), (*path, 'temporal')
  graph = (*spatial, 'inner') if bottleneck else spatial
  yield state_dict.Tensor(f'{name}.edge', ('params', *graph, 'edge'))
  if bottleneck:
    yield from _entry(f'{name}.scn', spatial, block.spatial)
  else:
    yield from _residual(f'{name}.residual', path, block)
  yield from state_dict.conv(f'{name}.scn.conv.gcn', (*graph, 'entry'))
  yield from state_dict.batch_norm(f'{name}.scn.bn', (*graph, 'bn'))
  if bottleneck:
    yield from _conv_norm(f'{name}.scn', '_up', (*spatial, 'up'))
    yield from _entry(f'{name}.tcn', temporal, block.temporal)
    conv = (*temporal, 'inner')
  else:
    conv = temporal
  yield from _conv_norm(f'{name}.tcn', '', conv, 'temporal')
  if bottleneck:
    yield from _conv_norm(f'{name}.tcn', '_up', (*temporal, 'up'))
  if isinstance(block.attention, PartAttention):
    at, ours = f'{name}.att', (*path, 'attention')
    squeeze = (*ours, 'squeeze')
    yield from state_dict.conv(f'{at}.fcn.1', (*squeeze, 'conv'))
    yield from state_dict.batch_norm(f'{at}.fcn.2', (*squeeze, 'bn'))
    yield from state_dict.conv(f'{at}.fcn.4', (*ours, 'expand'))
    yield from state_dict.batch_norm(f'{at}.bn', (*ours, 'bn'))


def _entry(name, path, unit):
  """Yields what a bottleneck has before its inner unit."""
  yield from _residual(f'{name}.residual', path, unit)
  yield from _conv_norm(name, '_down', (*path, 'down'))


def _conv_norm(name, ending, path, layout='conv1x1'):
  yield from state_dict.conv(f'{name}.conv{ending}', (*path, 'conv'), layout)
  yield from state_dict.batch_norm(f'{name}.bn{ending}', (*path, 'bn'))


def _residual(name, path, unit):
  if isinstance(unit.residual, ConvNorm):
    ours = (*path, 'residual')
    yield from state_dict.conv(f'{name}.0', (*ours, 'conv'))
    yield from state_dict.batch_norm(f'{name}.1', (*ours, 'bn'))
