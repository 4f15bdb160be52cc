"""A finished run, trained once."""

import pytest
from helpers import synthetic_run


@pytest.fixture(scope='session')
def trained(synthetic_dir, tmp_path_factory):
  """A run of six steps whose evaluated weights are an average."""
  from unik_jax import training

  config = synthetic_run.make_training_config(synthetic_dir)
  config.update(ema=0.5, epochs=1)
  folder = tmp_path_factory.mktemp('runs') / 'trained'
  training.run(config, folder)
  return folder
