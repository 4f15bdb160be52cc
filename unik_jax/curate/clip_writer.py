"""Refinement of one video, and its clip file and record."""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from unik_jax.curate import refinement
from unik_jax.curate.bodies import read_bodies
from unik_jax.curate.estimators import Estimator
from unik_jax.curate.refinement import Dropped, Options, Refined
from unik_jax.curate.videos import Video
from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files
from unik_jax.skeletons.layouts import Layout

# Version of clips and records. Increase it when either changes: all videos are
# then refined again.
_VERSION = 2
# Names of options in version 2's fingerprints. They keep clips valid that were
# refined before the options were renamed.
_FINGERPRINT_NAMES = {
  'min_share': 'share',
  'frame_tolerance': 'apart',
  'min_estimators': 'least',
}


@dataclasses.dataclass(frozen=True)
class Setup:
  """Settings shared by all videos.

  Attributes:
    estimators: the estimators, in SST-A's order.
    layout: joint layout of the clips.
    options: how clips are refined.
    first_frame: as in `bodies.read_bodies`.
    skip_bad: whether to skip an estimator's bad file.
    folder: output folder of the clips.
  """

  estimators: tuple[Estimator, ...]
  layout: Layout
  options: Options
  first_frame: int
  skip_bad: bool
  folder: str


def clip_path(setup: Setup, video: Video) -> pathlib.Path:
  """Returns the path of a video's clip."""
  return pathlib.Path(setup.folder, f'{video.name}.npz')


def fingerprint_video(setup: Setup, video: Video) -> str:
  """Returns a hash of a video's files (path, size, time) and its options."""
  options = {
    _FINGERPRINT_NAMES.get(name, name): value
    for name, value in dataclasses.asdict(setup.options).items()
  }
  parts: list[Any] = [_VERSION, options, setup.first_frame]
  parts += [setup.layout.to_dict(), video.image_size]
  for estimator, entry in zip(setup.estimators, video.entries, strict=True):
    layout = estimator.layout and estimator.layout.to_dict()
    parts.append([layout, estimator.confidence, entry and _file_stats(entry)])
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def _file_stats(entry):
  """Returns path, size and time of a file, or of a folder's frames together."""
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


def refine_video(setup: Setup, video: Video) -> tuple[Refined, dict[str, Any]]:
  """Returns the refined clip of a video, and notes for its record.

  The notes are three keys of the record:
    `experts`: indices of the estimators that have the video.
    `bad`: errors of skipped files.
    `image_size`: (width, height) in pixels; None if unknown.

  Raises:
    UserError: an estimator's file is bad, and bad files are not skipped.
    Dropped: the clip is not kept. Its `notes` are these notes.
  """
  bodies, has_all_frames, used, bad = [], [], [], []
  size = video.image_size
  for n, entry in enumerate(video.entries):
    if entry is None:
      continue
    try:
      result = read_bodies(
        setup.estimators[n],
        entry,
        setup.layout,
        image_size=video.image_size,
        first_frame=setup.first_frame,
      )
    except UserError as error:
      if not setup.skip_bad:
        raise UserError(
          f'{error}\nUse --skip_bad to skip and list bad files.'
        ) from None
      bad.append(str(error))
      continue
    bodies.append(result.poses)
    has_all_frames.append(result.has_all_frames)
    used.append(n)
    size = size or result.image_size
  notes = {'experts': used, 'bad': bad, 'image_size': size}
  options = setup.options
  try:
    if len(used) < options.min_estimators:
      raise Dropped(
        'experts',
        f'expected at least {options.min_estimators} estimators with this'
        f' video, got {len(used)} of {len(setup.estimators)}'
        + (f' (skipped: {bad[0]})' if bad else ''),
      )
    bodies = refinement.pad_to_longest(
      bodies,
      has_all_frames,
      [setup.estimators[n].name for n in used],
      options.frame_tolerance,
    )
    return refinement.refine_clip(bodies, setup.layout, options), notes
  except Dropped as drop:
    drop.notes = notes
    raise


def write_clip(setup: Setup, item: tuple[Video, str]) -> dict[str, Any]:
  """Writes a video's clip if it is kept, and returns its record.

  Args:
    setup: settings shared by all videos.
    item: the video and its fingerprint, as one argument for
      `runtime.pool.ordered_map`.

  Returns:
    The record: `video`, `print` (the fingerprint), and the notes of
    `refine_video`. A dropped clip adds `kind`, `reason` and `share`; a kept
    clip adds `Refined.figures`.

  Raises:
    UserError: as in `refine_video`, or the clip cannot be written.
  """
  video, fingerprint = item
  record = {'video': video.name, 'print': fingerprint}
  path = clip_path(setup, video)
  try:
    refined, notes = refine_video(setup, video)
  except Dropped as drop:
    # Earlier options or older files may have left a clip.
    path.unlink(missing_ok=True)
    reason = {'kind': drop.kind, 'reason': str(drop), 'share': drop.body_share}
    return record | drop.notes | reason
  arrays = {'keypoints': refined.clip.astype(np.float32)}
  if notes['image_size']:
    arrays['image_size'] = np.array(notes['image_size'], np.int32)
  with atomic_files.atomic_write(path) as part, open(part, 'wb') as file:
    np.savez(file, **arrays)
  return record | notes | refined.figures
