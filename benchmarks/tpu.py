"""What the TPU's compiler estimates for a step of a network; needs no TPU.

  python -m pip install -e '.[tpu_compile]'   # in an environment of its own
  python benchmarks/tpu.py [--topology=v5e:2x2] [--chips=1] [--shape=posetics] \
    [--batch=64] [--dtype=bfloat16] [--model=unik] [--inference] [--blocks=2] \
    [--form=auto] [--compare=REV] [--json]

Compiles a training step (or inference) for chips that are not there, and prints
estimates of the compiler: cycles by kind of instruction and by unit of the
model, memory traffic, FLOPs, memory of a chip, and collectives. They rank forms
of one program. They are not measured times.

--compare=REV compiles the package of another commit too, and prints ratios. A
training step of ten blocks takes minutes on one core; use --blocks=2 for quick
work.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SHAPES = {  # clips of M persons, T frames, a layout of V joints, C channels
  'posetics': {
    'persons': 2,
    'frames': 150,
    'layout': 'unik_17',
    'channels': 2,
    'num_classes': 320,
  },
  'ntu60': {
    'persons': 2,
    'frames': 300,
    'layout': 'ntu_25',
    'channels': 3,
    'num_classes': 60,
  },
  'own': {
    'persons': 1,
    'frames': 64,
    'layout': 'unik_17',
    'channels': 3,
    'num_classes': 20,
  },
}
ROOT = pathlib.Path(__file__).resolve().parents[1]


def make_parser():
  """Returns the parser of the flags."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  for name, value, text in (
    ('topology', 'v5e:2x2', 'KIND:SHAPE, such as v6e:2x2 or v5e:16x16'),
    ('chips', 1, 'devices of the topology to use, 0 for all'),
    ('shape', 'posetics', f'of the clips: {", ".join(SHAPES)}'),
    ('batch', 64, 'clips a chip'),
    ('frames', 0, 'frames of a clip, 0 for those of the shape'),
    ('dtype', 'bfloat16', 'float32 or bfloat16'),
    ('model', 'unik', 'network'),
    ('blocks', 0, 'blocks of the network, 0 for all (unik, agcn, st_gcn)'),
    ('groups', 1, 'model.norm_groups'),
    ('form', 'auto', 'model.implementation'),
    ('largest', 8, 'most expensive instructions to print'),
    ('compare', '', 'another commit to compile and compare'),
  ):
    parser.add_argument(
      f'--{name}',
      type=type(value),
      default=value,
      help=f'{text} (default {value})' if value != '' else text,
    )
  for name, text in (
    ('inference', 'compile inference instead of a training step'),
    ('remat', 'set model.remat'),
    ('json', 'print JSON as the last line'),
  ):
    parser.add_argument(f'--{name}', action='store_true', help=text)
  return parser


def set_environment(parser):
  """Sets what libtpu and JAX read when they start without a TPU."""
  if not importlib.util.find_spec('libtpu'):
    parser.error(
      "expected libtpu, the TPU's compiler. Install it in an environment that"
      " does not train: python -m pip install -e '.[tpu_compile]'"
    )
  os.environ['TPU_SKIP_MDS_QUERY'] = '1'  # no metadata server to ask
  os.environ['TPU_ACCELERATOR_TYPE'] = 'v5litepod-4'
  os.environ['TPU_WORKER_HOSTNAMES'] = 'localhost'
  # Several processes may compile at once; libtpu locks as if it had a TPU.
  os.environ['ALLOW_MULTIPLE_LIBTPU_LOAD'] = '1'
  # Otherwise JAX looks for a TPU to run on.
  os.environ['JAX_PLATFORMS'] = 'cpu'
  # Programs for a topology are not kept: the cache is of the machine's devices.
  os.environ['JAX_ENABLE_COMPILATION_CACHE'] = '0'


def make_config(options):
  """Returns the config of a training with this network and these clips."""
  from unik_jax.config import default_config

  config = default_config()
  shape = dict(SHAPES[options.shape])
  shape['frames'] = options.frames or shape['frames']
  config.data.update(shape)
  config.model.update(
    name=options.model,
    dtype=options.dtype,
    implementation=options.form,
    remat=options.remat,
    norm_groups=options.groups,
  )
  if options.blocks:
    from unik_jax.models.unik import STRIDES, WIDTHS

    config.model.widths = WIDTHS[: options.blocks]
    config.model.strides = STRIDES[: options.blocks]
  return config


