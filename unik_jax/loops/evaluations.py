"""The evaluations between epochs: when, of what, and how long they take."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from unik_jax import evaluate, metrics
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.run.checkpoints import BestCheckpoint
from unik_jax.run.progress import Progress
from unik_jax.step import TrainState

TIMED_BATCHES = 2  # for the estimate of the time


class Evaluations:
  """The evaluations between epochs, of 'val' or, without it, of 'test'.

  Args:
    config: settings of the run.
    clips: the splits by name.
    predictor: computes a state's logits of a split.
    progress: prints and records the metrics, and their pace.
    best: keeps the best state on 'val'.
    steps_per_epoch: optimizer steps in an epoch.

  Attributes:
    newest: logits and labels of the newest evaluation, by split.
  """

  def __init__(
    self,
    config: ConfigDict,
    clips: Mapping[str, PreparedSplit],
    predictor: evaluate.SplitPredictor,
    progress: Progress,
    best: BestCheckpoint,
    steps_per_epoch: int,
  ):
    self._config, self._clips, self._predictor = config, clips, predictor
    self._progress, self._best = progress, best
    self._steps_per_epoch = steps_per_epoch
    self._part = 'val' if 'val' in clips else 'test'
    self.newest: dict[str, tuple[np.ndarray, np.ndarray]] = {}

  def is_due(self, step: int) -> bool:
    """Whether the state after so many steps is evaluated."""
    epoch, step_in_epoch = divmod(step, self._steps_per_epoch)
    ends_period = epoch % self._config.eval_every == 0
    return step_in_epoch == 0 and (ends_period or epoch == self._config.epochs)

  def count_left(self, step: int) -> tuple[int, int]:
    """Returns the number of evaluations from a step on, and of their clips."""
    every = self._config.eval_every
    done = (step - 1) // self._steps_per_epoch // every
    count = -(-self._config.epochs // every) - done
    return self._count_clips(count)

  def _count_clips(self, count):
    """Adds the evaluations of the end to those between epochs."""
    clips = count * len(self._clips[self._part])
    if self._part == 'val':  # then the last and the best state are tested
      count, clips = count + 2, clips + 2 * len(self._clips['test'])
    return count, clips

  def measure(self, state: TrainState) -> None:
    """Compiles the evaluation, and measures its pace on the first batches.

    With `test_frames` -1 these are the shortest clips, so it is a lower bound.
    """
    with self._progress.pause():
      self._predictor(state, self._part, batches=1)
    count = TIMED_BATCHES * self._config.eval_batch_size
    with self._progress.pause(min(count, len(self._clips[self._part]))):
      self._predictor(state, self._part, batches=TIMED_BATCHES)

  def evaluate(self, state: TrainState, step: int) -> None:
    """Evaluates a state, prints its metrics, and keeps it if it is the best."""
    # The first evaluation may compile, so only the others are measured.
    clips = len(self._clips[self._part]) if self.newest else 0
    with self._progress.pause(clips):
      found = self.newest[self._part] = self._predictor(state, self._part)
    result = metrics.compute_metrics(*found)
    # Saved before its line is written: a run that is killed in between
    # evaluates this step again.
    if self._part == 'val':
      with self._progress.pause():
        self._best.save_if_better(step, state, result[self._config.headline])
    self.show(step, self._part, result)

  def show(self, step: int, part: str, result: dict[str, Any]) -> None:
    """Prints and records the metrics of a split."""
    evaluate.print_metrics(
      self._progress, self._config.headline, step, part, result
    )
