"""Stopping between two steps when asked to."""

import contextlib
import signal

import jax


class StopSignal:
  """Notes SIGTERM and Ctrl-C while it is entered; a second one acts at once.

  Attributes:
    requested: the number of the signal, or 0.
  """

  def __enter__(self):
    self.requested = 0
    self._before = {}
    if jax.process_count() > 1:
      return self  # all must stop at one step: Checkpoints.must_stop
    for number in (signal.SIGTERM, signal.SIGINT):
      # Only the main thread may; elsewhere the caller's handling stays.
      with contextlib.suppress(ValueError):
        self._before[number] = signal.signal(number, self._note)
    return self

  def _note(self, number, frame):
    del frame
    if self.requested:  # asked twice: at once
      signal.signal(number, signal.SIG_DFL)
      signal.raise_signal(number)
    self.requested = number
    print('\nStopping after this step; once more stops at once.')

  def __exit__(self, *exc):
    for number, handler in self._before.items():
      signal.signal(number, handler)
