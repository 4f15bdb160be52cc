"""Builds a dataset from a whole folder of videos, on all cores, resumable.

OUT/dataset/            what `skeleton_folder` reads
  clips/VIDEO.npz         keypoints (M, T, V, 3), image_size
  manifest.csv            file, label, split, id
  layout.yaml
OUT/records.jsonl       one line for each video, written when it is done
OUT/report.json, OUT/report.html
"""

import contextlib
import csv
import functools
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import tqdm
import yaml

from unik_jax.curate import (
  clip_writer,
  planning,
  records,
  splitting,
  summary,
)
from unik_jax.curate.planning import Plan
from unik_jax.data.formats.user import settings
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files
from unik_jax.runtime.json_files import write_json_table
from unik_jax.runtime.pool import ordered_map
from unik_jax.skeletons.layouts import BUILT_IN

REPORT = 'report.json'
_MIN_POOL_CLIPS = 16  # clips; fewer are refined before processes have started


def build_dataset(
  plan: Plan,
  workers: int | None = None,
  log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """Writes the clips, the dataset's files and the report.

  Args:
    plan: what to build.
    workers: as in `refine_videos`.
    log: receives notes and results as lines of text.

  Returns:
    The figures of `summary.summarize_records`.

  Raises:
    UserError: as in `refine_videos` and `write_dataset_files`.
  """
  for note in plan.notes:
    log(f'note: {note}')
  try:
    from unik_jax.curate import report
  except UserError as error:  # no matplotlib; logged before the long work
    report = None
    log(f'note: no report.html will be written, as {error}')
  fingerprints = records.video_fingerprints(plan)
  if done := refine_videos(plan, fingerprints, workers):
    log(f'{done:,} of {len(plan.videos):,} videos were done before.')
  splits, notes = write_dataset_files(plan, fingerprints)
  figures = summary.summarize_records(
    plan, records.read_records(plan, fingerprints), splits
  )
  figures['notes'] += notes
  for note in figures['notes'][len(plan.notes) :]:
    log(f'note: {note}')
  write_json_table(plan.out / REPORT, figures)
  _log_results(figures, log)
  pages = [plan.out / REPORT]
  if report:
    pages.append(report.write_page(plan, figures, splits))
  log('The report is in ' + ' and '.join(map(str, pages)))
  return figures


def _log_results(figures, log):
  clips = figures['clips']
  log(f'{clips["kept"]:,} clips kept, {clips["dropped"]:,} dropped.')
  for kind, count in figures['dropped'].items():
    example = next(c for c in figures['dropped_clips'] if c['kind'] == kind)
    log(f'  {count:,}: {kind}, as {example["video"]}: {example["reason"]}')
  if bad := figures['bad_files']:
    log(f'{len(bad):,} bad files skipped, the first: {bad[0]["reason"]}')


def refine_videos(
  plan: Plan, fingerprints: list[str | None], workers: int | None = None
) -> int:
  """Refines all videos that are not done yet, and records each one.

  Args:
    plan: what to refine.
    fingerprints: from `records.video_fingerprints`.
    workers: number of processes (default: one per core).

  Returns:
    The number of videos that were done before.

  Raises:
    UserError: a bad file, with how to skip it. Finished videos stay done.
  """
  path = plan.out / records.RECORDS
  _make_folder(plan.out)
  # Only what `_is_done` needs of each record: there may be a hundred thousand.
  done = {
    record['video']: (record['print'], bool(record['bad']), 'reason' in record)
    for record in records.read_lines(path)
  }
  items = [
    (video, mark)
    for video, mark in zip(plan.videos, fingerprints, strict=True)
    if mark is not None
  ]
  pending = [
    (video, mark)
    for video, mark in items
    if not _is_done(plan, video, mark, done.get(video.name))
  ]
  progress = tqdm.tqdm(
    desc='refining',
    total=len(items),
    initial=len(items) - len(pending),
    unit=' clips',
    delay=1,
    mininterval=1 if sys.stderr.isatty() else 30,
  )
  results = ordered_map(
    functools.partial(clip_writer.write_clip, plan.setup),
    pending,
    count=len(pending),
    min_items=_MIN_POOL_CLIPS,
    workers=workers,
  )
  with progress, contextlib.closing(results):
    try:
      for _, result in results:
        records.append_record(path, result())
        progress.update()
    except ChildProcessError as error:
      raise UserError(f'{error}. The same command resumes.') from None
  return len(items) - len(pending)


def _make_folder(path):
  try:
    path.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise UserError(
      f'{path}: cannot be created ({error.strerror or error}).'
      f' {atomic_files.as_sentence(atomic_files.ROOM)}'
    ) from error


def _is_done(plan, video, mark, record):
  """Whether a video's record is valid, and its clip exists if it is kept."""
  old_mark, has_bad_file, is_dropped = record or (None, False, False)
  if old_mark != mark:
    return False
  if has_bad_file and not plan.setup.skip_bad:
    return False  # reads the bad file again, to report its error
  return is_dropped or clip_writer.clip_path(plan.setup, video).exists()


def write_dataset_files(
  plan: Plan, fingerprints: list[str | None]
) -> tuple[dict[str, str], list[str]]:
  """Writes manifest.csv and layout.yaml, for `skeleton_folder` to read.

  Args:
    plan: the plan, with all videos refined.
    fingerprints: from `records.video_fingerprints`.

  Returns:
    The split of each kept video by its name, and notes for the user.

  Raises:
    UserError: no clip was kept, or too few sources for two splits.
  """
  persons = {
    n: record['persons']
    for n, record in records.read_records(plan, fingerprints)
    if 'reason' not in record
  }
  kept_numbers = sorted(persons)
  if not kept_numbers:
    raise UserError(
      f'{plan.out / records.RECORDS}: expected clips that are kept, got none of'
      f' {len(plan.videos):,}. Read `reason` there'
    )
  videos = [plan.videos[n] for n in kept_numbers]
  # Clips without a class are never kept.
  classes = [name for n in kept_numbers if (name := plan.classes[n])]
  splits, notes = [video.split for video in videos], []
  if not splits[0]:
    sources = [video.source for video in videos]
    splits, notes = splitting.split_clips(
      list(zip(sources, classes, strict=True)), plan.test, plan.val
    )
  folder = plan.out / planning.CLIPS
  rows = [
    (f'{folder.name}/{v.name}.npz', label, split, v.name)
    for v, label, split in zip(videos, classes, splits, strict=True)
  ]
  with atomic_files.atomic_write(folder.parent / 'manifest.csv') as part:
    with part.open('w', newline='', encoding='utf-8') as file:
      csv.writer(file).writerows([('file', 'label', 'split', 'id'), *rows])
  _write_layout(folder.parent, plan.setup.layout, max(persons.values()))
  return {v.name: s for v, s in zip(videos, splits, strict=True)}, notes


def _write_layout(folder: pathlib.Path, layout, persons):
  table = {
    'layout': layout.name,
    'units': 'pixels',
    'persons': persons,
    'confidence': True,
  }
  if layout.name not in BUILT_IN:
    del table['layout']
    table |= layout.to_dict()
  with atomic_files.atomic_write(folder / settings.FILE_NAME) as part:
    part.write_text(yaml.safe_dump(table, sort_keys=False))
