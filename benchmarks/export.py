"""Speed-up from folding batch norm: python benchmarks/export.py

Three exported artifacts take turns on the same clips: folded, not folded, and
not folded again as a control. Prints ratios of medians, without compilation.
"""

import argparse
import pathlib
import tempfile
import time

import jax
import numpy as np

from unik_jax.config import default_config
from unik_jax.export import notes, stablehlo
from unik_jax.models.network import network_from_config
from unik_jax.run import restore
from unik_jax.skeletons.layouts import get_layout

NARROW = {
  'widths': (16, 16, 32, 32, 64, 64),
  'strides': (1, 1, 2, 1, 2, 1),
}
# Model settings, data settings, clips per call, rounds.
CASES = (
  (NARROW, {'persons': 1, 'frames': 32, 'num_classes': 20}, 1, 2000),
  (NARROW, {'persons': 1, 'frames': 32, 'num_classes': 20}, 16, 200),
  # The published network for Posetics.
  ({}, {'persons': 2, 'frames': 150, 'num_classes': 320}, 4, 15),
)


def make_run(model, data):
  """Returns a run of UNIK with initial weights."""
  config = default_config()
  config.model.update(model)
  config.data.update(name='none', layout='unik_17', channels=2, **data)
  net = network_from_config(config)
  params, stats = net.init(jax.random.key(0))
  layout = get_layout('unik_17')
  classes = [str(label) for label in range(config.data.num_classes)]
  folder = pathlib.Path('none')
  return restore.Run(
    folder, config, net, params, stats, 0, classes, layout, layout, 'pixels'
  )


def main():
  argparse.ArgumentParser(description=__doc__).parse_args()
  for model, data, batch, rounds in CASES:
    run, calls = make_run(model, data), {}
    with tempfile.TemporaryDirectory() as folder:
      for name in ('plain', 'folded', 'control'):
        out = f'{folder}/{name}'
        folded = name == 'folded'
        stablehlo.save_artifact(run, out, platforms=('cpu',), folded=folded)
        calls[name] = stablehlo.load_artifact(out).call
    shape = (batch, *notes.input_shape(run))
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    times = {name: [] for name in calls}
    for n in range(rounds + 1):
      for name, call in calls.items():
        start = time.perf_counter()
        jax.block_until_ready(call(x))
        if n:  # the first compiles
          times[name].append(time.perf_counter() - start)
    medians = {name: np.median(values) for name, values in times.items()}
    print(
      f'{batch} clips {shape[1:]}: {1000 * medians["plain"]:.2f} ms not'
      f' folded; folded is {medians["plain"] / medians["folded"]:.2f} times as'
      f' fast, the control {medians["plain"] / medians["control"]:.2f}',
      flush=True,
    )


if __name__ == '__main__':
  main()
