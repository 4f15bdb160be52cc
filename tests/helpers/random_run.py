"""A run with random weights and batch statistics, for tests of export."""

import numpy as np
from helpers.random_values import random_values

from unik_jax.config import default_config
from unik_jax.models.network import network_from_config
from unik_jax.run import restore
from unik_jax.skeletons.layouts import get_layout


def make_config(stream='bone', **model):
  """Returns a config of a tiny network on 2-D clips of two persons."""
  config = default_config()
  config.model.update(widths=(4, 8), strides=(1, 2))
  config.model.update(model)
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    layout='unik_17',
    num_classes=5,
    persons=2,
    channels=2,
    frames=12,
    stream=stream,
    normalize='clean',
  )
  return config


def make_run(folder, **options):
  """Returns a run as if trained for three steps in a folder.

  Args:
    folder: the run's folder.
    **options: arguments of `make_config`.
  """
  config = make_config(**options)
  net = network_from_config(config)
  params, stats = random_values(net.shapes, dtype=np.float32)
  layout = get_layout('unik_17')
  return restore.Run(
    folder=folder,
    config=config,
    net=net,
    params=params,
    batch_stats=stats,
    step=3,
    classes=list('abcde'),
    data_layout=layout,
    network_layout=layout,
    units='pixels',
  )
