"""Time of each block and operation of UNIK, beside this machine's roofline.

  python benchmarks/blocks.py --batch=8 --frames=150 --joints=17 --persons=2 \
    --channels=2 [--dtype=bfloat16] [--json]

Each operation is compiled by itself and timed on random inputs of its shape.
Timings alternate between all operations, blocks, the network, a matrix product
and a copy, so that a disturbance hits all of them.

FLOPs count products and convolutions only. Bytes count inputs, outputs and
weights, each moved once. The roofline time is the longer of the times for FLOPs
and bytes at the machine's measured rates. An operation can be faster if a cache
still holds its inputs. Training is a forward and a backward pass.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import parts
import timing
import tqdm
from flax import nnx

from unik_jax.models.unik import STRIDES, UNIK, WIDTHS
from unik_jax.runtime import heap


def parse_arguments():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for name, value in (
    ('batch', 8),
    ('frames', 150),
    ('joints', 17),
    ('persons', 2),
    ('channels', 2),
    ('classes', 320),
    ('heads', 3),
    ('rounds', 10),
  ):
    parser.add_argument(
      f'--{name}', type=int, default=value, help=f'default: {value}'
    )
  for name, value in (('widths', WIDTHS), ('strides', STRIDES)):
    parser.add_argument(
      f'--{name}',
      type=_integers,
      default=value,
      help=f"{name} of the blocks, comma-separated (default: the paper's)",
    )
  parser.add_argument('--dtype', choices=('float32', 'bfloat16'))
  parser.add_argument(
    '--json', action='store_true', help='print JSON as the last line'
  )
  return parser.parse_args()


def _integers(text):
  return tuple(map(int, text.split(',')))


def list_parts(options):
  """Yields (block numbers, their count, part) for each line of the table."""
  dtype = jnp.bfloat16 if options.dtype == 'bfloat16' else None
  model = UNIK(
    options.classes,
    options.joints,
    options.persons,
    options.channels,
    num_heads=options.heads,
    first_block_heads=None,
    widths=options.widths,
    strides=options.strides,
    dtype=dtype,
    rngs=nnx.Rngs(params=0),
  )
  persons, joints = options.persons, options.joints
  x = jax.ShapeDtypeStruct(
    (options.batch, persons, options.frames, joints, options.channels),
    jnp.float32,
  )
  first, head = parts.split_input_and_head(model, x)
  yield '-', 1, first
  for numbers, block, operations in parts.list_block_kinds(
    model, first.shape()
  ):
    name = ' '.join(map(str, numbers))
    for part in (block, *operations):
      yield name, len(numbers), part
  yield '-', 1, head
  yield '1 to ' + str(len(model.blocks)), 1, parts.network_part(model, x)


def main():
  options = parse_arguments()
  heap.keep_freed_memory()
  lines = list(list_parts(options))
  calls = {
    'product': timing.product_call(jnp.dtype(options.dtype or 'float32')),
    'copy': timing.copy_call(),
  }
  keys = [(i, mode) for mode in parts.MODES for i in range(len(lines))]
  for i, mode in tqdm.tqdm(keys, desc='Compiling', unit=' parts'):
    calls[i, mode] = lines[i][2].compiled(mode)
  seconds = timing.time_calls(calls, options.rounds)
  medians = {name: float(np.median(values)) for name, values in seconds.items()}
  peak = 2 * timing.product_size() ** 3 / medians['product']
  bandwidth = timing.COPY_BYTES / medians['copy']
  print(
    f'{timing.describe_machine()}; {options.rounds} interleaved rounds, medians'
  )
  print(f'product: {peak / 1e9:.0f} GFLOP/s; copy: {bandwidth / 1e9:.1f} GB/s')
  figures = []
  for mode in parts.MODES:
    rows = []
    for i, (blocks, count, part) in enumerate(lines):
      took, flops, moved = medians[i, mode], part.flops(mode), part.bytes(mode)
      allowed = max(flops / peak, moved / bandwidth)
      figures.append(
        {
          'mode': mode,
          'blocks': blocks,
          'count': count,
          'part': part.name,
          'ms': 1000 * took,
          'gflop': flops / 1e9,
          'mb': moved / 1e6,
          'of_roofline': allowed / took,
        }
      )
      rows.append(
        (
          blocks,
          part.name,
          f'{1000 * took:.1f}',
          f'{flops / 1e9:.2f}',
          f'{flops / took / 1e9:.1f}',
          f'{flops / took / peak:.0%}',
          f'{moved / 1e6:.1f}',
          f'{moved / took / 1e9:.1f}',
          f'{moved / took / bandwidth:.0%}',
          f'{1000 * allowed:.1f}',
          f'{allowed / took:.0%}',
        )
      )
    print(f'\n{mode}')
    timing.print_table(
      (
        *('blocks', 'part', 'ms', 'GFLOP', 'GFLOP/s', 'of peak'),
        *('MB', 'GB/s', 'of copy', 'roofline ms', 'reached'),
      ),
      rows,
    )
    operations = sum(
      count * medians[i, mode]
      for i, (_, count, part) in enumerate(lines)
      if part.name not in ('block', 'network')
    )
    network = medians[len(lines) - 1, mode]
    print(
      f'sum of the separate operations: {1000 * operations:.0f} ms,'
      f' {operations / network:.2f} times the network'
    )
  if options.json:
    timing.print_json(
      {
        'parts': figures,
        'peak_gflops': peak / 1e9,
        'copy_gb_per_s': bandwidth / 1e9,
      }
    )


if __name__ == '__main__':
  main()
