"""Official PyTorch state dicts, to and from our parameter trees."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from unik_jax.errors import UserError
from unik_jax.models.recognizer import Recognizer
from unik_jax.official.registry import list_tensors

# Per layout: our array to PyTorch's, and back.
LAYOUTS: dict[str, tuple[Callable, Callable]] = {
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


def to_official(
  model: Recognizer, params: Any, batch_stats: Any
) -> dict[str, np.ndarray]:
  """Converts our parameters to an official state dict.

  Args:
    model: abstract (`Network.abstract`) or not.
    params: our parameters.
    batch_stats: our batch statistics.

  Returns:
    Arrays by official name, in the official order. Unused ones are zeros.

  Raises:
    UserError: the model has no known official state dict.
  """
  tree = {'params': params, 'batch_stats': batch_stats}
  out = {}
  for tensor in list_tensors(model):
    if tensor.constant is not None:
      out[tensor.name] = tensor.constant
      continue
    if tensor.path is None:
      dtype = np.float32 if tensor.unused_shape else np.int64
      out[tensor.name] = np.zeros(tensor.unused_shape, dtype)
      continue
    value = _piece(np.asarray(_get(tree, tensor.path)), tensor)
    out[tensor.name] = np.ascontiguousarray(LAYOUTS[tensor.layout][0](value))
  return out


def from_official(
  model: Recognizer,
  params: Any,
  batch_stats: Any,
  state_dict: Mapping[str, np.ndarray],
  source: str,
) -> tuple[dict, dict]:
  """Converts an official state dict to our parameters.

  Args:
    model: abstract (`Network.abstract`) or not.
    params: a tree of arrays or shapes like our parameters.
    batch_stats: the same for the batch statistics.
    state_dict: arrays by official name. A `module.` prefix, which
      DataParallel leaves, is dropped.
    source: the file, for errors.

  Returns:
    (params, batch_stats) of numpy arrays in the dtypes of `state_dict`.

  Raises:
    UserError: the model has no known official state dict, or tensors are
      missing, extra, of another shape or not finite; each is named.
  """
  state_dict = {k.removeprefix('module.'): v for k, v in state_dict.items()}
  tree = {'params': params, 'batch_stats': batch_stats}
  expected = {t.name: t for t in list_tensors(model)}
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
      _, from_torch = LAYOUTS[tensor.layout]
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
  to_torch, _ = LAYOUTS[tensor.layout]
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
