"""Clips that lie in class folders: ROOT/LABEL/CLIP or ROOT/SPLIT/LABEL/CLIP."""

import collections
import os
import pathlib

from unik_jax.data.formats.user import entries, openpose, recordings, settings
from unik_jax.data.formats.user.entries import Entry
from unik_jax.errors import UserError


def from_tree(root: pathlib.Path) -> tuple[list[Entry], list[str]]:
  """The clips, and what was noticed.

  Raises:
    UserError: clips in no class folder, a class folder without clips, or
      classes that differ by case or space alone.
  """
  sources, unknown = [], collections.Counter()
  frames = collections.defaultdict(collections.Counter)  # of OpenPose's videos
  for file in entries.files_in(root):
    folder, name = os.path.split(file.path)
    suffix = os.path.splitext(name)[1].lower()
    if name.endswith(openpose.SUFFIX):
      frames[folder][openpose.clip_of(name)] += 1
    elif suffix in recordings.SUFFIXES:
      sources.append(recordings.Source(file.path))
    elif file.path != str(root / settings.NAME):
      unknown[suffix or 'without suffix'] += 1
  level = _label_level(root)
  for folder, clips in frames.items():
    # Frames right in a class folder may be of several videos, and a folder
    # further down is a clip by itself.
    deep = len(pathlib.Path(folder).relative_to(root).parts) > level + 1
    alone = deep and len(clips) == 1
    sources += [
      recordings.Source(folder, None if alone else clip) for clip in clips
    ]
  found, spelled = [], {}
  for source in sources:
    parts = pathlib.Path(str(source)).relative_to(root).parts
    if len(parts) < level + 2:
      raise UserError(
        f'{source}: no clip in a class folder: {"SPLIT/" * level}LABEL/CLIP is'
        f' due below {root}; move it, or list all in a manifest.csv'
      )
    split = entries.SPLITS[parts[0].lower()] if level else ''
    path = '/'.join(parts)
    label = entries.label_of(parts[level], str(source))
    found.append(Entry(path, source, label, '', split, str(source)))
    spelled[parts[level]] = found[-1]
  entries.check_spelling(spelled, 'label')
  _check_folders(root, level, found)
  notes = [
    f'{count} files of unknown kind are left aside: {suffix}'
    for suffix, count in sorted(unknown.items())
  ]
  return found, notes + _levels(level, found)


def _folders(root):
  return sorted(
    entry.name
    for entry in os.scandir(root)
    if entry.is_dir()
    and not entry.name.startswith('.')
    and entry.name not in ('__MACOSX', '__pycache__')
  )


def _label_level(root):
  """1 where the first folders are splits, 0 where they are classes."""
  names = _folders(root)
  other = [name for name in names if name.lower() not in entries.SPLITS]
  if names and not other:
    return 1
  known = {entries.SPLITS.get(name.lower()) for name in names}
  if {'train', 'test'} <= known:
    raise UserError(
      f'{root}: folders train and test, and {other[0]!r} beside them: are they'
      ' splits or classes? For splits, leave train, val and test there alone;'
      ' for classes, rename train and test, or list all in a manifest.csv'
    )
  return 0


def _check_folders(root, level, found):
  """No class folder is empty: a class would be missing without a word."""
  full = {pathlib.Path(e.id).parts[: level + 1] for e in found}
  tops = [(name,) for name in _folders(root)]
  if level:
    tops = [(*t, n) for t in tops for n in _folders(root.joinpath(*t))]
  for parts in tops:
    folder = root.joinpath(*parts)
    if found and parts not in full:
      kinds = {
        os.path.splitext(f.path)[1] or 'no suffix'
        for f in entries.files_in(folder)
      }
      there = f' ({", ".join(sorted(kinds))} alone)' if kinds else ''
      raise UserError(
        f'{folder}: no clip in this folder{there}; remove it, or put some'
        f' there: {", ".join(recordings.SUFFIXES)} or folders of'
        f' *{openpose.SUFFIX}'
      )


def _levels(level, found):
  """A note where the classes may be a level further down."""
  deeper = collections.defaultdict(collections.Counter)
  for entry in found:
    parts = entry.id.split('/')
    deeper[entry.label][parts[level + 1] if len(parts) > level + 2 else ''] += 1
  names = {frozenset(counts) for counts in deeper.values()}
  # A folder for each clip may be called anything.
  clips = max((max(counts.values()) for counts in deeper.values()), default=1)
  if len(deeper) < 2 or len(names) > 1 or clips < 2:
    return []
  (inner,) = names
  if '' in inner:
    return []
  few = [', '.join(sorted(each)[:5]) for each in (deeper, inner)]
  return [
    f'all classes ({few[0]}) have the same folders ({few[1]}). If those are the'
    ' classes, as in SUBJECT/LABEL/CLIP, list the clips in a manifest.csv'
  ]
