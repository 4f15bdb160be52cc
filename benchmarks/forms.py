"""What each CPU form of an operation gains on its own.

  python benchmarks/forms.py [--batch=8 --frames=150 --joints=17 --persons=2 \
    --channels=2 --classes=320] [--rounds=10] [--json] \
    [--record]

Times UNIK's training step and evaluation with all forms of `ops_cpu`, with
those of `ops` (einsum), and with `ops_cpu` except one operation, which comes
from `ops`. All take turns in one process. A form should stay in `ops_cpu` only
if a training step or an evaluation is at least 5% slower without it.
Training does not call `normalize`, evaluation not `batch_norm`: their ratios
there show the noise of the machine.
"""

import types

import figures
import jax
import numpy as np
import step
import timing

from unik_jax.models import ops, ops_cpu
from unik_jax.models.network import IMPLEMENTATIONS
from unik_jax.runtime import heap

OPERATIONS = (
  'mix_and_embed',
  'attention_scores',
  'temporal_conv',
  'normalize',
  'batch_norm',
  'relu',
)


def without(operation: str) -> types.ModuleType:
  """Returns `ops_cpu` with one operation of `ops`."""
  mixed = types.ModuleType(f'without_{operation}')
  for name in OPERATIONS:
    source = ops if name == operation else ops_cpu
    setattr(mixed, name, getattr(source, name))
  return mixed


def main():
  parser = step.make_parser(__doc__)
  figures.add_record_flag(parser)
  options = parser.parse_args()
  heap.keep_freed_memory()
  x, label = step.random_batch(options)
  for name in OPERATIONS:
    IMPLEMENTATIONS[f'without {name}'] = without(name)
  calls = {}
  for name in ('cpu', 'einsum', *(f'without {n}' for n in OPERATIONS)):
    options.implementation = name
    calls_of_form, *_ = step.make_jax_calls(options, x, label)
    calls |= {(name, mode): calls_of_form[mode] for mode in ('train', 'eval')}
  seconds = timing.time_calls(calls, options.rounds)
  machine = timing.describe_machine()
  print(f'{machine}; {options.rounds} interleaved rounds, medians')
  rows, medians, recorded = [], {}, {}
  for name in dict.fromkeys(name for name, _ in calls):
    cells = []
    operation = name.removeprefix('without ')
    row = 'all of them' if name == 'einsum' else f'`{operation}`'
    recorded[row] = {}
    for mode in ('train', 'eval'):
      ratios = seconds[name, mode] / seconds['cpu', mode]
      low, ratio, high = np.percentile(ratios, (25, 50, 75))
      medians[f'{name} {mode}'] = round(float(ratio), 3)
      column = {'train': 'training step', 'eval': 'evaluation'}[mode]
      recorded[row][column] = [ratio, low, high]
      cells.append(f'{ratio:.2f} ({low:.2f} to {high:.2f})')
    rows.append((name, *cells))
  timing.print_table(('time of cpu = 1', 'training', 'evaluation'), rows)
  if options.json:
    timing.print_json(medians)
  if options.record:
    del recorded['`cpu`']
    figures.record('forms', 'times', 'operation taken from `ops.py`', recorded)


if __name__ == '__main__':
  jax.config.update('jax_platforms', 'cpu')
  main()
