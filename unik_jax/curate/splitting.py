"""Splits by source video: no source is in two of them.

Which split a source is in follows from its name alone, by a hash: it stays
there whatever else is added, and on every machine.
"""

import collections
import hashlib
from collections.abc import Sequence

from unik_jax.errors import UserError


def place(source: str) -> float:
  """Where a source stands between 0 and 1, by the SHA-256 of its name."""
  digest = hashlib.sha256(source.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64


def divide(
  clips: Sequence[tuple[str, str]], test: float = 0.1, val: float = 0.0
) -> tuple[list[str], list[str]]:
  """The split of each clip, and what was noticed.

  Sources below `test` are for testing, the next `val` for validation, the rest
  to train on. A class that so has nothing to train on gets its source of the
  highest place; where nothing is left to test with, the lowest of those that
  can be spared.

  Args:
    clips: (source, class) each.
    test: share of sources.
    val: likewise.

  Returns:
    'train', 'val' or 'test' each, and notes.

  Raises:
    UserError: shares that make no sense, or too few sources to test with any.
  """
  check_shares(test, val)
  sources = collections.defaultdict(set)  # of each class
  for source, name in clips:
    sources[name].add(source)
  places = {source: place(source) for source, _ in clips}
  split = {
    source: 'test' if at < test else 'val' if at < test + val else 'train'
    for source, at in places.items()
  }
  notes = []
  for name, members in sorted(sources.items()):
    if all(split[source] != 'train' for source in members):
      moved = max(members, key=places.get)
      split[moved] = 'train'
      notes.append(
        f'class {name!r}: {moved} goes to train, or nothing would be there'
      )
  if 'test' not in split.values():
    split = _spare(split, sources, places)
  return [split[source] for source, _ in clips], notes


def check_shares(test: float, val: float) -> None:
  """A UserError of shares that make no sense."""
  if not (0 < test and 0 <= val and test + val < 1):
    raise UserError(
      f'shares of {test:g} to test and {val:g} to validate; both are from 0 to'
      ' 1, and something is left to train on'
    )


def check(clips: Sequence[tuple[str, str]]) -> None:
  """Refuses splits, as given, that share a source.

  Args:
    clips: (source, split) each.

  Raises:
    UserError: with the source.
  """
  of = {}
  for source, split in clips:
    if of.setdefault(source, split) != split:
      raise UserError(
        f'clips of source {source!r} are in splits {of[source]} and {split};'
        ' put them all into one, or leave the column split out'
      )


def _spare(split, sources, places):
  """With one source to test with, of which no class has but that to train."""
  for source in sorted(places, key=places.get):
    others = [
      any(split[other] == 'train' for other in members - {source})
      for members in sources.values()
    ]
    if all(others):
      return split | {source: 'test'}
  raise UserError(
    f'{len(places)} source videos are too few to test with one: each class'
    ' needs one to train on; add videos, or give splits in --labels'
  )
