"""python -m unik_jax.visualize."""

import pathlib
import subprocess
import sys

import pytest
from helpers import untrained_run

pytestmark = pytest.mark.slow


def command(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'unik_jax.visualize', *map(str, arguments)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )


def test_command(run, tmp_path):
  folder = run.folder
  done = command(f'--run={folder}', '--what=matrices', f'--out={tmp_path}')
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout.split() == [
    str(tmp_path / 'dependency_matrices.png'),
    str(tmp_path / 'dependency_skeletons.png'),
  ]


@pytest.mark.parametrize(
  'arguments, words',
  [
    (['--clip=a01_s48'], 'a01_s48'),
    (['--data_dir=/nowhere'], '--what=matrices needs no data'),
    (['--what=matrix'], "'matrix'"),
    (['--blocks=x'], "'x'"),
  ],
)
def test_errors_are_one_line(run, arguments, words):
  done = command(f'--run={run.folder}', *arguments)
  assert done.returncode == 1
  assert done.stderr.startswith('error: ') and words in done.stderr
  assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_a_network_of_latent_joints_has_no_matrices(synthetic_dir, tmp_path):
  config = untrained_run.make_config(synthetic_dir, seed=3)
  config.model.update(name='unik_pp', widths=(4, 4), strides=(1, 2))
  untrained_run.write_run(tmp_path / 'run', config, 0.01)
  done = command(f'--run={tmp_path / "run"}')
  assert (done.returncode, done.stderr) == (0, '')
  assert '.gif' in done.stdout and 'dependency' not in done.stdout
  done = command(f'--run={tmp_path / "run"}', '--what=matrices')
  assert done.returncode == 1 and 'Use --what=clip' in done.stderr
