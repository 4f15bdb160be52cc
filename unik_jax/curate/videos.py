"""Which videos there are, of what class, and cut from which source.

Either a table says so, CSV or JSON, with columns video and label, and where
one likes source, split, width and height; or the experts' folders do: LABEL/
VIDEO, or SPLIT/LABEL/VIDEO with train, val and test. Clips that were cut from
one video have that for their source, so that no source is in two splits.
"""

import dataclasses
import itertools
import os
import pathlib
import re
import unicodedata

from unik_jax.curate import estimators as reading
from unik_jax.curate.estimators import Expert
from unik_jax.data.formats.user import entries, fields, manifest, recordings
from unik_jax.errors import UserError

_COLUMNS = ('video', 'label', 'source', 'split', 'width', 'height')
_VIDEO = re.compile(
  '[.](avi|flv|m4v|mkv|mov|mp4|mpe?g|ogv|ts|webm|wmv)', re.IGNORECASE
)
# Kinetics' clips are called YOUTUBEID_000010_000020 by their seconds.
_SECONDS = re.compile(r'(.+?)_\d{6}_\d{6}')


@dataclasses.dataclass(frozen=True, slots=True)
class Video:
  """A video as it is listed.

  Attributes:
    name: its path below an expert's folder, without suffix.
    entries: of each expert, None where one has none.
    label: as it is given, before labels are merged.
    source: of what it was cut from.
    split: 'train', 'val' or 'test'; '' where nothing says.
    image_size: (width, height) in pixels, where it is known.
    where: the place that lists it, to be named in errors.
  """

  name: str
  entries: tuple[recordings.ClipSource | None, ...]
  label: str
  source: str
  split: str
  image_size: tuple[int, int] | None
  where: str


def find(
  experts: list[Expert],
  table: str | os.PathLike | None = None,
  image_size: tuple[int, int] | None = None,
) -> tuple[list[Video], list[str]]:
  """All videos in the order of their names, and what was noticed.

  Args:
    experts: whose output there is.
    table: of the labels; None where folders say them.
    image_size: of all videos, where the table does not say.

  Raises:
    UserError: a table that makes no sense, a video without a label, no video
      that both the table and an expert have, or labels that differ by case
      alone.
  """
  found = [reading.find(expert) for expert in experts]
  names = sorted(set().union(*found))
  notes = [
    f'{expert.folder}: has {len(each):,} of {len(names):,} videos'
    for expert, each in zip(experts, found, strict=True)
    if len(each) < len(names)
  ]
  listed = _from_table(table) if table else _from_tree(names, experts)
  both = [name for name in names if name in listed]
  if not both:
    raise UserError(
      f'{table}: none of its {len(listed):,} videos is among those of the'
      f' experts, such as {names[0]!r}; names are paths below an expert'
      "'s folder, without suffix"
    )
  if count := len(names) - len(both):
    other = next(name for name in names if name not in listed)
    notes.append(f'{count:,} videos are not in {table}, such as {other}')
  videos = []
  for name in sorted(listed):
    row, where = listed[name]
    videos.append(
      Video(
        name=name,
        entries=tuple(each.get(name) for each in found),
        label=entries.parse_label(row['label'], where),
        source=row.get('source') or source_of(name),
        split=row.get('split', ''),
        image_size=row.get('image_size') or image_size,
        where=where,
      )
    )
  _check_spelling(videos)
  return videos, notes


def source_of(name: str) -> str:
  """What a clip was cut from, by its name.

  Folders do not count: the same name in two class folders may be one video.
  """
  base = name.rpartition('/')[2]
  found = _SECONDS.fullmatch(base)
  return found[1] if found else base


def _from_tree(names, experts):
  listed = {}
  tops = {name.partition('/')[0].lower() for name in names}
  with_splits = tops <= entries.SPLITS.keys()
  for name in names:
    split, rest = '', name
    if with_splits:
      top, _, rest = name.partition('/')
      split = entries.SPLITS[top.lower()]
    label, _, rest = rest.partition('/')
    if not rest:
      raise UserError(
        f'{experts[0].folder}: video {name!r} is in no class folder; put all'
        ' into LABEL/ folders, or list them in a table and name it with'
        ' --labels=FILE.csv (columns video, label)'
      )
    listed[name] = ({'label': label, 'split': split}, name)
  return listed


def _from_table(table):
  path = pathlib.Path(table).expanduser()
  if not path.is_file():
    raise UserError(f'{path}: no such file; --labels names a table of videos')
  rows, columns = manifest.read_table_rows(path)
  for column in _COLUMNS[:2]:
    if column not in columns:
      raise UserError(
        f'{path}: no column {column!r}; needed are video, label, possible'
        f' {", ".join(_COLUMNS[2:])}; it has: {", ".join(columns)}'
      )
  listed = {}
  for where, row in rows:
    row = {key: str(row.get(key) or '').strip() for key in _COLUMNS}
    for key in _COLUMNS[:2]:
      if not row[key]:
        raise UserError(f'{where}: no {key}')
    name = os.path.normpath(row['video'].replace('\\', '/'))
    if suffix := _VIDEO.fullmatch(os.path.splitext(name)[1]):
      name = name.removesuffix(suffix[0])
    if name in listed:
      raise UserError(
        f'{where}: video {name!r} is listed already, in {listed[name][1]};'
        ' remove one of the two'
      )
    split = row['split'].lower()
    if split and split not in entries.SPLITS:
      raise UserError(
        f'{where}: unknown split {row["split"]!r}; use train, val or test'
      )
    row['split'] = entries.SPLITS.get(split, '')
    sizes = [_number(row[key], key, where) for key in ('width', 'height')]
    row['image_size'] = fields.parse_image_size(sizes, where)
    listed[name] = (row, where)
  some = [where for row, where in listed.values() if not row['split']]
  if 0 < len(some) < len(listed):
    raise UserError(
      f'{some[0]}: no split, while other videos have one; give it for all, or'
      ' leave the column split out'
    )
  return listed


def _number(text, key, where):
  try:
    return float(text) if text else None
  except ValueError:
    raise UserError(f'{where}: {key} is {text!r}, no number') from None


def _check_spelling(videos):
  def plain(video):
    text = unicodedata.normalize('NFC', video.label)
    return ' '.join(text.casefold().split())

  for _, same in itertools.groupby(sorted(videos, key=plain), plain):
    same = list(same)
    other = [video for video in same if video.label != same[0].label]
    if other:
      raise UserError(
        f'{other[0].where}: label {other[0].label!r}, but in {same[0].where}'
        f' {same[0].label!r}; write both the same way'
      )
