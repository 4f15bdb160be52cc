"""Plans: everything to curate, checked before the long work starts."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from unik_jax.curate import aggregation, labels, splitting, videos
from unik_jax.curate.bodies import common_layout
from unik_jax.curate.clip_writer import Setup
from unik_jax.curate.estimators import Estimator, open_estimator
from unik_jax.curate.refinement import METHODS, Options
from unik_jax.curate.videos import Video
from unik_jax.errors import UserError, check_choice
from unik_jax.skeletons.layouts import Layout, get_layout

CLIPS = os.path.join('dataset', 'clips')  # below the output folder
_LAYOUT_SAMPLES = 20  # files per estimator to try before its layout is known


@dataclasses.dataclass(frozen=True)
class Plan:
  """Everything to curate.

  Attributes:
    setup: settings shared by all videos.
    videos: sorted by name.
    classes: each video's class, None if its label is dropped.
    out: output folder.
    test, val: shares of sources, used if no table gives splits.
    notes: sentences to show to the user.
  """

  setup: Setup
  videos: list[Video]
  classes: list[str | None]
  out: pathlib.Path
  test: float
  val: float
  notes: tuple[str, ...]


def make_plan(
  folders: Sequence[str],
  out: str | os.PathLike,
  *,
  table: str | None = None,
  label_map: str | None = None,
  unlisted: str = 'error',
  layout: str | None = None,
  options: Options | None = None,
  image_size: tuple[int, int] | None = None,
  first_frame: int = 0,
  skip_bad: bool = False,
  test: float = 0.1,
  val: float = 0.0,
) -> Plan:
  """Checks everything that can be checked without reading each video.

  Args:
    folders: estimators' output, one folder for each.
    out: output folder.
    table: label table, as in `videos.list_videos`.
    label_map: as in `labels.read_label_map`; None to leave labels unchanged.
    unlisted: as in `labels.merge_labels`.
    layout: name of the clips' joint layout (default:
      `bodies.common_layout`).
    options: how clips are refined.
    image_size: as in `videos.list_videos`.
    first_frame: as in `bodies.read_bodies`.
    skip_bad: whether to skip an estimator's bad file.
    test: share of source videos for testing.
    val: share of source videos for validation.

  Raises:
    UserError: an argument, a folder, a table or a label map is invalid.
  """
  options = options or Options()
  if not folders:
    raise UserError(
      '--experts: expected a folder for each estimator, got none. Use'
      ' --experts=DIR,DIR,DIR'
    )
  if len({os.path.realpath(folder) for folder in folders}) < len(folders):
    raise UserError(
      f'--experts={",".join(map(str, folders))}: expected different folders,'
      ' got one of them twice'
    )
  options = _check_options(options, len(folders))
  splitting.check_shares(test, val)
  out = pathlib.Path(out).expanduser()
  estimators = [open_estimator(folder) for folder in folders]
  listed, notes = videos.list_videos(estimators, table, image_size)
  classes: list[str | None] = [video.label for video in listed]
  if label_map:
    classes = labels.merge_labels(
      [(video.label, video.where) for video in listed],
      labels.read_label_map(label_map),
      str(label_map),
      unlisted,
    )
  names = sorted({name for name in classes if name is not None})
  if len(names) < 2:
    raise UserError(
      f'{table or folders[0]}: expected at least two classes, got {names}'
    )
  splitting.check_sources([(v.source, v.split) for v in listed if v.split])
  joints = (
    get_layout(layout) if layout else _find_common_layout(estimators, listed)
  )
  for joint in aggregation.COMPARED:
    joints.index(joint)  # raises a UserError if the layout lacks it
  setup = Setup(
    estimators=tuple(estimators),
    layout=joints,
    options=options,
    first_frame=first_frame,
    skip_bad=skip_bad,
    folder=str(out / CLIPS),
  )
  return Plan(setup, listed, classes, out, test, val, tuple(notes))


def _check_options(options, count):
  """Returns the options with `min_estimators` limited to the estimators."""
  check_choice('--method', options.method, METHODS)
  if options.method == 'sst_a' and count != 3:
    raise UserError(
      f'--method=sst_a: expected three estimators, got {count}. Use'
      ' --method=robust'
    )
  if not 0 <= options.min_share <= 1:
    raise UserError(
      f'--share: expected a share from 0 to 1, got {options.min_share:g}'
    )
  if options.window and (options.window % 2 == 0 or options.window < 3):
    raise UserError(
      f'--window: expected an odd number of at least 3, or 0 for no smoothing;'
      f' got {options.window}'
    )
  required = 3 if options.method == 'sst_a' else options.min_estimators
  return dataclasses.replace(options, min_estimators=min(required, count))


def _find_common_layout(
  estimators: list[Estimator], listed: list[Video]
) -> Layout:
  """Returns `bodies.common_layout` from a few files of each estimator."""
  entries = []
  for n, estimator in enumerate(estimators):
    own = [entry for video in listed if (entry := video.entries[n])]
    if not own:
      raise UserError(
        f'{estimator.folder}: expected some of the listed videos, got none'
      )
    entries.append(own[:_LAYOUT_SAMPLES])
  return common_layout(estimators, entries)
