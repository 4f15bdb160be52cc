"""Runs with random weights and batch statistics, for tests of export."""

import jax
import numpy as np

from unik_jax.config import default_config
from unik_jax.models.network import network_from_config
from unik_jax.run import restore
from unik_jax.skeletons.layouts import get_layout


def make_config(**model):
  """Returns a config of a tiny UNIK on 2-D clips of two persons."""
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
    stream='bone',
    normalize='clean',
  )
  return config


def make_values(net, dtype=np.float32, seed=0):
  """Returns random (params, batch_stats); no batch norm is the identity."""
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda a: (0.3 * rng.random(a.shape) + 0.05).astype(dtype),
    net.shapes,
  )


def make_run(folder):
  """Returns a run as if trained for three steps in a folder."""
  config = make_config()
  net = network_from_config(config)
  params, stats = make_values(net)
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
