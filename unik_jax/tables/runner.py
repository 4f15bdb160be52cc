"""Several runs at once, each on its share of the machine."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, NamedTuple

from unik_jax.errors import UserError
from unik_jax.run.progress import format_duration
from unik_jax.runtime.signals import StopSignal
from unik_jax.tables.plan import Training

LOG = 'log.txt'
_POLL = 0.2  # seconds


class Slot(NamedTuple):
  """A share of the machine: some cores, or a GPU."""

  cores: tuple[int, ...]
  environment: Mapping[str, str]


def is_done(training: Training) -> bool:
  """Whether a run has ended."""
  return (training.folder / 'summary.json').exists()


def slots(jobs: int) -> list[Slot]:
  """Shares of this machine for a number of runs at once.

  Args:
    jobs: how many; 0 for one for each GPU, or one that has all cores.

  Raises:
    UserError: more than there are cores.
  """
  gpus = _gpus()
  jobs = jobs or max(len(gpus), 1)
  pins = hasattr(os, 'sched_getaffinity')
  cores = sorted(os.sched_getaffinity(0)) if pins else range(os.cpu_count())
  if not 0 < jobs <= len(cores):
    raise UserError(f'--jobs={jobs}: this machine has {len(cores)} cores')
  out = []
  for i in range(jobs):
    environment = {}
    if gpus:
      environment['CUDA_VISIBLE_DEVICES'] = gpus[i % len(gpus)]
    if jobs > len(gpus) > 0:  # else the first takes all of the memory
      environment['XLA_PYTHON_CLIENT_PREALLOCATE'] = 'false'
    out.append(Slot(tuple(cores[i::jobs]) if pins else (), environment))
  return out


def run_all(
  trainings: Sequence[Training],
  shares: Sequence[Slot],
  *,
  environment: Mapping[str, str],
  say: Callable[[str], None] = print,
) -> list[Training]:
  """Runs what has not ended; each goes on where it stopped.

  Ctrl-C and SIGTERM are passed on, so that the runs save their state. A run
  that fails does not stop others, but for those that need it.

  Args:
    trainings: in an order that respects what they need.
    shares: of the machine, one for each run at a time.
    environment: of the runs, beside their share's.
    say: takes a line for the person at the terminal.

  Returns:
    Those that have failed, or could not begin.

  Raises:
    SystemExit: after such a signal, when the runs have stopped.
  """
  waiting = [t for t in trainings if not is_done(t)]
  total, begun = len(waiting), time.monotonic()
  say(f'{len(trainings) - total} of {len(trainings)} runs have ended before.')
  active: dict[int, tuple[Training, subprocess.Popen, IO, float]] = {}
  failed: list[Training] = []
  told = False
  with StopSignal() as stop:
    try:
      while active or waiting and not stop.requested:
        for place in set(range(len(shares))) - active.keys():
          ready = next((t for t in waiting if _is_ready(t)), None)
          if ready and not stop.requested:
            waiting.remove(ready)
            active[place] = (ready, *_start(ready, shares[place], environment))
        if stop.requested and not told:
          told = True  # twice would stop them without saving
          for _, process, *_ in active.values():
            process.send_signal(signal.SIGTERM)
        if not active and waiting and not stop.requested:
          failed += waiting  # what they need has failed
          break
        time.sleep(_POLL)
        for place, (training, process, log, start) in list(active.items()):
          if process.poll() is None:
            continue
          del active[place]
          log.close()
          words = (
            f'{training.folder}, {format_duration(time.monotonic() - start)}'
          )
          if process.returncode == 0 and is_done(training):
            left = len(waiting) + len(active)
            pace = (time.monotonic() - begun) / (total - left - len(failed))
            left_time = format_duration(pace * left)
            say(f'ended: {words}; {left} left, about {left_time}')
          elif not stop.requested:
            failed.append(training)
            say(f'failed: {words}: {_last_line(training)}')
    finally:
      for _, process, log, _ in active.values():
        process.kill()
        log.close()
  if stop.requested:
    say('Stopped; the same command goes on.')
    sys.exit(128 + stop.requested)
  return failed


def _is_ready(training):
  """Whether what a run needs has ended."""
  return not training.needs or (training.needs / 'summary.json').exists()


def _start(training, share, environment):
  training.folder.mkdir(parents=True, exist_ok=True)
  log = (training.folder / LOG).open('a')
  command = [sys.executable, '-m', 'unik_jax.main', *training.arguments]
  command.append(f'--workdir={training.folder}')
  process = subprocess.Popen(
    command,
    stdout=log,
    stderr=subprocess.STDOUT,
    stdin=subprocess.DEVNULL,
    env={**environment, **share.environment},
    start_new_session=True,  # Ctrl-C comes from us, once
  )
  if share.cores:  # before it starts threads, which are bound likewise
    os.sched_setaffinity(process.pid, share.cores)
  return process, log, time.monotonic()


def _last_line(training):
  """What a run said last, and where the rest is."""
  file = training.folder / LOG
  lines = file.read_text(errors='replace').split('\n')
  lines = [line.strip() for line in lines if line.strip()]
  return f'{lines[-1] if lines else "no word"} (all of it: {file})'


def _gpus():
  """The GPUs that may be used, as CUDA_VISIBLE_DEVICES has them."""
  if 'CUDA_VISIBLE_DEVICES' in os.environ:
    return [g for g in os.environ['CUDA_VISIBLE_DEVICES'].split(',') if g]
  if shutil.which('nvidia-smi') is None:
    return []
  listed = subprocess.run(
    ['nvidia-smi', '-L'], capture_output=True, text=True, check=False
  )
  count = sum(line.startswith('GPU') for line in listed.stdout.splitlines())
  return [str(i) for i in range(count)]
