"""The floor of a dataset: python benchmarks/floor.py NAME [--test_split=SPLIT]

Prints the test accuracy of the nearest mean pose, MiniRocket and MultiRocket,
as `unik_jax.tables` and reports show it beside a network's. The last two need
unik_jax[baseline], and are kept with the prepared dataset. A dataset that the
nearest mean pose solves needs no model of motion.
"""

import argparse

import numpy as np

from unik_jax import metrics
from unik_jax.config import default_config
from unik_jax.data import registry
from unik_jax.data.prepared_split import fill_data_config
from unik_jax.floor.measure import measure_floor


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  default = 'synthetic_skeletons/unik_17_2d'
  parser.add_argument('name', nargs='?', default=default, help='dataset')
  parser.add_argument('--train_split', default='train')
  parser.add_argument('--test_split', default='test')
  parser.add_argument('--seeds', type=int, default=3, help='count from 0')
  parser.add_argument('--rows', nargs='*', help='default: all')
  args = parser.parse_args()
  registry.prepare_dataset(args.name)
  data = default_config().data
  data.update(name=args.name, persons=0, channels=0)
  data.update(train_split=args.train_split, test_split=args.test_split)
  fill_data_config(data)
  for row in measure_floor(data, range(args.seeds), args.rows, log=print):
    top1, mean_class = (
      100 * np.array([values[key] for values in _metrics(row)])
      for key in ('top1', 'mean_class')
    )
    print(
      f'{row.label}: top-1 {_describe(top1)}, mean class'
      f' {_describe(mean_class)}, {row.seconds:.1f} s a fit'
    )


def _metrics(row):
  return [metrics.compute_metrics(s.logits, s.labels) for s in row.scores]


def _describe(values):
  """Returns the mean, and the deviation of several seeds."""
  spread = f' ± {values.std(ddof=1):.1f}' if len(values) > 1 else ''
  return f'{values.mean():.1f}{spread}%'


if __name__ == '__main__':
  main()
