"""Stopping between two steps on SIGTERM or Ctrl-C."""

import contextlib
import signal

import jax


class StopSignal:
  """Context manager that records SIGTERM and Ctrl-C instead of stopping.

  The loop inside checks `requested` after each step. A second signal stops the
  process at once.

  Attributes:
    requested: the number of the signal received, or 0.
  """

  def __enter__(self):
    self.requested = 0
    self._handlers_before = {}
    if jax.process_count() > 1:
      # All processes must stop after the same step: Checkpoints.must_stop.
      return self
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
    print('\nStopping after this step. A second signal stops at once.')

  def __exit__(self, *exc):
    for number, handler in self._handlers_before.items():
      signal.signal(number, handler)
