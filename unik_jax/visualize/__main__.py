"""Draws a run's dependency matrices, attention maps, and joint importance.

  python -m unik_jax.visualize --run=DIR [--what=matrices,attention,clip]
    [--clip=ID] [--importance=gradient|occlusion] [--video=gif|mp4]
    [--blocks=1,6] [--data_dir=DIR] [--out=FOLDER]

DIR is the --workdir of a run. `matrices` needs no data; `attention` and `clip`
show a clip of the test split. docs/visualize.md explains the pictures.
"""

import pathlib

from absl import app, flags

from unik_jax import cli
from unik_jax.errors import UserError
from unik_jax.run import paths

_KINDS = ('matrices', 'attention', 'clip')
_RUN = flags.DEFINE_string(
  'run', None, 'The --workdir of a run.', required=True
)
_WHAT = flags.DEFINE_list(
  'what', None, 'Any of matrices, attention, clip (default: all).'
)
_CLIP = flags.DEFINE_string(
  'clip', '', 'Id of a clip of the test split (default: the first clip).'
)
_IMPORTANCE = flags.DEFINE_enum(
  'importance',
  'gradient',
  ('gradient', 'occlusion'),
  'How the importance of joints is computed.',
)
_WINDOWS = flags.DEFINE_integer(
  'windows', 1, 'Stretches of time in which occlusion hides a joint.', 1
)
_VIDEO = flags.DEFINE_enum(
  'video', 'gif', ('gif', 'mp4'), 'File format of the animated clip.'
)
_BLOCKS = flags.DEFINE_list(
  'blocks', [], 'Blocks to draw, numbered from 1 (default: all).'
)
_STRONGEST = flags.DEFINE_integer(
  'strongest', 10, 'Number of lines on each skeleton.', 1
)
_DATA_DIR = flags.DEFINE_string(
  'data_dir',
  '',
  "Where prepared datasets are (default: as in the run's config).",
)
_OUT = flags.DEFINE_string(
  'out', '', 'Folder for the pictures (default: RUN/pictures).'
)


def main(argv):
  cli.refuse_arguments(argv)
  with cli.command():
    for line in _write_pictures():
      print(line, flush=True)


def _write_pictures():
  """Writes what the flags ask for; yields a line for each picture."""
  what = _WHAT.value or list(_KINDS)
  if unknown := sorted(set(what) - set(_KINDS)):
    raise UserError(
      f'--what: expected any of {", ".join(_KINDS)}, got {unknown[0]!r}'
    )
  if not all(block.isdecimal() for block in _BLOCKS.value):
    raise UserError(
      f'--blocks: expected numbers such as 1,6, got {",".join(_BLOCKS.value)!r}'
    )
  # Imported here, so that --help answers at once.
  from unik_jax.run import hub, restore

  try:
    from unik_jax.visualize import analysis, animation, figures
  except ImportError as error:
    raise UserError(
      f'{error}. Pictures need matplotlib: pip install "unik_jax[plot]"'
    ) from error

  if not _OUT.value:
    hub.refuse_address('--run without --out', _RUN.value)
  if 'clip' in what:
    animation.check_video_format(_VIDEO.value)
  run = restore.load_run(_RUN.value)
  folder = pathlib.Path(_OUT.value or run.folder / paths.PICTURES).expanduser()
  record = None
  if set(what) != {'matrices'}:
    try:
      split = analysis.open_test_split(run, _DATA_DIR.value)
    except UserError as error:
      hint = '--what=matrices needs no data'
      raise UserError(f'{error}; {hint}') from error
    record = analysis.select_clip(split, _CLIP.value)
  lines = {
    'blocks': [int(block) for block in _BLOCKS.value],
    'strongest': _STRONGEST.value,
  }
  # By default, a network without such matrices or attention is no error.
  mixes_joints = run.net.abstract.mixes_joints
  if 'matrices' in what and (_WHAT.value or mixes_joints):
    yield from figures.write_dependencies(run, folder, record, **lines)
  if 'attention' in what and (_WHAT.value or analysis.has_attention(run)):
    yield from figures.write_attention(run, folder, record, **lines)
  if 'clip' in what:
    yield from figures.write_clip(
      run,
      folder,
      record,
      method=_IMPORTANCE.value,
      windows=_WINDOWS.value,
      video=_VIDEO.value,
    )


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
