"""Whether folding batch norm pays: python benchmarks/export.py

Exported artifacts with and without it, called in turns on the same clips; the
median of each, compilation excluded.
"""

import pathlib
import tempfile
import time

import jax
import numpy as np

from unik_jax import exporting, models, runs
from unik_jax.config import default
from unik_jax.skeletons import get_layout

ROUNDS = 15


def make_run(folder):
  """UNIK for Posetics, as big as it is published, of initial weights."""
  config = default()
  config.data.update(
    name='posetics/2d',
    layout='unik_17',
    num_classes=320,
    persons=2,
    channels=2,
    frames=150,
  )
  net = models.from_config(config)
  params, stats = jax.device_get(jax.jit(net.init)(jax.random.key(0)))
  layout = get_layout('unik_17')
  classes = [str(label) for label in range(320)]
  return runs.Run(
    folder, config, net, params, stats, 0, classes, layout, layout, 'pixels'
  )


def main(batch=4):
  with tempfile.TemporaryDirectory() as folder:
    run = make_run(pathlib.Path(folder))
    calls = {}
    for folded in (False, True):
      out = f'{folder}/{folded}'
      exporting.save(run, out, platforms=('cpu',), folded=folded)
      calls[folded] = exporting.load(out).call
  shape = (batch, *exporting.input_shape(run))
  x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  times = {True: [], False: []}
  for n in range(ROUNDS + 1):
    for folded, call in calls.items():
      start = time.perf_counter()
      jax.block_until_ready(call(x))
      if n:  # the first compiles
        times[folded].append(time.perf_counter() - start)
  plain, folded = (np.median(times[key]) for key in (False, True))
  print(f'{batch} clips: {plain:.3f} s as it is, {folded:.3f} s folded')
  print(f'folded is {plain / folded:.2f} times as fast')


if __name__ == '__main__':
  main()
