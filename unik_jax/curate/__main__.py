"""Builds a dataset of skeletons from several pose estimators' output.

  python -m unik_jax.curate --experts=DIR,DIR,DIR --out=DIR
    [--labels=FILE.csv] [--label_map=kinetics_320]

Each DIR holds one estimator's output, one entry for each video (OpenPose,
AlphaPose, LCR-Net, COCO, MMPose, MediaPipe, arrays): LABEL/VIDEO.json, or in
any folder if a table with columns video and label is given. Persons are
tracked, estimators aggregated, short gaps filled, and clips dropped that show a
body in too few frames. The same command resumes after a stop. See
docs/curation.md.
"""

from absl import app, flags

from unik_jax import cli

_EXPERTS = flags.DEFINE_list(
  'experts', [], "Folders of the estimators' output, comma-separated."
)
_OUT = flags.DEFINE_string('out', None, 'Output folder.')
_LABELS = flags.DEFINE_string(
  'labels', None, 'Table of videos, CSV or JSON (default: class folders).'
)
_LABEL_MAP = flags.DEFINE_string(
  'label_map', None, 'YAML file that merges labels, or kinetics_320.'
)
_UNLISTED = flags.DEFINE_enum(
  'unlisted',
  'error',
  ['error', 'keep', 'drop'],
  'What to do with a label that the label map lacks (default error).',
)
_LAYOUT = flags.DEFINE_string(
  'layout', None, "Joint layout (default: the estimators' own, or unik_17)."
)
_METHOD = flags.DEFINE_enum(
  'method', 'robust', ['robust', 'sst_a'], 'Aggregation (default robust).'
)
_PERSONS = flags.DEFINE_integer(
  'persons', 2, 'Largest number of persons in a clip (default 2).', 1
)
_SHARE = flags.DEFINE_float(
  'share', 0.5, 'Minimum share of frames with a body (default 0.5).', 0, 1
)
_GAP = flags.DEFINE_integer(
  'gap', 10, 'Longest gap to fill, in frames (default 10).', 0
)
_WINDOW = flags.DEFINE_integer(
  'window', 7, 'Smoothing window in frames, odd; 0: none (default 7).', 0
)
_GAMMA = flags.DEFINE_float(
  'gamma', 0.06, 'Minimum frame confidence of SST-A (default 0.06).', 0, 1
)
_LEAST = flags.DEFINE_integer(
  'least_experts', 2, 'Minimum number of estimators per video (default 2).', 1
)
_FRAMES_APART = flags.DEFINE_float(
  'frames_apart',
  0.05,
  'Tolerated share of missing frames (default .05).',
  0,
  1,
)
_SIZE = flags.DEFINE_list(
  'image_size', [], 'Width and height in pixels, needed for MediaPipe.'
)
_FIRST = flags.DEFINE_integer(
  'first_frame', 0, "Number of AlphaPose's first frame (default 0).", 0
)
_TEST = flags.DEFINE_float(
  'test', 0.1, 'Share of source videos for testing (default 0.1).', 0, 1
)
_VAL = flags.DEFINE_float(
  'val', 0.0, 'Share of source videos for validation (default 0).', 0, 1
)
_SKIP_BAD = flags.DEFINE_boolean(
  'skip_bad', False, 'Skip bad files and list them in the report.'
)
_WORKERS = flags.DEFINE_integer(
  'workers', None, 'Number of processes (default: one per core).', 1
)
flags.mark_flag_as_required('out')


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command('Stopped; the same command resumes.'):
    # Imported here, so that --help answers at once.
    from unik_jax.curate import build, planning, refinement
    from unik_jax.data.formats.user import settings

    plan = planning.make_plan(
      _EXPERTS.value,
      _OUT.value,
      table=_LABELS.value,
      label_map=_LABEL_MAP.value,
      unlisted=_UNLISTED.value,
      layout=_LAYOUT.value,
      options=refinement.Options(
        method=_METHOD.value,
        persons=_PERSONS.value,
        min_share=_SHARE.value,
        gap=_GAP.value,
        window=_WINDOW.value,
        gamma=_GAMMA.value,
        frame_tolerance=_FRAMES_APART.value,
        min_estimators=_LEAST.value,
      ),
      image_size=settings.parse_image_size_flag(_SIZE.value),
      first_frame=_FIRST.value,
      skip_bad=_SKIP_BAD.value,
      test=_TEST.value,
      val=_VAL.value,
    )
    build.build_dataset(plan, _WORKERS.value, print)


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
