"""Eight virtual CPU devices and a compile cache for all tests.

Set before JAX is imported. The workers of pytest-xdist and the commands that
tests run inherit the environment.
"""

import atexit
import os
import shutil
import tempfile

os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['XLA_FLAGS'] = ' '.join(
  (
    os.environ.get('XLA_FLAGS', ''),
    '--xla_force_host_platform_device_count=8',
    # Tests compile for longer than they run.
    '--xla_backend_optimization_level=0',
  )
)

if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
  _cache = tempfile.mkdtemp(prefix='unik_jax_compiled_')
  atexit.register(shutil.rmtree, _cache, ignore_errors=True)
  os.environ['JAX_COMPILATION_CACHE_DIR'] = _cache
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.2'
  os.environ['JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES'] = '-1'

import pytest  # noqa: E402


@pytest.fixture(scope='session')
def synthetic_dir(tmp_path_factory):
  """A data_dir with synthetic_skeletons/unik_17_2d prepared in it."""
  from unik_jax.data import registry

  folder = tmp_path_factory.mktemp('tfds')
  registry.prepare_dataset('synthetic_skeletons/unik_17_2d', folder)
  return folder
