"""How long commands take to start: python benchmarks/startup.py [--json]

Each in fresh processes, in turns; medians. `--help` of the main command is to
take less than 2 s.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import numpy as np
import timing

ROOT = pathlib.Path(__file__).parents[1]


def commands():
  """The modules of `unik_jax` that are commands."""
  for path in sorted((ROOT / 'unik_jax').glob('*.py')):
    if 'app.run(' in path.read_text():
      yield path.stem


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--rounds', type=int, default=5, help='5')
  parser.add_argument('--json', action='store_true', help='a last line')
  options = parser.parse_args()
  lines = {'import jax': ['-c', 'import jax']}
  lines |= {'import unik_jax': ['-c', 'import unik_jax']}
  for name in commands():
    lines[f'{name} --help'] = ['-m', f'unik_jax.{name}', '--help']

  def call(arguments):
    # absl's --help ends with 1.
    done = subprocess.run(
      [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert 'Traceback' not in done.stderr, done.stderr

  seconds = {name: np.zeros(options.rounds) for name in lines}
  for i in range(-1, options.rounds):  # the first fills the disk's cache
    for name, arguments in lines.items():
      start = time.perf_counter()
      call(arguments)
      if i >= 0:
        seconds[name][i] = time.perf_counter() - start
  print(f'{timing.machine()}; {options.rounds} rounds in turns')
  timing.print_table(
    ('', 'median (quartiles)'),
    [(name, timing.spread(values)) for name, values in seconds.items()],
  )
  if options.json:
    timing.print_json({n: float(np.median(v)) for n, v in seconds.items()})


if __name__ == '__main__':
  main()
