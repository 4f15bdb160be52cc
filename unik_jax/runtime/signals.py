"""SIGTERM and Ctrl-C as a request to stop at the next safe point."""

import contextlib
import signal

import jax


class StopSignal:
  """Context manager that records the first SIGTERM or Ctrl-C of a process.

  The code inside reads `requested` where it can stop. A training reads it after
  each step, then tries to save its state and ends. A signal during an
  evaluation between epochs takes effect after the evaluation and one more step.
  Results that have begun are finished. A second signal stops the process at
  once.

  With several processes no signal is recorded: all must stop after the same
  step, which `run.checkpoints.Checkpoints.is_preempted` arranges.

  Attributes:
    requested: the number of the signal received, or 0.
  """

  def __enter__(self):
    self.requested = 0
    self._handlers_before = {}
    if jax.process_count() > 1:
      return self  # `Checkpoints.is_preempted` stops all after the same step
    for number in (signal.SIGTERM, signal.SIGINT):
      # Only the main thread can set a handler; other threads keep the caller's.
      with contextlib.suppress(ValueError):
        self._handlers_before[number] = signal.signal(number, self._record)
    return self

  def _record(self, number, frame):
    del frame
    if self.requested:  # the second signal
      signal.signal(number, signal.SIG_DFL)
      signal.raise_signal(number)
    self.requested = number
    print('\nStopping as soon as possible. A second signal stops at once.')

  def __exit__(self, *exc):
    for number, handler in self._handlers_before.items():
      signal.signal(number, handler)
