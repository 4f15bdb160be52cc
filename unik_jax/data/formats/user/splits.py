"""Splits, classes and subjects of a user's own clips."""

import collections
import dataclasses
import functools
import hashlib
import os

import numpy as np

from unik_jax.data.formats.user import openpose
from unik_jax.data.formats.user.entries import Entry
from unik_jax.errors import UserError

_SHARE = 0.2  # of subjects, or of each class's clips, that are for testing
_SEED = 0


def divide(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
  """The clips with a split each, and what was decided or noticed.

  Splits stay as given. Without any, 20% of the subjects (at least one) are for
  testing or, where subjects are not known or there is but one, 20% of each
  class's clips (at least one). A subject who alone has some class is not drawn.
  The same clips give the same splits.

  Args:
    entries: in the order of their ids.

  Raises:
    UserError: splits are given, but no clip is in train, or none in test; a
      class has a single clip, or none to train on.
  """
  if entries[0].split:
    notes = _in_both(entries)
  else:
    entries, note = _draw(entries)
    notes = [note]
  check(entries, class_names(entries))
  tested = {entry.label for entry in entries if entry.split == 'test'}
  if other := [name for name in class_names(entries) if name not in tested]:
    notes.append(f'no clip to test with of class {", ".join(other)}')
  return entries, notes + _counts(entries)


def check(entries: list[Entry], labels: list[str]) -> None:
  """Raises a UserError where a split or a class has too few clips.

  Args:
    entries: with a split each; none may be left.
    labels: of the classes that there are to be.
  """
  for split in ('train', 'test'):
    if not any(entry.split == split for entry in entries):
      example = f', as {entries[0].where} is in another' if entries else ''
      raise UserError(
        f'no clip is in split {split!r}{example}; put some there, or give no'
        ' splits at all and they are made'
      )
  trained = {entry.label for entry in entries if entry.split == 'train'}
  for label in labels:
    if label not in trained:
      there = next((e.where for e in entries if e.label == label), 'no clip')
      raise UserError(
        f'{there}: class {label!r} has no clip to train on; put some into split'
        ' train, or leave the class out'
      )


def _in_both(entries):
  of = {'train': set(), 'val': set(), 'test': set()}
  for entry in entries:
    of[entry.split].add(entry.subject)
  both = _sorted((of['train'] & of['test']) - {''})
  if not both:
    return []
  return [
    f'subjects {", ".join(both)} are in both train and test; how well others'
    ' are recognised, such a test does not tell'
  ]


def _counts(entries):
  count = collections.Counter((e.split, e.label) for e in entries)
  notes = []
  for split in sorted({entry.split for entry in entries}):
    each = [
      f'{label} {count[split, label]}'
      for label in class_names(entries)
      if count[split, label]
    ]
    total = sum(entry.split == split for entry in entries)
    notes.append(f'{total} clips in split {split}: {", ".join(each)}')
  return notes


def _draw(entries):
  subjects = sorted({entry.subject for entry in entries})
  rng = np.random.default_rng(_SEED)
  if len(subjects) > 1:
    tested, kept = _subjects(entries, subjects, rng)
    test = {entry.id for entry in entries if entry.subject in tested}
    note = (
      f'no splits given: of {len(subjects)} subjects, {len(tested)} are for'
      f' testing, drawn at random: {", ".join(tested)}'
    )
    if kept:
      note += (
        f' ({", ".join(kept)} had been drawn too, but stay in train, as a class'
        ' would have no clip there)'
      )
  else:
    of_class = collections.defaultdict(list)
    for entry in entries:
      of_class[entry.label].append(entry)
    test = set()
    for label, members in sorted(of_class.items()):
      if len(members) == 1:
        raise UserError(
          f'{members[0].where}: the only clip of class {label!r}; one to train'
          ' on and one to test with are the least'
        )
      test |= {entry.id for entry in _some(members, rng)}
    note = (
      f'no splits given: {len(test)} of {len(entries)} clips are for testing,'
      ' drawn at random from each class. Clips of one person or video may be in'
      ' both splits; to keep them apart, list subjects in a manifest'
    )
  return [
    dataclasses.replace(e, split='test' if e.id in test else 'train')
    for e in entries
  ], note


def _subjects(entries, subjects, rng):
  """Who is for testing, and who was drawn but has a class alone."""
  left = collections.defaultdict(set)  # in train, by class
  for entry in entries:
    left[entry.label].add(entry.subject)
  tested, kept = [], []
  for i in rng.permutation(len(subjects)):
    if len(tested) == _count(subjects):
      break
    if any(who == {subjects[i]} for who in left.values()):
      kept.append(subjects[i])
      continue
    tested.append(subjects[i])
    for who in left.values():
      who.discard(subjects[i])
  if not tested:
    raise UserError(
      f'{entries[0].where}: without any one of the {len(subjects)} subjects, a'
      ' class has no clip to train on; give splits, or leave the subjects out'
    )
  return sorted(tested), sorted(kept)


def _count(items):
  return max(1, round(_SHARE * len(items)))


def _some(items, rng):
  return [items[i] for i in rng.permutation(len(items))[: _count(items)]]


def class_names(entries: list[Entry]) -> list[str]:
  """Numbers by value if all labels are numbers, else in alphabetical order."""
  return _sorted({entry.label for entry in entries})


def subject_numbers(entries: list[Entry]) -> dict[str, int]:
  """Whole numbers as they are; names are numbered in alphabetical order."""
  names = _sorted({entry.subject for entry in entries if entry.subject})
  if all(name.isdecimal() and len(name) < 10 for name in names):
    return {'': -1} | {name: int(name) for name in names}
  return {'': -1} | {name: number for number, name in enumerate(names)}


def _sorted(names):
  try:
    return sorted(names, key=lambda name: (float(name), name))
  except ValueError:
    return sorted(names)


def check_copies(entries: list[Entry]) -> None:
  """Refuses clips of the same content in two splits or two classes.

  Training on what is tested with would make the test worthless, and of two
  classes one must be wrong.

  Raises:
    UserError: with both clips.
  """
  of_size = collections.defaultdict(list)
  clips_in = functools.cache(openpose.clips_in)
  for entry in entries:
    if os.path.exists(entry.source.path):
      paths = _paths(entry.source, clips_in)
      of_size[sum(map(os.path.getsize, paths))].append((entry, paths))
  for group in of_size.values():
    if len({(entry.split, entry.label) for entry, _ in group}) == 1:
      continue
    first = {}
    for entry, paths in group:
      same = first.setdefault(_digest(paths), entry)
      for key in ('split', 'label'):
        here, there = getattr(entry, key), getattr(same, key)
        if here != there:
          name = 'class' if key == 'label' else key
          raise UserError(
            f'{entry.source}: the same content as {same.source}, but in {name}'
            f' {here}, not {there}; remove one of the two'
          )


def _paths(source, clips_in):
  """The files of a clip: one, or those of its frames."""
  if os.path.isfile(source.path):
    return [source.path]
  return [
    os.path.join(source.path, name)
    for clip, names in clips_in(source.path).items()
    if source.clip in (None, clip)
    for name in names
  ]


def _digest(paths):
  whole = hashlib.sha256()
  for path in paths:
    with open(path, 'rb') as file:
      whole.update(hashlib.file_digest(file, 'sha256').digest())
  return whole.digest()
