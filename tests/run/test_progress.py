import io
import os
import shutil

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
