"""Tensor names of MS-G3D in the official PyTorch checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unik_jax.official import multi_scale, state_dict


def tensors(model) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of an MS-G3D, in the official order.

  Args:
    model: a `unik_jax.models.ms_g3d.MSG3D`, abstract or not.
  """
  yield from state_dict.batch_norm('data_bn', ('input_bn',))
  for i, stage in enumerate(model.blocks):
    path = ('blocks', i)
    for j in range(len(stage.windows)):
      name, ours = f'gcn3d{i + 1}.gcn3d.{j}', (*path, 'windows', j)
      yield from _graph(f'{name}.gcn3d.1', (*ours, 'graph'))
      out, params = f'{name}.out_conv', ('params', *ours)
      yield state_dict.Tensor(
        f'{out}.weight', (*params, 'window_kernel'), 'window'
      )
      yield state_dict.Tensor(f'{out}.bias', (*params, 'window_bias'))
      yield from state_dict.batch_norm(f'{name}.out_bn', (*ours, 'window_bn'))
    name = f'sgcn{i + 1}'
    yield from _graph(f'{name}.0', (*path, 'graph'))
    names = (f'{name}.1', f'{name}.2', f'tcn{i + 1}')
    for j, (name, unit) in enumerate(zip(names, stage.temporal, strict=True)):
      yield from multi_scale.tensors(name, (*path, 'temporal', j), unit)
  yield from state_dict.conv('fc', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no MS-G3D's.

  Args:
    tensors: arrays by official name.
    options: options of the model; not used.

  Returns:
    num_classes, num_joints, num_persons and in_channels.
  """
  del options
  try:
    nodes, joints = tensors['sgcn1.0.A_res'].shape
    inputs = tensors['sgcn1.0.mlp.layers.0.weight'].shape[1]
    channels = inputs * joints // nodes
    return {
      'num_classes': len(tensors['fc.weight']),
      'num_joints': joints,
      'num_persons': len(tensors['data_bn.weight']) // (joints * channels),
      'in_channels': channels,
    }
  except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
    return None


def _graph(name, path):
  yield state_dict.Tensor(
    f'{name}.A_res', ('params', *path, 'mask'), 'matrices'
  )
  yield from state_dict.conv(f'{name}.mlp.layers.0', (*path, 'conv'))
  yield from state_dict.batch_norm(f'{name}.mlp.layers.1', (*path, 'bn'))
