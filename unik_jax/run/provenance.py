"""Provenance of a run: commit, command line and devices."""

import functools
import pathlib
import shlex
import subprocess
import sys

import jax


@functools.cache
def git_commit() -> str:
  """Returns the checkout's commit, with '-dirty' if files have changed.

  'unknown' outside a git checkout. The first call decides: a later edit of the
  code does not change what a running process was started from.
  """
  folder = pathlib.Path(__file__).parent

  def git(*arguments):
    return subprocess.run(
      ('git', *arguments),
      cwd=folder,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    ).stdout.strip()

  try:
    # Fails for a package installed inside another project's checkout.
    git('ls-files', '--error-unmatch', pathlib.Path(__file__).name)
    dirty = '-dirty' if git('status', '--porcelain', '-uno') else ''
    return git('rev-parse', '--short=12', 'HEAD') + dirty
  except (OSError, subprocess.SubprocessError):
    return 'unknown'


def training_command() -> str:
  """Returns this process's command line if it is `unik_jax.main`, else ''."""
  main = pathlib.Path(__file__).parents[1] / 'main.py'
  if pathlib.Path(sys.argv[0]).resolve() != main.resolve():
    return ''
  return shlex.join(('python', '-m', 'unik_jax.main', *sys.argv[1:]))


def describe_devices() -> str:
  """Returns the number and kind of the devices, as '8 x TPU v5 lite'."""
  return f'{jax.device_count()} x {jax.devices()[0].device_kind}'
