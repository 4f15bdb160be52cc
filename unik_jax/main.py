"""Trains or evaluates one experiment.

  python -m unik_jax.main --config=configs/NAME.py[:VARIANT] --workdir=DIR
    [--config.key=value ...]

The same command goes on where a run stopped.
"""

import sys
from logging import getLogger

from absl import app, flags, logging
from ml_collections import config_flags

from unik_jax.errors import UserError, describe_missing_key

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The experiment: configs/NAME.py, or configs/NAME.py:VARIANT.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Where checkpoints, metrics and the summary go.'
)
_MULTIHOST = flags.DEFINE_bool(
  'multihost', False, 'Run as one process of several (Cloud TPU pods).'
)
flags.mark_flags_as_required(['config', 'workdir'])


def _parse(argv):
  """Reads the flags; what is wrong with them is said in a line or two."""
  try:
    rest = flags.FLAGS(argv)
    _CONFIG.value.get('seed')  # a file that failed to load raises only here
  except (AttributeError, KeyError) as error:
    sys.exit(f'error: {describe_missing_key(error)}')
  except (flags.Error, OSError) as error:
    # After a traceback through the config file, its last line is the error.
    text = str(error).strip()
    text = text.rpartition('UserError: ')[2] if 'UserError: ' in text else text
    sys.exit(f'error: {text}')
  return rest


def main(argv):
  if len(argv) > 1:
    sys.exit(f'error: unknown argument {argv[1]!r}; options start with --')
  # Imported here, so that --help and a misspelt option answer at once.
  from jax.errors import JaxRuntimeError

  from unik_jax import train
  from unik_jax.runtime import compile_cache, distributed, heap

  # Orbax and asyncio print a failed write many times over; we say it once.
  logging.set_verbosity(logging.WARNING)
  logging.get_absl_handler().addFilter(lambda r: 'orbax' not in r.pathname)
  getLogger('asyncio').disabled = True
  compile_cache.enable_compile_cache()
  try:
    if _MULTIHOST.value:
      distributed.connect_processes()
    heap.keep_freed_memory()
    train.run(_CONFIG.value, _WORKDIR.value)
  except UserError as error:
    sys.exit(f'\nerror: {error}')
  except JaxRuntimeError as error:
    if not _MULTIHOST.value:
      raise
    distributed.abandon_run(error)
  except KeyboardInterrupt:
    sys.exit(130)


if __name__ == '__main__':
  app.run(main, flags_parser=_parse)
