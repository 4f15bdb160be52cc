"""Tensor names of UNIK and 2s-AGCN in the official PyTorch checkpoints.

UNIK's code was made from 2s-AGCN's; a few words differ.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.models import layers
from unik_jax.official import state_dict


class Names(NamedTuple):
  """Words that differ between the code of UNIK and of 2s-AGCN.

  Attributes:
    spatial: name of the S-LSU.
    temporal: name of the T-LSU.
    dependency: name of the learned matrices.
    unused_bias: the S-LSU has a bias that it never adds.
  """

  spatial: str = 's_unit'
  temporal: str = 't_unit'
  dependency: str = 'DepM'
  unused_bias: bool = True


UNIK = Names()
AGCN = Names(
  spatial='gcn1', temporal='tcn1', dependency='PA', unused_bias=False
)


def tensors(model, names: Names = UNIK) -> Iterator[state_dict.Tensor]:
  """Yields the state dict of a UNIK or 2s-AGCN, in the official order.

  Args:
    model: a `unik_jax.models.unik.UNIK`, abstract or not.
    names: UNIK or AGCN.

  Raises:
    UserError: the model's matrices are not learned.
  """
  if not model.blocks[0].spatial.learned:
    raise UserError(
      'model.matrix: expected dependency or adaptive, got fixed. No official'
      ' state dict has fixed matrices.'
    )
  yield from state_dict.batch_norm('data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    yield from _block(f'l{i + 1}', ('blocks', i), block, names)
  yield from state_dict.conv('fc', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray],
  options: Mapping[str, Any],
  names: Names = UNIK,
) -> dict[str, int] | None:
  """Reads the data's shape off a state dict; None if it is no UNIK's.

  Args:
    tensors: arrays by official name.
    options: options of the model; `tau` is used.
    names: UNIK or AGCN.

  Returns:
    num_classes, num_joints, num_persons and in_channels.
  """
  try:
    unit = f'l1.{names.spatial}'
    nodes = tensors[f'{unit}.{names.dependency}'].shape[-1]
    channels = tensors[f'{unit}.conv_d.0.weight'].shape[1]
    features = len(tensors['data_bn.weight'])
    classes = len(tensors['fc.weight'])
  except (KeyError, IndexError, TypeError):
    return None
  joints = nodes // options['tau']
  return {
    'num_classes': classes,
    'num_joints': joints,
    'num_persons': max(features // max(joints * channels, 1), 1),
    'in_channels': channels,
  }


def agcn_shape(
  tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """`shape` of a 2s-AGCN; None if the state dict is of another model."""
  del options
  return shape(tensors, {'tau': 1}, AGCN)


def _block(name, path, block, names) -> Iterator[state_dict.Tensor]:
  unit, spatial = block.spatial, (*path, 'spatial')
  heads, nodes, _ = unit.dependency.shape
  official = f'{name}.{names.spatial}'
  yield state_dict.Tensor(
    f'{official}.{names.dependency}', ('params', *spatial, 'dependency')
  )
  if names.unused_bias:
    yield state_dict.Tensor(f'{official}.bias', None, unused_shape=(nodes,))
  if unit.tau > 1:
    out = f'{official}.out_conv'
    yield state_dict.Tensor(
      f'{out}.weight', ('params', *spatial, 'window_kernel'), 'window'
    )
    yield state_dict.Tensor(f'{out}.bias', ('params', *spatial, 'window_bias'))
    yield from state_dict.batch_norm(
      f'{official}.out_bn', (*spatial, 'window_bn')
    )
  attention = (('conv_a', 'theta'), ('conv_b', 'phi'))
  for kernel, ours in (*attention * unit.attention, ('conv_d', 'embed')):
    for head in range(heads):
      yield from state_dict.conv(
        f'{official}.{kernel}.{head}', (*spatial, ours), head=head
      )
  if isinstance(unit.shortcut, layers.ConvNorm):
    shortcut = (*spatial, 'shortcut')
    yield from state_dict.conv(f'{official}.down.0', (*shortcut, 'conv'))
    yield from state_dict.batch_norm(f'{official}.down.1', (*shortcut, 'bn'))
  yield from state_dict.batch_norm(f'{official}.bn', (*spatial, 'bn'))
  temporal = (*path, 'temporal')
  yield from state_dict.conv(
    f'{name}.{names.temporal}.conv', (*temporal, 'conv'), 'temporal'
  )
  yield from state_dict.batch_norm(
    f'{name}.{names.temporal}.bn', (*temporal, 'bn')
  )
  if isinstance(block.residual, layers.ConvNorm):
    residual = (*path, 'residual')
    yield from state_dict.conv(f'{name}.residual.conv', (*residual, 'conv'))
    yield from state_dict.batch_norm(f'{name}.residual.bn', (*residual, 'bn'))
