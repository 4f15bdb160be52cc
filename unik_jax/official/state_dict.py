"""How tensors of official PyTorch checkpoints lie in our parameter trees.

A model lists its official tensors in the order of its state dict, each with
the path of ours and a layout; this file turns one side into the other.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError

# For each layout: from our array to PyTorch's, and back.
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
    path: of our array, from ('params' or 'batch_stats', ...); None for a
      tensor that the official model keeps, but that is not ours to learn.
    layout: a key of `_LAYOUTS`.
    head: index into our array's first axis, where we stack heads.
    part: index into its last axis, where we join `parts` of equal length.
    parts: how many.
    unused_shape: the shape of a tensor that it never uses.
    constant: what such a tensor holds, where that is of use to it.
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
  """A convolution's or linear layer's weight and bias."""
  yield Tensor(f'{name}.weight', ('params', *path, 'kernel'), layout, **place)
  yield Tensor(f'{name}.bias', ('params', *path, 'bias'), **place)


def batch_norm(name: str, path: tuple, **place) -> Iterator[Tensor]:
  """A batch norm's parameters and statistics."""
  for theirs, tree, ours in (
    ('weight', 'params', 'scale'),
    ('bias', 'params', 'bias'),
    ('running_mean', 'batch_stats', 'mean'),
    ('running_var', 'batch_stats', 'var'),
  ):
    yield Tensor(f'{name}.{theirs}', (tree, *path, ours), **place)
  yield Tensor(f'{name}.num_batches_tracked', None)


def listed(model) -> list[Tensor]:
  """The tensors of a model's official state dict, in the official order.

  Raises:
    UserError: it has none.
  """
  if model.official_tensors is None:
    raise UserError(
      f'{type(model).__name__} has no official state dict that is known here;'
      ' a run of ours carries its weights as checkpoints'
    )
  return list(model.official_tensors())


def to_official(model, params, batch_stats) -> dict[str, np.ndarray]:
  """The official state dict of a model of ours.

  Args:
    model: the (abstract) model, for its list of official tensors.
    params: its parameters.
    batch_stats: its batch statistics.

  Returns:
    Arrays by official name, in the official order; unused ones are zeros.
  """
  tree = {'params': params, 'batch_stats': batch_stats}
  out = {}
  for tensor in listed(model):
    if tensor.constant is not None:
      out[tensor.name] = tensor.constant
      continue
    if tensor.path is None:
      kind = np.float32 if tensor.unused_shape else np.int64
      out[tensor.name] = np.zeros(tensor.unused_shape, kind)
      continue
    value = _piece(np.asarray(_get(tree, tensor.path)), tensor)
    out[tensor.name] = np.ascontiguousarray(_LAYOUTS[tensor.layout][0](value))
  return out


def from_official(
  model,
  params,
  batch_stats,
  tensors: Mapping[str, np.ndarray],
  source: str,
) -> tuple[dict, dict]:
  """Fills a model of ours from an official state dict.

  Args:
    model: the (abstract) model, for its list of official tensors.
    params: a tree of arrays or shapes like the model's parameters.
    batch_stats: likewise for the batch statistics.
    tensors: arrays by official name; a `module.` prefix, as DataParallel
      leaves it, is dropped.
    source: the file, to be named in errors.

  Returns:
    (params, batch_stats) of numpy arrays in the dtypes of `tensors`.

  Raises:
    UserError: a tensor is missing, extra, of another shape or not finite,
      each named.
  """
  tensors = {k.removeprefix('module.'): v for k, v in tensors.items()}
  tree = {'params': params, 'batch_stats': batch_stats}
  wanted = {t.name: t for t in listed(model)}
  problems = [
    f'missing: {name}'
    for name, tensor in wanted.items()
    if name not in tensors and tensor.path is not None
  ]
  problems += [f'extra: {name}' for name in tensors if name not in wanted]
  pieces: dict[tuple, list] = {}
  for name, tensor in wanted.items():
    if name not in tensors:
      continue
    value = np.asarray(tensors[name])
    to_torch, from_torch = _LAYOUTS[tensor.layout]
    expected = np.shape(tensor.constant)
    if tensor.constant is None:
      expected = tensor.unused_shape
    if tensor.path is not None:
      target = np.empty(_get(tree, tensor.path).shape, np.uint8)
      expected = to_torch(_piece(target, tensor)).shape
    if value.shape != expected:
      problems.append(f'misshapen: {name} is {value.shape}, not {expected}')
    elif value.dtype.kind not in 'fiu' or not np.isfinite(value).all():
      problems.append(f'not finite numbers: {name}')
    elif tensor.path is not None:
      pieces.setdefault(tensor.path, []).append(from_torch(value))
  if problems:
    shown = '\n  '.join(problems[:10])
    more = f'\n  and {len(problems) - 10} more' if len(problems) > 10 else ''
    raise UserError(
      f'{source}: not a state dict of this model:\n  {shown}{more}\n'
      'Check the number of classes, joints, persons, channels and heads.'
    )
  for tensor in wanted.values():
    if tensor.path in pieces:
      whole = pieces[tensor.path]
      if tensor.part is not None:
        whole = np.concatenate(whole, axis=-1)
      else:
        whole = whole[0] if tensor.head is None else np.stack(whole)
      tree = _set(tree, tensor.path, whole)
  return tree['params'], tree['batch_stats']


def _piece(array, tensor):
  """What a tensor is of our array."""
  if tensor.part is not None:
    return np.split(array, tensor.parts, axis=-1)[tensor.part]
  return array if tensor.head is None else array[tensor.head]


def _get(tree, path):
  for key in path:
    tree = tree[key]
  return tree


def _set(tree, path, value):
  """A copy of nested dicts with one leaf replaced."""
  if not path:
    return value
  return {**tree, path[0]: _set(tree[path[0]], path[1:], value)}
