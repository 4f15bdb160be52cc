"""Writes the report of a run: one HTML page that opens without a network.

  python -m unik_jax.report --run=DIR [--data_dir=DIR] [--out=FILE]
    [--floor=ROW,ROW,...] [--robustness]

DIR is the --workdir of a run. The page shows its accuracy, training curves,
calibration, classes and confusions. While training goes on, it shows the curves
so far. It shows robustness if DIR/robustness.json exists; --robustness measures
and writes it first. If the run's dataset is prepared here, it shows the floor,
which is cheap classifiers on the same clips, and the worst mistakes as animated
skeletons.
"""

import pathlib

from absl import app, flags

from unik_jax import cli
from unik_jax.run import paths

_RUN = flags.DEFINE_string('run', None, 'The --workdir of a run.')
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  None,
  "Where prepared datasets are (default: as in the run's config).",
)
_OUT = flags.DEFINE_string(
  'out', None, 'Path of the page (default: RUN/report.html).'
)
_ROBUSTNESS = flags.DEFINE_boolean(
  'robustness',
  False,
  'Measure robustness first, which takes about 25 evaluations.',
)
_FLOOR = flags.DEFINE_list(
  'floor',
  None,
  'Rows of the floor: nearest, minirocket, multirocket (default: all; empty for'
  ' none). The last two need unik_jax[baseline].',
)
flags.mark_flag_as_required('run')


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.report import build

    folder = pathlib.Path(_RUN.value).expanduser()
    report = build.write_report(
      folder,
      _OUT.value or folder / paths.REPORT,
      _DATA_DIR.value,
      measure=_ROBUSTNESS.value,
      floor=_FLOOR.value,
      log=print,
    )
  if report.missing:
    print(f'note: {report.missing}')
    if not _DATA_DIR.value:
      print('If the dataset is elsewhere, name its folder with --data_dir=DIR.')
  print(f'{report.path} ({report.path.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
