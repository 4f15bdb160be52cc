"""A run's progress: the terminal, metrics.jsonl, and optionally TensorBoard."""

import contextlib
import pathlib
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

import jax

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.run.metrics_file import append_metrics, drop_later_metrics


def format_duration(seconds: float) -> str:
  """Formats seconds as 1:02:03 or 2:03."""
  minutes, seconds = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02}:{seconds:02}'
  return f'{minutes}:{seconds:02}'


class Progress:
  """Prints and records a run's metrics, on the first process only.

  On a terminal the training line is rewritten in place, and a `with` block
  ends it. Elsewhere each one is a line of its own.

  Args:
    workdir: folder of metrics.jsonl and TensorBoard's files.
    total: steps of the run.
    start: step to resume from, as in `drop_later_metrics`.
    batch_size: clips per step.
    tensorboard: whether to write TensorBoard files.
    record: whether to write files at all.
    stream: where lines are printed (default: standard output).

  Raises:
    UserError: `tensorboard` is set, and tensorboardX is not installed.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    total: int,
    start: int = 0,
    batch_size: int,
    tensorboard: bool = False,
    record: bool = True,
    stream: TextIO | None = None,
  ):
    self._stream = stream or sys.stdout
    self._is_first = jax.process_index() == 0
    self._total, self._batch_size = total, batch_size
    self._width = 0  # of the training line in place, 0 if there is none
    self._workdir = workdir if record else None
    self._first_step = self._last_step = start
    self._first_time = self._last_time = time.monotonic()
    self._idle = 0.0
    self._evaluation_pace = 0.0  # seconds per clip, 0 until it is measured
    self._tensorboard = None
    if self._is_first and record:
      self._tensorboard = _open_tensorboard(workdir) if tensorboard else None
      drop_later_metrics(workdir, start)

  def __enter__(self):
    return self

  def __exit__(self, *exc):
    if self._width:  # so that an error message does not share the line
      print(file=self._stream, flush=True)
      self._width = 0

  def print_line(self, text: str) -> None:
    """Prints a line, after clearing a training line in place."""
    if self._is_first:
      blank = ' ' * self._width
      print(f'\r{blank}\r{text}' if self._width else text, file=self._stream)
      self._stream.flush()
      self._width = 0

  def start_clock(self, step: int) -> None:
    """Measures speed and time left from here, as after compilation."""
    self._first_time = self._last_time = time.monotonic()
    self._first_step = self._last_step = step
    self._idle = 0.0

  def print_estimate(self, step: int, evaluations: int, clips: int) -> None:
    """Prints the time left, at the paces measured so far.

    Args:
      step: optimizer steps taken, and finished by the devices.
      evaluations: evaluations to come.
      clips: clips of all these evaluations.
    """
    training = round(self._training_left(step))
    evaluation = round(self._evaluation_pace * clips)
    self.print_line(
      f'About {format_duration(training + evaluation)}:'
      f' {format_duration(training)} of training,'
      f' {format_duration(evaluation)} of {evaluations}'
      f' evaluation{"s" * (evaluations > 1)}.'
    )

  @contextlib.contextmanager
  def pause(self, clips: int = 0) -> Iterator[None]:
    """Excludes the time of a `with` block from the pace of training.

    Args:
      clips: clips evaluated in the block, to measure the pace of evaluation; 0
        to leave that pace unchanged.
    """
    start = time.monotonic()
    yield
    seconds = time.monotonic() - start
    self._first_time += seconds
    self._last_time += seconds
    if clips:
      self._evaluation_pace = seconds / clips

  def add_idle(self, seconds: float) -> None:
    """Adds an upper bound on the time the devices waited for input.

    It is a bound because the devices may have finished the last step at any
    time while the host waited for the next batch.
    """
    self._idle += seconds

  def log_training(
    self,
    step: int,
    epoch: float,
    metrics: dict[str, float],
    clips_left: int = 0,
  ) -> None:
    """Prints and records training metrics.

    Args:
      step: optimizer steps taken.
      epoch: epochs trained, with a fraction.
      metrics: means over the steps since the last call.
      clips_left: clips of all evaluations to come.
    """
    now = time.monotonic()
    head = f'step {step}/{self._total}  epoch {epoch:.1f}'
    values = ''.join(f'  {k} {v:.4g}' for k, v in metrics.items())
    speed = ''
    numbers = {'epoch': epoch, **metrics}
    if step > self._last_step:  # false right after compilation
      clips = (step - self._last_step) * self._batch_size
      numbers['clips_per_s'] = clips / (now - self._last_time)
      numbers['idle'] = self._idle / (now - self._last_time)
      seconds = self._training_left(step) + self._evaluation_pace * clips_left
      left = format_duration(seconds)
      speed = f'  {numbers["clips_per_s"]:.1f} clips/s'
      speed += f'  idle {100 * numbers["idle"]:.0f}%  {left} left'
    self._idle = 0.0
    self._last_time, self._last_step = now, step
    self.record(step, numbers)
    if not self._is_first:
      return
    if self._stream.isatty():
      # A narrow terminal cuts the values, not the time left.
      columns = shutil.get_terminal_size().columns - 1
      values = values[: max(columns - len(head) - len(speed), 0)]
      line = f'{head}{values}{speed}'[:columns]
      print(f'\r{line:<{self._width}}', end='', file=self._stream, flush=True)
      self._width = len(line)
    else:
      self.print_line(f'{head}{values}{speed}')

  def _training_left(self, step):
    """Returns the seconds left for training, at the mean pace."""
    seconds = time.monotonic() - self._first_time
    return seconds / (step - self._first_step) * (self._total - step)

  def record(self, step: int, numbers: dict[str, Any]) -> None:
    """Appends a line to metrics.jsonl, and scalars to TensorBoard."""
    if not self._is_first or self._workdir is None:
      return
    try:
      append_metrics(self._workdir, step, numbers)
    except OSError as error:  # a full disk does not end the run
      reason = error.strerror or error
      file = self._workdir / paths.METRICS
      self.print_line(f'{file}: step {step} could not be written ({reason})')
    if self._tensorboard:
      for key, value in numbers.items():
        self._tensorboard.add_scalar(key, value, step)
      self._tensorboard.flush()


def _open_tensorboard(workdir):
  try:
    from tensorboardX import SummaryWriter
  except ImportError:
    raise UserError(
      'config.tensorboard: needs tensorboardX. Install it: pip install'
      " 'unik_jax[tensorboard]'"
    ) from None
  return SummaryWriter(str(workdir / paths.TENSORBOARD))
