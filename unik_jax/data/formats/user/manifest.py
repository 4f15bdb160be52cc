"""The list of a dataset's clips, with class, subject and split.

The list is the folder tree (tree.py) or a table: ROOT/manifest.csv or
ROOT/manifest.json with columns file (below ROOT) and label, and optionally
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
from unik_jax.data.formats.user import recordings, tables, tree
from unik_jax.data.formats.user.entries import (
  SPLITS,
  ClipEntry,
  check_spelling,
  list_files,
  parse_label,
)
from unik_jax.data.formats.user.fields import parse_image_size
from unik_jax.errors import UserError

_NAMES = ('manifest.csv', 'manifest.json')
_SIMILAR_NAME = re.compile(
  'manifest([.](csv|tsv|txt|jsonl?|xlsx?|ods))+', re.IGNORECASE
)
_REQUIRED = ('file', 'label')
_COLUMNS = (*_REQUIRED, 'subject', 'split', 'id', 'width', 'height')


def read_clip_list(root: pathlib.Path) -> tuple[list[ClipEntry], list[str]]:
  """Returns the clips of a folder, sorted by id, and notes for the user.

  Raises:
    UserError: there are no clips; the table is invalid (names the line); a file
      is listed twice or is outside the folder; a clip is outside a class
      folder, or a class folder has no clips; there is one class only; or names
      differ only by case.
  """
  names = os.listdir(root)
  paths = [root / name for name in _NAMES if name in names]
  if len(paths) > 1:
    raise UserError(f'{root}: found both {" and ".join(_NAMES)}. Remove one')
  if similar := sorted(n for n in names if _SIMILAR_NAME.fullmatch(n)):
    if not paths:
      raise UserError(
        f'{root / similar[0]}: expected the name manifest.csv or manifest.json.'
        ' Save it under that name'
      )
  if paths:
    entries, notes = _read_manifest(root, paths[0])
  else:
    entries, notes = tree.read_dataset_files(root)
    if not entries:
      entries, notes = tree.read_clip_tree(root)
  if not entries:
    raise UserError(
      f'{root}: no clip. Put files ({", ".join(recordings.SUFFIXES)}) into'
      ' LABEL/ folders there, or list them in a manifest.csv with columns file'
      ' and label' + ''.join(f' ({note})' for note in notes)
    )
  _refuse_repeated(entries)
  for key in ('label', 'subject'):
    check_spelling({getattr(entry, key): entry.where for entry in entries}, key)
  if len({entry.label for entry in entries}) == 1:
    remedy = 'Add another one'
    if not paths:
      remedy = 'Is --manual_dir one level too high?'
    raise UserError(
      f'{root}: expected at least two classes, got only {entries[0].label!r}.'
      f' {remedy}'
    )
  return sorted(entries, key=lambda entry: entry.id), notes


def check_source(entry: ClipEntry) -> recordings.ClipSource:
  """Returns a clip's source; UserError if missing or of an unknown kind."""
  path = entry.source.path
  if not os.path.exists(path):
    raise UserError(f'{entry.where}: no such file: {path}')
  suffix = os.path.splitext(path)[1].lower()
  is_part = os.path.isdir(path) or entry.source.clip is not None
  if not is_part and suffix not in recordings.SUFFIXES:
    raise UserError(
      f'{entry.where}: {path}: expected {", ".join(recordings.SUFFIXES)} or a'
      f' folder with a file for each frame, got suffix {suffix!r}'
    )
  return entry.source


def _read_manifest(root, path):
  rows, columns = read_table_rows(path)
  unknown = [column for column in columns if column not in _COLUMNS]
  _check_columns(path, columns, unknown)
  entries = [_parse_row(root, where, row) for where, row in rows]
  for key in ('subject', 'split'):
    without = [entry for entry in entries if not getattr(entry, key)]
    if 0 < len(without) < len(entries):
      raise UserError(
        f'{without[0].where}: {key} is missing, but other clips have one. Give'
        f' it for all clips, or remove the column {key}'
      )
  notes = [f'column {name!r} of {path} is not used' for name in unknown]
  return entries, notes + _note_unlisted(root, path, entries)


def _check_columns(path, columns, unknown):
  """Raises a UserError for a missing or a misspelled column."""
  for column in _REQUIRED:
    if column not in columns:
      raise UserError(
        f'{path}: no column {column!r}. Required: {", ".join(_REQUIRED)};'
        f' optional: {", ".join(_COLUMNS[len(_REQUIRED) :])}; got:'
        f' {", ".join(columns)}'
      )
  for column in unknown:
    similar = difflib.get_close_matches(column, _COLUMNS, 1, 0.85)
    similar += [key for key in ('subject', 'split') if column.startswith(key)]
    if similar:
      raise UserError(
        f'{path}: unknown column {column!r}. If it is {similar[0]!r}, rename it'
        ' so; otherwise give it a less similar name'
      )


