"""Prepares a dataset: reads the authors' files, writes what training reads.

  python -m unik_jax.prepare NAME [--manual_dir=DIR] [--data_dir=DIR]

NAME is a dataset, or dataset/config; without one, the datasets are listed.
"""

import sys

from absl import app, flags, logging

_MANUAL_DIR = flags.DEFINE_string(
  'manual_dir', None, 'Holds the files that you got from the authors.'
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Where prepared datasets live (default: TFDS_DATA_DIR, or'
  ' ~/tensorflow_datasets).',
)


def main(argv):
  # Imported here, so that --help answers at once.
  from unik_jax.data import registry
  from unik_jax.errors import UserError

  logging.set_verbosity(logging.WARNING)
  try:
    if len(argv) != 2:
      sys.exit(
        'usage: python -m unik_jax.prepare NAME [--manual_dir=DIR]'
        f' [--data_dir=DIR]\ndatasets: {", ".join(registry.names())}'
      )
    builder = registry.prepare(argv[1], _DATA_DIR.value, _MANUAL_DIR.value)
  except UserError as error:
    sys.exit(f'error: {error}')
  sizes = ', '.join(
    f'{name} {split.num_examples:,}'
    for name, split in builder.info.splits.items()
  )
  print(f'{builder.info.full_name} is in {builder.data_path}: {sizes} clips')


if __name__ == '__main__':
  app.run(main)
