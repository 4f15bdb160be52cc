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


def test_the_time_of_a_run(tmp_path, monkeypatch):
  now = [100.0]
  monkeypatch.setattr(time, 'monotonic', lambda: now[0])
  stream = io.StringIO()
  progress = Progress(
    tmp_path, total=915, batch_size=8, record=False, stream=stream
  )
  now[0] += 77  # compilation
  progress.start_clock(5)
  now[0] += 5
  progress.print_estimate(15, epochs=60, evaluations=12, clips=300)
  expected = 'About 7:30 for 60 epochs, without evaluation (12 x 300 clips).'
  assert stream.getvalue() == f'{expected}\n'
  now[0] += 5  # the pace is that of all steps since the clock started
  progress.log_training(25, 1.7, {})
  assert stream.getvalue().endswith('  16.0 clips/s  idle 0%  7:25 left\n')
