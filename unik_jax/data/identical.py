"""Clips of a dataset that are identical, number for number.

Many public datasets have the same clip in training and in test. That is no
error: it is found when the dataset is written, listed in its report, and
`splits.find_seen` tells an evaluation which test clips it concerns.
"""

import collections
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from unik_jax.data.clips import EVALUATED_PARTS, ClipFile, parse_split
from unik_jax.runtime.json_files import read_json_table

REPORT = 'report.json'


class IdenticalClips:
  """Finds identical clips while a dataset is written."""

  def __init__(self):
    self._clips = collections.defaultdict(list)

  def add(self, clip: ClipFile, keypoints: np.ndarray) -> None:
    """Adds a written clip.

    Args:
      clip: the clip.
      keypoints: (M, T, V, C) as written. Only exactly equal values match.
    """
    values = np.ascontiguousarray(keypoints + 0.0)  # -0.0 equals 0.0
    digest = hashlib.sha256(str(values.shape).encode())
    digest.update(values.data)
    self._clips[digest.digest()].append(clip)

  def groups(self) -> list[list[ClipFile]]:
    """Returns the clips of each group of at least two identical ones."""
    return [clips for clips in self._clips.values() if len(clips) > 1]

  def list_groups(self, labels: list[str]) -> list[list[dict[str, Any]]]:
    """Returns the groups for the report, each a list of clips.

    Args:
      labels: class names, in label order.
    """
    return [
      [
        {
          'clip': clip.id,
          'splits': list(clip.splits),
          'label': labels[clip.label],
          'subject': clip.subject,
        }
        for clip in group
      ]
      for group in self.groups()
    ]

  def describe(self, sizes: Mapping[str, int]) -> list[str]:
    """Returns sentences about clips in training and test, or in two classes.

    Args:
      sizes: number of clips of each split.
    """
    groups = self.groups()
    notes = []
    shared = collections.Counter()
    for group in groups:
      splits = [split for clip in group for split in clip.splits]
      for split in splits:
        protocol, part = parse_split(split)
        train = f'{protocol}_train' if protocol else 'train'
        shared[split] += part in EVALUATED_PARTS and train in splits
    phrases = []
    for split, size in sorted(sizes.items(), key=lambda s: parse_split(s[0])):
      if shared[split]:
        protocol, part = parse_split(split)
        phrase = f'{shared[split]:,} of {size:,} {part} clips are also in'
        phrase += ' training' + (f' (protocol {protocol})' if protocol else '')
        phrases.append(phrase)
    if phrases:
      notes.append(
        f'{", ".join(phrases)}; test accuracy is reported with and without them'
      )
    mixed = [g for g in groups if len({clip.label for clip in g}) > 1]
    if mixed:
      first = mixed[0][0]
      other = next(clip for clip in mixed[0] if clip.label != first.label)
      notes.append(
        f'{sum(map(len, mixed)):,} clips are identical to one of another class,'
        f' such as {first.id} and {other.id}'
      )
    return notes


def read_groups(folder: pathlib.Path) -> list[list[str]]:
  """Returns the ids of each group of identical clips of a prepared dataset.

  Datasets that an older version prepared have none.

  Args:
    folder: folder of the prepared dataset.

  Raises:
    UserError: the dataset's report is broken.
  """
  report = folder / REPORT
  if not report.exists():
    return []
  table = read_json_table(report, 'prepare the dataset again with --overwrite')
  return [
    [clip['clip'] for clip in group] for group in table.get('identical', ())
  ]
