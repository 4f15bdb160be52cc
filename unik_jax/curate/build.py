"""A whole folder of videos, by all cores, in a way that can be gone on with.

OUT/dataset/            what `skeleton_folder` reads
  clips/VIDEO.npz         keypoints (M, T, V, 3), image_size
  manifest.csv            file, label, split, id
  layout.yaml
OUT/records.jsonl       a line for each video, written as it is done
OUT/report.json, OUT/report.html
"""

import contextlib
import csv
import functools
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import tqdm
import yaml

from unik_jax.curate import jobs, planning, splitting, tallies
from unik_jax.curate.planning import Plan
from unik_jax.data.formats.user import settings
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files
from unik_jax.runtime.pool import ordered_map
from unik_jax.skeletons.layouts import BUILT_IN

RECORDS = 'records.jsonl'
REPORT = 'report.json'
_WORTH_WORKERS = 16  # clips; fewer are done before processes have started


def make(
  plan: Plan,
  workers: int | None = None,
  tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """Everything: clips, the dataset's list, and the report.

  Args:
    plan: what is to be made.
    workers: as for `run`.
    tell: told what was noticed, and what came of it.

  Returns:
    The figures of `tallying.tally`.

  Raises:
    UserError: as `run` and `write_dataset`.
  """
  for note in plan.notes:
    tell(f'note: {note}')
  try:
    from unik_jax.curate import report
  except UserError as error:  # of matplotlib, told before long work
    report = None
    tell(f'note: no page will be made, as {error}')
  known = marks(plan)
  if before := run(plan, known, workers):
    tell(f'{before:,} of {len(plan.videos):,} videos were done before.')
  splits, notes = write_dataset(plan, known)
  found = tallies.tally(plan, records(plan, known), splits)
  found['notes'] += notes
  for note in found['notes'][len(plan.notes) :]:
    tell(f'note: {note}')
  with atomic_files.atomic_write(plan.out / REPORT) as part:
    part.write_text(json.dumps(found, indent=1) + '\n')
  clips = found['clips']
  tell(f'{clips["kept"]:,} clips kept, {clips["dropped"]:,} dropped.')
  for kind, count in found['dropped'].items():
    example = next(c for c in found['dropped_clips'] if c['kind'] == kind)
    tell(f'  {count:,}: {kind}, as {example["video"]}: {example["reason"]}')
  if bad := found['bad_files']:
    tell(f'{len(bad):,} bad files left out, the first: {bad[0]["reason"]}')
  places = [plan.out / REPORT]
  if report:
    places.append(report.write_page(plan, found, splits))
  tell('The report is in ' + ' and '.join(map(str, places)))
  return found


def marks(plan: Plan) -> list[str | None]:
  """What `working.fingerprint` says of each video; None of those left out."""
  return [
    None if name is None else jobs.fingerprint(plan.work, video)
    for video, name in zip(plan.videos, plan.classes, strict=True)
  ]


def run(plan: Plan, known: list[str | None], workers: int | None = None) -> int:
  """Refines all videos that are not done yet.

  Args:
    plan: what is to be made.
    known: of `marks`.
    workers: processes; None for as many as there are cores.

  Returns:
    How many were done before.

  Raises:
    UserError: a bad file, with how to go on; what is done stays done.
  """
  path = plan.out / RECORDS
  _make_folder(plan.out)
  # Of each record what counts alone: there may be a hundred thousand.
  done = {
    record['video']: (record['print'], bool(record['bad']), 'reason' in record)
    for record in _lines(path)
  }
  items = [
    (video, mark)
    for video, mark in zip(plan.videos, known, strict=True)
    if mark is not None
  ]
  todo = [
    (video, mark)
    for video, mark in items
    if not _is_done(plan, video, mark, done.get(video.name))
  ]
  progress = tqdm.tqdm(
    desc='refining',
    total=len(items),
    initial=len(items) - len(todo),
    unit=' clips',
    delay=1,
    mininterval=1 if sys.stderr.isatty() else 30,
  )
  with progress:
    results = ordered_map(
      functools.partial(jobs.make, plan.work),
      todo,
      count=len(todo),
      worth=_WORTH_WORKERS,
      workers=workers,
    )
    with contextlib.closing(results):
      try:
        for _, result in results:
          _append(path, result())
          progress.update()
      except ChildProcessError as error:
        raise UserError(f'{error}. The same command resumes.') from None
  return len(items) - len(todo)


def _make_folder(path):
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'{path} cannot be made ({error.strerror or error}); {atomic_files.ROOM}'
    ) from error


