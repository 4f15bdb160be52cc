"""The wheel alone is enough: it trains in an empty folder."""

import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from helpers.synthetic_run import MINIATURE

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ('unik_jax', 'configs', 'datasets', 'setup.py', 'setup.cfg')
SOURCES += ('pyproject.toml', 'README.md', 'LICENSE')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """The contents of the wheel, as pip unpacks them into site-packages."""
  folder = tmp_path_factory.mktemp('wheel')
  source = folder / 'source'  # a build writes beside its sources
  ignored = shutil.ignore_patterns('__pycache__')
  for name in SOURCES:
    if (ROOT / name).is_dir():
      shutil.copytree(ROOT / name, source / name, ignore=ignored)
    else:
      shutil.copy(ROOT / name, source)
  subprocess.run(
    [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps']
    + ['--disable-pip-version-check', f'--wheel-dir={folder}', str(source)],
    check=True,
  )
  (wheel,) = folder.glob('*.whl')
  zipfile.ZipFile(wheel).extractall(folder / 'site-packages')
  return folder / 'site-packages'


def run_installed(installed, cwd, *words, code=0):
  """Runs the installed console script; returns what it prints."""
  script = (
    'from importlib.metadata import entry_points;'
    " entry_points(group='console_scripts')['unik-jax'].load()()"
  )
  done = subprocess.run(
    [sys.executable, '-c', script, *words],
    cwd=cwd,
    env=os.environ | {'PYTHONPATH': str(installed)},
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == code, done.stdout + done.stderr
  return done.stdout + done.stderr


def test_the_wheel_has_all_files_of_the_package(installed):
  for folder in ('unik_jax', 'configs', 'datasets'):
    target = 'unik_jax' if folder == 'unik_jax' else f'unik_jax/{folder}'
    missing = [
      path
      for path in (ROOT / folder).rglob('*')
      if path.is_file() and '__pycache__' not in path.parts
      if not (installed / target / path.relative_to(ROOT / folder)).is_file()
    ]
    assert missing == []
  (info,) = installed.glob('*.dist-info')
  assert {path.name for path in installed.iterdir()} == {'unik_jax', info.name}
  (script,) = importlib.metadata.Distribution.at(info).entry_points
  assert script.name == 'unik-jax'


def test_the_main_job_runs_in_an_empty_folder(installed, tmp_path):
  """In miniature: 16 clips, one epoch, a network of two narrow blocks."""
  out = run_installed(
    installed,
    tmp_path,
    'train',
    '--config=synthetic',
    '--workdir=runs/one',
    f'--config.data.data_dir={tmp_path / "data"}',
    *MINIATURE,
  )
  assert 'final test, step 1:' in out


def test_the_wheel_finds_its_configs_and_builders(installed, tmp_path):
  out = run_installed(installed, tmp_path, 'configs', 'posetics')
  assert 'stream: joint, bone' in out
  arguments = ['--config=synthetc', '--workdir=x']
  out = run_installed(installed, tmp_path, 'train', *arguments, code=1)
  assert 'Did you mean synthetic?' in out and 'Traceback' not in out
  out = run_installed(installed, tmp_path, 'prepare', code=1)
  assert 'skeleton_folder' in out
