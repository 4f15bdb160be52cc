"""Building blocks that describe an official PyTorch state dict.

It yields the tensors in the official order, each with the path of our array
and a layout. `convert` reads and writes state dicts by these descriptions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Tensor(NamedTuple):
  """One tensor of an official state dict.

  Attributes:
    name: name in the official checkpoint.
    path: path of our array, ('params' or 'batch_stats', ...); None for a tensor
      that only the official model has.
    layout: a key of `convert.LAYOUTS`.
    head: index into our array's first axis, which stacks heads.
    part: index into our array's last axis, which joins `parts`.
    parts: number of equal parts, or where parts end, without the last one.
    unused_shape: shape of a tensor that the official model never uses.
    constant: value of a tensor that the official model reads but never trains.
  """

  name: str
  path: tuple | None
  layout: str = 'same'
  head: int | None = None
  part: int | None = None
  parts: int | tuple[int, ...] = 1
  unused_shape: tuple[int, ...] = ()
  constant: np.ndarray | None = None


def conv(
  name: str, path: tuple, layout: str = 'conv1x1', **place
) -> Iterator[Tensor]:
  """Yields a convolution's or linear layer's weight and bias."""
  yield Tensor(f'{name}.weight', ('params', *path, 'kernel'), layout, **place)
  yield Tensor(f'{name}.bias', ('params', *path, 'bias'), **place)


def batch_norm(name: str, path: tuple, **place) -> Iterator[Tensor]:
  """Yields a batch norm's parameters and statistics."""
  for official, tree, ours in (
    ('weight', 'params', 'scale'),
    ('bias', 'params', 'bias'),
    ('running_mean', 'batch_stats', 'mean'),
    ('running_var', 'batch_stats', 'var'),
  ):
    yield Tensor(f'{name}.{official}', (tree, *path, ours), **place)
  yield Tensor(f'{name}.num_batches_tracked', None)
