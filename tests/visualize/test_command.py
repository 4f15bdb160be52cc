"""python -m unik_jax.visualize."""

import pathlib
import subprocess
import sys

import pytest

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
