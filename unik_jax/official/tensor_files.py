"""Files of official PyTorch weights: a state dict as named arrays."""

import io
import pathlib
from collections.abc import Mapping

import numpy as np

from unik_jax.errors import UserError, first_line
from unik_jax.runtime.atomic_files import ROOM, as_sentence, atomic_write

_TORCH = ('.pt', '.pth')
_NO_TORCH = (
  "PyTorch is not installed. Install it with `pip install 'unik_jax[torch]'`"
)
_SUFFIXES = ('.npz', '.safetensors', *_TORCH)


def read_tensors(path: str | pathlib.Path) -> dict[str, np.ndarray]:
  """Reads a state dict.

  Args:
    path: `.npz` or `.safetensors`; `.pt` or `.pth` with PyTorch installed
      (`pip install 'unik_jax[torch]'`), read without unpickling code.

  Returns:
    Arrays by name, in the order of the file.

  Raises:
    UserError: the file is missing or broken, has an unknown suffix, or is not a
      state dict; or PyTorch is missing.
  """
  path = pathlib.Path(path)
  _check_suffix(path)
  if not path.is_file():
    raise UserError(f'{path}: no such file')
  if path.suffix in _TORCH:
    return _read_torch(path)
  try:
    if path.suffix == '.npz':
      # Read into memory first: np.load leaves a broken file open.
      content = io.BytesIO(path.read_bytes())
      with np.load(content, allow_pickle=False) as file:
        return dict(file)
    from safetensors.numpy import load_file

    return load_file(path)
  except Exception as error:  # each library raises its own
    raise UserError(
      f'{path}: cannot be read ({first_line(error)}). Copy the file again.'
    ) from error


def write_tensors(
  path: str | pathlib.Path, tensors: Mapping[str, np.ndarray]
) -> None:
  """Writes a state dict atomically.

  Args:
    path: `.npz`, `.safetensors`, or (with PyTorch installed) `.pt` or `.pth`.
    tensors: arrays by name.

  Raises:
    UserError: the suffix is unknown, PyTorch is missing, or the file cannot be
      written.
  """
  path = pathlib.Path(path)
  _check_suffix(path)
  try:
    with atomic_write(path) as part:
      if path.suffix == '.npz':
        with part.open('wb') as file:  # given a path, NumPy appends '.npz'
          np.savez(file, **tensors)
      elif path.suffix == '.safetensors':
        from safetensors.numpy import save

        # Not `save_file`, whose files only their owner can read.
        part.write_bytes(save(dict(tensors)))
      else:
        import torch

        torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, part)
  except UserError:
    raise
  except ImportError:
    raise UserError(
      f'{path}: {_NO_TORCH}, or write a .safetensors or .npz file.'
    ) from None
  except Exception as error:  # each library raises its own
    raise UserError(
      f'{path}: cannot be written ({first_line(error)}). {as_sentence(ROOM)}'
    ) from error


def _check_suffix(path):
  if path.suffix not in _SUFFIXES:
    raise UserError(
      f'{path}: expected .npz, .safetensors, .pt or .pth, got'
      f' {path.suffix or "no suffix"!r}'
    )


def _read_torch(path):
  try:
    import torch
  except ImportError:
    raise UserError(
      f'{path}: {_NO_TORCH}, or convert the file to .safetensors.'
    ) from None
  try:
    tensors = torch.load(path, map_location='cpu', weights_only=True)
    # pyskl and others write it beside the epoch and the optimizer's state.
    tensors = tensors.get('state_dict', tensors)
    return {name: tensor.numpy() for name, tensor in tensors.items()}
  except Exception as error:  # torch raises many kinds
    raise UserError(
      f'{path}: expected a state dict that PyTorch loads safely'
      f' (weights_only=True), got {first_line(error)}'
    ) from error
