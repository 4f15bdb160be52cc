import io
import os
import shutil
import time

import pytest

from unik_jax.run.progress import Progress


class Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.mark.parametrize('columns', [70, 80, 200])
def test_a_narrow_terminal_keeps_the_time_left(tmp_path, monkeypatch, columns):
  size = os.terminal_size((columns, 20))
  monkeypatch.setattr(shutil, 'get_terminal_size', lambda: size)
  stream = Terminal()
  progress = Progress(
    tmp_path, total=900, batch_size=8, record=False, stream=stream
  )
  values = {'loss': 1.234, 'top1': 0.5, 'grad_norm': 2.5, 'lr': 0.1}
  progress.log_training(450, 4.5, values)
  line = stream.getvalue().removeprefix('\r')
  assert line.startswith('step 450/900') and line.endswith(' left')
  assert len(line) < columns
  assert ('lr 0.1' in line) == (columns == 200)


@pytest.fixture
def clock(monkeypatch):
  """The time in seconds, as a list of one item that a test changes."""
  now = [100.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])
  return now


def make_progress(folder, stream):
  return Progress(folder, total=915, batch_size=8, record=False, stream=stream)


def test_the_time_of_a_run(tmp_path, clock):
  """Ten steps take 5 s and 40 clips 2 s; 900 steps and 600 clips are left."""
  stream = io.StringIO()
  progress = make_progress(tmp_path, stream)
  clock[0] += 77  # compilation
  progress.start_clock(5)
  clock[0] += 5
  with progress.pause():  # compilation of the evaluation
    clock[0] += 1000
  with progress.pause(clips=40):
    clock[0] += 2
  progress.print_estimate(15, evaluations=12, clips=600)
  expected = 'About 8:00: 7:30 of training, 0:30 of 12 evaluations.'
  assert stream.getvalue() == f'{expected}\n'
  clock[0] += 5  # the pace is that of all steps since the clock started
  progress.log_training(25, 1.7, {}, clips_left=600)
  assert stream.getvalue().endswith('  16.0 clips/s  idle 0%  7:55 left\n')


def test_an_evaluation_is_no_part_of_the_pace(tmp_path, clock):
  """Also where no training line comes between, as with rare ones."""
  stream = io.StringIO()
  progress = make_progress(tmp_path, stream)
  progress.start_clock(5)
  clock[0] += 2
  with progress.pause(clips=10):
    clock[0] += 60
  clock[0] += 3
  progress.log_training(15, 1.0, {}, clips_left=20)
  left = '9:30 left'  # 900 steps of 0.5 s, and 20 clips of 6 s
  assert stream.getvalue().endswith(f'  16.0 clips/s  idle 0%  {left}\n')
