"""Clips in class folders: ROOT/LABEL/CLIP or ROOT/SPLIT/LABEL/CLIP."""

import collections
import dataclasses
import os
import pathlib

from unik_jax.data.formats.user import (
  annotations,
  entries,
  frame_folders,
  recordings,
  settings,
  stacks,
)
from unik_jax.data.formats.user.entries import ClipEntry
from unik_jax.errors import UserError


def read_clip_tree(root: pathlib.Path) -> tuple[list[ClipEntry], list[str]]:
  """Returns the clips of a folder tree, and notes for the user.

  Raises:
    UserError: a clip outside a class folder, a class folder without clips, or
      class names that differ only by case or space.
  """
  level = _label_level(root)
  sources, notes = _find_sources(root, level)
  clips, place_by_label = [], {}
  for source in sources:
    parts = pathlib.Path(str(source)).relative_to(root).parts
    if len(parts) < level + 2:
      raise UserError(
        f'{source}: expected {"SPLIT/" * level}LABEL/CLIP below {root}. Move'
        ' it, or list all clips in a manifest.csv'
      )
    split = entries.SPLITS[parts[0].lower()] if level else ''
    path = '/'.join(parts)
    label = entries.parse_label(parts[level], str(source))
    clips.append(ClipEntry(path, source, label, '', split, str(source)))
    place_by_label[parts[level]] = str(source)
  entries.check_spelling(place_by_label, 'label')
  _check_folders(root, level, clips)
  return clips, notes + _note_deeper_classes(level, clips)


def read_dataset_files(root: pathlib.Path) -> tuple[list[ClipEntry], list[str]]:
  """Returns the clips in files of whole datasets, and notes for the user.

  Raises:
    UserError: as in `stacks.read_labels` and `annotations.load_file`, or the
      splits of annotations are not those of one protocol.
  """
  found, notes = _read_stacks(root), []
  if found or set(_folder_names(root)) - {'kpfiles'}:
    return found, notes
  for name in sorted(os.listdir(root)):
    if name.endswith(annotations.SUFFIX):
      clips, left_out = _read_annotations(str(root / name))
      found += clips
      notes += left_out
  if {entry.split for entry in found} == {'train'}:
    found = [dataclasses.replace(entry, split='') for entry in found]
  return found, notes


def _read_annotations(path):
  """Returns the clips of an annotation pickle, and notes."""
  loaded, stem = annotations.load_file(path), pathlib.Path(path).stem
  names = {name for clip in loaded.clips for name in clip.splits}
  splits = {
    name: entries.SPLITS.get(name.lower().rpartition('_')[2]) for name in names
  }
  protocols = {name.rpartition('_')[0] for name in names}
  most = max(len(clip.splits) for clip in loaded.clips)
  if None in splits.values() or len(protocols) > 1 or most > 1:
    raise UserError(
      f'{path}: expected each clip in one split: train, val or test, got the'
      f' splits {", ".join(sorted(names))}. Prepare it as the dataset pyskl'
      ' (docs/data.md)'
    )
  if names == {'train'}:  # also a file without splits, such as val.pkl
    word = stem.lower().partition('_')[0]
    splits['train'] = entries.SPLITS.get(word, 'train')
  has_subjects = all(clip.subject >= 0 for clip in loaded.clips)
  found, left_out = [], loaded.left_out.copy()
  for n, clip in enumerate(loaded.clips):
    if names and not clip.splits:
      left_out.append((str(clip), 'in no split'))
      continue
    found.append(
      ClipEntry(
        id=f'{stem}/{clip.id}',
        source=recordings.ClipSource(path, str(n)),
        label=str(clip.label),
        subject=str(clip.subject) if has_subjects else '',
        split=splits[clip.splits[0]] if names else '',
        where=str(clip),
      )
    )
  for n, (where, _) in enumerate(loaded.bad, len(loaded.clips)):
    # Reading it raises its error. Its label and its split are not known.
    source = recordings.ClipSource(path, str(n))
    changes = {'id': f'{stem}/{n}', 'source': source, 'where': where}
    found.append(dataclasses.replace(found[0], **changes))
  if not left_out:
    return found, []
  place, reason = left_out[0]
  return found, [
    f'{len(left_out)} annotations are left out, the first: {place}: {reason}'
  ]


