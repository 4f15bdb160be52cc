"""The list of videos, with label, source and split.

The list comes from a CSV or JSON table with columns video and label, and
optionally source, split, width and height. Without a table it comes from the
estimators' folders: LABEL/VIDEO, or SPLIT/LABEL/VIDEO with train, val and test.
Clips that were cut from one video have this video as their source, so that all
of them go to one split.
"""

import dataclasses
import os
import pathlib
import re

from unik_jax.curate.estimators import Estimator, find_videos
from unik_jax.data.formats.user import entries, fields, manifest, recordings
from unik_jax.errors import UserError

_COLUMNS = ('video', 'label', 'source', 'split', 'width', 'height')
_VIDEO = re.compile(
  '[.](avi|flv|m4v|mkv|mov|mp4|mpe?g|ogv|ts|webm|wmv)', re.IGNORECASE
)
# Kinetics names clips YOUTUBEID_000010_000020, with start and end in seconds.
_SECONDS = re.compile(r'(.+?)_\d{6}_\d{6}')


@dataclasses.dataclass(frozen=True, slots=True)
class Video:
  """A listed video.

  Attributes:
    name: path below an estimator's folder, without suffix.
    entries: each estimator's file or folder, None where it has none.
    label: the given label, before labels are merged.
    source: name of the video that it was cut from.
    split: 'train', 'val' or 'test'; '' if not given.
    image_size: (width, height) in pixels, None if unknown.
    where: place that lists it, for errors.
  """

  name: str
  entries: tuple[recordings.ClipSource | None, ...]
  label: str
  source: str
  split: str
  image_size: tuple[int, int] | None
  where: str


def list_videos(
  estimators: list[Estimator],
  table: str | os.PathLike | None = None,
  image_size: tuple[int, int] | None = None,
) -> tuple[list[Video], list[str]]:
  """Returns all videos sorted by name, and notes for the user.

  Args:
    estimators: the estimators whose output is listed.
    table: label table; None to take labels from folders.
    image_size: (width, height) of videos for which the table gives none.

  Raises:
    UserError: the table is malformed, a video has no label, no video is both in
      the table and in an estimator's folder, or two labels differ only in case
      or spaces.
  """
  by_estimator = [find_videos(each) for each in estimators]
  names = sorted(set().union(*by_estimator))
  notes = [
    f'{estimator.folder}: has {len(each):,} of {len(names):,} videos'
    for estimator, each in zip(estimators, by_estimator, strict=True)
    if len(each) < len(names)
  ]
  listed = _list_table(table) if table else _list_folders(names, estimators)
  in_both = [name for name in names if name in listed]
  if not in_both:
    raise UserError(
      f'{table}: expected videos of the estimators, such as {names[0]!r}; none'
      f' of the {len(listed):,} listed ones is. Write paths below an'
      " estimator's folder, without suffix"
    )
  if count := len(names) - len(in_both):
    example = next(name for name in names if name not in listed)
    notes.append(f'{count:,} videos are not in {table}, such as {example}')
  videos = []
  for name in sorted(listed):
    row, where = listed[name]
    videos.append(
      Video(
        name=name,
        entries=tuple(each.get(name) for each in by_estimator),
        label=entries.parse_label(row['label'], where),
        source=row.get('source') or source_of(name),
        split=row.get('split', ''),
        image_size=row.get('image_size') or image_size,
        where=where,
      )
    )
  entries.check_spelling({v.label: v.where for v in reversed(videos)}, 'label')
  return videos, notes


def source_of(name: str) -> str:
  """Returns the name of the video that a clip was cut from.

  Folders are ignored: files of one name in two class folders may be cut from
  one video.
  """
  base = name.rpartition('/')[2]
  match = _SECONDS.fullmatch(base)
  return match[1] if match else base


def _list_folders(names, estimators):
  """Maps each name to its row and place, as `_list_table` does."""
  listed = {}
  top_folders = {name.partition('/')[0].lower() for name in names}
  has_splits = top_folders <= entries.SPLITS.keys()
  for name in names:
    split, rest = '', name
    if has_splits:
      top, _, rest = name.partition('/')
      split = entries.SPLITS[top.lower()]
    label, _, rest = rest.partition('/')
    if not rest:
      raise UserError(
        f'{estimators[0].folder}: expected LABEL/VIDEO, got {name!r} in no'
        ' class folder. Move it into one, or list all videos in a table:'
        ' --labels=FILE.csv (columns video, label)'
      )
    listed[name] = ({'label': label, 'split': split}, name)
  return listed


def _list_table(table):
  """Maps each name in a table to its row and place."""
  path = pathlib.Path(table).expanduser()
  if not path.is_file():
    raise UserError(f'--labels: expected a table of videos, got no file {path}')
  rows, columns = manifest.read_table_rows(path)
  for column in _COLUMNS[:2]:
    if column not in columns:
      raise UserError(
        f'{path}: expected the columns video and label (optional:'
        f' {", ".join(_COLUMNS[2:])}), got {", ".join(columns)}'
      )
  listed = {}
  for where, row in rows:
    row = {key: str(row.get(key) or '').strip() for key in _COLUMNS}
    for key in _COLUMNS[:2]:
      if not row[key]:
        raise UserError(f'{where}, {key}: expected text, got nothing')
    name = os.path.normpath(row['video'].replace('\\', '/'))
    if suffix := _VIDEO.fullmatch(os.path.splitext(name)[1]):
      name = name.removesuffix(suffix[0])
    if name in listed:
      raise UserError(
        f'{where}: video {name!r} is also in {listed[name][1]}. Remove one of'
        ' the two'
      )
    split = row['split'].lower()
    if split and split not in entries.SPLITS:
      raise UserError(
        f'{where}, split: expected train, val or test; got {row["split"]!r}'
      )
    row['split'] = entries.SPLITS.get(split, '')
    sizes = [
      manifest.parse_number(row[key], key, where) for key in ('width', 'height')
    ]
    row['image_size'] = fields.parse_image_size(sizes, where)
    listed[name] = (row, where)
  without = [where for row, where in listed.values() if not row['split']]
  if 0 < len(without) < len(listed):
    raise UserError(
      f'{without[0]}, split: expected a split, as other videos have one; got'
      ' nothing. Give all videos a split, or remove the column'
    )
  return listed
