"""Teaches a run a new action from a few clips, without training.

  python -m unik_jax.enroll --run=DIR LABEL FILES... [--layout=NAME]
    [--skip_bad] [--confidence] [--image_size=W,H] [--units=UNITS]
  python -m unik_jax.enroll --run=DIR --list
  python -m unik_jax.enroll --run=DIR --remove=LABEL

FILES are clips, videos or folders, as for `python -m unik_jax.predict`, which
then reports the action. LABEL's clips replace those enrolled before. See
docs/predict.md.
"""

import functools
import os
import sys

from absl import app, flags

from unik_jax import cli
from unik_jax.errors import UserError
from unik_jax.predictor import clip_flags

_CLIPS = clip_flags.define_flags()
_LIST = flags.DEFINE_boolean('list', False, 'List the enrolled actions.')
_REMOVE = flags.DEFINE_string('remove', '', 'Enrolled action to remove.')

_say = functools.partial(print, file=sys.stderr, flush=True)


def main(argv):
  with cli.command():
    if bool(_LIST.value) + bool(_REMOVE.value) + (len(argv) > 1) != 1:
      raise UserError(
        'arguments: expected one of LABEL FILES..., --list and --remove=LABEL.'
        ' See --help'
      )
    from unik_jax.run import hub
    from unik_jax.runtime import compile_cache

    hub.refuse_address('--run', _CLIPS.run.value)
    compile_cache.enable_compile_cache()
    if len(argv) > 1:
      _enroll(argv[1], argv[2:])
    else:
      _change()


def _enroll(label, paths):
  if os.path.isfile(label):
    raise UserError(
      f'LABEL: expected the name of the action first, got the file {label}'
    )
  clips = clip_flags.read_clips(_CLIPS, paths, _say)
  from unik_jax.enroll import actions
  from unik_jax.predictor.predictor import summarize_unfamiliar

  names = list(map(str, clips.sources))
  predictions = actions.enroll(clips, label)
  if warning := summarize_unfamiliar(predictions, names):
    _say(f'warning: {warning}')
  _show()


def _change():
  from unik_jax.enroll import actions

  if _REMOVE.value:
    actions.remove(_CLIPS.run.value, _REMOVE.value)
  _show()


def _show():
  from unik_jax.enroll import actions

  print(*actions.describe(_CLIPS.run.value), sep='\n')


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
