"""What each block and operation of UNIK takes, and what this machine allows.

  python benchmarks/blocks.py --batch=8 --frames=150 --joints=17 --persons=2 \
    --channels=2 [--dtype=bfloat16] [--json]

Each operation is compiled alone and timed on made-up inputs of its shape, in
turns with all others, with whole blocks, the whole network, and this machine's
own matrix product and copy. It has FLOPs (of products and convolutions, by
their shapes; batch norm, softmax and ReLU count none) and bytes that it must
move (inputs, outputs and weights, once). The roofline allows the longer of the
two times that they take at the machine's measured rates. What a cache still
holds can be read faster than that. Training is a forward and a backward pass.
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


def arguments():
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
    parser.add_argument(f'--{name}', type=int, default=value, help=f'{value}')
  for name, value in (('widths', WIDTHS), ('strides', STRIDES)):
    parser.add_argument(
      f'--{name}', type=_integers, default=value, help='of the blocks: 64,64,..'
    )
  parser.add_argument('--dtype', choices=('float32', 'bfloat16'))
  parser.add_argument('--json', action='store_true', help='a last line')
  return parser.parse_args()


def _integers(text):
  return tuple(map(int, text.split(',')))


def table_of(options):
  """(blocks, how many, part) for each line of the table."""
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
  first, head = parts.ends(model, x)
  yield '-', 1, first
  for numbers, block, operations in parts.kinds(model, first.shape()):
    name = ' '.join(map(str, numbers))
    for part in (block, *operations):
      yield name, len(numbers), part
  yield '-', 1, head
  yield '1 to ' + str(len(model.blocks)), 1, parts.of_network(model, x)


def main():
  options = arguments()
  heap.keep_freed_memory()
  lines = list(table_of(options))
  calls = {
    'product': timing.peak_flops(jnp.dtype(options.dtype or 'float32')),
    'copy': timing.peak_bytes(),
  }
  keys = [(i, mode) for mode in parts.MODES for i in range(len(lines))]
  for i, mode in tqdm.tqdm(keys, desc='Compiling', unit=' parts'):
    calls[i, mode] = lines[i][2].compiled(mode)
  seconds = timing.interleaved(calls, options.rounds)
  middle = {name: float(np.median(values)) for name, values in seconds.items()}
  peak = 2 * timing.peak_size() ** 3 / middle['product']
  bandwidth = timing.BANDWIDTH_BYTES / middle['copy']
  print(f'{timing.machine()}; {options.rounds} rounds in turns, medians')
  print(f'product: {peak / 1e9:.0f} GFLOP/s; copy: {bandwidth / 1e9:.1f} GB/s')
  figures = []
  for mode in parts.MODES:
    rows = []
    for i, (blocks, count, part) in enumerate(lines):
      took, flops, moved = middle[i, mode], part.flops(mode), part.bytes(mode)
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
        *('blocks', 'one of them', 'ms', 'GFLOP', 'GFLOP/s', 'of peak'),
        *('MB', 'GB/s', 'of copy', 'roofline ms', 'reached'),
      ),
      rows,
    )
    apart = sum(
      count * middle[i, mode]
      for i, (_, count, part) in enumerate(lines)
      if part.name not in ('block', 'network')
    )
    whole = middle[len(lines) - 1, mode]
    print(
      f'all operations alone: {1000 * apart:.0f} ms, {apart / whole:.2f} times'
      ' the network'
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
