"""Runs with initial weights on prepared clips, with a checkpoint."""

import jax
from helpers import synthetic_run

from unik_jax import optim
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.models.network import network_from_config
from unik_jax.run import data_file
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.workdir import claim_workdir
from unik_jax.step import make_init_state


def make_config(data_dir, seed=0):
  """Returns a config of a tiny network on the prepared synthetic clips."""
  config = synthetic_run.make_config(data_dir=str(data_dir))
  config.seed = seed
  return config


def write_run(folder, config, change=0.0):
  """Writes a run at step 5 whose weights are the initial ones plus `change`.

  Returns:
    The initial parameters.
  """
  with claim_workdir(folder, config):
    pass  # writes config.json
  split = PreparedSplit(config.data, config.data.test_split)
  data_file.write_data(folder, split.info, split.class_names)
  net = network_from_config(config)
  _, optimizer = optim.configure_optimizer(config, steps_per_epoch=1)
  state = jax.jit(make_init_state(optimizer))(
    *net.init(jax.random.key(config.seed))
  )
  initial = jax.device_get(state.params)
  state.params = jax.tree.map(lambda a: a + change, state.params)
  with Checkpoints(folder / 'checkpoints', 1) as saved:
    saved.save(5, state, wait=True)
  return initial
