"""Records of refined videos: OUT/records.jsonl, one line for each video.

A line is appended as soon as a video is done, so that a stopped command can
resume. A video that is refined again gets a second line.
"""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from unik_jax.curate import clip_writer
from unik_jax.curate.planning import Plan
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files

RECORDS = 'records.jsonl'


def video_fingerprints(plan: Plan) -> list[str | None]:
  """Returns each video's fingerprint, None if its label is dropped."""
  return [
    None if name is None else clip_writer.fingerprint_video(plan.setup, video)
    for video, name in zip(plan.videos, plan.classes, strict=True)
  ]


def append_record(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Appends a record to a file.

  A killed process may leave a line cut short. The next record ends that line
  and starts a new one.

  Raises:
    UserError: the file cannot be written.
  """
  try:
    with path.open('a') as file:
      file.write('\n' * _is_cut_short(path) + json.dumps(record) + '\n')
  except OSError as error:
    raise UserError(
      f'{path}: cannot be written ({error.strerror or error}).'
      f' {atomic_files.as_sentence(atomic_files.ROOM)}'
    ) from error


def _is_cut_short(path):
  """Whether the last line has no line break at its end."""
  with path.open('rb') as file:
    if not file.seek(0, os.SEEK_END):
      return False
    file.seek(-1, os.SEEK_END)
    return file.read() != b'\n'


def read_lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """Yields the records of a file in the order of its lines.

  Skips lines that are cut short. A video's last record is the valid one.
  """
  if not path.exists():
    return
  with path.open() as file:
    for line in file:
      with contextlib.suppress(ValueError):  # cut short
        record = json.loads(line)
        if (
          isinstance(record, dict)
          and {'video', 'print', 'bad'} <= record.keys()
        ):
          yield record


def read_records(
  plan: Plan, fingerprints: list[str | None]
) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (number of the video, its record) of all finished videos.

  Reads one record at a time: there may be a hundred thousand.

  Args:
    plan: the plan with the videos to look up.
    fingerprints: from `video_fingerprints`. A record with another one is stale.
  """
  numbers = {video.name: n for n, video in enumerate(plan.videos)}
  done = set()
  for record in read_lines(plan.out / RECORDS):
    n = numbers.get(record['video'])
    if n is not None and n not in done and fingerprints[n] == record['print']:
      done.add(n)
      yield n, record
