"""Makes the report of a run: one page that opens from disk, with no network.

  python -m unik_jax.report --run=DIR [--data_dir=DIR] [--out=FILE]
    [--robustness]

DIR is the --workdir of a run that has ended. The page shows its result,
curves, calibration, classes and confusions; how robust it is, where
DIR/robustness.json tells, which --robustness makes first; and the clips that
it got most wrong as animated skeletons, where its dataset is prepared here.
"""

import pathlib

from absl import app, flags

from unik_jax import cli

_RUN = flags.DEFINE_string(
  'run', None, 'The --workdir of a run that has ended.'
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  'Where prepared datasets live (default: that of the run).',
)
_OUT = flags.DEFINE_string('out', None, 'The page (default: RUN/report.html).')
_ROBUSTNESS = flags.DEFINE_boolean(
  'robustness', False, 'Measure robustness first: some twenty evaluations.'
)
flags.mark_flag_as_required('run')


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.report import build

    folder = pathlib.Path(_RUN.value).expanduser()
    made = build.make(
      folder,
      _OUT.value or folder / 'report.html',
      _DATA_DIR.value,
      measure=_ROBUSTNESS.value,
      tell=print,
    )
  if made.missing:
    print(f'note: {made.missing}')
    if not _DATA_DIR.value:
      print('If the dataset lies elsewhere, say where with --data_dir=DIR.')
  print(f'{made.path} ({made.path.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
  app.run(main)
