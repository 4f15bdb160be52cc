"""The names of UNIK's tensors in the official PyTorch checkpoints.

Those of 2s-AGCN, whose code UNIK's was made from, differ in a few words.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from unik_jax.models import layers
from unik_jax.official import state_dict


class Names(NamedTuple):
  """The words that differ between UNIK's and 2s-AGCN's code.

  Attributes:
    spatial: the S-LSU.
    temporal: the T-LSU.
    dependency: the learned matrices.
    unused_bias: whether the S-LSU keeps a bias that it never adds.
  """

  spatial: str = 's_unit'
  temporal: str = 't_unit'
  dependency: str = 'DepM'
  unused_bias: bool = True


UNIK = Names()


def tensors(model, names: Names = UNIK) -> Iterator[state_dict.Tensor]:
  """The state dict of a UNIK, in the official order.

  Args:
    model: a `unik_jax.models.unik.UNIK`, abstract or not.
    names: the words that it is to use.

  Yields:
    Each tensor of the official state dict, the unused ones included.
  """
  yield from state_dict.batch_norm('data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    yield from _block(f'l{i + 1}', ('blocks', i), block, names)
  yield from state_dict.conv('fc', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray],
  options: Mapping[str, Any],
  names: Names = UNIK,
) -> dict[str, int] | None:
  """What a state dict's model was made for; None where it is no UNIK's.

  Args:
    tensors: by official name.
    options: of the model; `tau` is looked at.
    names: the words that it uses.
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


def _block(name, path, block, names) -> Iterator[state_dict.Tensor]:
  unit, there = block.spatial, (*path, 'spatial')
  heads, nodes, _ = unit.dependency.shape
  theirs = f'{name}.{names.spatial}'
  yield state_dict.Tensor(
    f'{theirs}.{names.dependency}', ('params', *there, 'dependency')
  )
  if names.unused_bias:
    yield state_dict.Tensor(f'{theirs}.bias', None, unused_shape=(nodes,))
  if unit.tau > 1:
    out = f'{theirs}.out_conv'
    yield state_dict.Tensor(
      f'{out}.weight', ('params', *there, 'window_kernel'), 'window'
    )
    yield state_dict.Tensor(f'{out}.bias', ('params', *there, 'window_bias'))
    yield from state_dict.batch_norm(f'{theirs}.out_bn', (*there, 'window_bn'))
  attention = (('conv_a', 'theta'), ('conv_b', 'phi'))
  for kernel, ours in (*attention * unit.attention, ('conv_d', 'embed')):
    for head in range(heads):
      yield from state_dict.conv(
        f'{theirs}.{kernel}.{head}', (*there, ours), head=head
      )
  if unit.shortcut is not None:
    shortcut = (*there, 'shortcut')
    yield from state_dict.conv(f'{theirs}.down.0', (*shortcut, 'conv'))
    yield from state_dict.batch_norm(f'{theirs}.down.1', (*shortcut, 'bn'))
  yield from state_dict.batch_norm(f'{theirs}.bn', (*there, 'bn'))
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
