"""Checkpoints of runs, through Orbax, and official PyTorch weights as files."""

import io
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files


class Checkpoints:
  """The newest checkpoints of a run, in a folder, written in the background.

  A save that fails (a full disk) is reported and leaves the older ones whole;
  a checkpoint that cannot be read is set aside for the one before it.

  Args:
    folder: of the checkpoints, made if missing.
    keep: how many stay.
    read_only: only look; another run may be writing there.
  """

  def __init__(
    self, folder: pathlib.Path, keep: int, *, read_only: bool = False
  ):
    self._folder = folder.absolute()
    self._keep = keep
    self._read_only = read_only
    if read_only and not folder.is_dir():
      raise UserError(
        f'{folder}: no checkpoints there; train this run first, or name the'
        ' folder of one that was trained'
      )
    self._open()

  def _open(self):
    if jax.process_index() == 0 and not self._read_only:
      # Orbax's own removal fails a later save if a file goes meanwhile.
      for unfinished in self._folder.glob('*.orbax-checkpoint-tmp*'):
        shutil.rmtree(unfinished, ignore_errors=True)
    options = ocp.CheckpointManagerOptions(
      max_to_keep=self._keep,
      create=not self._read_only,
      read_only=self._read_only,
    )
    self._manager = ocp.CheckpointManager(self._folder, options=options)

  def save(self, step: int, state: Any, *, wait: bool = False) -> bool:
    """Saves `state` as checkpoint `step`.

    Args:
      step: its number.
      state: a pytree of arrays.
      wait: return only when it is on disk.

    Returns:
      Whether it went well; without `wait`, so far.
    """
    self._finish_writing()  # an earlier failure must not stop this one
    try:
      if step not in self._manager.all_steps():
        self._manager.save(
          step, args=ocp.args.Composite(state=ocp.args.StandardSave(state))
        )
    except Exception as error:  # Orbax passes on whatever its storage raised
      self._report(error)
      return False
    return self._finish_writing() if wait else True

  def _finish_writing(self) -> bool:
    try:
      self._manager.wait_until_finished()
    except Exception as error:  # as above
      self._report(error)
      return False
    return True

  def _report(self, error):
    logging.error(
      'A checkpoint could not be written to %s (%s). The older ones are'
      ' intact; make room, for the next is tried as usual.',
      self._folder,
      _first_line(error),
    )
    self._close()
    self._open()

  def restore_newest(self, target: Any, step: int | None = None) -> Any | None:
    """The newest checkpoint that can be read, or None if there is none.

    Args:
      target: a pytree of ShapeDtypeStructs with shardings.
      step: that one alone.

    Raises:
      UserError: there are checkpoints, but none can be read.
    """
    self._finish_writing()
    steps = sorted(self._manager.all_steps(), reverse=True)
    steps = [s for s in steps if step in (None, s)]
    failed = []
    for step in steps:
      try:
        restored = self._manager.restore(
          step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))
        )
      except Exception as error:  # as above
        logging.error(
          'Checkpoint %s cannot be read (%s); the one before it is tried.',
          self._folder / str(step),
          _first_line(error),
        )
        failed.append(step)
      else:
        if failed and not self._read_only:
          self._set_aside(failed)
        return restored.state
    if failed:
      raise UserError(
        f'{self._folder}: none of its checkpoints {failed} can be read; repair'
        ' them, or start again in another --workdir'
      )
    return None

  def _set_aside(self, steps):
    """Moves checkpoints out of the way of the ones to be written."""
    for step in steps if jax.process_index() == 0 else ():
      aside = self._folder.parent / f'unreadable-{self._folder.name}-{step}'
      shutil.rmtree(aside, ignore_errors=True)
      shutil.move(self._folder / str(step), aside)
      logging.error('Checkpoint %d is kept as %s.', step, aside)
    self._manager.reload()

  def must_stop(self, step: int) -> bool:
    """Whether the scheduler is about to take the machines (all processes)."""
    return self._manager.reached_preemption(step)

  def _close(self):
    try:
      self._manager.close()
    except Exception as error:  # the failed save, once more
      logging.error('While closing %s: %s', self._folder, _first_line(error))

  def __enter__(self):
    return self

  def __exit__(self, *exc):
    self._close()


