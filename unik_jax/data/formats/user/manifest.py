"""Which clips a user's folder has, and of what class, subject and split.

Either the folder tree says so (tree.py), or a table does: ROOT/manifest.csv or
ROOT/manifest.json, with columns file (below ROOT) and label, and optionally
subject, split, id, width and height.
"""

import csv
import difflib
import io
import itertools
import json
import os
import pathlib
import re
from typing import Any

from unik_jax.data import raw_files
from unik_jax.data.formats.user import people, recordings, tables, tree
from unik_jax.data.formats.user.entries import (
  SPLITS,
  Entry,
  check_spelling,
  files_in,
  label_of,
)
from unik_jax.errors import UserError

_TABLES = ('manifest.csv', 'manifest.json')
_TABLE_LIKE = re.compile(
  'manifest([.](csv|tsv|txt|jsonl?|xlsx?|ods))+', re.IGNORECASE
)
_NEEDED = ('file', 'label')
_KNOWN = (*_NEEDED, 'subject', 'split', 'id', 'width', 'height')


def read(root: pathlib.Path) -> tuple[list[Entry], list[str]]:
  """The clips of a folder in the order of their ids, and what was noticed.

  Raises:
    UserError: no clip there, a table that makes no sense (with the line), a
      file that is listed twice or lies outside the folder, clips in no class
      folder, a class folder without clips, a single class, or names that
      differ by case alone.
  """
  names = os.listdir(root)
  paths = [root / name for name in _TABLES if name in names]
  if len(paths) > 1:
    raise UserError(f'{root}: both {" and ".join(_TABLES)}; remove one')
  if strays := sorted(name for name in names if _TABLE_LIKE.fullmatch(name)):
    if not paths:
      raise UserError(
        f'{root / strays[0]}: found, but a list of clips is called manifest.csv'
        ' or manifest.json; save it so'
      )
  if paths:
    entries, notes = _from_table(root, paths[0])
  else:
    entries, notes = tree.from_tree(root)
  if not entries:
    raise UserError(
      f'{root}: no clip in it; put files ({", ".join(recordings.SUFFIXES)})'
      ' into LABEL/ folders there, or list them in a manifest.csv with columns'
      ' file and label' + ''.join(f' ({note})' for note in notes)
    )
  _check_once(entries)
  for key in ('label', 'subject'):
    check_spelling({getattr(entry, key): entry for entry in entries}, key)
  if len({entry.label for entry in entries}) == 1:
    advice = 'two are the least'
    if not paths:
      advice = 'is --manual_dir one level too high?'
    raise UserError(f'{root}: one class, {entries[0].label!r}: {advice}')
  return sorted(entries, key=lambda entry: entry.id), notes


def existing(entry: Entry) -> recordings.Source:
  """The clip's source; a UserError where it is not there or not readable."""
  path = entry.source.path
  if not os.path.exists(path):
    raise UserError(f'{entry.where}: no such file: {path}')
  suffix = os.path.splitext(path)[1].lower()
  if not os.path.isdir(path) and suffix not in recordings.SUFFIXES:
    raise UserError(
      f'{entry.where}: {path} is of no known kind:'
      f' {", ".join(recordings.SUFFIXES)}, or a folder with the frames'
      ' of an OpenPose clip'
    )
  return entry.source


def _from_table(root, path):
  rows, columns = rows_of(path)
  other = [column for column in columns if column not in _KNOWN]
  for column in _NEEDED:
    if column not in columns:
      raise UserError(
        f'{path}: no column {column!r}; needed are {", ".join(_NEEDED)},'
        f' possible {", ".join(_KNOWN)}; it has: {", ".join(columns)}'
      )
  for column in other:
    near = difflib.get_close_matches(column, _KNOWN, 1, 0.85)
    near += [key for key in ('subject', 'split') if column.startswith(key)]
    if near:
      raise UserError(
        f'{path}: column {column!r} is not known; if it is {near[0]!r}, call it'
        ' so, or else by a name less alike'
      )
  entries = []
  for where, row in rows:
    row = {key: _text(row.get(key), key, where) for key in _KNOWN}
    for key in _NEEDED:
      if not row[key]:
        raise UserError(f'{where}: no {key}')
    name = _below(root, row['file'], where)
    split = row['split'].lower()
    if split and split not in SPLITS:
      raise UserError(
        f'{where}: unknown split {row["split"]!r}; use train, val or test'
      )
    size = [_number(row[key], key, where) for key in ('width', 'height')]
    entries.append(
      Entry(
        id=row['id'] or name,
        source=recordings.Source(
          os.path.join(root, name), None, people.image_size(size, where)
        ),
        label=label_of(row['label'], where),
        subject=_subject(row['subject']),
        split=SPLITS.get(split, ''),
        where=where,
      )
    )
  for key in ('subject', 'split'):
    without = [entry for entry in entries if not getattr(entry, key)]
    if 0 < len(without) < len(entries):
      raise UserError(
        f'{without[0].where}: no {key}, while other clips have one; give it'
        f' for all, or leave the column {key} out'
      )
  notes = [f'column {name!r} of {path} is not used' for name in other]
  return entries, notes + _not_listed(root, path, entries)


