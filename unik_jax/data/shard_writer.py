"""Writes records into shards that TFDS reads, ArrayRecord or TFRecord.

TFDS's own writer collects a whole split in memory or, beyond 1 GB, needs
TensorFlow. This writer appends records as they come, and lets several splits
share shards, so that each clip is written once.
"""

import collections
import os
import pathlib
from typing import Any

import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import example_serializer
from tensorflow_datasets.core.file_adapters import FileFormat

from unik_jax.errors import UserError

_SHARD_BYTES = 256 << 20


def _opener(file_format):
  """Returns the function that opens a writer of records at a path."""
  if file_format is FileFormat.ARRAY_RECORD:
    # One record per chunk, so that shuffled reading decompresses no others.
    # Higher compression levels do not make coordinates smaller.
    return lambda path: array_record_module.ArrayRecordWriter(
      path, 'group_size:1,zstd:1'
    )
  if file_format is not FileFormat.TFRECORD:
    raise UserError(
      f'file_format: expected array_record or tfrecord, got {file_format.value}'
    )
  try:
    import tensorflow as tf
  except ImportError as error:
    raise UserError(
      'file_format=tfrecord: TFRecord files take TensorFlow to write. Install'
      ' it (pip install tensorflow), or use array_record'
    ) from error
  return tf.io.TFRecordWriter


class ShardWriter:
  """Appends records to shards, separately for each group.

  A group is the records that belong to the same splits.

  Args:
    folder: folder of the shards.
    features: features of a record.
    file_format: format of the shards.

  Raises:
    UserError: the format is another one, or takes TensorFlow, which is missing.
  """

  def __init__(
    self,
    folder: os.PathLike,
    features: tfds.features.FeaturesDict,
    file_format: FileFormat = FileFormat.ARRAY_RECORD,
  ):
    self._folder = pathlib.Path(folder)
    self._open = _opener(file_format)
    self._features = features
    self._serializer = example_serializer.ExampleSerializer(
      features.get_serialized_info()
    )
    self._writers = {}  # by group: the writer of its last shard
    self._shards = collections.defaultdict(list)  # [path, records, bytes]

  def write(self, group: Any, record: dict) -> None:
    """Appends a record to a group."""
    data = self._serializer.serialize_example(
      self._features.encode_example(record)
    )
    shards = self._shards[group]
    if not shards or shards[-1][2] > _SHARD_BYTES:
      self._close(group)
      number = sum(map(len, self._shards.values()))
      shards.append([self._folder / f'shard-{number}.tmp', 0, 0])
      self._writers[group] = self._open(os.fspath(shards[-1][0]))
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
    """Closes the shards and renames them to the file names of their splits.

    A shard that belongs to several splits is a file of the first one. The
    others get a symbolic link to it.

    Args:
      splits: maps each split to its groups.
      template: template of the file names, without a split.

    Returns:
      The SplitInfo of each split that has records.
    """
    for group in list(self._writers):
      self._close(group)
    renamed = {}  # temporary path: final path
    infos = []
    for split, groups in splits.items():
      shards = [shard for group in groups for shard in self._shards[group]]
      if not shards:
        continue
      of_split = template.replace(split=split)
      paths = of_split.sharded_filepaths(len(shards))
      for (path, _, _), target in zip(shards, paths, strict=True):
        target = self._folder / target.name
        if path in renamed:
          target.symlink_to(renamed[path].name)
        else:
          renamed[path] = path.rename(target)
      infos.append(
        tfds.core.SplitInfo(
          name=split,
          shard_lengths=[records for _, records, _ in shards],
          num_bytes=sum(size for *_, size in shards),
          filename_template=of_split,
        )
      )
    return infos
