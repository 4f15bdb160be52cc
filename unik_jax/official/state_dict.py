"""Official PyTorch state dicts, to and from our parameter trees.

An architecture's file in this package lists its official tensors in the order
of the state dict, each with the path of our array and a layout. This file
converts in both directions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError

# Per layout: our array to PyTorch's, and back.
_LAYOUTS: dict[str, tuple[Callable, Callable]] = {
  'same': (lambda a: a, lambda a: a),
  'linear': (lambda a: a.T, lambda a: a.T),
  'conv1x1': (lambda a: a.T[..., None, None], lambda a: a[:, :, 0, 0].T),
  'temporal': (
    lambda a: a.transpose(2, 1, 0)[..., None],
    lambda a: a[..., 0].transpose(2, 1, 0),
  ),
  'window': (
    lambda a: a.transpose(2, 1, 0)[:, :, None, :, None],
    lambda a: a[:, :, 0, :, 0].transpose(2, 1, 0),
  ),
  'transposed': (
    lambda a: a.transpose(0, 2, 1),
    lambda a: a.transpose(0, 2, 1),
  ),
  # (K, U, P) to (K * P, U): one product makes every matrix's joints.
  'matrices': (
    lambda a: a.transpose(0, 2, 1).reshape(-1, a.shape[1]),
    lambda a: a.reshape(-1, *a.shape[1:] * 2).transpose(0, 2, 1),
  ),
}


class Tensor(NamedTuple):
  """One tensor of an official state dict.

  Attributes:
    name: in the official checkpoint.
    path: of our array, ('params' or 'batch_stats', ...); None for a tensor
      that only the official model has.
    layout: a key of `_LAYOUTS`.
    head: index into our array's first axis, which stacks heads.
    part: index into our array's last axis, which joins `parts` equal parts.
    parts: number of these.
    unused_shape: shape of a tensor that the official model never uses.
    constant: value of a tensor that the official model reads but never trains.
  """

  name: str
  path: tuple | None
  layout: str = 'same'
  head: int | None = None
  part: int | None = None
  parts: int = 1
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


def to_official(
  tensors: Iterable[Tensor], params: Any, batch_stats: Any
) -> dict[str, np.ndarray]:
  """Converts our parameters to an official state dict.

  Args:
    tensors: of the architecture, from `official.registry.list_tensors`.
    params: our parameters.
    batch_stats: our batch statistics.

  Returns:
    Arrays by official name, in the official order. Unused ones are zeros.
  """
  tree = {'params': params, 'batch_stats': batch_stats}
  out = {}
  for tensor in tensors:
    if tensor.constant is not None:
      out[tensor.name] = tensor.constant
      continue
    if tensor.path is None:
      dtype = np.float32 if tensor.unused_shape else np.int64
      out[tensor.name] = np.zeros(tensor.unused_shape, dtype)
      continue
    value = _piece(np.asarray(_get(tree, tensor.path)), tensor)
    out[tensor.name] = np.ascontiguousarray(_LAYOUTS[tensor.layout][0](value))
  return out


def from_official(
  tensors: Iterable[Tensor],
  params: Any,
  batch_stats: Any,
  state_dict: Mapping[str, np.ndarray],
  source: str,
) -> tuple[dict, dict]:
  """Converts an official state dict to our parameters.

  Args:
    tensors: of the architecture, from `official.registry.list_tensors`.
    params: a tree of arrays or shapes like our parameters.
    batch_stats: the same for the batch statistics.
    state_dict: arrays by official name. A `module.` prefix, which
      DataParallel leaves, is dropped.
    source: the file, for errors.

  Returns:
    (params, batch_stats) of numpy arrays in the dtypes of `state_dict`.

  Raises:
    UserError: tensors are missing, extra, of another shape or not finite; each
      is named.
  """
  state_dict = {k.removeprefix('module.'): v for k, v in state_dict.items()}
  tree = {'params': params, 'batch_stats': batch_stats}
  expected = {t.name: t for t in tensors}
  problems = [
    f'missing: {name}'
    for name, tensor in expected.items()
    if name not in state_dict and tensor.path is not None
  ]
  problems += [f'extra: {name}' for name in state_dict if name not in expected]
  pieces: dict[tuple, list] = {}
  for name, tensor in expected.items():
    if name not in state_dict:
      continue
    value = np.asarray(state_dict[name])
    shape = _official_shape(tensor, tree)
    if value.shape != shape:
      problems.append(f'misshapen: {name}: expected {shape}, got {value.shape}')
    elif value.dtype.kind not in 'fiu' or not np.isfinite(value).all():
      problems.append(f'not finite numbers: {name}')
    elif tensor.path is not None:
      _, from_torch = _LAYOUTS[tensor.layout]
      pieces.setdefault(tensor.path, []).append(from_torch(value))
  if problems:
    shown = '\n  '.join(problems[:10])
    more = f'\n  and {len(problems) - 10} more' if len(problems) > 10 else ''
    raise UserError(
      f'{source}: not a state dict of this model:\n  {shown}{more}\n'
      'Check the number of classes, joints, persons, channels and heads.'
    )
  for tensor in expected.values():
    if tensor.path in pieces:
      parts = pieces[tensor.path]
      if tensor.part is not None:
        value = np.concatenate(parts, axis=-1)
      else:
        value = parts[0] if tensor.head is None else np.stack(parts)
      tree = _set(tree, tensor.path, value)
  return tree['params'], tree['batch_stats']


def _official_shape(tensor, tree):
  """Returns the shape that a tensor has in the official state dict."""
  if tensor.path is None:
    if tensor.constant is None:
      return tensor.unused_shape
    return np.shape(tensor.constant)
  ours = np.empty(_get(tree, tensor.path).shape, np.uint8)
  to_torch, _ = _LAYOUTS[tensor.layout]
  return to_torch(_piece(ours, tensor)).shape


def _piece(array, tensor):
  """Returns the part of our array that a tensor holds."""
  if tensor.part is not None:
    return np.split(array, tensor.parts, axis=-1)[tensor.part]
  return array if tensor.head is None else array[tensor.head]


def _get(tree, path):
  for key in path:
    tree = tree[key]
  return tree


def _set(tree, path, value):
  """Copies nested dicts with one leaf replaced."""
  if not path:
    return value
  return {**tree, path[0]: _set(tree[path[0]], path[1:], value)}