def _is_done(plan, video, mark, record):
  before, is_bad, is_dropped = record or (None, False, False)
  if before != mark or (is_bad and not plan.work.skip_bad):
    return False  # a bad file is read again, so that it is told
  return is_dropped or jobs.clip_path(plan.work, video).exists()


def _append(path, record):
  """Adds a line: a kill leaves one that is broken, which the next one ends."""
  try:
    with path.open('a') as file:
      file.write('\n' * _is_broken(path) + json.dumps(record) + '\n')
  except OSError as error:
    raise UserError(
      f'{path} cannot be written ({error.strerror or error});'
      f' {atomic_files.ROOM}'
    ) from error


def _is_broken(path):
  """Whether the last line has no end."""
  with path.open('rb') as file:
    if not file.seek(0, os.SEEK_END):
      return False
    file.seek(-1, os.SEEK_END)
    return file.read() != b'\n'


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
  """The records in a file, later ones of a video last; broken lines are not."""
  if not path.exists():
    return
  with path.open() as file:
    for line in file:
      with contextlib.suppress(ValueError):  # cut short by a kill
        record = json.loads(line)
        if (
          isinstance(record, dict)
          and {'video', 'print', 'bad'} <= record.keys()
        ):
          yield record


def records(
  plan: Plan, known: list[str | None]
) -> Iterator[tuple[int, dict[str, Any]]]:
  """(number of the video, its record) of all that is done, one at a time."""
  numbers = {video.name: n for n, video in enumerate(plan.videos)}
  found = set()
  for record in _lines(plan.out / RECORDS):
    n = numbers.get(record['video'])
    if n is not None and n not in found and known[n] == record['print']:
      found.add(n)
      yield n, record


def write_dataset(
  plan: Plan, known: list[str | None]
) -> tuple[dict[str, str], list[str]]:
  """The list of kept clips, so that `skeleton_folder` reads the folder.

  Args:
    plan: of which all is done.
    known: of `marks`.

  Returns:
    The split of each kept video, by its name, and what was noticed.

  Raises:
    UserError: too few are left for two splits.
  """
  persons = {
    n: record['persons']
    for n, record in records(plan, known)
    if 'reason' not in record
  }
  kept = sorted(persons)
  if not kept:
    raise UserError(
      f'{plan.out / RECORDS}: none of {len(plan.videos):,} clips was kept; it'
      ' has the reason for each'
    )
  chosen = [plan.videos[n] for n in kept]
  classes = [plan.classes[n] for n in kept]
  splits, notes = [video.split for video in chosen], []
  if not splits[0]:
    sources = [video.source for video in chosen]
    splits, notes = splitting.divide(
      list(zip(sources, classes, strict=True)), plan.test, plan.val
    )
  root = plan.out / planning.CLIPS
  rows = [
    (f'{root.name}/{v.name}.npz', label, split, v.name)
    for v, label, split in zip(chosen, classes, splits, strict=True)
  ]
  with atomic_files.atomic_write(root.parent / 'manifest.csv') as part:
    with part.open('w', newline='', encoding='utf-8') as file:
      csv.writer(file).writerows([('file', 'label', 'split', 'id'), *rows])
  stated = {
    'layout': plan.work.layout.name,
    'units': 'pixels',
    'persons': max(persons.values()),
    'confidence': True,
  }
  if plan.work.layout.name not in BUILT_IN:
    del stated['layout']
    stated |= plan.work.layout.to_dict()
  with atomic_files.atomic_write(root.parent / settings.NAME) as part:
    part.write_text(yaml.safe_dump(stated, sort_keys=False))
  return {v.name: s for v, s in zip(chosen, splits, strict=True)}, notes
