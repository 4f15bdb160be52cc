"""Commands as a user runs them, each in a process of its own."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from helpers.synthetic_run import MINIATURE

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[1]
SYNTHETIC = '--config=configs/synthetic.py'


def run_command(*arguments, module='main', code=0):
  done = subprocess.run(
    [sys.executable, '-m', f'unik_jax.{module}', *arguments],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == code, done.stdout + done.stderr
  return done.stdout + done.stderr


def test_training(synthetic_dir, tmp_path):
  out = run_command(
    SYNTHETIC,
    f'--workdir={tmp_path}',
    f'--config.data.data_dir={synthetic_dir}',
    *MINIATURE,
  )
  assert 'final test, step 1:' in out
  assert 'Traceback' not in out and '\r' not in out
  summary = json.loads((tmp_path / 'summary.json').read_text())
  assert summary['test']['clips'] == 16


def test_folder_of_the_compile_cache(monkeypatch, tmp_path):
  monkeypatch.delenv('JAX_COMPILATION_CACHE_DIR', raising=False)
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  program = (
    'from unik_jax.runtime.compile_cache import enable_compile_cache;'
    ' enable_compile_cache();'
    ' import jax; print(jax.config.jax_compilation_cache_dir)'
  )

  def run():
    done = subprocess.run(
      [sys.executable, '-c', program], capture_output=True, text=True
    )
    return done.stdout.strip()

  assert run() == str(tmp_path / 'unik_jax' / 'compiled')
  monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', str(tmp_path / 'mine'))
  assert run() == str(tmp_path / 'mine')


@pytest.mark.parametrize(
  'arguments, words',
  [
    (['--config.optim.lrr=1'], 'Did you mean "lr"'),
    (['--config.optm.lr=1'], 'Did you mean "optim"'),
    (['--config.epochs=many'], 'epochs'),
    (['--confg=x'], 'Did you mean: config'),
    (['train'], 'train'),
    (['--config=configs/synthetc.py'], 'configs/synthetc.py'),
    (['--config=configs/synthetic.py:ful'], "Did you mean 'full'"),
    (['--config.data.stream=bones'], 'joint_motion'),
  ],
)
def test_wrong_arguments_end_in_a_short_message(arguments, words, tmp_path):
  out = run_command(SYNTHETIC, f'--workdir={tmp_path}', *arguments, code=1)
  assert words in out
  assert 'Traceback' not in out
  assert len(out.splitlines()) <= 5


def test_importing_main_does_not_import_jax(tmp_path):
  code = 'import sys, unik_jax.main; sys.exit("jax" in sys.modules)'
  assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
  'module, option',
  [
    ('export', '--out=none'),
    ('visualize', '--what=matrices'),
    ('predict', '--stream'),
    ('report', '--out=none'),
  ],
)
def test_ctrl_c_ends_a_command_without_a_traceback(module, option):
  """Ctrl-C is pressed while the run is read."""
  code = f"""
from absl import app
from unik_jax.run import restore
from unik_jax.{module} import __main__ as command

def pressed(folder, **options):
  raise KeyboardInterrupt

restore.load_run = restore.read_config = pressed
app.run(command.main, ['{module}', '--run=none', '{option}'])
"""
  done = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 130, done.stderr
  assert 'Traceback' not in done.stderr


def test_prepare(tmp_path):
  out = run_command(
    'synthetic_skeletons/msr_20_3d', f'--data_dir={tmp_path}', module='prepare'
  )
  assert 'train 1,600, validation 320, test 480 clips' in out
  out = run_command(
    'msr_action3d', f'--data_dir={tmp_path}', module='prepare', code=1
  )
  assert 'msraction3d.tar.gz' in out and 'Traceback' not in out
  out = run_command(module='prepare', code=1)
  assert 'datasets: kinetics_skeleton, msr_action3d, ntu_rgbd' in out


def test_prepare_reports_bad_clips(tmp_path):
  """A user prepares a folder of their own clips."""
  for label, seed in (('sit', 0), ('wave', 9)):
    (tmp_path / 'moves' / label).mkdir(parents=True)
    for i in range(4):
      clip = np.random.default_rng(seed + i).normal(size=(6, 33, 3))
      np.save(tmp_path / 'moves' / label / f'{i}.npy', clip)
  (tmp_path / 'moves' / 'sit' / 'cut.npy').write_bytes(b'\x93NUMPY')
  arguments = [
    'skeleton_folder/moves',
    f'--manual_dir={tmp_path / "moves"}',
    f'--data_dir={tmp_path / "data"}',
  ]
  out = run_command(*arguments, module='prepare', code=1)
  assert 'cut.npy' in out and '--skip_bad' in out and 'Traceback' not in out
  out = run_command(*arguments, '--skip_bad', module='prepare')
  assert '1 bad clip(s) skipped' in out and 'report.json' in out
  assert 'note: ' in out and 'W1' not in out
  assert '--overwrite' in run_command(*arguments, module='prepare')
  out = run_command(*arguments, '--skip_bad', '--overwrite', module='prepare')
  assert '1 bad clip(s) skipped' in out
