"""Answers for clips of your own, or for a stream of frames.

  python -m unik_jax.predict --run=DIR FILES... [--layout=NAME] [--top_k=K]
    [--json] [--each_person] [--skip_bad] [--confidence] [--image_size=W,H]
    [--draw=FOLDER] [--save_keypoints=FOLDER]
  ... | python -m unik_jax.predict --run=DIR --stream [--window=T] [--every=T]

DIR is a run's --workdir; FILES are clips of any format in docs/own_data.md,
videos, or folders of them. docs/predict.md has the rest.
"""

import functools
import os
import sys

from absl import app, flags

from unik_jax import cli

_RUN = flags.DEFINE_string('run', None, 'A run: its --workdir.', required=True)
_LAYOUT = flags.DEFINE_string(
  'layout', '', 'Of the joints: a name, or a layout.yaml (default: as trained).'
)
_TOP_K = flags.DEFINE_integer(
  'top_k', None, 'Classes that are named (default: 5, in a table 3).', 1
)
_JSON = flags.DEFINE_boolean('json', False, 'An answer is a line of JSON.')
_EACH_PERSON = flags.DEFINE_boolean(
  'each_person', False, 'Each person has an answer of their own.'
)
_SKIP_BAD = flags.DEFINE_boolean('skip_bad', False, 'Go on without bad files.')
_CONFIDENCE = flags.DEFINE_boolean(
  'confidence', None, 'Whether the last channel is one, where that is open.'
)
_IMAGE_SIZE = flags.DEFINE_list(
  'image_size', [], 'WIDTH,HEIGHT in pixels, where no file says it.'
)
_DRAW = flags.DEFINE_string('draw', '', 'Folder for videos that are drawn on.')
_SAVE = flags.DEFINE_string('save_keypoints', '', 'Folder for those of videos.')
_STREAM = flags.DEFINE_boolean(
  'stream', False, 'Read frames from standard input, a line of JSON each.'
)
_WINDOW = flags.DEFINE_integer(
  'window', None, 'Frames of an answer (default: what the network sees).', 1
)
_EVERY = flags.DEFINE_integer(
  'every', 10, 'Frames from one answer of a stream to the next.', 1
)

_say = functools.partial(print, file=sys.stderr, flush=True)


def main(argv):
  # Imported here, so that --help answers at once.
  from unik_jax.runtime import compile_cache

  compile_cache.enable_compile_cache()
  with cli.command():
    try:
      _stream(argv[1:]) if _STREAM.value else _files(argv[1:])
    except BrokenPipeError:  # the reader of the output, such as head, has ended
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _files(paths):
  from unik_jax.predict import inputs

  sources = inputs.find(paths, inputs.size_of(_IMAGE_SIZE.value))
  from unik_jax.predict import predictor

  model = predictor.load(_RUN.value)
  layout = inputs.layout_of(model, _LAYOUT.value, sources)
  records = inputs.records(
    model,
    sources,
    layout=layout,
    stated=bool(_LAYOUT.value),
    confidence=_CONFIDENCE.value,
    together=not _EACH_PERSON.value,
    on_bad=(lambda e: _say(f'skipped: {e}')) if _SKIP_BAD.value else None,
  )
  if note := inputs.note_on_units(model, records):
    _say(f'note: {note}')
  few = 5 if _JSON.value else 3
  answers = model.answer(records, layout=layout, top_k=_TOP_K.value or few)
  write = inputs.to_json if _JSON.value else inputs.table
  print(*write(sources, answers), sep='\n', flush=True)
  inputs.finish(sources, answers, _DRAW.value, _SAVE.value, say=_say)


def _stream(paths):
  from unik_jax.errors import UserError
  from unik_jax.predict import inputs, live, predictor

  if paths or _EACH_PERSON.value or _SKIP_BAD.value:
    raise UserError(
      '--stream reads standard input, and answers for all persons together;'
      ' leave out files, --each_person and --skip_bad'
    )
  model = predictor.load(_RUN.value)
  live.serve(
    model,
    sys.stdin.buffer,
    write=functools.partial(print, flush=True),
    say=_say,
    window=_WINDOW.value,
    every=_EVERY.value,
    layout=inputs.layout_of(model, _LAYOUT.value),
    confidence=_CONFIDENCE.value,
    image_size=inputs.size_of(_IMAGE_SIZE.value),
    top_k=_TOP_K.value or 5,
  )


if __name__ == '__main__':
  app.run(main)
