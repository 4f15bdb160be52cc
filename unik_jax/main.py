"""Trains or evaluates one experiment.

  unik-jax train --config=NAME[:VARIANT] --workdir=DIR [--config.key=value ...]

The same command resumes a run that was stopped.
"""

import sys

from absl import app, flags
from ml_collections import config_flags

from unik_jax import cli, configs
from unik_jax.errors import UserError, describe_missing_key

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'The experiment: NAME or NAME:VARIANT (`unik-jax configs` lists them), or the'
  ' path of a config file instead of NAME.',
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder for checkpoints, metrics and results.'
)
_MULTIHOST = flags.DEFINE_bool(
  'multihost',
  False,
  'Join the other processes of the run, as on Cloud TPU pods (default false).',
)
flags.mark_flags_as_required(['config', 'workdir'])


def _parse(argv):
  """Parses the flags, and exits with a short message if one is wrong."""
  try:
    rest = flags.FLAGS(configs.resolve_flag(argv))
    _CONFIG.value.get('seed')  # raises here if the config file failed to load
  except (AttributeError, KeyError) as error:
    sys.exit(f'error: {describe_missing_key(error)}')
  except UserError as error:
    sys.exit(f'error: {error}')
  except (flags.Error, OSError) as error:
    # ml_collections quotes the config file's traceback. Its last line is the
    # error.
    text = cli.describe_flag_error(error)
    text = text.rpartition('UserError: ')[2] if 'UserError: ' in text else text
    sys.exit(f'error: {text}')
  return rest


def main(argv):
  cli.refuse_arguments(argv)
  # Imported here, so that --help and a misspelt option answer at once.
  from jax.errors import JaxRuntimeError

  from unik_jax import training
  from unik_jax.runtime import compile_cache, distributed, heap

  compile_cache.enable_compile_cache()
  with cli.command():
    try:
      if _MULTIHOST.value:
        distributed.connect_processes()
      heap.keep_freed_memory()
      training.run(_CONFIG.value, _WORKDIR.value)
    except JaxRuntimeError as error:
      if not _MULTIHOST.value:
        raise
      distributed.abandon_run(error)


if __name__ == '__main__':
  app.run(main, flags_parser=_parse)
