"""Looks inside a run: its matrices, attention, and what counts in a clip.

  python -m unik_jax.visualize --run=DIR [--what=matrices,attention,clip]
    [--clip=ID] [--importance=gradient|occlusion] [--video=gif|mp4]
    [--blocks=1,6] [--data_dir=DIR] [--out=FOLDER]

DIR is the --workdir of a run. Matrices alone need no data; attention and the
moving clip are those of a clip of the test split. docs/seeing.md says what
the pictures mean.
"""

import pathlib

from absl import app, flags

from unik_jax import cli

_KINDS = ('matrices', 'attention', 'clip')
_RUN = flags.DEFINE_string('run', None, 'A run: its --workdir.', required=True)
_WHAT = flags.DEFINE_list(
  'what', None, 'Some of matrices, attention, clip (default: all).'
)
_CLIP = flags.DEFINE_string(
  'clip', '', 'Id of a clip of the test split (default: the first).'
)
_IMPORTANCE = flags.DEFINE_enum(
  'importance',
  'gradient',
  ('gradient', 'occlusion'),
  'What colours the joints of a clip.',
)
_WINDOWS = flags.DEFINE_integer(
  'windows', 1, 'Stretches of time that occlusion hides one by one.', 1
)
_VIDEO = flags.DEFINE_enum('video', 'gif', ('gif', 'mp4'), 'Form of a clip.')
_BLOCKS = flags.DEFINE_list('blocks', [], 'Only these, counted from 1.')
_STRONGEST = flags.DEFINE_integer('strongest', 10, 'Lines on each skeleton.', 1)
_DATA_DIR = flags.DEFINE_string(
  'data_dir', '', 'Where the dataset is prepared (default: as in the run).'
)
_OUT = flags.DEFINE_string(
  'out', '', 'Folder for the pictures (default: pictures/ in the run).'
)


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command():
    for line in _pictures():
      print(line, flush=True)


def _pictures():
  """Draws what the flags say; yields a line for each picture."""
  # Imported here, so that --help answers at once.
  from unik_jax.errors import UserError

  what = _WHAT.value or list(_KINDS)
  if unknown := sorted(set(what) - set(_KINDS)):
    raise UserError(f'--what={unknown[0]}; use some of {", ".join(_KINDS)}')
  if not all(block.isdecimal() for block in _BLOCKS.value):
    raise UserError(f'--blocks={",".join(_BLOCKS.value)}; use some as in 1,6')
  blocks = [int(block) for block in _BLOCKS.value]

  from unik_jax.run import restore
  from unik_jax.visualize import analysis, animation, figures

  if 'clip' in what:
    animation.check_video(_VIDEO.value)
  run = restore.load_run(_RUN.value)
  folder = pathlib.Path(_OUT.value or run.folder / 'pictures').expanduser()
  record = None
  if set(what) != {'matrices'}:
    try:
      clips = analysis.open_clips(run, _DATA_DIR.value)
    except UserError as error:
      hint = 'no data is needed for --what=matrices'
      raise UserError(f'{error}; {hint}') from error
    record = analysis.pick(clips, _CLIP.value)
  lines = {'blocks': blocks, 'strongest': _STRONGEST.value}
  if 'matrices' in what:
    yield from figures.matrices(run, folder, record, **lines)
  if 'attention' in what and (_WHAT.value or analysis.has_attention(run)):
    yield from figures.attention(run, folder, record, **lines)
  if 'clip' in what:
    yield from figures.clip(
      run,
      folder,
      record,
      method=_IMPORTANCE.value,
      windows=_WINDOWS.value,
      video=_VIDEO.value,
    )


if __name__ == '__main__':
  app.run(main)
