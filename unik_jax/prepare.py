"""Prepares a dataset: reads the authors' files, writes what training reads.

  python -m unik_jax.prepare NAME [--manual_dir=DIR] [--data_dir=DIR]

NAME is a dataset, or dataset/config; without one, the datasets are listed.
"""

import json
import pathlib
import sys
from logging import Formatter

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
_SKIP_BAD = flags.DEFINE_boolean(
  'skip_bad', False, 'Go on without bad clips, and list them in a report.'
)
_OVERWRITE = flags.DEFINE_boolean(
  'overwrite', False, 'Prepare anew what is prepared already.'
)
_WORKERS = flags.DEFINE_integer(
  'workers', None, 'Processes that read clips (default: one a core).', 1
)


def main(argv):
  # Imported here, so that --help answers at once.
  from unik_jax.data import builder, registry
  from unik_jax.errors import UserError

  logging.set_verbosity(logging.WARNING)
  logging.get_absl_handler().setFormatter(Formatter('note: %(message)s'))
  if len(argv) != 2:
    sys.exit(
      'usage: python -m unik_jax.prepare NAME [--manual_dir=DIR]'
      f' [--data_dir=DIR]\ndatasets: {", ".join(registry.dataset_names())}'
    )
  try:
    before = registry.open_prepared(argv[1], _DATA_DIR.value)
    made = registry.prepare_dataset(
      argv[1],
      _DATA_DIR.value,
      _MANUAL_DIR.value,
      skip_bad=_SKIP_BAD.value,
      overwrite=_OVERWRITE.value,
      workers=_WORKERS.value,
    )
  except (UserError, OSError, RuntimeError) as error:
    # The last two from a full disk, or a reading process that was killed.
    sys.exit(f'error: {error}')
  except KeyboardInterrupt:
    sys.exit('Stopped; the same command begins again.')
  info = made.info
  sizes = ', '.join(
    f'{name} {split.num_examples:,}' for name, split in info.splits.items()
  )
  print(f'{info.full_name} is in {made.data_path}: {sizes} clips')
  report = pathlib.Path(made.data_path) / builder.REPORT
  if report.exists():
    notes = json.loads(report.read_text())
    if count := len(notes['left_out']):
      print(f'{count:,} clip(s) left out by the rules of the dataset.')
    if skipped := notes['skipped']:
      print(
        f'{len(skipped):,} bad clip(s) skipped, the first since:'
        f' {skipped[0]["reason"]}'
      )
    print(f'They are listed in {report}')
  if before and before.info.full_name == info.full_name:
    if not _OVERWRITE.value:
      print('It was prepared before; --overwrite prepares it anew.')


if __name__ == '__main__':
  app.run(main)