def _read_stacks(root):
  found = []
  for name in sorted(os.listdir(root)):
    for stack in stacks.find_stacks(os.path.join(root, name)):
      names, labels = stacks.read_labels(stack)
      split = entries.SPLITS.get(stack.split, '')
      for index, clip, label in zip(
        stack.clip_names(), names, labels, strict=True
      ):
        source = recordings.ClipSource(stack.path, index)
        id = f'{pathlib.Path(name).stem}/{clip}'
        found.append(ClipEntry(id, source, str(label), '', split, str(source)))
  return found


def _find_sources(root, level):
  """Returns the sources of all clips, and notes on files of unknown kinds."""
  sources, unknown = [], collections.Counter()
  names_by_folder = collections.defaultdict(list)  # of frames' files
  for file in entries.list_files(root):
    folder, name = os.path.split(file.path)
    suffix = os.path.splitext(name)[1].lower()
    if frame_folders.frame_suffix(folder, name):
      names_by_folder[folder].append(name)
    elif suffix in recordings.SUFFIXES:
      sources.append(recordings.ClipSource(file.path))
    elif file.path != str(root / settings.FILE_NAME):
      unknown[suffix or 'without suffix'] += 1
  for folder, names in names_by_folder.items():
    videos = frame_folders.group_frames(folder, names)
    # Frames directly in a class folder may be of several videos. A folder
    # below a class folder is one clip.
    is_deeper = len(pathlib.Path(folder).relative_to(root).parts) > level + 1
    is_clip = is_deeper and len(videos) == 1
    sources += [
      recordings.ClipSource(folder, None if is_clip else video)
      for video in sorted(videos)
    ]
  return sources, [
    f'{count} files of an unknown kind are skipped: {suffix}'
    for suffix, count in sorted(unknown.items())
  ]


def _folder_names(root):
  return sorted(
    entry.name
    for entry in os.scandir(root)
    if entry.is_dir()
    and not entry.name.startswith('.')
    and entry.name not in ('__MACOSX', '__pycache__')
  )


def _label_level(root):
  """Returns 1 if the first folders are splits, 0 if they are classes."""
  names = _folder_names(root)
  other = [name for name in names if name.lower() not in entries.SPLITS]
  if names and not other:
    return 1
  splits = {entries.SPLITS.get(name.lower()) for name in names}
  if 'train' in splits and splits & {'val', 'test'}:
    raise UserError(
      f'{root}: expected either splits or classes, got folders train and'
      f' {"test" if "test" in splits else "val"} beside {other[0]!r}. For'
      ' splits, have no folders but train, val and test; for classes, rename'
      ' these, or list all clips in a manifest.csv'
    )
  return 0


def _check_folders(root, level, clips):
  """Raises a UserError for an empty class folder, which would be dropped."""
  used = {pathlib.Path(e.id).parts[: level + 1] for e in clips}
  folders = [(name,) for name in _folder_names(root)]
  if level:
    folders = [
      (*t, n) for t in folders for n in _folder_names(root.joinpath(*t))
    ]
  for parts in folders:
    folder = root.joinpath(*parts)
    if clips and parts not in used:
      suffixes = {
        os.path.splitext(f.path)[1] or 'no suffix'
        for f in entries.list_files(folder)
      }
      others = f' (only {", ".join(sorted(suffixes))})' if suffixes else ''
      raise UserError(
        f'{folder}: no clip in this folder{others}. Remove it, or add clips:'
        f' {", ".join(recordings.SUFFIXES)} or folders of {frame_folders.KINDS}'
      )


def _note_deeper_classes(level, clips):
  """Returns a note if the classes may be a folder level further down."""
  inner_by_label = collections.defaultdict(collections.Counter)
  for entry in clips:
    parts = entry.id.split('/')
    inner = parts[level + 1] if len(parts) > level + 2 else ''
    inner_by_label[entry.label][inner] += 1
  name_sets = {frozenset(counts) for counts in inner_by_label.values()}
  # Folders with one clip each may have any names, also the same in each class.
  most = max((max(c.values()) for c in inner_by_label.values()), default=1)
  if len(inner_by_label) < 2 or len(name_sets) > 1 or most < 2:
    return []
  (inner_names,) = name_sets
  if '' in inner_names:
    return []
  outer, inner = (
    ', '.join(sorted(names)[:5]) for names in (inner_by_label, inner_names)
  )
  return [
    f'all classes ({outer}) have the same folders ({inner}). If those are the'
    ' classes, as in SUBJECT/LABEL/CLIP, list the clips in a manifest.csv'
  ]