def _parse_row(root, where, row):
  row = {key: _text(row.get(key), key, where) for key in _COLUMNS}
  for key in _REQUIRED:
    if not row[key]:
      raise UserError(f'{where}: {key} is empty')
  name = _relative_path(root, row['file'], where)
  split = row['split'].lower()
  if split and split not in SPLITS:
    raise UserError(
      f'{where}: split: expected train, val or test, got {row["split"]!r}'
    )
  size = [parse_number(row[key], key, where) for key in ('width', 'height')]
  return ClipEntry(
    id=row['id'] or name,
    source=recordings.ClipSource(
      os.path.join(root, name), None, parse_image_size(size, where)
    ),
    label=parse_label(row['label'], where),
    subject=_subject(row['subject']),
    split=SPLITS.get(split, ''),
    where=where,
  )


def _relative_path(root, text, where):
  """Returns a path relative to the root, for any absolute or Windows path."""
  name = os.path.normpath(text.replace('\\', '/'))
  if os.path.isabs(name):
    folder, base = os.path.split(name)
    name = os.path.relpath(
      os.path.join(os.path.realpath(folder), base), os.path.realpath(root)
    )
  elif re.match('[A-Za-z]:/', name):
    # A path of another machine: only the folder's name can be recognised.
    parts = name.split('/')
    at = [n for n, part in enumerate(parts) if part == root.resolve().name]
    name = '/'.join(parts[at[-1] + 1 :] if at else ['..'])
  if name.split('/')[0] in ('..', '.', ''):
    raise UserError(
      f'{where}: file: expected a path below {root}, got {text!r}'
    )
  return name


def _note_unlisted(root, path, entries):
  """Returns a note if the manifest leaves out files of a known kind."""
  listed = {entry.source.path for entry in entries}
  others = [
    file.path
    for file in list_files(root)
    if file.path.lower().endswith(recordings.SUFFIXES)
    and file.path != str(path)
    and file.path not in listed
    and os.path.dirname(file.path) not in listed
  ]
  if not others:
    return []
  return [f'{len(others)} files are not listed in {path}, such as {others[0]}']


def read_table_rows(
  path: pathlib.Path,
) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
  """Returns the rows of a CSV or JSON table, and the names of its columns.

  Each row is (where, {column: value}), with its place in the file for errors.

  Raises:
    UserError: the file is not a table, or a row has other columns.
  """
  content = raw_files.RawFile(str(path)).read_bytes()
  if path.suffix == '.json':
    rows = raw_files.parse_json(content, str(path), parse_int=str)
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
      raise UserError(
        f'{path}: expected a list of objects, as in [{{"file": "a.npz",'
        ' "label": "wave"}, ...]'
      )
    rows = [{key.strip().lower(): row[key] for key in row} for row in rows]
    columns = dict.fromkeys(itertools.chain.from_iterable(rows))
    return [(f'{path}, record {n}', r) for n, r in enumerate(rows)], [*columns]
  text = tables.decode_text(content, str(path))
  reader = csv.DictReader(
    io.StringIO(text),
    delimiter=tables.detect_delimiter(text),
    skipinitialspace=True,
  )
  try:
    reader.fieldnames = [n.strip().lower() for n in reader.fieldnames or []]
    rows = [(f'{path}, line {reader.line_num}', row) for row in reader]
  except csv.Error as error:
    raise UserError(
      f'{path}, line {reader.line_num}: not a table ({error})'
    ) from None
  # Excel writes empty cells for rows and columns that were once used.
  rows = [(where, row) for where, row in rows if not _is_blank(row)]
  for where, row in rows:
    if None in row or None in row.values():
      raise UserError(
        f'{where}: expected as many values as columns. Quote values that'
        ' contain a comma'
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
    raise UserError(f'{where}: {key}: expected text, got {json.dumps(value)}')
  return str(value).strip()


def parse_number(text: str, key: str, where: str) -> float | None:
  """Returns the number in a cell, None for an empty one.

  Raises:
    UserError: the text is not a number.
  """
  try:
    return float(text) if text else None
  except ValueError:
    raise UserError(
      f'{where}: {key}: expected a number, got {text!r}'
    ) from None


def _subject(name):
  # 01 and 1 are the same subject.
  return str(int(name)) if name.isdecimal() and len(name) < 10 else name


def _refuse_repeated(entries):
  """Raises a UserError if an id or a file (by any path or link) is repeated."""
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
          f' {first.where}{splits}. Remove one of the two'
        )
      known[key] = entry
