"""Provenance of a run: commit, command line and devices."""

import functools
import os
import pathlib
import platform
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
  """Returns the number and kind of the devices, as '8 x TPU v5 lite'.

  A CPU's kind says nothing, so its model and the cores of this process are
  added: '1 x cpu (2 cores of AMD EPYC)'.
  """
  device = jax.devices()[0]
  devices = f'{jax.device_count()} x {device.device_kind}'
  if device.platform != 'cpu':
    return devices
  if hasattr(os, 'sched_getaffinity'):
    cores = len(os.sched_getaffinity(0))
  else:
    cores = os.cpu_count() or 1
  plural = 's' if cores > 1 else ''
  return f'{devices} ({cores} core{plural} of {_cpu_model()})'


def _cpu_model():
  """Returns the model of the CPU, or its architecture if that is unknown."""
  try:
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  except OSError:
    lines = []
  names = [line for line in lines if line.startswith('model name')]
  if names:
    return names[0].partition(':')[2].strip()
  return platform.processor() or platform.machine()