def _below(root, text, where):
  """A path relative to the root, also of an absolute one or one of Windows."""
  name = os.path.normpath(text.replace('\\', '/'))
  if os.path.isabs(name):
    folder, base = os.path.split(name)
    name = os.path.relpath(
      os.path.join(os.path.realpath(folder), base), os.path.realpath(root)
    )
  elif re.match('[A-Za-z]:/', name):
    # Of another machine, so the folder is known by its name alone.
    parts = name.split('/')
    at = [n for n, part in enumerate(parts) if part == root.resolve().name]
    name = '/'.join(parts[at[-1] + 1 :] if at else ['..'])
  if name.split('/')[0] in ('..', '.', ''):
    raise UserError(
      f'{where}: {text!r} leads out of {root}; give paths below it'
    )
  return name


def _not_listed(root, path, entries):
  """A note on files of a known kind that the manifest leaves out."""
  listed = {entry.source.path for entry in entries}
  other = [
    file.path
    for file in files_in(root)
    if file.path.lower().endswith(recordings.SUFFIXES)
    and file.path != str(path)
    and file.path not in listed
    and os.path.dirname(file.path) not in listed
  ]
  if not other:
    return []
  return [f'{len(other)} files are not listed in {path}, such as {other[0]}']


def rows_of(
  path: pathlib.Path,
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
  """((where, row), ...) of a table, CSV or JSON, and the names of its columns.

  Raises:
    UserError: no table, or a row with other than its columns.
  """
  content = raw_files.RawFile(str(path)).read_bytes()
  if path.suffix == '.json':
    rows = raw_files.parse_json(content, str(path), parse_int=str)
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
      raise UserError(
        f'{path}: not of the form [{{"file": "a.npz", "label": "wave"}}, ...]'
      )
    rows = [{key.strip().lower(): row[key] for key in row} for row in rows]
    columns = dict.fromkeys(itertools.chain.from_iterable(rows))
    return [(f'{path}, record {n}', r) for n, r in enumerate(rows)], [*columns]
  text = tables.decode(content, str(path))
  reader = csv.DictReader(
    io.StringIO(text), delimiter=tables.delimiter(text), skipinitialspace=True
  )
  try:
    reader.fieldnames = [n.strip().lower() for n in reader.fieldnames or []]
    rows = [(f'{path}, line {reader.line_num}', row) for row in reader]
  except csv.Error as error:
    raise UserError(
      f'{path}, line {reader.line_num}: not a table ({error})'
    ) from None
  # Excel leaves rows of empty cells, and columns.
  rows = [(where, row) for where, row in rows if not _is_blank(row)]
  for where, row in rows:
    if None in row or None in row.values():
      raise UserError(
        f'{where}: not as many values as columns; quote what has commas in it'
      )
  return rows, list(filter(None, reader.fieldnames or []))


def _is_blank(row):
  cells = itertools.chain.from_iterable(
    [value or ''] if not isinstance(value, list) else value
    for value in row.values()
  )
  return not any(map(str.strip, cells))


def _text(value, key, where):
  if value is None:
    return ''
  if isinstance(value, bool) or not isinstance(value, str | int | float):
    raise UserError(f'{where}: {key} is {json.dumps(value)}; use text')
  return str(value).strip()


def _number(text, key, where):
  try:
    return float(text) if text else None
  except ValueError:
    raise UserError(f'{where}: {key} is {text!r}, no number') from None


def _subject(name):
  # 01 and 1 are one.
  return str(int(name)) if name.isdecimal() and len(name) < 10 else name


def _check_once(entries):
  """Each id, and each file (by whatever path or link) is there once."""
  ids, paths = {}, {}
  for entry in entries:
    path = (os.path.realpath(entry.source.path), entry.source.clip)
    for known, key in ((ids, entry.id), (paths, path)):
      if key in known:
        first = known[key]
        splits = (
          f' (splits {first.split} and {entry.split})'
          if first.split != entry.split
          else ''
        )
        raise UserError(
          f'{entry.where}: clip {entry.id!r} is listed already, in'
          f' {first.where}{splits}; remove one of the two'
        )
      known[key] = entry
