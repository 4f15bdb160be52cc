"""Opening runs: by any of their paths, broken ones, and old ones."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest
from helpers import synthetic_run

from unik_jax.errors import UserError
from unik_jax.run import paths, restore

OLD_RUN = pathlib.Path(__file__).parents[1] / 'golden' / 'orbax_v0'


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  names = [f'class {k}' for k in range(20)]
  folder = tmp_path_factory.mktemp('runs') / 'run'
  return synthetic_run.write_run(folder, synthetic_run.make_config(), names)


def test_load_run_takes_a_folder_or_a_checkpoint(run):
  for path in (run, run / paths.CHECKPOINTS, run / paths.CHECKPOINTS / '1'):
    loaded = restore.load_run(path)
    assert loaded.folder == run and len(loaded.classes) == 20


@pytest.mark.parametrize(
  'name, text, words',
  [
    (paths.CONFIG, None, 'no such file. Name the --workdir'),
    (paths.CONFIG, '{"seed": ', 'not JSON .*. Name the --workdir'),
    (paths.DATA, None, 'no such file. Run the command that made RUN once'),
    (paths.DATA, '[]', 'object, got list. Run the command that made RUN'),
    (paths.DATA, '{}', "'layout'.*. Run the command that made RUN"),
    (paths.CHECKPOINTS, None, 'no checkpoints there. Train this run first'),
  ],
)
def test_errors_name_the_file_and_the_fix(run, tmp_path, name, text, words):
  folder = shutil.copytree(run, tmp_path / 'copy')
  path = folder / name
  shutil.rmtree(path) if path.is_dir() else path.unlink()
  if text:
    path.write_text(text)
  words = words.replace('RUN', re.escape(str(folder)))
  with pytest.raises(UserError, match=f'{name}: .*{words}') as error:
    restore.load_run(folder)
  assert '--config' not in str(error.value)


@pytest.mark.slow
def test_orbax_v0_checkpoint_of_version_0_1_0_restores():
  """A run written with orbax-checkpoint 0.12 and unik_jax 0.1.0.

  Made by

    config = synthetic_run.make_config(num_classes=3, frames=4)
    config.model.update(widths=(4,), strides=(1,), num_heads=1)
    config.model.update(first_block_heads=1, temporal_kernel=3)
    synthetic_run.write_run(OLD_RUN, config, ['a', 'b', 'c'])

  and logits.json by the logits of `x` below.
  """
  run = restore.load_run(OLD_RUN)
  assert run.step == 0 and run.classes == ['a', 'b', 'c']
  x = np.linspace(-1, 1, 4 * 17 * 2, dtype=np.float32).reshape(1, 1, 4, 17, 2)
  logits, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
  expected = json.loads((OLD_RUN / 'logits.json').read_text())
  np.testing.assert_allclose(logits[0], expected, rtol=1e-4, atol=1e-5)
