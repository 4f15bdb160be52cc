"""The names of UNIK's tensors in the official PyTorch checkpoints."""

from collections.abc import Iterator, Mapping

import numpy as np

from unik_jax.models import layers, official


def tensors(model) -> Iterator[official.Tensor]:
  """The state dict of a UNIK, in the official order.

  Args:
    model: a `unik_jax.models.unik.UNIK`, abstract or not.

  Yields:
    Each tensor of the official state dict, the unused ones included.
  """
  yield from official.batch_norm('data_bn', ('input_bn',))
  for i, block in enumerate(model.blocks):
    yield from _block(f'l{i + 1}', ('blocks', i), block)
  yield from official.conv('fc', ('head',), 'linear')


def shape(
  tensors: Mapping[str, np.ndarray], tau: int = 1
) -> dict[str, int] | None:
  """What a state dict's model was made for; None where it is no UNIK's.

  Args:
    tensors: by official name.
    tau: frames in its spatial window.
  """
  try:
    nodes = tensors['l1.s_unit.DepM'].shape[-1]
    channels = tensors['l1.s_unit.conv_d.0.weight'].shape[1]
    features = len(tensors['data_bn.weight'])
    classes = len(tensors['fc.weight'])
  except (KeyError, IndexError, TypeError):
    return None
  joints = nodes // tau
  return {
    'num_classes': classes,
    'num_joints': joints,
    'num_persons': max(features // max(joints * channels, 1), 1),
    'in_channels': channels,
  }


def _block(name, path, block) -> Iterator[official.Tensor]:
  unit, there = block.spatial, (*path, 'spatial')
  heads, nodes, _ = unit.dependency.shape
  yield official.Tensor(f'{name}.s_unit.DepM', ('params', *there, 'dependency'))
  yield official.Tensor(f'{name}.s_unit.bias', None, unused_shape=(nodes,))
  if unit.tau > 1:
    out = f'{name}.s_unit.out_conv'
    yield official.Tensor(
      f'{out}.weight', ('params', *there, 'window_kernel'), 'window'
    )
    yield official.Tensor(f'{out}.bias', ('params', *there, 'window_bias'))
    yield from official.batch_norm(
      f'{name}.s_unit.out_bn', (*there, 'window_bn')
    )
  attention = (('conv_a', 'theta'), ('conv_b', 'phi'))
  for theirs, ours in (*attention * unit.attention, ('conv_d', 'embed')):
    for head in range(heads):
      yield from official.conv(
        f'{name}.s_unit.{theirs}.{head}', (*there, ours), head=head
      )
  if unit.shortcut is not None:
    shortcut = (*there, 'shortcut')
    yield from official.conv(f'{name}.s_unit.down.0', (*shortcut, 'conv'))
    yield from official.batch_norm(f'{name}.s_unit.down.1', (*shortcut, 'bn'))
  yield from official.batch_norm(f'{name}.s_unit.bn', (*there, 'bn'))
  temporal = (*path, 'temporal')
  yield from official.conv(
    f'{name}.t_unit.conv', (*temporal, 'conv'), 'temporal'
  )
  yield from official.batch_norm(f'{name}.t_unit.bn', (*temporal, 'bn'))
  if isinstance(block.residual, layers.ConvNorm):
    residual = (*path, 'residual')
    yield from official.conv(f'{name}.residual.conv', (*residual, 'conv'))
    yield from official.batch_norm(f'{name}.residual.bn', (*residual, 'bn'))
