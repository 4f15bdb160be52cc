"""Speed of UNIK's training step and evaluation on this machine's first device.

  python benchmarks/step.py --batch=8 --frames=150 --joints=17 --persons=2 \
    --channels=2 --classes=320 [--dtype=bfloat16] [--remat] [--torch] [--json]

Prints clips and FLOPs per second beside the machine's own peaks; all take
turns. Compilation is timed apart. --present=P makes all persons but P absent,
and adds the evaluation that runs use: absent persons are computed once, the
others in parts of the batch. --remat recomputes blocks in the backward pass.
--torch adds the same network in eager PyTorch (python -m pip install torch),
and --compile in torch.compile; compare their ratios.
"""

import argparse
import importlib.util
import itertools
import os
import time

import jax
import jax.numpy as jnp
import numpy as np
import timing
import torch_step

from unik_jax import optim
from unik_jax.evaluate import Evaluator
from unik_jax.models.network import IMPLEMENTATIONS, Network
from unik_jax.official.convert import to_official
from unik_jax.runtime import heap
from unik_jax.step import make_init_state, make_train_step
from unik_jax.tables.costs import count_macs

SGD = {'learning_rate': 0.1, 'weight_decay': 1e-4}


def make_parser(description):
  """Returns a parser of the options that say what is run."""
  parser = argparse.ArgumentParser(
    description=description,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  for name, value in (
    ('batch', 8),
    ('frames', 150),
    ('joints', 17),
    ('persons', 2),
    ('present', 0),
    ('channels', 2),
    ('classes', 320),
    ('heads', 3),
    ('rounds', 10),
  ):
    parser.add_argument(
      f'--{name}', type=int, default=value, help=f'default {value}'
    )
  parser.add_argument('--dtype', choices=('float32', 'bfloat16'))
  parser.add_argument(
    '--implementation',
    choices=('einsum', 'cpu', 'tpu'),
    help='form of the operations (default: by platform)',
  )
  parser.add_argument('--remat', action='store_true', help='save memory')
  parser.add_argument(
    '--json', action='store_true', help='print JSON as the last line'
  )
  return parser


def parse_arguments():
  parser = make_parser(__doc__)
  parser.add_argument('--torch', action='store_true', help='add eager PyTorch')
  parser.add_argument(
    '--compile', action='store_true', help='add torch.compile'
  )
  options = parser.parse_args()
  compared = options.torch or options.compile
  if compared and not importlib.util.find_spec('torch'):
    parser.error('no PyTorch here to compare with: python -m pip install torch')
  return options


def random_batch(options):
  """Returns clips (N, M, T, V, C), some persons absent, and labels (N,)."""
  rng = np.random.default_rng(0)
  shape = (options.persons, options.frames, options.joints, options.channels)
  x = rng.standard_normal((options.batch, *shape)).astype(np.float32)
  x[:, options.present or options.persons :] = 0
  label = rng.integers(0, options.classes, options.batch).astype(np.int32)
  return x, label


def _implementation():
  # Not a flag's default: asking JAX for its backend starts it.
  platform = jax.default_backend()
  return platform if platform in IMPLEMENTATIONS else 'einsum'


def make_jax_calls(options, x, label):
  """Returns calls by name, seconds to compile each, the network, weights."""
  net = Network(
    'unik',
    num_classes=options.classes,
    num_joints=options.joints,
    num_persons=options.persons,
    in_channels=options.channels,
    num_heads=options.heads,
    implementation=options.implementation or _implementation(),
    remat=options.remat,
    dtype=jnp.bfloat16 if options.dtype == 'bfloat16' else None,
  )
  optimizer = optim.make_optimizer(
    'sgd', lambda _: SGD['learning_rate'], weight_decay=SGD['weight_decay']
  )
  state = jax.jit(make_init_state(optimizer))(*net.init(jax.random.key(0)))
  weights = jax.device_get((state.params, state.batch_stats))
  batch = jax.device_put({'x': x, 'label': label, 'clip': np.arange(len(x))})
  seconds = {}

  def compile_timed(name, function, *args, **options):
    start = time.perf_counter()
    compiled = jax.jit(function, **options).lower(*args).compile()
    seconds[name] = time.perf_counter() - start
    return compiled

  step = compile_timed(
    'train', make_train_step(net, optimizer), state, batch, donate_argnums=0
  )
  evaluator = Evaluator(net)
  evaluation = compile_timed('eval', evaluator.step, *weights, batch)
  on_device = jax.device_put(weights)

  def train():
    nonlocal state
    state, metrics = step(state, batch)
    return metrics

  calls = {'train': train, 'eval': lambda: evaluation(*on_device, batch)}
  if options.present:
    calls['eval present'] = lambda: evaluator(*on_device, [batch])[0]
  return calls, seconds, net, weights


def make_torch_calls(options, net, weights, x, label, compiled):
  """Returns PyTorch's calls with the same weights; checks their logits."""
  sizes = (
    options.classes,
    options.joints,
    options.persons,
    options.channels,
    options.heads,
  )
  bfloat16 = options.dtype == 'bfloat16'
  train, evaluate = torch_step.make_calls(
    sizes,
    to_official(net.abstract, *weights),
    x,
    label,
    SGD,
    device='cuda' if jax.default_backend() == 'gpu' else 'cpu',
    bfloat16=bfloat16,
    compiled=compiled,
  )
  ours = net.apply(*weights, x, train=False)[0]
  # Accelerators multiply float32 in lower precision too.
  exact = jax.default_backend() == 'cpu' and not bfloat16
  np.testing.assert_allclose(
    evaluate(), ours, rtol=0.1, atol=1e-3 if exact else 0.1
  )
  return {'train': train, 'eval': evaluate}


def main():
  options = parse_arguments()
  # JAX and PyTorch share the accelerator's memory.
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
  heap.keep_freed_memory()
  x, label = random_batch(options)
  shape = x.shape[1:]
  calls, compile_seconds, net, weights = make_jax_calls(options, x, label)
  for call in calls.values():
    jax.block_until_ready(call())
  used = timing.peak_memory()
  others = ['torch'] * options.torch + ['compiled torch'] * options.compile
  for other in others:
    their_calls = make_torch_calls(
      options, net, weights, x, label, other != 'torch'
    )
    calls |= {f'{other} {name}': call for name, call in their_calls.items()}
  dtype = jnp.dtype(options.dtype or 'float32')
  calls |= {
    'product': timing.product_call(dtype),
    'copy': timing.copy_call(),
  }
  seconds = timing.time_calls(calls, options.rounds)
  medians = {name: float(np.median(values)) for name, values in seconds.items()}
  peak = 2 * timing.product_size() ** 3 / medians['product']
  macs = count_macs(net, shape)
  rows, figures = [], {}
  for name in calls:
    if name in ('product', 'copy'):
      continue
    rate = options.batch / medians[name]
    # The backward pass has twice the products of the forward pass.
    work = 2 * macs * rate * (3 if 'train' in name else 1)
    figures[name.replace(' ', '_') + '_clips_per_s'] = round(rate, 3)
    rows.append(
      (
        name,
        timing.format_spread(seconds[name]),
        f'{rate:.2f}',
        f'{work / 1e9:.1f}',
        f'{work / peak:.0%}',
      )
    )
  print(f'{options.batch} clips {shape} of {macs / 1e9:.2f} GMACs, {dtype}')
  print(
    f'{timing.describe_machine()}; {options.rounds} interleaved rounds, medians'
  )
  head = ('', 'time (quartiles)', 'clips/s', 'GFLOP/s', 'of peak')
  timing.print_table(head, rows)
  ours = [name for name in ('train', 'eval', 'eval present') if name in calls]
  for other, name in itertools.product(others, ours):
    ratios = seconds[f'{other} {name.split()[0]}'] / seconds[name]
    low, ratio, high = np.percentile(ratios, (25, 50, 75))
    figures[f'{name}_speed_of_{other}'.replace(' ', '_')] = round(ratio, 3)
    print(f'{name}: {ratio:.2f} times {other} ({low:.2f} to {high:.2f})')
  if options.present:
    ratio = np.median(seconds['eval'] / seconds['eval present'])
    figures['present_speed_of_eval'] = round(float(ratio), 3)
    print(f'evaluation as in runs: {ratio:.2f} times as fast as eval')
  bandwidth = timing.COPY_BYTES / medians['copy']
  print(
    f'matrix product: {peak / 1e9:.0f} GFLOP/s; copy: {bandwidth / 1e9:.1f}'
    f' GB/s; peak memory: {used / 2**20:.0f} MiB'
  )
  print(
    'compiled in: '
    + ', '.join(
      f'{name} {value:.1f} s' for name, value in compile_seconds.items()
    )
  )
  if options.json:
    timing.print_json(
      figures
      | {f'{k}_compile_s': round(v, 2) for k, v in compile_seconds.items()}
      | {'peak_gflops': round(peak / 1e9, 1), 'copy_gb_per_s': bandwidth / 1e9}
      | {'peak_memory_mib': used / 2**20}
    )


if __name__ == '__main__':
  main()
