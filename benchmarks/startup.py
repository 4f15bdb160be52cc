"""Start-up time of the commands.

  python benchmarks/startup.py [--json] [--record]

Each command runs in fresh processes that take turns; prints medians. `--help`
of the main command should take less than 2 s.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import figures
import numpy as np
import timing

ROOT = pathlib.Path(__file__).parents[1]


def list_commands():
  """Yields the names of the commands, as in `python -m unik_jax.NAME`."""
  folder = ROOT / 'unik_jax'
  for path in sorted([*folder.glob('*.py'), *folder.glob('*/__main__.py')]):
    if 'app.run(' in path.read_text():
      yield path.parent.name if path.stem == '__main__' else path.stem


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--rounds', type=int, default=5, help='default 5')
  parser.add_argument(
    '--json', action='store_true', help='print JSON as the last line'
  )
  figures.add_record_flag(parser)
  options = parser.parse_args()
  lines = {'import jax': ['-c', 'import jax']}
  lines |= {'import unik_jax': ['-c', 'import unik_jax']}
  for name in list_commands():
    lines[f'{name} --help'] = ['-m', f'unik_jax.{name}', '--help']

  def call(arguments):
    # The exit status is not checked: absl's --help ends with 1.
    done = subprocess.run(
      [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert 'Traceback' not in done.stderr, done.stderr

  seconds = {name: np.zeros(options.rounds) for name in lines}
  for i in range(-1, options.rounds):  # round -1 fills the disk's cache
    for name, arguments in lines.items():
      start = time.perf_counter()
      call(arguments)
      if i >= 0:
        seconds[name][i] = time.perf_counter() - start
  print(f'{timing.describe_machine()}; {options.rounds} interleaved rounds')
  timing.print_table(
    ('', 'median (quartiles)'),
    [(name, timing.format_spread(values)) for name, values in seconds.items()],
  )
  if options.json:
    timing.print_json({n: float(np.median(v)) for n, v in seconds.items()})
  if options.record:
    rows = {
      f'`{name}`': {'time': list(np.percentile(values, (50, 25, 75)))}
      for name, values in seconds.items()
    }
    figures.record('startup', 's', 'start of', rows)


if __name__ == '__main__':
  main()
