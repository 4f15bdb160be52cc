"""Runs that are shared by the tests of predictions."""

import pytest
from helpers import synthetic_run

import unik_jax
from unik_jax.data.prepared_split import PreparedSplit


@pytest.fixture(scope='package')
def config(synthetic_dir):
  """Config of a run on synthetic clips."""
  return synthetic_run.make_config(data_dir=str(synthetic_dir))


@pytest.fixture(scope='package')
def clips(config):
  """Test clips of that run."""
  return PreparedSplit(config.data, 'test[:21]')


@pytest.fixture(scope='package')
def run_dir(config, clips, tmp_path_factory):
  """Folder of that run."""
  folder = tmp_path_factory.mktemp('runs') / 'made'
  return synthetic_run.write_run(folder, config, clips.class_names)


@pytest.fixture(scope='package')
def model(run_dir):
  """Predictor of that run."""
  return unik_jax.load(run_dir)
