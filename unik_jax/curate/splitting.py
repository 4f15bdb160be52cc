"""Splits by source video: all clips of a source are in one split.

A source's split depends only on a hash of its name. It does not change when
other sources are added, and is the same on every machine.
"""

import collections
import hashlib
from collections.abc import Sequence

from unik_jax.errors import UserError


def hash_position(source: str) -> float:
  """Returns a source's position from 0 to 1: the SHA-256 hash of its name."""
  digest = hashlib.sha256(source.encode()).digest()
  return int.from_bytes(digest[:8], 'big') / 2**64


def split_clips(
  clips: Sequence[tuple[str, str]], test: float = 0.1, val: float = 0.0
) -> tuple[list[str], list[str]]:
  """Returns the split of each clip, and notes for the user.

  Sources with a position below `test` are for testing, the next `val` for
  validation, the rest for training. Two exceptions: a class without a training
  source gets its source of highest position; if no source is left for testing,
  the source of lowest position moves that is no class's only training source.

  Args:
    clips: pairs (source, class).
    test: share of sources for testing.
    val: share of sources for validation.

  Returns:
    'train', 'val' or 'test' for each clip, and notes.

  Raises:
    UserError: invalid shares, or too few sources for a test split.
  """
  check_shares(test, val)
  sources = collections.defaultdict(set)  # of each class
  for source, name in clips:
    sources[name].add(source)
  positions = {source: hash_position(source) for source, _ in clips}
  split = {
    source: 'test' if at < test else 'val' if at < test + val else 'train'
    for source, at in positions.items()
  }
  notes = []
  for name, members in sorted(sources.items()):
    if all(split[source] != 'train' for source in members):
      moved = max(members, key=positions.__getitem__)
      split[moved] = 'train'
      notes.append(
        f'class {name!r}: {moved} moved to train, which had no clip of it'
      )
  if 'test' not in split.values():
    split = _move_one_to_test(split, sources, positions)
  return [split[source] for source, _ in clips], notes


def check_shares(test: float, val: float) -> None:
  """Raises a UserError if nothing is left for testing or training."""
  if not (0 < test and 0 <= val and test + val < 1):
    raise UserError(
      f'--test={test:g}, --val={val:g}: expected a test share above 0, a'
      ' validation share of at least 0, and a sum below 1'
    )


def check_sources(clips: Sequence[tuple[str, str]]) -> None:
  """Raises a UserError if two given splits share a source.

  Args:
    clips: pairs (source, split).
  """
  splits = {}
  for source, split in clips:
    if splits.setdefault(source, split) != split:
      raise UserError(
        f'source {source!r}: expected its clips in one split, got'
        f' {splits[source]} and {split}. Put them in one split, or remove the'
        ' column split'
      )


def _move_one_to_test(split, sources, positions):
  """Returns the splits with one source moved to test.

  Each class keeps a training source.
  """
  for source in sorted(positions, key=positions.get):
    others = [
      any(split[other] == 'train' for other in members - {source})
      for members in sources.values()
    ]
    if all(others):
      return split | {source: 'test'}
  raise UserError(
    f'expected enough source videos for a training source of each class and a'
    f' test source, got {len(positions)}. Add videos, or give splits in'
    ' --labels'
  )
