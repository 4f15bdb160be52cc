"""The commit and the command line that a run records."""

import os
import pathlib
import re
import shutil
import subprocess
import types

import jax
import pytest

from unik_jax.run import provenance


@pytest.fixture
def no_cache():
  provenance.git_commit.cache_clear()
  yield
  provenance.git_commit.cache_clear()


@pytest.mark.skipif(not shutil.which('git'), reason='needs git')
def test_commit_of_the_checkout(tmp_path, monkeypatch, no_cache):
  def git(*arguments):
    options = ('-c', 'user.name=a', '-c', 'user.email=a@b.c')
    done = subprocess.run(
      ('git', *options, *arguments),
      cwd=tmp_path,
      capture_output=True,
      text=True,
      check=True,
    )
    return done.stdout.strip()

  package = tmp_path / 'unik_jax'
  package.mkdir()
  monkeypatch.setattr(provenance, '__file__', str(package / 'provenance.py'))
  git('init')
  # The package is installed inside another project's checkout.
  assert provenance.git_commit() == 'unknown'

  for file in (package / 'provenance.py', tmp_path / 'config.py'):
    file.write_text('')
  git('add', '.')
  git('commit', '-m', 'one')
  provenance.git_commit.cache_clear()
  commit = git('rev-parse', 'HEAD')[:12]
  assert provenance.git_commit() == commit
  (tmp_path / 'config.py').write_text('changed = 1\n')
  assert provenance.git_commit() == commit  # git runs only once
  provenance.git_commit.cache_clear()
  assert provenance.git_commit() == commit + '-dirty'


def test_uncommitted_changes_are_on_the_card(monkeypatch):
  from helpers import synthetic_run

  from unik_jax.run import card

  monkeypatch.setattr(card, 'git_commit', lambda: 'abc-dirty')
  text = card.render_card(
    'run',
    synthetic_run.make_config(),
    dataset='set/1.0.0',
    classes=['sit'],
    params=1,
    step=1,
    steps=1,
    command='',
    written='today',
  )
  assert '| Commit | abc, with changes that are not committed |' in text


@pytest.mark.parametrize(
  'error',
  [
    FileNotFoundError('git'),
    subprocess.TimeoutExpired('git', 10),
    subprocess.CalledProcessError(128, 'git'),
  ],
)
def test_commit_is_unknown_if_git_fails(monkeypatch, no_cache, error):
  def fail(*arguments, **options):
    raise error

  monkeypatch.setattr(subprocess, 'run', fail)
  assert provenance.git_commit() == 'unknown'


def test_command_of_unik_jax_main_only(monkeypatch):
  main = pathlib.Path(provenance.__file__).parents[1] / 'main.py'
  monkeypatch.setattr('sys.argv', [str(main), '--config=a b.py', '--workdir=w'])
  assert provenance.training_command() == (
    "python -m unik_jax.main '--config=a b.py' --workdir=w"
  )
  monkeypatch.setattr('sys.argv', ['other.py'])
  assert provenance.training_command() == ''


@pytest.mark.skipif(not shutil.which('lscpu'), reason='no lscpu here')
def test_a_cpu_is_named_with_its_cores():
  cores = len(os.sched_getaffinity(0))
  model = subprocess.run(
    ['lscpu'], env={'LC_ALL': 'C', **os.environ}, capture_output=True, text=True
  ).stdout
  description = provenance.describe_devices()
  assert f'({cores} core' in description
  (name,) = re.findall(r'of (.+)\)$', description)
  assert name in model


def test_other_devices_have_a_kind(monkeypatch):
  device = types.SimpleNamespace(platform='tpu', device_kind='TPU v5 lite')
  monkeypatch.setattr(jax, 'devices', lambda: [device] * 4)
  monkeypatch.setattr(jax, 'device_count', lambda: 4)
  assert provenance.describe_devices() == '4 x TPU v5 lite'
