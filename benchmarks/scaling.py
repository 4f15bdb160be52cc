"""Communication of a training step: python benchmarks/scaling.py [--json]

Weak scaling on 1 to 8 virtual CPU devices, with the same number of clips on
each: the number of collectives in the compiled step, the bytes they carry, and
the memory of a device. Virtual devices measure no speed.
"""

import argparse
import math
import os
import re

DEVICES = 8
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '')
  + f' --xla_force_host_platform_device_count={DEVICES}'
)
os.environ['JAX_PLATFORMS'] = 'cpu'

import jax  # noqa: E402
import numpy as np  # noqa: E402
import timing  # noqa: E402

from unik_jax import optim  # noqa: E402
from unik_jax.models.network import Network  # noqa: E402
from unik_jax.runtime import sharding  # noqa: E402
from unik_jax.step import make_init_state, make_train_step  # noqa: E402


def list_collectives(text):
  """Returns (name, number of values) of each collective of a program."""
  collectives = []
  for line in text.splitlines():
    match = re.search(r' = (.*) (all-\w+|reduce-scatter)(?:-start)?\(', line)
    if match:
      shapes = re.findall(r'\w\d+\[([\d,]*)\]', match[1])
      axes = [[int(n) for n in shape.split(',') if n] for shape in shapes]
      collectives.append((match[2], sum(map(math.prod, axes))))
  return collectives


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--clips', type=int, default=2, help='per device (default 2)'
  )
  parser.add_argument(
    '--groups', action='store_true', help='set norm_groups too'
  )
  parser.add_argument('--json', action='store_true', help='JSON last')
  options = parser.parse_args()
  optimizer = optim.make_optimizer('sgd', lambda _: 0.1, weight_decay=1e-4)
  rows, figures = [], []
  for count in (1, 2, 4, 8):
    net = Network(
      'unik',
      num_classes=320,
      num_joints=17,
      num_persons=2,
      in_channels=2,
      norm_groups=count if options.groups else 1,
    )
    mesh = sharding.make_mesh((count, 1), jax.devices()[:count])
    abstract = jax.eval_shape(make_init_state(optimizer), *net.shapes)
    shardings = sharding.state_shardings(abstract, mesh)
    batch = options.clips * count
    step = jax.jit(
      make_train_step(net, optimizer),
      donate_argnums=0,
      in_shardings=(shardings, sharding.batch_sharding(mesh)),
      out_shardings=(shardings, sharding.replicated_sharding(mesh)),
    )
    compiled = step.lower(
      abstract,
      {
        'x': jax.ShapeDtypeStruct((batch, 2, 150, 17, 2), np.float32),
        'label': jax.ShapeDtypeStruct((batch,), np.int32),
      },
    ).compile()
    collectives = list_collectives(compiled.as_text())
    sizes = sorted((size for _, size in collectives), reverse=True) or [0]
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
    kinds = ', '.join(sorted({name for name, _ in collectives})) or '-'
    figure = {
      'devices': count,
      'collectives': len(collectives),
      'kinds': kinds,
      'largest_mb': 4 * sizes[0] / 1e6,
      'others_mb': 4 * sum(sizes[1:]) / 1e6,
      'temporary_mib': memory,
    }
    figures.append(figure)
    rows.append(
      (
        count,
        batch,
        kinds,
        len(collectives),
        f'{figure["largest_mb"]:.2f}',
        f'{figure["others_mb"]:.3f}',
        f'{memory:.0f}',
      )
    )
  head = ('devices', 'clips', 'kind', 'number', 'largest, MB', 'others, MB')
  timing.print_table((*head, 'memory, MiB'), rows)
  if options.json:
    timing.print_json({'scaling': figures})


if __name__ == '__main__':
  main()
