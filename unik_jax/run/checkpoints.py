"""Checkpoints of training states, through Orbax."""

import pathlib
import shutil
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging

from unik_jax.errors import UserError, first_line


class Checkpoints:
  """A folder of a run's newest checkpoints, written in the background.

  A save that fails (a full disk) is logged, and older checkpoints stay intact.
  A checkpoint that cannot be read is moved aside and the one before it is
  restored.

  Args:
    folder: folder of the checkpoints, created if missing.
    keep: number of newest checkpoints to keep.
    read_only: never create, move or delete anything, as when another process
      may be writing to the folder.
  """

  def __init__(
    self, folder: pathlib.Path, keep: int, *, read_only: bool = False
  ):
    self._folder = folder.absolute()
    self._keep = keep
    self._read_only = read_only
    if read_only and not folder.is_dir():
      raise UserError(
        f'{folder}: no checkpoints there. Train this run first, or name the'
        ' folder of a trained one.'
      )
    self._open()

  def _open(self):
    if jax.process_index() == 0 and not self._read_only:
      # Orbax also removes unfinished checkpoints, but if a file disappears
      # while it does, a later save fails.
      for unfinished in self._folder.glob('*.orbax-checkpoint-tmp*'):
        shutil.rmtree(unfinished, ignore_errors=True)
    options = ocp.CheckpointManagerOptions(
      max_to_keep=self._keep,
      create=not self._read_only,
      read_only=self._read_only,
    )
    self._manager = ocp.CheckpointManager(self._folder, options=options)

  def save(self, step: int, state: Any, *, wait: bool = False) -> bool:
    """Saves a training state.

    Args:
      step: its step, which names the checkpoint.
      state: a pytree of arrays.
      wait: return only when it is on disk.

    Returns:
      False if the save failed. Without `wait`, a save that fails later still
      returns True.
    """
    self._finish_writing()  # an earlier failure must not stop this save
    try:
      if step not in self._manager.all_steps():
        self._manager.save(
          step, args=ocp.args.Composite(state=ocp.args.StandardSave(state))
        )
    except Exception as error:  # Orbax passes on any error of its storage
      self._log_and_reopen(error)
      return False
    return self._finish_writing() if wait else True

  def _finish_writing(self) -> bool:
    try:
      self._manager.wait_until_finished()
    except Exception as error:  # Orbax passes on any error of its storage
      self._log_and_reopen(error)
      return False
    return True

  def _log_and_reopen(self, error):
    logging.error(
      'A checkpoint could not be written to %s (%s). Older checkpoints are'
      ' intact. Free some disk space: the next checkpoint will be tried as'
      ' usual.',
      self._folder,
      first_line(error),
    )
    self._close()
    self._open()

  def restore_newest(
    self, abstract: Any, shardings: Any, step: int | None = None
  ) -> Any | None:
    """Restores the newest checkpoint that can be read.

    Args:
      abstract: shapes of a training state, as from `jax.eval_shape`.
      shardings: a sharding for each leaf.
      step: restore this checkpoint only.

    Returns:
      The training state, or None if there is no checkpoint.

    Raises:
      UserError: there are checkpoints, but none can be read.
    """
    self._finish_writing()
    target = jax.tree.map(
      lambda leaf, sharding: jax.ShapeDtypeStruct(
        leaf.shape, leaf.dtype, sharding=sharding
      ),
      abstract,
      shardings,
    )
    steps = sorted(self._manager.all_steps(), reverse=True)
    steps = [s for s in steps if step in (None, s)]
    unreadable = []
    for step in steps:
      try:
        restored = self._manager.restore(
          step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))
        )
      except Exception as error:  # Orbax passes on any error of its storage
        logging.error(
          'Checkpoint %s cannot be read (%s). Trying the one before it.',
          self._folder / str(step),
          first_line(error),
        )
        unreadable.append(step)
      else:
        # Only now: nothing is moved unless another checkpoint replaces it.
        if unreadable and not self._read_only:
          self._move_aside(unreadable)
        return restored.state
    if unreadable:
      raise UserError(
        f'{self._folder}: none of its checkpoints {unreadable} can be read.'
        ' Repair them, or start again in another --workdir.'
      )
    return None

  def _move_aside(self, steps):
    """Makes room for new checkpoints of the same steps."""
    for step in steps if jax.process_index() == 0 else ():
      aside = self._folder.parent / f'unreadable-{self._folder.name}-{step}'
      shutil.rmtree(aside, ignore_errors=True)
      shutil.move(self._folder / str(step), aside)
      logging.error('Moved checkpoint %d to %s.', step, aside)
    self._manager.reload()

  def is_preempted(self, step: int) -> bool:
    """Whether the scheduler is about to take the machines.

    Every process must call it with the same step. All get the same result, so
    that all of them stop after one step.
    """
    return self._manager.reached_preemption(step)

  def _close(self):
    try:
      self._manager.close()
    except Exception as error:  # reports a failed save once more
      logging.error('While closing %s: %s', self._folder, first_line(error))

  def __enter__(self):
    return self

  def __exit__(self, *exc):
    self._close()


class BestCheckpoint(Checkpoints):
  """The checkpoint with the best accuracy on validation clips.

  Args:
    folder: folder of the checkpoint, created if missing.
    accuracy: best accuracy so far; -1 before the first validation.
  """

  def __init__(self, folder: pathlib.Path, accuracy: float):
    super().__init__(folder, keep=1)
    self._accuracy = accuracy

  def save_if_better(
    self, step: int, state: Any, accuracy: float, *, wait: bool = False
  ) -> None:
    """Replaces the checkpoint if `accuracy` is higher than before.

    Args:
      step: step of `state`.
      state: a pytree of arrays.
      accuracy: accuracy of `state` on validation clips.
      wait: return only when it is on disk.
    """
    if accuracy > self._accuracy:
      self._accuracy = accuracy
      self.save(step, state, wait=wait)

  def restore_best(self, abstract: Any, shardings: Any) -> Any | None:
    """Restores the best state; logs an error and returns None if unreadable.

    Args:
      abstract: as in `restore_newest`.
      shardings: as in `restore_newest`.
    """
    try:
      return self.restore_newest(abstract, shardings)
    except UserError as error:
      logging.error('The best state on validation is not tested: %s', error)
      return None


def restore_checkpoint(
  folder: pathlib.Path,
  abstract: Any,
  shardings: Any,
  step: int | None = None,
) -> Any:
  """Restores a checkpoint of a run that may still be training.

  Args:
    folder: folder of the checkpoints.
    abstract: as in `Checkpoints.restore_newest`.
    shardings: as in `Checkpoints.restore_newest`.
    step: step of the checkpoint (default: the newest that can be read).

  Raises:
    UserError: the checkpoint is missing, or none can be read.
  """
  with Checkpoints(folder, 1, read_only=True) as saved:
    state = saved.restore_newest(abstract, shardings, step)
  if state is None:
    which = 'checkpoint' if step is None else f'checkpoint {step}'
    raise UserError(f'{folder}: no {which} there yet. Train this run first.')
  return state
