"""The weights of an exported run: weights.safetensors.

An exported run has this file instead of checkpoints/: the weights that were
evaluated, without the optimizer's state.
"""

import pathlib
from typing import Any

import jax
import numpy as np

from unik_jax.errors import UserError, first_line
from unik_jax.run.digests import digest_weights
from unik_jax.runtime.atomic_files import atomic_write

_REMEDY = (
  'Export or copy the run again. If it came from the Hugging Face Hub, delete'
  " its repository's folder in the cache"
)


def write_weights(
  file: pathlib.Path, params: Any, batch_stats: Any, step: int
) -> None:
  """Writes weights atomically, with their step and their digest.

  Args:
    file: the file.
    params: nested dict of numpy arrays.
    batch_stats: nested dict of numpy arrays.
    step: optimizer steps taken.

  Raises:
    UserError: the file cannot be written.
  """
  from safetensors.numpy import save

  metadata = {'step': str(step), 'digest': digest_weights(params, batch_stats)}
  with atomic_write(file) as part:
    part.write_bytes(save(dict(_list_leaves(params, batch_stats)), metadata))


def read_weights(
  file: pathlib.Path, params: Any, batch_stats: Any
) -> tuple[Any, Any, int]:
  """Returns what `write_weights` wrote: params, batch statistics and step.

  Args:
    file: the file.
    params: shapes of the network's parameters, as in `Network.shapes`.
    batch_stats: shapes of its batch statistics.

  Raises:
    UserError: the file is broken, or of another network.
  """
  from safetensors import safe_open

  try:
    with safe_open(file, framework='numpy') as opened:
      metadata = opened.metadata() or {}
      arrays = {name: opened.get_tensor(name) for name in opened.keys()}
    expected = {k: tuple(v.shape) for k, v in _list_leaves(params, batch_stats)}
    found = {name: array.shape for name, array in arrays.items()}
    if changed := expected.items() ^ found.items():
      name, _ = min(changed)
      raise ValueError(
        f'{name}: expected shape {expected.get(name)}, got {found.get(name)}'
      )
    treedef = jax.tree.structure((params, batch_stats))
    weights = jax.tree.unflatten(treedef, [arrays[name] for name in expected])
    if digest_weights(*weights) != metadata.get('digest'):
      raise ValueError('damaged: the values differ from what was saved')
    return *weights, int(metadata['step'])
  except Exception as error:  # safetensors raises its own
    raise UserError(
      f'{file}: cannot be read ({first_line(error)}). {_REMEDY}'
    ) from None


def _list_leaves(params, batch_stats) -> list[tuple[str, np.ndarray]]:
  """Returns pairs of a leaf's path, as 'params/head/bias', and the leaf."""
  pairs = []
  for name, tree in (('params', params), ('batch_stats', batch_stats)):
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    for path, leaf in leaves:
      key = jax.tree_util.keystr(path, simple=True, separator='/')
      pairs.append((f'{name}/{key}', leaf))
  return pairs
