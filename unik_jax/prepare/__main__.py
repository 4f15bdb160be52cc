"""Prepares a dataset: converts the authors' files to what training reads.

  python -m unik_jax.prepare NAME [--manual_dir=DIR] [--data_dir=DIR]
    [--preview]

NAME is a dataset or dataset/config. Without NAME, lists the datasets.
"""

import json
import pathlib
import sys

from absl import app, flags

from unik_jax import cli

_MANUAL_DIR = flags.DEFINE_string(
  'manual_dir', None, "Folder of the dataset's original files."
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Folder of prepared datasets (default: TFDS_DATA_DIR, or'
  ' ~/tensorflow_datasets).',
)
_SKIP_BAD = flags.DEFINE_boolean(
  'skip_bad', False, 'Skip bad clips and list them in a report.'
)
_OVERWRITE = flags.DEFINE_boolean(
  'overwrite', False, 'Prepare a dataset again that is prepared already.'
)
_PREVIEW = flags.DEFINE_boolean(
  'preview',
  False,
  'Write a page with clips of each class into the current folder, to check'
  ' layout, units and axes by eye.',
)
_WORKERS = flags.DEFINE_integer(
  'workers', None, 'Processes that read clips (default: one per core).', 1
)

_STOPPED = 'Stopped; the same command starts from the beginning.'


def main(argv):
  # Imported here, so that --help answers at once.
  from unik_jax.data import registry

  if len(argv) != 2:
    sys.exit(
      'usage: python -m unik_jax.prepare NAME [--manual_dir=DIR]'
      f' [--data_dir=DIR]\ndatasets: {", ".join(registry.dataset_names())}'
    )
  # array_record raises a RuntimeError if the disk is full.
  with cli.command(_STOPPED, errors=(RuntimeError,)):
    before = registry.open_prepared(argv[1], _DATA_DIR.value)
    dataset = registry.prepare_dataset(
      argv[1],
      _DATA_DIR.value,
      _MANUAL_DIR.value,
      skip_bad=_SKIP_BAD.value,
      overwrite=_OVERWRITE.value,
      workers=_WORKERS.value,
    )
    _print_summary(dataset)
    if before and before.info.full_name == dataset.info.full_name:
      if not _OVERWRITE.value:
        print('It was prepared before; --overwrite prepares it again.')
    if _PREVIEW.value:
      _write_preview(dataset)


def _write_preview(dataset):
  """Writes the preview of a dataset, beside no file that a run reads."""
  from unik_jax.data import registry
  from unik_jax.prepare.preview import render_preview
  from unik_jax.runtime import atomic_files

  name = dataset.info.full_name.rpartition('/')[0]  # without the version
  # Opened anew, since this registers a layout of the user's own.
  dataset = registry.open_prepared(name, _DATA_DIR.value) or dataset
  path = pathlib.Path(f'preview_{name.replace("/", "_")}.html')
  with atomic_files.atomic_write(path) as part:
    part.write_text(render_preview(dataset), 'utf-8')
  print(f'Preview: {path}')


def _print_summary(dataset):
  """Prints the size of each split, and the number of clips not written."""
  from unik_jax.data.identical import REPORT

  splits = ', '.join(
    f'{name} {split.num_examples:,}'
    for name, split in dataset.info.splits.items()
  )
  print(f'{dataset.info.full_name} is in {dataset.data_path}: {splits} clips')
  report = pathlib.Path(dataset.data_path) / REPORT
  if not report.exists():
    return
  notes = json.loads(report.read_text())
  if count := len(notes['left_out']):
    print(f"{count:,} clip(s) excluded by the dataset's own rules.")
  if skipped := notes['skipped']:
    print(
      f'{len(skipped):,} bad clip(s) skipped. The first: {skipped[0]["reason"]}'
    )
  if groups := notes['identical']:
    print(f'{sum(map(len, groups)):,} clip(s) are identical to another clip.')
  print(f'They are listed in {report}')


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
