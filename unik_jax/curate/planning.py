"""What is to be curated, checked before long work."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

from unik_jax.curate import aggregation, labels, splitting, videos
from unik_jax.curate import estimators as reading
from unik_jax.curate.jobs import Work
from unik_jax.curate.refinement import METHODS, Options
from unik_jax.curate.videos import Video
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

CLIPS = os.path.join('dataset', 'clips')  # below the folder of everything
_TRIED = 20  # files of an expert that may be bad before its layout is known


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is to be made, checked before long work.

  Attributes:
    work: what is the same for all videos.
    videos: in the order of their names.
    classes: of each video, None where its label is dropped.
    out: the folder of everything.
    test, val: shares of sources, where no table gives splits.
    notes: what the user should know.
  """

  work: Work
  videos: list[Video]
  classes: list[str | None]
  out: pathlib.Path
  test: float
  val: float
  notes: tuple[str, ...]


def plan(
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
  """All that can be checked without reading every video.

  Args:
    folders: of the experts' output.
    out: where everything goes.
    table: of labels, as for `videos.find`.
    label_map: as for `labels.read`; None to leave labels as they are.
    unlisted: as for `labels.merge`.
    layout: name of that which clips are to have; None for
      `experts.common_layout`.
    options: how clips are refined.
    image_size: as for `videos.find`.
    first_frame: as for `experts.read`.
    skip_bad: whether an expert's bad file is left out.
    test: share of source videos to test with.
    val: likewise to validate with.

  Raises:
    UserError: what cannot be.
  """
  options = options or Options()
  if not folders:
    raise UserError('no expert; name folders with --experts=DIR,DIR,DIR')
  if len({os.path.realpath(folder) for folder in folders}) < len(folders):
    raise UserError('--experts: a folder is named twice')
  options = _checked(options, len(folders))
  splitting.check_shares(test, val)
  out = pathlib.Path(out).expanduser()
  experts = [reading.open_expert(folder) for folder in folders]
  found, notes = videos.find(experts, table, image_size)
  classes = [video.label for video in found]
  if label_map:
    classes = labels.merge(
      [(video.label, video.where) for video in found],
      labels.read(label_map),
      str(label_map),
      unlisted,
    )
  names = sorted(set(classes) - {None})
  if len(names) < 2:
    raise UserError(
      f'{table or folders[0]}: fewer than two classes, {names}; a dataset'
      ' has at least two'
    )
  splitting.check([(v.source, v.split) for v in found if v.split])
  joints = get_layout(layout) if layout else _common(experts, found)
  for joint in aggregation.COMPARED:
    joints.index(joint)  # refuses a layout without it
  work = Work(
    experts=tuple(experts),
    layout=joints,
    options=options,
    first_frame=first_frame,
    skip_bad=skip_bad,
    folder=str(out / CLIPS),
  )
  return Plan(work, found, classes, out, test, val, tuple(notes))


def _checked(options, count):
  if options.method not in METHODS:
    raise UserError(f'--method={options.method}; use one of {METHODS}')
  if options.method == 'sst_a' and count != 3:
    raise UserError(
      f'--method=sst_a is of three experts, not of {count}; use robust'
    )
  least = 3 if options.method == 'sst_a' else min(options.least, count)
  if not 0 <= options.share <= 1:
    raise UserError(f'--share={options.share:g}; it is from 0 to 1')
  if options.window and (options.window % 2 == 0 or options.window < 3):
    raise UserError(
      f'--window={options.window}; an odd number from 3 is due, or 0 for none'
    )
  return dataclasses.replace(options, least=least)


def _common(experts, found):
  """The layout of clips, by one file of each expert."""
  entries = []
  for n, expert in enumerate(experts):
    own = [video.entries[n] for video in found if video.entries[n]][:_TRIED]
    if not own:
      raise UserError(f'{expert.folder}: none of the videos that are listed')
    entries.append(own)
  return reading.common_layout(experts, entries)
