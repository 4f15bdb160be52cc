"""Predictions for your own clips, or for a stream of frames.

  python -m unik_jax.predict --run=DIR FILES... [--layout=NAME] [--top_k=K]
    [--json] [--each_person] [--skip_bad] [--confidence] [--image_size=W,H]
    [--units=UNITS] [--draw=FOLDER] [--save_keypoints=FOLDER]
  ... | python -m unik_jax.predict --run=DIR --stream [--window=T] [--every=T]

FILES are clips (docs/own_data.md), videos, or folders. See docs/predict.md.
"""

import functools
import os
import sys

from absl import app, flags

from unik_jax import cli
from unik_jax.errors import UserError
from unik_jax.predictor import clip_flags

_CLIPS = clip_flags.define_flags()
_TOP_K = flags.DEFINE_integer(
  'top_k',
  None,
  'Top-k classes to print (default 3; with --json or --stream 5).',
  1,
)
_JSON = flags.DEFINE_boolean('json', False, 'Print each prediction as JSON.')
_EACH_PERSON = flags.DEFINE_boolean(
  'each_person', False, 'Predict for each person instead of each clip.'
)
_DRAW = flags.DEFINE_string('draw', '', 'Output folder for drawn videos.')
_SAVE = flags.DEFINE_string(
  'save_keypoints', '', 'Output folder for keypoints estimated from videos.'
)
_STREAM = flags.DEFINE_boolean(
  'stream', False, 'Read frames from standard input, one JSON value per line.'
)
_WINDOW = flags.DEFINE_integer(
  'window', None, "Frames per prediction (default: the network's input).", 1
)
_EVERY = flags.DEFINE_integer(
  'every', 10, 'Frames between predictions of a stream (default 10).', 1
)

_say = functools.partial(print, file=sys.stderr, flush=True)


def main(argv):
  with cli.command():
    from unik_jax.runtime import compile_cache  # here: --help stays fast

    compile_cache.enable_compile_cache()
    try:
      _predict_stream(argv[1:]) if _STREAM.value else _predict_files(argv[1:])
    except BrokenPipeError:  # the reader of the predictions has left
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _predict_files(paths):
  model, sources, layout, records = clip_flags.read_clips(
    _CLIPS, paths, _say, together=not _EACH_PERSON.value
  )
  from unik_jax.predict import outputs
  from unik_jax.predictor import predictor

  top_k = _TOP_K.value or (5 if _JSON.value else 3)
  predictions = model.predict_records(records, layout=layout, top_k=top_k)
  names = list(map(str, sources))
  if warning := predictor.summarize_unfamiliar(predictions, names):
    _say(f'warning: {warning}')
  write = outputs.format_json_lines if _JSON.value else outputs.format_table
  print(*write(sources, predictions), sep='\n', flush=True)
  outputs.write_videos(sources, predictions, _DRAW.value, _SAVE.value, _say)


def _predict_stream(paths):
  if paths or _EACH_PERSON.value or _CLIPS.skip_bad.value:
    raise UserError(
      '--stream reads standard input and predicts for all persons together.'
      ' Leave out files, --each_person and --skip_bad'
    )
  from unik_jax.data.formats.user import settings
  from unik_jax.predict import live
  from unik_jax.predictor import conversion, inputs, predictor

  model = predictor.load_predictor(_CLIPS.run.value)
  conversion.check_stated_units(_CLIPS.units.value, model.run, '--units')
  live.serve_stream(
    model,
    sys.stdin.buffer,
    write=functools.partial(print, flush=True),
    say=_say,
    window=_WINDOW.value,
    every=_EVERY.value,
    layout=inputs.resolve_layout(model, _CLIPS.layout.value)[0],
    confidence=_CLIPS.confidence.value,
    image_size=settings.parse_image_size_flag(_CLIPS.image_size.value),
    units=_CLIPS.units.value,
    top_k=_TOP_K.value or 5,
  )


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
