"""Splits, classes and subjects of a user's own clips."""

import collections
import dataclasses
import functools
import hashlib
import os

import numpy as np

from unik_jax.data.formats.user import frame_folders
from unik_jax.data.formats.user.entries import ClipEntry
from unik_jax.errors import UserError

_TEST_SHARE = 0.2  # of the subjects, or of each class's clips
_SEED = 0


def assign_splits(
  entries: list[ClipEntry],
) -> tuple[list[ClipEntry], list[str]]:
  """Returns the clips with a split each, and notes for the user.

  Given splits stay, but if there are only train and val, val becomes test.
  Without any, 20% of the subjects (at least one) are drawn
  for testing. If fewer than two subjects are known, 20% of each class's clips
  (at least one) are drawn. A subject is not drawn if a class would have no clip
  left to train on. The same clips always give the same splits.

  Args:
    entries: sorted by id.

  Raises:
    UserError: splits are given, but train or test has no clip; or a class has
      a single clip, or none to train on.
  """
  notes = []
  if entries[0].split:
    entries, notes = _test_on_val(entries)
    notes += _note_shared_subjects(entries)
  else:
    entries, note = _draw_splits(entries)
    notes = [note]
  check_splits(entries, sort_class_names(entries))
  tested = {entry.label for entry in entries if entry.split == 'test'}
  if others := [n for n in sort_class_names(entries) if n not in tested]:
    notes.append(f'split test has no clip of class {", ".join(others)}')
  return entries, notes + _note_counts(entries)


def check_splits(entries: list[ClipEntry], labels: list[str]) -> None:
  """Raises a UserError if a split or a class has too few clips.

  Args:
    entries: with a split each; may be empty.
    labels: the expected classes.
  """
  for split in ('train', 'test'):
    if not any(entry.split == split for entry in entries):
      example = f' ({entries[0].where} is in another)' if entries else ''
      raise UserError(
        f'split {split!r}: expected at least one clip, got none{example}. Add'
        ' some, or give no splits, and they are drawn'
      )
  trained = {entry.label for entry in entries if entry.split == 'train'}
  for label in labels:
    if label not in trained:
      place = next((e.where for e in entries if e.label == label), 'no clip')
      raise UserError(
        f'{place}: class {label!r} has no clip to train on. Put some into split'
        ' train, or leave the class out'
      )


def _test_on_val(entries):
  """Returns the clips with split val as test if there is no test, and a note.

  Nothing is then chosen by these clips: a run tests its last state on them.
  """
  given = {entry.split for entry in entries}
  if given != {'train', 'val'}:
    return entries, []
  note = 'no split test given: the clips of split val are used as test'
  return [
    dataclasses.replace(e, split='test') if e.split == 'val' else e
    for e in entries
  ], [note]


def _note_shared_subjects(entries):
  subjects = {'train': set(), 'val': set(), 'test': set()}
  for entry in entries:
    subjects[entry.split].add(entry.subject)
  shared = _sort_names((subjects['train'] & subjects['test']) - {''})
  if not shared:
    return []
  return [
    f'subjects {", ".join(shared)} are in both train and test, so the test does'
    ' not measure accuracy on new subjects'
  ]


def _note_counts(entries):
  count = collections.Counter((e.split, e.label) for e in entries)
  notes = []
  for split in sorted({entry.split for entry in entries}):
    by_class = [
      f'{label} {count[split, label]}'
      for label in sort_class_names(entries)
      if count[split, label]
    ]
    total = sum(entry.split == split for entry in entries)
    notes.append(f'{total} clips in split {split}: {", ".join(by_class)}')
  return notes


def _draw_splits(entries):
  """Returns the clips with drawn splits, and a note on how they were drawn."""
  subjects = sorted({entry.subject for entry in entries})
  rng = np.random.default_rng(_SEED)
  if len(subjects) > 1:
    tested, refused = _draw_subjects(entries, subjects, rng)
    test = {entry.id for entry in entries if entry.subject in tested}
    note = (
      f'no splits given: drew {len(tested)} of {len(subjects)} subjects at'
      f' random for testing: {", ".join(tested)}'
    )
    if refused:
      note += (
        f' ({", ".join(refused)} were drawn too, but stay in train, because a'
        ' class would have no clip there)'
      )
  else:
    by_class = collections.defaultdict(list)
    for entry in entries:
      by_class[entry.label].append(entry)
    test = set()
    for label, members in sorted(by_class.items()):
      if len(members) == 1:
        raise UserError(
          f'{members[0].where}: class {label!r}: expected at least two clips,'
          ' one to train on and one to test on, got one'
        )
      test |= {entry.id for entry in _draw_some(members, rng)}
    note = (
      f'no splits given: drew {len(test)} of {len(entries)} clips at random for'
      ' testing, from each class. Clips of one person or video may be in both'
      ' splits; to separate them, list subjects in a manifest'
    )
  return [
    dataclasses.replace(e, split='test' if e.id in test else 'train')
    for e in entries
  ], note


