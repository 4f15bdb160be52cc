"""Makes a dataset of skeletons of what pose estimators see in videos.

  python -m unik_jax.curate --experts=DIR,DIR,DIR --out=DIR
    [--labels=FILE.csv] [--label_map=kinetics_320]

A DIR holds one estimator's output, a file for each video (OpenPose, AlphaPose,
LCR-Net, COCO, MMPose, MediaPipe, arrays): LABEL/VIDEO.json, or in any folder
where a table has columns video and label. Persons are followed, experts
aggregated, gaps filled, and clips with a body in too few frames dropped. The
same command goes on where it was stopped. See docs/curation.md.
"""

from absl import app, flags

from unik_jax import cli

_EXPERTS = flags.DEFINE_list(
  'experts', [], 'Folders, one for each pose estimator.'
)
_OUT = flags.DEFINE_string('out', None, 'Where dataset and report go.')
_LABELS = flags.DEFINE_string(
  'labels', None, 'A table: video, label [, source, split, width, height].'
)
_LABEL_MAP = flags.DEFINE_string(
  'label_map', None, 'Merges labels: a YAML file, or kinetics_320.'
)
_UNLISTED = flags.DEFINE_enum(
  'unlisted',
  'error',
  ['error', 'keep', 'drop'],
  'What becomes of a label that the map does not have.',
)
_LAYOUT = flags.DEFINE_string(
  'layout', None, "Of the clips (default: the experts' own, or unik_17)."
)
_METHOD = flags.DEFINE_enum(
  'method', 'robust', ['robust', 'sst_a'], 'Of aggregation; see the docs.'
)
_PERSONS = flags.DEFINE_integer('persons', 2, 'Kept in a clip at most.', 1)
_SHARE = flags.DEFINE_float(
  'share', 0.5, 'Of its frames, in which a clip needs a body.', 0, 1
)
_GAP = flags.DEFINE_integer('gap', 10, 'Frames of a gap that is filled.', 0)
_WINDOW = flags.DEFINE_integer(
  'window', 7, 'Frames that smoothing looks at, an odd number; 0: none.', 0
)
_GAMMA = flags.DEFINE_float(
  'gamma', 0.06, "SST-A's least confidence of a frame.", 0, 1
)
_LEAST = flags.DEFINE_integer(
  'least_experts', 2, 'Who must have a video for it to be kept.', 1
)
_APART = flags.DEFINE_float(
  'frames_apart', 0.05, 'By which share experts may differ in length.', 0, 1
)
_SIZE = flags.DEFINE_list(
  'image_size', [], "Width and height in pixels, for MediaPipe's fractions."
)
_FIRST = flags.DEFINE_integer(
  'first_frame', 0, 'The number of the first frame, for AlphaPose.', 0
)
_TEST = flags.DEFINE_float('test', 0.1, 'Share of sources to test with.', 0, 1)
_VAL = flags.DEFINE_float('val', 0.0, 'Share to validate with.', 0, 1)
_SKIP_BAD = flags.DEFINE_boolean(
  'skip_bad', False, 'Go on without bad files, and list them in the report.'
)
_WORKERS = flags.DEFINE_integer(
  'workers', None, 'Processes (default: one a core).', 1
)
flags.mark_flag_as_required('out')


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command('Stopped; the same command resumes.'):
    # Imported here, so that --help answers at once.
    from unik_jax.curate import build, planning, refinement
    from unik_jax.predict import inputs

    plan = planning.plan(
      _EXPERTS.value,
      _OUT.value,
      table=_LABELS.value,
      label_map=_LABEL_MAP.value,
      unlisted=_UNLISTED.value,
      layout=_LAYOUT.value,
      options=refinement.Options(
        method=_METHOD.value,
        persons=_PERSONS.value,
        share=_SHARE.value,
        gap=_GAP.value,
        window=_WINDOW.value,
        gamma=_GAMMA.value,
        apart=_APART.value,
        least=_LEAST.value,
      ),
      image_size=inputs.size_of(_SIZE.value) if _SIZE.value else None,
      first_frame=_FIRST.value,
      skip_bad=_SKIP_BAD.value,
      test=_TEST.value,
      val=_VAL.value,
    )
    build.make(plan, _WORKERS.value, print)


if __name__ == '__main__':
  app.run(main)
