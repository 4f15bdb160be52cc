"""What a run tells: the terminal, metrics.jsonl, and TensorBoard if asked."""

import json
import pathlib
import shutil
import sys
import time
from typing import Any, TextIO

import jax

from unik_jax.errors import UserError


def duration(seconds: float) -> str:
  """Seconds as 1:02:03 or 2:03."""
  minutes, seconds = divmod(int(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  return (
    f'{hours}:{minutes:02}:{seconds:02}'
    if hours
    else (f'{minutes}:{seconds:02}')
  )


class Progress:
  """Writes a run's numbers, on the first process only.

  On a terminal the training line is rewritten in place; elsewhere each is a
  plain line.

  Args:
    workdir: metrics.jsonl, and TensorBoard's files, go there.
    total: steps of the run.
    start: the step it goes on from; later lines of metrics.jsonl are dropped.
    batch_size: clips in a step.
    tensorboard: whether to write TensorBoard files.
    record: whether to write files at all.
    stream: where the lines go.

  Raises:
    UserError: TensorBoard is asked for and not installed.
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
    self._on = jax.process_index() == 0
    self._total, self._batch_size = total, batch_size
    self._width = 0
    self._file = workdir / 'metrics.jsonl' if record else None
    self._first_step = self._last_step = start
    self._begin = self._last = time.monotonic()
    self._idle = 0.0
    self._board = None
    if self._on and record:
      self._board = _tensorboard(workdir) if tensorboard else None
      _drop_after(self._file, start)

  def say(self, text: str) -> None:
    """A line for the person at the terminal."""
    if self._on:
      blank = ' ' * self._width
      print(f'\r{blank}\r{text}' if self._width else text, file=self._stream)
      self._stream.flush()
      self._width = 0

  def start_clock(self, step: int) -> None:
    """Speed and time left count from here: after compilation."""
    self._begin = self._last = time.monotonic()
    self._first_step = self._last_step = step
    self._idle = 0.0

  def skip(self) -> None:
    """Leaves the time since the last training line out of the next speed."""
    self._last = time.monotonic()

  def idle(self, seconds: float) -> None:
    """Time at most for which the devices had nothing to do, for lack of data.

    At most: they had finished the step before when its successor's batch came,
    but may have done so at any time while it was waited for.
    """
    self._idle += seconds

  def train(self, step: int, epoch: float, metrics: dict[str, float]) -> None:
    """The numbers of the steps since the last call."""
    now = time.monotonic()
    line = f'step {step}/{self._total}  epoch {epoch:.1f}'
    line += ''.join(f'  {k} {v:.4g}' for k, v in metrics.items())
    numbers = {'epoch': epoch, **metrics}
    if step > self._last_step:  # not so right after compilation
      clips = (step - self._last_step) * self._batch_size
      numbers['clips_per_s'] = clips / (now - self._last)
      numbers['idle'] = self._idle / (now - self._last)
      pace = (now - self._begin) / (step - self._first_step)
      left = duration(pace * (self._total - step))
      line += f'  {numbers["clips_per_s"]:.1f} clips/s'
      line += f'  idle {100 * numbers["idle"]:.0f}%  {left} left'
    self._idle = 0.0
    self._last, self._last_step = now, step
    self.record(step, numbers)
    if not self._on:
      return
    if self._stream.isatty():
      line = line[: shutil.get_terminal_size().columns - 1]
      print(f'\r{line:<{self._width}}', end='', file=self._stream, flush=True)
      self._width = len(line)
    else:
      self.say(line)

  def record(self, step: int, numbers: dict[str, Any]) -> None:
    """One line of metrics.jsonl; scalars go to TensorBoard too."""
    if not self._on or self._file is None:
      return
    try:
      with self._file.open('a') as file:
        file.write(json.dumps({'step': step, **numbers}) + '\n')
    except OSError as error:  # a full disk: the run itself goes on
      self.say(f'{self._file} could not be written: {error}')
    if self._board:
      for key, value in numbers.items():
        self._board.add_scalar(key, value, step)
      self._board.flush()


def _drop_after(file: pathlib.Path, step: int) -> None:
  """Keeps the lines of a metrics file up to a step."""
  if file.exists():
    lines = file.read_text().splitlines(keepends=True)
    kept = [x for x in lines if _step_of(x) <= step]
    if kept != lines:
      file.write_text(''.join(kept))


def _step_of(line):
  try:
    return json.loads(line)['step']
  except (ValueError, KeyError):  # cut short by a kill
    return float('inf')


def _tensorboard(workdir):
  try:
    from tensorboardX import SummaryWriter
  except ImportError:
    raise UserError(
      'config.tensorboard needs: pip install unik_jax[tensorboard]'
    ) from None
  return SummaryWriter(str(workdir / 'tensorboard'))
