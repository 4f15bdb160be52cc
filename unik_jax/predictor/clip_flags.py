"""Flags of the commands that give clips to a model, and what follows from them.

Imports nothing heavy, so that `--help` answers at once.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from absl import flags

from unik_jax.errors import UserError

if TYPE_CHECKING:  # imports JAX
  from unik_jax.data.formats.user.recordings import ClipSource
  from unik_jax.predictor.predictor import Predictor
  from unik_jax.skeletons.layouts import Layout


# The flags belong to the command that calls `define_flags`, and to its --help.
flags.disclaim_key_flags()


class ClipFlags(NamedTuple):
  """The flags, as `define_flags` defines them."""

  run: flags.FlagHolder
  layout: flags.FlagHolder
  skip_bad: flags.FlagHolder
  confidence: flags.FlagHolder
  image_size: flags.FlagHolder
  units: flags.FlagHolder


def define_flags() -> ClipFlags:
  """Defines the flags; a command calls it once."""
  return ClipFlags(
    run=flags.DEFINE_string(
      'run',
      None,
      "The run's --workdir, the folder of an exported run, or hf://owner/name.",
      required=True,
    ),
    layout=flags.DEFINE_string(
      'layout',
      '',
      'Joint layout: a name, or the path of a YAML file (default: that in the'
      ' nearest layout.yaml, or else as trained).',
    ),
    skip_bad=flags.DEFINE_boolean('skip_bad', False, 'Skip unreadable files.'),
    confidence=flags.DEFINE_boolean(
      'confidence',
      None,
      'Treat the last channel as confidence (default: detect).',
    ),
    image_size=flags.DEFINE_list(
      'image_size', [], 'WIDTH,HEIGHT in pixels, if the files do not state it.'
    ),
    units=flags.DEFINE_string(
      'units', '', 'Units of the coordinates, if the files do not define them.'
    ),
  )


class Clips(NamedTuple):
  """The clips of a command, and the model that they are for.

  Attributes:
    model: the model.
    sources: the files, including skipped ones.
    layout: joint layout of the clips.
    records: for `Predictor.predict_records`.
  """

  model: 'Predictor'
  sources: 'list[ClipSource]'
  layout: 'Layout'
  records: list[dict[str, Any]]


def read_clips(
  options: ClipFlags,
  paths: Sequence[str],
  say: Callable[[str], None],
  *,
  together: bool = True,
) -> Clips:
  """Opens the model, and reads and checks all clips, as the flags say.

  Args:
    options: the flags.
    paths: files and folders.
    say: is called with each message for the user.
    together: as in `Predictor.predict`.

  Raises:
    UserError: the run or a clip cannot be read, or a clip does not fit the
      model, without --skip_bad; or no clip could be read.
  """
  from unik_jax.data.formats.user import settings
  from unik_jax.predictor import inputs

  def skip(error: UserError) -> None:
    say(f'skipped: {error}')

  size = settings.parse_image_size_flag(options.image_size.value)
  on_bad = skip if options.skip_bad.value else None
  sources = inputs.find_clips(paths, size, options.units.value)
  sources = inputs.check_videos(sources, on_bad)
  from unik_jax.predictor import conversion, files, predictor  # imports JAX

  model = predictor.load_predictor(options.run.value)
  conversion.check_stated_units(options.units.value, model.run, '--units')
  layout, records = files.read_files(
    model,
    sources,
    layout=options.layout.value,
    confidence=options.confidence.value,
    together=together,
    on_bad=on_bad,
    on_note=lambda note: say(f'note: {note}'),
  )
  return Clips(model, sources, layout, records)
