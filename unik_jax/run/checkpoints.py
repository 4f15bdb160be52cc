"""Checkpoints of training states, through Orbax."""

import contextlib
import errno
import os
import pathlib
import shutil
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging

from unik_jax.errors import UserError, first_line
from unik_jax.run.digests import changed_leaves, digest_leaves
from unik_jax.runtime.distributed import holds_on_all

# The items of a checkpoint. Version 0.1.0 wrote no notes.
_STATE, _NOTES = 'state', 'notes'
_FULL_DISK = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


class Checkpoints:
  """A folder of a run's newest checkpoints, written in the background.

  A save that fails (a full disk) is logged, and older checkpoints stay intact.
  A checkpoint that cannot be read is renamed, and the one before it is
  restored.

  A checkpoint holds a training state and its notes: numbers, and a digest of
  each leaf. The digests are compared when the state is restored, since Orbax
  does not notice a changed value.

  Args:
    folder: folder of the checkpoints, created if missing.
    keep: number of newest checkpoints to keep.
    read_only: never create, rename or delete anything, as when another process
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

  def save(
    self, step: int, state: Any, *, wait: bool = False, **notes: float
  ) -> bool:
    """Saves a training state.

    Args:
      step: its step, which names the checkpoint.
      state: a pytree of arrays.
      wait: return only when it is on disk.
      **notes: numbers to keep with the state.

    Returns:
      False if the save failed. Without `wait`, a save that fails later still
      returns True.
    """
    self._finish_writing()  # an earlier failure must not stop this save
    try:
      if step not in self._manager.all_steps():
        digests = digest_leaves({_STATE: state, _NOTES: notes})
        items = {
          _STATE: ocp.args.StandardSave(state),
          _NOTES: ocp.args.JsonSave({**notes, 'digests': digests}),
        }
        self._manager.save(step, args=ocp.args.Composite(**items))
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
      _describe(error),
    )
    with contextlib.suppress(Exception):  # the same error once more
      self._manager.close()
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
    reasons = {}  # why the checkpoint of a step cannot be read
    for step in steps:
      try:
        state = self._restore(step, target)
      except Exception as error:  # Orbax passes on any error of its storage
        reasons[step] = _describe(error)
      else:
        # Only now: nothing is renamed unless another checkpoint replaces it.
        if reasons:
          self._set_aside(reasons, step)
        return state
    if reasons:
      newest, reason = next(iter(reasons.items()))
      others = f', and neither can {len(reasons) - 1} older' * (
        len(reasons) > 1
      )
      raise UserError(
        f'{self._folder / str(newest)}: cannot be read ({reason}){others}.'
        ' Restore it from a copy, or train again in another --workdir.'
      )
    return None

  def _restore(self, step, target):
    """Restores a checkpoint and compares its digests."""
    items = {_STATE: ocp.args.StandardRestore(target)}
    restored = self._manager.restore(step, args=ocp.args.Composite(**items))
    state = restored[_STATE]
    notes, digests = self._read_notes(step)
    changed = changed_leaves({_STATE: state, _NOTES: notes}, digests)
    if not holds_on_all(not changed):
      raise UserError(
        f'damaged: {len(changed)} of {len(digests)} arrays differ from what was'
        f' saved, such as {min(changed, default="those of another process")}'
      )
    return state

  def _read_notes(self, step):
    """Returns the numbers and the digests of a checkpoint, or None twice."""
    if not (self._folder / str(step) / _NOTES).exists():
      return None, None
    items = {_NOTES: ocp.args.JsonRestore()}
    restored = self._manager.restore(step, args=ocp.args.Composite(**items))
    notes = dict(restored[_NOTES])
    return notes, notes.pop('digests')

  def _set_aside(self, reasons, used):
    """Makes room for new checkpoints of the steps that cannot be read."""
    for step, reason in reasons.items():
      path = self._folder / str(step)
      aside = self._folder.parent / f'unreadable-{self._folder.name}-{step}'
      logging.error(
        'Checkpoint %s cannot be read (%s). Checkpoint %d is used%s.',
        path,
        reason,
        used,
        '' if self._read_only else f'; {step} is renamed to {aside.name}',
      )
      if jax.process_index() == 0 and not self._read_only:
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    if not self._read_only:
      self._manager.reload()

  def is_preempted(self, step: int) -> bool:
    """Whether the scheduler is about to take the machines.

    Every process must call it with the same step. All get the same result, so
    that all of them stop after one step.
    """
    return self._manager.reached_preemption(step)

  def __enter__(self):
    return self

  def __exit__(self, *exc):
    try:
      self._manager.close()
    except Exception as error:  # reports a failed save once more
      logging.error('While closing %s: %s', self._folder, _describe(error))


class BestCheckpoint(Checkpoints):
  """The checkpoint with the best accuracy on validation clips.

  Its accuracy is a note of the checkpoint itself, so a run that was killed
  compares later states with the state on disk.

  Args:
    folder: folder of the checkpoint, created if missing.
    recorded: accuracy by step of the validations so far.
  """

  def __init__(self, folder: pathlib.Path, recorded: dict[int, float]):
    super().__init__(folder, keep=1)
    self._step = self._manager.latest_step()
    self._accuracy = self._read_accuracy(recorded)
    self._highest = max(recorded.values(), default=-1.0)
    self._unsaved: tuple[int, Any, float] | None = None

  def _read_accuracy(self, recorded):
    """Returns the accuracy of the checkpoint on disk; -1 if there is none.

    If it is damaged, or of version 0.1.0, its recorded accuracy counts: another
    state of the same accuracy must not replace it.
    """
    if self._step is None:
      return -1.0
    with contextlib.suppress(Exception):  # any error of Orbax's storage
      notes, digests = self._read_notes(self._step)
      if notes and not changed_leaves({_NOTES: notes}, digests):
        return notes['accuracy']
    return recorded.get(self._step, -1.0)

  def save_if_better(self, step: int, state: Any, accuracy: float) -> None:
    """Replaces the checkpoint if `accuracy` is higher; returns when on disk.

    If the disk is full, the state is kept in memory and saved by a later call.

    Args:
      step: step of `state`.
      state: a pytree of arrays.
      accuracy: accuracy of `state` on validation clips.
    """
    self._highest = max(self._highest, accuracy)
    if accuracy > self._accuracy:
      self._step, self._accuracy = step, accuracy
      self._unsaved = (step, state, accuracy)
    self._save_unsaved()

  def _save_unsaved(self):
    if self._unsaved is None:
      return
    step, state, accuracy = self._unsaved
    # Orbax refuses an earlier step, which a run has that was killed and resumed
    # from before its best state.
    for later in [s for s in self._manager.all_steps() if s >= step]:
      self._manager.delete(later)
    if self.save(step, state, wait=True, accuracy=accuracy):
      self._unsaved = None
    else:  # copied: the next training step donates the state's memory
      self._unsaved = (step, jax.tree.map(jax.numpy.copy, state), accuracy)

  @property
  def is_saved(self) -> bool:
    """Whether the best state is on disk."""
    return self._unsaved is None

  def restore_best(self, abstract: Any, shardings: Any) -> Any | None:
    """Restores the best state; logs an error and returns None if it is lost.

    Args:
      abstract: as in `restore_newest`.
      shardings: as in `restore_newest`.
    """
    self._save_unsaved()
    if self._unsaved is not None:
      return self._unsaved[1]
    lost = 'The best state on validation is not tested: %s'
    if not holds_on_all(self._accuracy >= self._highest):
      logging.error(
        lost,
        f'{self._folder} lacks it (best accuracy {self._highest:.4f}): it is'
        ' damaged, or a full disk or a kill kept it from being written.',
      )
      return None
    try:
      return self.restore_newest(abstract, shardings, self._step)
    except UserError as error:
      logging.error(lost, error)
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


def _describe(error):
  """Returns why a checkpoint could not be read or written."""
  if isinstance(error, UserError):
    return str(error)
  if any(reason in str(error) for reason in _FULL_DISK):
    return 'the disk is full'
  return first_line(error)
