"""Speed of the loader beside the speed of training.

  python benchmarks/loader.py [CONFIG ...] [--json]

For each config, prints the clips per second that the loader makes from random
clips of a typical length (prepared, in a warm cache), the clips per second that
a training step takes on this machine's device, and the ratio. With a ratio
above 1, the device never waits for the loader.
"""

import argparse
import importlib.util
import itertools
import pathlib
import tempfile
import time

import jax
import numpy as np
import tensorflow_datasets as tfds
import timing
from absl import logging

from unik_jax import optim
from unik_jax.data import loader
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.models.network import network_from_config
from unik_jax.skeletons.layouts import get_layout
from unik_jax.step import TrainState, make_train_step

# Config: typical frames per clip, and clips in the model's batch.
CASES = {
  'synthetic': (60, 32),
  'msr_action3d': (40, 16),
  'posetics': (300, 4),
  'posetics:modern': (300, 4),
  'smarthome': (600, 2),
  'ntu60': (100, 2),
  'ntu60:modern': (100, 4),
}
CLIPS = 256


class RandomWalks(ClipBuilder, skip_registration=True):
  """A dataset of random walks of random bodies."""

  VERSION = tfds.core.Version('1.0.0')
  parallel = False
  data, frames = None, 0

  def _info(self):
    return self.clip_info(
      layout=self.data.layout,
      persons=self.data.persons,
      channels=self.data.channels,
      labels=[str(label) for label in range(self.data.num_classes)],
      description='',
      units='',
    )

  def list_clips(self, folder):
    for i in range(CLIPS):
      yield ClipFile(str(i), i, ('train',), label=0, image_size=(640, 480))

  def reader(self):
    shape = (
      self.data.persons,
      self.frames,
      get_layout(self.data.layout).num_joints,
      self.data.channels,
    )
    return lambda i: np.random.default_rng(i).normal(size=shape).cumsum(1)


def load_config(case):
  name, _, variant = case.partition(':')
  path = pathlib.Path(__file__).parents[1] / 'configs' / f'{name}.py'
  spec = importlib.util.spec_from_file_location(name, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(*[variant] if variant else [])


def measure_loader(config, frames, folder):
  """Returns the clips per second that the loader makes for training."""
  RandomWalks.data, RandomWalks.frames = config.data, frames
  builder = RandomWalks(data_dir=folder, file_format='array_record')
  builder.download_and_prepare(file_format='array_record')
  config.data.update(
    name='random_walks',
    data_dir=folder,
    train_split='train',
    classes=(),
    repeats=(),
  )
  clips = PreparedSplit(config.data, 'train')
  size = min(config.batch_size, 32)
  batches = loader.train_batches(clips, config.data, batch_size=size, seed=0)
  count = 2 * CLIPS // size
  for _ in itertools.islice(
    batches, count
  ):  # fills caches and read-ahead buffers
    pass
  start = time.perf_counter()
  for _ in itertools.islice(batches, count):
    pass
  return count * size / (time.perf_counter() - start)


def measure_training(config, size):
  """Returns the clips per second of a training step with `size` clips."""
  net = network_from_config(config)
  schedule = optim.make_schedule(
    'step', base_lr=0.1, steps_per_epoch=1, epochs=1
  )
  optimizer = optim.make_optimizer('sgd', schedule)
  params, stats = net.init(jax.random.key(0))
  state = TrainState(np.int32(0), params, stats, optimizer.init(params), None)
  joints = get_layout(config.data.joints or config.data.layout).num_joints
  data = config.data
  shape = (size, data.persons, data.frames, joints, data.channels)
  batch = {
    'x': np.random.default_rng(0).normal(size=shape).astype(np.float32),
    'label': np.zeros(size, np.int32),
  }
  step = jax.jit(make_train_step(net, optimizer), donate_argnums=0)
  state, _ = jax.block_until_ready(step(state, batch))
  start = time.perf_counter()
  steps = 0
  while steps < 2 or time.perf_counter() - start < 3:
    state, _ = jax.block_until_ready(step(state, batch))
    steps += 1
  return steps * size / (time.perf_counter() - start)


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('cases', nargs='*', help=', '.join(CASES))
  parser.add_argument(
    '--json', action='store_true', help='print JSON as the last line'
  )
  options = parser.parse_args()
  logging.set_verbosity(logging.ERROR)
  figures = {}
  print(f'{"config":18} loader clips/s  model clips/s   ratio')
  for case in options.cases or CASES:
    frames, size = CASES[case]
    config = load_config(case)
    with tempfile.TemporaryDirectory() as folder:
      loader_rate = measure_loader(config, frames, folder)
    model_rate = measure_training(config, size)
    ratio = loader_rate / model_rate
    print(f'{case:18} {loader_rate:14.0f} {model_rate:14.1f} {ratio:7.0f}')
    figures[case] = {
      'loader_clips_per_s': loader_rate,
      'model_clips_per_s': model_rate,
    }
  if options.json:
    timing.print_json(figures)


if __name__ == '__main__':
  main()