def _draw_subjects(entries, subjects, rng):
  """Returns subjects to test on, and those drawn but needed for training."""
  trained_by_class = collections.defaultdict(set)
  for entry in entries:
    trained_by_class[entry.label].add(entry.subject)
  tested, refused = [], []
  for i in rng.permutation(len(subjects)):
    if len(tested) == _test_count(subjects):
      break
    if any(trained == {subjects[i]} for trained in trained_by_class.values()):
      refused.append(subjects[i])
      continue
    tested.append(subjects[i])
    for trained in trained_by_class.values():
      trained.discard(subjects[i])
  if not tested:
    raise UserError(
      f'{entries[0].where}: none of the {len(subjects)} subjects can be held'
      ' out for testing: a class would have no clip to train on. Give splits,'
      ' or leave the subjects out'
    )
  return sorted(tested), sorted(refused)


def _test_count(items):
  return max(1, round(_TEST_SHARE * len(items)))


def _draw_some(items, rng):
  return [items[i] for i in rng.permutation(len(items))[: _test_count(items)]]


def sort_class_names(entries: list[ClipEntry]) -> list[str]:
  """Returns the labels, sorted by value if all are numbers."""
  return _sort_names({entry.label for entry in entries})


def number_subjects(entries: list[ClipEntry]) -> dict[str, int]:
  """Returns a number for each subject, and -1 for ''.

  Whole numbers stay; otherwise names are numbered in alphabetical order.
  """
  names = _sort_names({entry.subject for entry in entries if entry.subject})
  if all(name.isdecimal() and len(name) < 10 for name in names):
    return {'': -1} | {name: int(name) for name in names}
  return {'': -1} | {name: number for number, name in enumerate(names)}


def _sort_names(names):
  try:
    return sorted(names, key=lambda name: (float(name), name))
  except ValueError:
    return sorted(names)


def find_duplicates(entries: list[ClipEntry]) -> dict[str, UserError]:
  """Returns an error by id, for clips that another class has too.

  Of two classes one is wrong. The first of equal clips has no error. Equal
  clips of one class stay, also in several splits: the builder reports them.
  """
  errors = {}
  by_size = collections.defaultdict(list)
  group_frames = functools.cache(
    lambda folder: frame_folders.group_frames(folder, os.listdir(folder))
  )
  for entry in entries:
    is_stacked = entry.source.clip and os.path.isfile(entry.source.path)
    if os.path.exists(entry.source.path) and not is_stacked:
      paths = _file_paths(entry.source, group_frames)
      by_size[sum(map(os.path.getsize, paths))].append((entry, paths))
  for group in by_size.values():
    # Files are hashed only if their sizes leave a conflict possible.
    if len({entry.label for entry, _ in group}) == 1:
      continue
    first_by_digest = {}
    for entry, paths in group:
      first = first_by_digest.setdefault(_digest(paths), entry)
      if entry.label != first.label:
        errors[entry.id] = UserError(
          f'{entry.source}: the same content as {first.source}, but in class'
          f' {entry.label}, not {first.label}. Remove one of the two'
        )
  return errors


def _file_paths(source, group_frames):
  """Returns the files of a clip: one, or one per frame."""
  if os.path.isfile(source.path):
    return [source.path]
  return [
    os.path.join(source.path, name)
    for video, names in group_frames(source.path).items()
    if source.clip in (None, video)
    for name in names
  ]


def _digest(paths):
  """Returns a digest of the digests of several files."""
  total = hashlib.sha256()
  for path in paths:
    with open(path, 'rb') as file:
      total.update(hashlib.file_digest(file, 'sha256').digest())
  return total.digest()
