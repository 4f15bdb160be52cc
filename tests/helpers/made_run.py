"""Untrained runs, for tests of what opens a trained model."""

import json
import pathlib

import jax

from unik_jax import optim
from unik_jax.config import default_config
from unik_jax.models.network import network_from_config
from unik_jax.run import checkpoints, paths, restore
from unik_jax.skeletons.layouts import get_layout
from unik_jax.step import make_init_state


def make_config(**data):
  """Returns a config of a tiny network on synthetic 2-D clips."""
  config = default_config()
  config.batch_size = config.eval_batch_size = 8
  config.model.update(widths=(8, 8), strides=(1, 2))
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    layout='unik_17',
    num_classes=20,
    persons=1,
    channels=2,
    test_split='test[:21]',
    normalize='center_first',
    sampling='uniform',
    frames=16,
  )
  config.data.update(**data)
  return config


def make_run(config, units='pixels'):
  """Returns a `restore.Run` with the initial weights, without a folder."""
  net = network_from_config(config)
  params, batch_stats = net.init(jax.random.key(0))
  layout = get_layout(config.data.layout)
  return restore.Run(
    folder=pathlib.Path('made'),
    config=config,
    net=net,
    params=params,
    batch_stats=batch_stats,
    step=0,
    classes=[f'class {k}' for k in range(config.data.num_classes)],
    data_layout=layout,
    network_layout=get_layout(config.data.joints or layout.name),
    units=units,
  )


def write_run(folder, config, classes, units='pixels'):
  """Writes a run's folder, with the initial weights as checkpoint 1."""
  folder.mkdir(parents=True, exist_ok=True)
  (folder / paths.CONFIG).write_text(json.dumps(config.to_dict()))
  layout = get_layout(config.data.layout).to_dict()
  data = {'classes': classes, 'layout': layout, 'units': units}
  (folder / paths.DATA).write_text(json.dumps(data))
  net = network_from_config(config)
  _, optimizer = optim.configure_optimizer(config, steps_per_epoch=1)
  state = jax.jit(make_init_state(optimizer))(*net.init(jax.random.key(1)))
  with checkpoints.Checkpoints(folder / paths.CHECKPOINTS, 1) as saved:
    assert saved.save(1, state, wait=True)
  return folder
