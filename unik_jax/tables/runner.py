"""Several runs at a time, each on its share of the machine."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from unik_jax.errors import UserError
from unik_jax.run.paths import SUMMARY
from unik_jax.run.progress import format_duration
from unik_jax.runtime.signals import StopSignal
from unik_jax.tables.plan import Training

LOG = 'log.txt'
_POLL_SECONDS = 0.2


class Slot(NamedTuple):
  """The share of the machine that one run uses.

  Attributes:
    cores: numbers of its CPU cores; empty where the system cannot pin them.
    environment: variables that give it its GPU.
  """

  cores: tuple[int, ...]
  environment: Mapping[str, str]


class _Process(NamedTuple):
  """A run in progress; `start` is in seconds of the monotonic clock."""

  training: Training
  popen: subprocess.Popen
  log: IO
  start: float


def is_finished(folder: os.PathLike) -> bool:
  """Returns whether the run in a folder has finished."""
  return os.path.exists(os.path.join(folder, SUMMARY))


def make_slots(jobs: int) -> list[Slot]:
  """Divides this machine among runs.

  Args:
    jobs: runs at a time; 0 for one on each GPU, or one on all CPU cores.

  Raises:
    UserError: there are more jobs than cores.
  """
  gpus = _list_gpus()
  jobs = jobs or max(len(gpus), 1)
  can_pin = hasattr(os, 'sched_getaffinity')
  count = os.cpu_count() or 1
  cores = sorted(os.sched_getaffinity(0)) if can_pin else range(count)
  if not 0 < jobs <= len(cores):
    raise UserError(
      f'--jobs: expected 1 to {len(cores)}, the cores of this machine; got'
      f' {jobs}'
    )
  slots = []
  for i in range(jobs):
    environment = {}
    if gpus:
      environment['CUDA_VISIBLE_DEVICES'] = gpus[i % len(gpus)]
    if jobs > len(gpus) > 0:
      # Runs share a GPU: the first would preallocate most of its memory.
      environment['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'
    slots.append(Slot(tuple(cores[i::jobs]) if can_pin else (), environment))
  return slots


def run_all(
  trainings: Sequence[Training],
  slots: Sequence[Slot],
  *,
  environment: Mapping[str, str],
  report: Callable[[str], None] = print,
) -> list[Training]:
  """Runs all unfinished trainings; interrupted ones resume.

  Passes Ctrl-C and SIGTERM on to the runs, so that they save their state. If a
  run fails, only the runs that need it are left out.

  Args:
    trainings: each after the run that it needs.
    slots: shares of the machine, one for each run at a time.
    environment: variables of all runs; those of a slot are added.
    report: prints a line of progress.

  Returns:
    The trainings that failed, and those that could not start.

  Raises:
    SystemExit: after a signal, when the runs have stopped.
  """
  waiting = [t for t in trainings if not is_finished(t.folder)]
  total, start = len(waiting), time.monotonic()
  report(f'{len(trainings) - total} of {len(trainings)} runs are finished.')
  active: dict[int, _Process] = {}
  failed: list[Training] = []
  is_passed_on = False
  with StopSignal() as stop:
    try:
      while active or waiting and not stop.requested:
        for i in set(range(len(slots))) - active.keys():
          ready = next((t for t in waiting if _is_ready(t)), None)
          if ready and not stop.requested:
            waiting.remove(ready)
            active[i] = _start(ready, slots[i], environment)
        if stop.requested and not is_passed_on:
          is_passed_on = True  # a second signal stops a run without saving
          for process in active.values():
            process.popen.send_signal(signal.SIGTERM)
        if not active and waiting and not stop.requested:
          failed += waiting  # the runs that these need have failed
          break
        time.sleep(_POLL_SECONDS)
        ended = [i for i in active if active[i].popen.poll() is not None]
        for process in map(active.pop, ended):
          process.log.close()
          training, status = process.training, process.popen.returncode
          took = format_duration(time.monotonic() - process.start)
          if status == 0 and is_finished(training.folder):
            left = len(waiting) + len(active)
            pace = (time.monotonic() - start) / (total - left - len(failed))
            report(
              f'finished: {training.folder}, {took}; {left} left, about'
              f' {format_duration(pace * left)}'
            )
          elif not stop.requested:
            failed.append(training)
            report(f'failed: {training.folder}, {took}: {_last_line(training)}')
    finally:
      for process in active.values():
        process.popen.kill()
        process.log.close()
  if stop.requested:
    report('Stopped. The same command resumes.')
    sys.exit(128 + stop.requested)
  return failed


def _is_ready(training):
  """Whether the run that a training needs, if any, has finished."""
  required = training.required_run
  return required is None or is_finished(required)


def _start(training, slot, environment):
  training.folder.mkdir(parents=True, exist_ok=True)
  log = (training.folder / LOG).open('a')
  command = [sys.executable, '-m', 'unik_jax.main', *training.arguments]
  command.append(f'--workdir={training.folder}')
  popen = subprocess.Popen(
    command,
    stdout=log,
    stderr=subprocess.STDOUT,
    stdin=subprocess.DEVNULL,
    env={**environment, **slot.environment},
    # The terminal's Ctrl-C does not reach it: `run_all` sends one signal.
    start_new_session=True,
  )
  if slot.cores:  # at once: threads inherit the cores when they start
    os.sched_setaffinity(popen.pid, slot.cores)
  return _Process(training, popen, log, time.monotonic())


def _last_line(training):
  """The last line that a run printed, and its log file."""
  file = training.folder / LOG
  lines = file.read_text(errors='replace').split('\n')
  lines = [line.strip() for line in lines if line.strip()]
  return f'{lines[-1] if lines else "no output"} (log: {file})'


def _list_gpus():
  """Names of the usable GPUs, as in CUDA_VISIBLE_DEVICES."""
  if 'CUDA_VISIBLE_DEVICES' in os.environ:
    return [g for g in os.environ['CUDA_VISIBLE_DEVICES'].split(',') if g]
  if shutil.which('nvidia-smi') is None:
    return []
  listed = subprocess.run(
    ['nvidia-smi', '-L'], capture_output=True, text=True, check=False
  )
  count = sum(line.startswith('GPU') for line in listed.stdout.splitlines())
  return [str(i) for i in range(count)]