def compile_program(options):
  """Returns the program, values of a small activation, seconds to compile."""
  import jax
  import jax.numpy as jnp
  from jax.experimental import topologies

  from unik_jax import optim
  from unik_jax.models.network import network_from_config
  from unik_jax.runtime import sharding
  from unik_jax.step import make_init_state, make_train_step

  config = make_config(options)
  devices = topologies.get_topology_desc(
    platform='tpu', topology_name=options.topology
  ).devices
  devices = devices[: options.chips or len(devices)]
  mesh = sharding.make_mesh((len(devices), 1), devices)
  config.batch_size = options.batch * len(devices)
  net = network_from_config(config, platform='tpu')
  persons, _, joints, channels = net.abstract.input_shape
  shape = (config.batch_size, persons, config.data.frames, joints, channels)
  x = jax.ShapeDtypeStruct(shape, jnp.float32)
  by_batch = sharding.batch_sharding(mesh)
  everywhere = sharding.replicated_sharding(mesh)
  if options.inference:

    def infer(params, stats, x):
      return net.apply(params, stats, x, train=False)[0]

    program = jax.jit(
      infer,
      in_shardings=(everywhere, everywhere, by_batch),
      out_shardings=by_batch,
    )
    arguments = (*net.shapes, x)
  else:
    _, optimizer = optim.configure_optimizer(config, 1000)
    state = jax.eval_shape(make_init_state(optimizer), *net.shapes)
    shardings = sharding.state_shardings(state, mesh)
    program = jax.jit(
      make_train_step(net, optimizer),
      donate_argnums=0,
      in_shardings=(shardings, by_batch),
      out_shardings=(shardings, everywhere),
    )
    label = jax.ShapeDtypeStruct((config.batch_size,), jnp.int32)
    arguments = (state, {'x': x, 'label': label})
  start = time.perf_counter()
  compiled = program.lower(*arguments).compile()
  # Attention's embeddings have 16 channels or more, all else has 64.
  small = 16 * x.size // channels // len(devices)
  return compiled, small, time.perf_counter() - start


def compile_commit(revision, arguments):
  """Returns the figures of another commit's package.

  Raises:
    SystemExit: the commit is unknown, or its package has no `network.py`.
  """
  file = f'{revision}:unik_jax/models/network.py'
  found = subprocess.run(
    ('git', '-C', ROOT, 'cat-file', '-e', file), capture_output=True
  )
  if found.returncode:
    sys.exit(
      'error: --compare: expected a commit with unik_jax/models/network.py, got'
      f' {revision}'
    )
  with tempfile.TemporaryDirectory() as folder:
    tree = pathlib.Path(folder) / 'tree'
    git = ('git', '-C', ROOT, 'worktree')
    subprocess.run(
      (*git, 'add', '--quiet', '--detach', tree, revision), check=True
    )
    try:
      done = subprocess.run(
        [sys.executable, __file__, *arguments, '--compare=', '--json'],
        env=os.environ | {'PYTHONPATH': str(tree)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
      )
    finally:
      subprocess.run((*git, 'remove', '--force', tree), check=True)
  return json.loads(done.stdout.splitlines()[-1])


def print_figures(figures, largest):
  """Prints the figures of a program."""
  import timing

  def print_cycles(title, cycles):
    rows = [
      (name, f'{n / 1e6:.2f}', f'{n / figures["cycles"]:.0%}')
      for name, n in cycles.items()
      if n >= 0.005 * figures['cycles']
    ]
    print()
    timing.print_table((title, 'M cycles', 'share'), rows)

  print('Estimates of the compiler for one chip, not measurements:')
  print(
    f'{figures["cycles"] / 1e6:.2f} M cycles'
    f' ({figures["backward"] / 1e6:.2f} M for gradients),'
    f' {figures["flops"] / 1e12:.3f} TFLOP,'
    f' {figures["bytes"] / 1e9:.2f} GB of traffic,'
    f' roofline {figures["roofline_ms"]:.1f} ms'
  )
  print(
    f'memory: {figures["temporary_bytes"] / 2**30:.2f} GiB temporary,'
    f' {figures["argument_bytes"] / 2**30:.2f} GiB arguments,'
    f' {figures["of_memory"]:.0%} of the chip; compiled in'
    f' {figures["compile_s"]:.0f} s'
  )
  print(f'copies of activations between layouts: {figures["copies"]}')
  for kind, (number, size) in figures['collectives'].items():
    print(f'{kind}: {number}, {size / 1e6:.3f} MB')
  print_cycles('kind of instruction', figures['by_kind'])
  print_cycles('unit of the model', figures['by_unit'])
  print_cycles('block', figures['by_block'])
  print()
  rows = [
    (
      f'{i["kind"]} {i["block"]}/{i["unit"]}',
      f'{i["cycles"] / 1e6:.2f}',
      'backward' if i['backward'] else '',
      i['shape'].split(':')[0],
    )
    for i in figures['largest'][:largest]
  ]
  timing.print_table(('most expensive', 'M cycles', '', 'result'), rows)


def main():
  arguments = sys.argv[1:]
  parser = make_parser()
  options = parser.parse_args()
  set_environment(parser)
  if options.shape not in SHAPES:
    parser.error(f'--shape: expected one of {", ".join(SHAPES)}')
  import tpu_program

  from unik_jax.run.provenance import git_commit

  chip = options.topology.partition(':')[0]
  if chip not in tpu_program.CHIPS:
    parser.error(f'--topology: expected one of {", ".join(tpu_program.CHIPS)}')
  other = compile_commit(options.compare, arguments) if options.compare else {}
  compiled, small, seconds = compile_program(options)
  figures = {
    **vars(options),
    'commit': git_commit(),
    'compile_s': seconds,
    **tpu_program.describe(compiled, chip, large=small),
  }
  print_figures(figures, options.largest)
  if other:
    print(f'\nrelative to {options.compare}:')
    for key in ('cycles', 'bytes', 'flops', 'temporary_bytes'):
      ratio = f', {figures[key] / other[key]:.2f}' if other[key] else ''
      print(f'{key}: {figures[key]:.4g} of {other[key]:.4g}{ratio}')
    figures['other'] = other
  if options.json:
    print(json.dumps(figures), flush=True)


if __name__ == '__main__':
  main()
