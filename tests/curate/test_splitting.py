"""Splits by source video."""

import pytest

from unik_jax.curate import splitting
from unik_jax.errors import UserError


def test_splits_by_hash():
  clips = [(f's{n}', f'c{n % 3}') for n in range(3000)]
  splits, notes = splitting.split_clips(clips, 0.1, 0.05)
  assert not notes
  counts = [splits.count(name) / 3000 for name in ('train', 'val', 'test')]
  assert counts == pytest.approx([0.85, 0.05, 0.1], abs=0.015)
  # A further source does not change the others' splits.
  more, _ = splitting.split_clips([*clips, ('new', 'c0')], 0.1, 0.05)
  assert more[:-1] == splits
  lowest = min((s for s, _ in clips), key=splitting.hash_position)
  # A class with one source, which the hash sends to the test split.
  with_rare, notes = splitting.split_clips([*clips, (lowest, 'rare')], 0.1)
  assert with_rare[-1] == 'train' and 'rare' in notes[0]
  four = [('a', 'x'), ('b', 'x'), ('c', 'y'), ('d', 'y')]
  assert 'test' in splitting.split_clips(four, 1e-9)[0]
  with pytest.raises(UserError, match='got 2'):
    splitting.split_clips([('a', 'x'), ('b', 'y')], 1e-9)
  with pytest.raises(UserError, match="'a'.*train and test"):
    splitting.check_sources([('a', 'train'), ('a', 'test')])
