"""Eight virtual CPU devices for all tests; set before JAX starts."""

import os

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = (
  os.environ.get('XLA_FLAGS', '') + ' --xla_force_host_platform_device_count=8'
)

import pytest  # noqa: E402


@pytest.fixture(scope='session')
def synthetic_dir(tmp_path_factory):
  """A data_dir in which synthetic_skeletons/unik_17_2d is prepared."""
  from unik_jax.data import registry

  folder = tmp_path_factory.mktemp('tfds')
  registry.prepare('synthetic_skeletons/unik_17_2d', folder)
  return folder
