"""One video, from the experts' files to a clip's file: work for a process."""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from unik_jax.curate import estimators as reading
from unik_jax.curate import refinement
from unik_jax.curate.estimators import Expert
from unik_jax.curate.refinement import Dropped, Options, Refined
from unik_jax.curate.videos import Video
from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files
from unik_jax.skeletons.layouts import Layout

_FORM = 2  # of clips and records; a change makes all anew


@dataclasses.dataclass(frozen=True)
class Work:
  """What is the same for all videos.

  Attributes:
    experts: in the order that SST-A numbers them.
    layout: that clips have.
    options: how they are refined.
    first_frame: as for `experts.read`.
    skip_bad: whether an expert's bad file is left out, rather than an error.
    folder: of the clips.
  """

  experts: tuple[Expert, ...]
  layout: Layout
  options: Options
  first_frame: int
  skip_bad: bool
  folder: str


def clip_path(work: Work, video: Video) -> pathlib.Path:
  """Where a video's clip goes."""
  return pathlib.Path(work.folder, f'{video.name}.npz')


def fingerprint(work: Work, video: Video) -> str:
  """Changes when the files of a video do, or how they are refined."""
  parts = [_FORM, dataclasses.asdict(work.options), work.first_frame]
  parts += [work.layout.to_dict(), video.image_size]
  for expert, entry in zip(work.experts, video.entries, strict=True):
    stated = expert.layout and expert.layout.to_dict()
    parts.append([stated, expert.confidence, entry and _stat(entry)])
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _stat(entry):
  """The path, size and time of a file, or of a folder's frames together."""
  if not os.path.isdir(entry.path):
    stat = os.stat(entry.path)
    return [str(entry), stat.st_size, stat.st_mtime_ns]
  stats = [
    file.stat()
    for file in os.scandir(entry.path)
    if entry.clip is None or file.name.startswith(entry.clip)
  ]
  size, time = sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)
  return [str(entry), len(stats), size, time]


def refined(work: Work, video: Video) -> tuple[Refined, dict[str, Any]]:
  """The clip of a video, and what its record says of the reading.

  Raises:
    UserError: an expert's file is bad, and is not to be skipped.
    Dropped: the clip is not kept.
  """
  bodies, whole_ones, used, bad, size = [], [], [], [], video.image_size
  for expert, entry in zip(work.experts, video.entries, strict=True):
    if entry is None:
      continue
    try:
      found = _read(work, expert, entry, video)
    except UserError as error:
      if not work.skip_bad:
        raise UserError(
          f'{error}\nTo go on without such files, and list them: --skip_bad'
        ) from None
      bad.append(str(error))
      continue
    bodies.append(found.poses)
    whole_ones.append(found.is_whole)
    used.append(work.experts.index(expert))
    size = size or found.image_size
  notes = {'experts': used, 'bad': bad, 'image_size': size}
  try:
    if len(used) < work.options.least:
      raise Dropped(
        'experts',
        f'{len(used)} of {len(work.experts)} experts, where'
        f' {work.options.least} are the least'
        + (f' (left out: {bad[0]})' if bad else ''),
      )
    bodies = refinement.padded(
      bodies,
      whole_ones,
      [work.experts[n].name for n in used],
      work.options.apart,
    )
    return refinement.refine(bodies, work.layout, work.options), notes
  except Dropped as drop:
    drop.notes = notes
    raise


def _read(work: Work, expert: Expert, entry: recordings.Source, video: Video):
  return reading.read(
    expert,
    entry,
    work.layout,
    image_size=video.image_size,
    first_frame=work.first_frame,
  )


def make(work: Work, item: tuple[Video, str]) -> dict[str, Any]:
  """Writes a video's clip, if it is kept.

  Args:
    work: what is to be done.
    item: the video, and its `fingerprint`.

  Returns:
    The record: `video`, `print`, `experts` (those who have it, by number),
    `bad`, and either `kind` and `reason` of being dropped, or what
    `refining.figures` has.

  Raises:
    UserError: as `refined`, or it cannot be written.
  """
  video, mark = item
  record = {'video': video.name, 'print': mark}
  path = clip_path(work, video)
  try:
    found, notes = refined(work, video)
  except Dropped as drop:
    path.unlink(missing_ok=True)  # of other options, or older files
    why = {'kind': drop.kind, 'reason': str(drop), 'share': drop.share}
    return record | drop.notes | why
  arrays = {'keypoints': found.clip.astype(np.float32)}
  if notes['image_size']:
    arrays['image_size'] = np.array(notes['image_size'], np.int32)
  with atomic_files.atomic_write(path) as part, open(part, 'wb') as file:
    np.savez(file, **arrays)
  return record | notes | found.figures
