"""A trace of some training steps, for XProf."""

import contextlib
import pathlib
from collections.abc import Iterator

import jax


class StepProfiler(contextlib.AbstractContextManager):
  """Traces consecutive steps with jax.profiler, each under its number.

  A context: a trace that is incomplete at its end is written too.

  Args:
    folder: folder of the traces, one subfolder each.
    first: the first step to trace.
    steps: number of steps to trace; 0 for no trace.
  """

  def __init__(self, folder: pathlib.Path, first: int, steps: int):
    self._folder, self._steps = folder, range(first, first + steps)
    self._is_tracing = False

  @contextlib.contextmanager
  def step(self, number: int) -> Iterator[None]:
    """Encloses the call that starts step `number` on the devices."""
    if number == self._steps.start and self._steps:
      jax.profiler.start_trace(self._folder)
      self._is_tracing = True
    elif number == self._steps.stop:
      self._stop()
    if not self._is_tracing:
      yield
      return
    with jax.profiler.StepTraceAnnotation('train', step_num=number):
      yield

  def _stop(self):
    if self._is_tracing:
      # Steps run asynchronously, each device's in the order of their start.
      jax.block_until_ready(jax.live_arrays())
      jax.profiler.stop_trace()
      self._is_tracing = False

  def __exit__(self, *error: object) -> None:
    self._stop()
