"""Tiny runs on synthetic clips: their configs, first weights and files."""

import json
import pathlib

import jax

from unik_jax import optim
from unik_jax.config import default_config
from unik_jax.models.network import network_from_config
from unik_jax.run import checkpoints, paths, restore
from unik_jax.skeletons.layouts import get_layout
from unik_jax.step import make_init_state

# Flags that make configs/synthetic.py one step of a tiny network.
MINIATURE = (
  '--config.data.train_split=train[:16]',
  '--config.data.val_split=validation[:16]',
  '--config.data.test_split=test[:16]',
  '--config.batch_size=16',
  '--config.eval_batch_size=16',
  '--config.epochs=1',
  '--config.model.widths=(4,4)',
  '--config.model.strides=(1,2)',
)


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


def make_training_config(data_dir):
  """Returns a config of two epochs of six steps on the prepared clips.

  The test split does not fill its last batch.
  """
  config = make_config(
    data_dir=str(data_dir), train_split='train[:48]', rescale=(0.9, 1.1)
  )
  config.update(epochs=2, eval_every=1, log_every=1)
  return config


def make_run(config, units='pixels'):
  """Returns a `restore.Run` with the initial weights, without a folder."""
  net = network_from_config(config)
  params, batch_stats = net.init(jax.random.key(0))
  layout = get_layout(config.data.layout)
  return restore.Run(
    folder=pathlib.Path('synthetic_run'),
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


def read_metrics(workdir):
  """Returns the lines of a run's metrics.jsonl."""
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def newest_checkpoint(workdir):
  """Returns the newest checkpoint's step and raw content."""
  import orbax.checkpoint as ocp

  with ocp.CheckpointManager(workdir / 'checkpoints') as manager:
    step = manager.latest_step()
    args = ocp.args.Composite(state=ocp.args.StandardRestore())
    return step, manager.restore(step, args=args).state
