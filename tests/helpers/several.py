"""Configs of tiny networks on several datasets, all of synthetic clips."""

from helpers import synthetic_run

from unik_jax.config import add_dataset, default_config
from unik_jax.data import synthetic


def make_config(data_dir='', **sections):
  """Returns a config of two epochs; each section changes the synthetic data."""
  config = synthetic_run.make_training_config(data_dir)
  own = config.data.to_dict()
  with config.unlocked():
    config.data = default_config().data
  for name, data in sections.items():
    add_dataset(config, name, **{**own, **data})
  return config


def make_two(data_dir=''):
  """Returns a config of whole bodies, and of two persons with 13 joints."""
  return make_config(
    data_dir,
    bodies={'train_split': 'train[:24]', 'val_split': 'validation[:11]'},
    pairs={
      'joints': 'penn_13',
      'persons': 2,
      'classes': synthetic.LABELS[2:12],
      'num_classes': 10,
      'frames': 12,
      'normalize': 'body',
    },
  )
