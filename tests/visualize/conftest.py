"""An untrained run for the tests of unik_jax.visualize."""

import pytest
from helpers import untrained_run

from unik_jax.run import restore


@pytest.fixture(scope='module')
def run_and_initial(synthetic_dir, tmp_path_factory):
  """Returns a run whose weights have moved by 0.01, and its initial ones."""
  folder = tmp_path_factory.mktemp('run')
  initial = untrained_run.write_run(
    folder, untrained_run.make_config(synthetic_dir, seed=3), 0.01
  )
  return restore.load_run(folder), initial


@pytest.fixture(scope='module')
def run(run_and_initial):
  return run_and_initial[0]