def newest_of(
  folder: pathlib.Path, target: Any, step: int | None = None
) -> Any:
  """The newest checkpoint of a run that may still be going on.

  Args:
    folder: of the checkpoints.
    target: as in `Checkpoints.restore_newest`.
    step: that one alone.

  Raises:
    UserError: there is none, or none can be read.
  """
  with Checkpoints(folder, 1, read_only=True) as saved:
    state = saved.restore_newest(target, step)
  if state is None:
    which = 'checkpoint' if step is None else f'checkpoint {step}'
    raise UserError(f'{folder} has no {which} yet; train first')
  return state


def _first_line(error: Exception) -> str:
  lines = str(error).strip().splitlines() or ['']
  return f'{type(error).__name__}: {lines[0][:200]}'


def read_tensors(path: str | pathlib.Path) -> dict[str, np.ndarray]:
  """The tensors of a state dict by name.

  Args:
    path: `.npz` or `.safetensors`; `.pt` or `.pth` with PyTorch installed
      (`pip install unik_jax[torch]`), through its safe loader.

  Returns:
    Arrays by name, in the order of the file.

  Raises:
    UserError: no such file, unknown ending, broken, or not a state dict.
  """
  path = pathlib.Path(path)
  if path.suffix not in ('.npz', '.safetensors', '.pt', '.pth'):
    raise UserError(f'{path}: expected .npz, .safetensors, .pt or .pth')
  if not path.is_file():
    raise UserError(f'{path}: no such file')
  if path.suffix in ('.pt', '.pth'):
    return _read_torch(path)
  try:
    if path.suffix == '.npz':
      # From memory, since np.load leaves a broken file open.
      content = io.BytesIO(path.read_bytes())
      with np.load(content, allow_pickle=False) as file:
        return dict(file)
    from safetensors.numpy import load_file

    return load_file(path)
  except Exception as error:  # each library raises its own
    raise UserError(
      f'{path}: cannot be read ({_first_line(error)}); copy it again'
    ) from error


def _read_torch(path):
  try:
    import torch
  except ImportError:
    raise UserError(
      f'{path}: reading it takes PyTorch: pip install torch (the CPU build is'
      ' enough), or convert it to .safetensors'
    ) from None
  try:
    tensors = torch.load(path, map_location='cpu', weights_only=True)
    return {name: tensor.numpy() for name, tensor in tensors.items()}
  except Exception as error:  # torch raises many kinds
    raise UserError(
      f'{path}: not a state dict that PyTorch loads safely'
      f' ({_first_line(error)})'
    ) from error


def write_tensors(
  path: str | pathlib.Path, tensors: Mapping[str, np.ndarray]
) -> None:
  """Writes a state dict to `.npz`, `.safetensors`, or (with torch) `.pt`.

  Raises:
    UserError: unknown ending, PyTorch is missing, or it cannot be written.
  """
  path = pathlib.Path(path)
  try:
    with atomic_files.atomic_write(path) as part:
      if path.suffix == '.npz':
        with part.open('wb') as file:  # else its ending would be added
          np.savez(file, **tensors)
      elif path.suffix == '.safetensors':
        from safetensors.numpy import save_file

        save_file(dict(tensors), part)
      elif path.suffix in ('.pt', '.pth'):
        import torch

        torch.save({k: torch.from_numpy(v) for k, v in tensors.items()}, part)
      else:
        raise UserError(f'{path}: expected .npz, .safetensors, .pt or .pth')
  except UserError:
    raise
  except ImportError:
    raise UserError(
      f"{path}: writing it takes PyTorch: pip install 'unik_jax[torch]'; or"
      ' name a .safetensors or .npz file'
    ) from None
  except Exception as error:  # each library raises its own
    raise UserError(
      f'{path} cannot be written ({_first_line(error)}); {atomic_files.ROOM}'
    ) from error
