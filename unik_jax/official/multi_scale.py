"""Tensor names of the multi-scale temporal unit in official checkpoints.

MS-G3D and CTR-GCN share it.
"""

from collections.abc import Iterator

from unik_jax.models.layers import ConvNorm
from unik_jax.models.multi_scale import TemporalUnit
from unik_jax.official import state_dict


def tensors(
  name: str, path: tuple, unit: TemporalUnit
) -> Iterator[state_dict.Tensor]:
  """Yields a temporal unit's part of a state dict, in the official order.

  Args:
    name: name of the unit in the official state dict.
    path: path of the unit in our trees.
    unit: our unit, abstract or not.
  """

  def conv_norm(conv, bn, *ours, layout='conv1x1', **place):
    unit_path = (*path, *ours)
    yield from state_dict.conv(conv, (*unit_path, 'conv'), layout, **place)
    yield from state_dict.batch_norm(bn, (*unit_path, 'bn'), **place)

  dilated = len(unit.dilated)
  for i in range(dilated + 1):
    at, place = f'{name}.branches.{i}', {'part': i, 'parts': dilated + 1}
    yield from conv_norm(f'{at}.0', f'{at}.1', 'entry', **place)
    if i < dilated:
      at = f'{at}.3'
      yield from conv_norm(
        f'{at}.conv', f'{at}.bn', 'dilated', i, layout='temporal'
      )
  pool_bn = f'{name}.branches.{dilated}.4'
  yield from state_dict.batch_norm(pool_bn, (*path, 'pool_bn'))
  at = f'{name}.branches.{dilated + 1}'
  yield from conv_norm(f'{at}.0', f'{at}.1', 'plain')
  if isinstance(unit.residual, ConvNorm):
    at = f'{name}.residual'
    yield from conv_norm(f'{at}.conv', f'{at}.bn', 'residual')
