"""Writes clips as array_record files that TFDS reads, each clip once.

TFDS's own writer collects a split in memory or, beyond 1 GB, needs TensorFlow.
Here shards are written as the clips come, and several splits may share them.
"""

import collections
import os
import pathlib
from typing import Any

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import example_serializer

_SHARD_BYTES = 256 << 20


class ShardWriter:
  """Appends records to shards of a folder, by group.

  Args:
    folder: where the files go.
    features: of a record.
  """

  def __init__(self, folder: os.PathLike, features: tfds.features.FeaturesDict):
    self._folder = pathlib.Path(folder)
    self._features = features
    self._serializer = example_serializer.ExampleSerializer(
      features.get_serialized_info()
    )
    self._writers = {}  # of the group's shard that is being written
    self._shards = collections.defaultdict(list)  # [path, records, bytes]

  def write(self, group: Any, record: dict) -> None:
    """Adds a record to a group."""
    data = self._serializer.serialize_example(
      self._features.encode_example(record)
    )
    shards = self._shards[group]
    if not shards or shards[-1][2] > _SHARD_BYTES:
      self._close(group)
      number = sum(map(len, self._shards.values()))
      shards.append([self._folder / f'shard-{number}.tmp', 0, 0])
      # Groups of one, so that shuffled reading touches one record a time; and
      # the fastest level, since the next ones make coordinates no smaller.
      self._writers[group] = array_record_module.ArrayRecordWriter(
        os.fspath(shards[-1][0]), 'group_size:1,zstd:1'
      )
    self._writers[group].write(data)
    shards[-1][1] += 1
    shards[-1][2] += len(data)

  def _close(self, group):
    if writer := self._writers.pop(group, None):
      writer.close()

  def finish(
    self,
    splits: dict[str, list[Any]],
    template: tfds.core.ShardedFileTemplate,
  ) -> list[tfds.core.SplitInfo]:
    """Gives the shards the names under which TFDS looks for a split's.

    A shard that belongs to several splits is a file for the first of them,
    and for the others a symbolic link to that file, beside it.

    Args:
      splits: the groups of each split.
      template: of the file names, without a split.

    Returns:
      What TFDS is to know of each split, empty ones left out.
    """
    for group in list(self._writers):
      self._close(group)
    named = {}
    infos = []
    for split, groups in splits.items():
      shards = [shard for group in groups for shard in self._shards[group]]
      if not shards:
        continue
      of_split = template.replace(split=split)
      paths = of_split.sharded_filepaths(len(shards))
      for (path, _, _), target in zip(shards, paths, strict=True):
        target = self._folder / target.name
        if path in named:
          target.symlink_to(named[path].name)
        else:
          named[path] = path.rename(target)
      infos.append(
        tfds.core.SplitInfo(
          name=split,
          shard_lengths=[records for _, records, _ in shards],
          num_bytes=sum(size for *_, size in shards),
          filename_template=of_split,
        )
      )
    return infos
