"""Refinement: all estimators' bodies in a video become one clip.

Persons are tracked, aggregated and smoothed. A clip is dropped if it does not
show a body often enough.

Shape legend: N estimators, M persons, T frames, V joints.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from unik_jax.curate import aggregation, pose_statistics, smoothing, tracks
from unik_jax.skeletons.layouts import Layout

METHODS = ('robust', 'sst_a')
BINS = 20  # of histograms, from 0 to 1
# Largest ratio of distances, one direction to the other, that shows a shift.
_SHIFT_RATIO = 0.93


@dataclasses.dataclass(frozen=True)
class Options:
  """Options of refinement and of dropping clips.

  Attributes:
    method: 'robust', or 'sst_a' as published.
    persons: largest number of persons in a clip, M.
    min_share: smallest share of frames with a body for a clip to be kept.
    gap: longest gap to fill, in frames.
    window: number of frames for smoothing, odd; 0 for none.
    gamma: lowest frame confidence, for SST-A.
    frame_tolerance: largest difference between the estimators' numbers of
      frames, as a share of the largest.
    min_estimators: smallest number of estimators that must have a video.
  """

  method: str = 'robust'
  persons: int = 2
  min_share: float = 0.5
  gap: int = smoothing.GAP
  window: int = smoothing.WINDOW
  gamma: float = aggregation.GAMMA
  frame_tolerance: float = 0.05
  min_estimators: int = 2


class Dropped(Exception):
  """Raised for a clip that is not kept. The message is the reason.

  Attributes:
    kind: reason in one or two words.
    body_share: share of frames with a body, None if unknown.
    notes: notes that `clip_writer.refine_video` adds.
  """

  def __init__(self, kind: str, message: str, body_share: float | None = None):
    super().__init__(message)
    self.kind = kind
    self.body_share = body_share
    self.notes: dict[str, Any] = {}


class Refined(NamedTuple):
  """A refined clip.

  Attributes:
    clip: (M, T, V, 3).
    tracks: (M, N, T, V, 3) the same persons as each estimator sees them.
    figures: what `clip_figures` returns, with the clip's `share`.
  """

  clip: np.ndarray
  tracks: np.ndarray
  figures: dict[str, Any]


def pad_to_longest(
  bodies: list[np.ndarray],
  has_all_frames: list[bool],
  names: list[str],
  tolerance: float,
) -> list[np.ndarray]:
  """Pads all estimators' bodies with zeros to the longest one's frames.

  Args:
    bodies: for each estimator, (M_n, T_n, V, 3).
    has_all_frames: whether each file covers all frames of the video. If not, it
      may be shorter by any number of frames.
    names: names of the estimators, for errors.
    tolerance: largest difference, as a share of the longest. One frame is
      always allowed.

  Raises:
    Dropped: the numbers of frames differ by more, or no frame shows a body.
  """
  lengths = [each.shape[1] for each in bodies]
  longest = max(lengths)
  known = [n for n, has in zip(lengths, has_all_frames, strict=True) if has]
  if known and longest - min(known) > max(tolerance * longest, 1):
    each = (f'{k} {n}' for k, n in zip(names, lengths, strict=True))
    raise Dropped(
      'frame count',
      f'estimators differ in the number of frames: {", ".join(each)}; check'
      ' that all files are of the same video, and complete',
    )
  if not any(each.any() for each in bodies):
    raise Dropped('nobody', f'no body in any of {longest} frames', 0.0)
  return [
    np.pad(each, ((0, 0), (0, longest - each.shape[1]), (0, 0), (0, 0)))
    for each in bodies
  ]


def refine_clip(
  bodies: list[np.ndarray], layout: Layout, options: Options
) -> Refined:
  """Tracks, aggregates and smooths the persons of one video.

  Args:
    bodies: for each estimator, (M_n, T, V, 3), zeros where missing; padded by
      `pad_to_longest`.
    layout: joint layout.
    options: how to refine.

  Raises:
    Dropped: units differ, no person can be tracked, or too few frames show a
      body.
  """
  _check_units(bodies)
  # A filled gap must not join two persons in one row.
  min_break = max(tracks.MIN_BREAK, options.gap + 1)
  persons = tracks.track_persons(bodies, options.persons, min_break)
  if not len(persons):
    raise Dropped('nobody', 'no body for more than a few frames', 0.0)
  aggregates, frame_confidences = [], []
  for poses in persons:
    aggregate, frame_confidence = _aggregate(poses, layout, options)
    aggregates.append(aggregate)
    frame_confidences.append(frame_confidence)
  aggregates = np.stack(aggregates)
  # A body is half of the joints that any estimator has in this clip: some
  # layouts have joints that no estimator gives.
  available = persons.any((0, 1, 2, 4))
  present = aggregates.any(-1)
  has_body = present[..., available].mean(-1) >= 0.5
  share = float(has_body.any(0).mean())
  if share < options.min_share:
    raise Dropped(
      'share', f'a body in {share:.0%} of {present.shape[1]} frames', share
    )
  clip = smoothing.smooth_clip(
    smoothing.fill_short_gaps(aggregates, options.gap), options.window
  )
  figures = clip_figures(persons, aggregates, clip, frame_confidences)
  return Refined(clip, persons, figures | {'share': share})


def _aggregate(poses, layout, options):
  """Returns (T, V, 3) and (T,): one person's aggregate, frame confidences."""
  if options.method == 'sst_a':
    points, frame_confidence = aggregation.aggregate_sst_a(
      poses, layout, options.gamma
    )
    # SST-A has no confidence for each joint: each takes its frame's. A frame
    # below gamma is not used, as in the paper, so its joints are missing.
    keep = points.any(-1) & (frame_confidence > 0)[:, None]
    confidence = np.broadcast_to(
      frame_confidence[:, None, None], (*points.shape[:2], 1)
    )
    aggregate = np.concatenate([points, confidence], -1) * keep[..., None]
    return aggregate, frame_confidence
  aggregate = aggregation.aggregate_robust(poses, layout)
  marked = np.where(aggregate.any(-1, keepdims=True), aggregate, np.nan)
  frame_confidence = aggregation.frame_confidence(
    pose_statistics.visible_points(poses), marked[..., :2], layout
  )
  return aggregate, frame_confidence


def _check_units(bodies):
  """Drops a video whose bodies are in pixels and in fractions of the image."""
  sizes = [
    pose_statistics.body_size(pose_statistics.visible_points(each))
    for each in bodies
    if each.any()
  ]
  if max(sizes) > 8 * min(sizes):
    raise Dropped(
      'units',
      'estimators differ in the size of bodies: '
      + ', '.join(f'{size:.3g}' for size in sizes)
      + '; check that all coordinates are pixels of the same video',
    )


def clip_figures(
  persons: np.ndarray,
  aggregates: np.ndarray,
  clip: np.ndarray,
  frame_confidences: list[np.ndarray],
) -> dict[str, Any]:
  """Returns a clip's figures for the report.

  Args:
    persons: (M, N, T, V, 3) as each estimator sees them.
    aggregates: (M, T, V, 3).
    clip: (M, T, V, 3) the aggregates with gaps filled, smoothed.
    frame_confidences: for each person, (T,).

  Returns:
    `persons`, `frames`: M and T.
    `bodies`: number of bodies, frames in which an estimator sees a person.
    `expert_bodies`: same, counted once for each estimator that sees it.
    `missing_before`: by joint, how often it is missing in `expert_bodies`.
    `missing_made`, `missing_after`: same in the `bodies` of the aggregates and
      of the clip.
    `joint_confidence`, `frame_confidence`: histograms of `BINS` bins.
    `seen`: for each estimator, share of `bodies` that it sees.
    `apart`: for each estimator, median distance to the aggregate in body sizes.
    `shift`: for each estimator, 1 if it seems to be one frame late, -1 if one
      frame early, else 0.
  """
  is_seen = persons.any((1, 3, 4))  # (M, T)
  by_estimator = persons.any((3, 4)).swapaxes(1, 2)[is_seen]  # (bodies, N)
  joints = persons.any(-1).swapaxes(1, 2)[is_seen]  # (bodies, N, V)
  points = pose_statistics.visible_points(persons)
  target = pose_statistics.visible_points(aggregates)[:, None]
  size = pose_statistics.body_size(points)
  distance = _median_distance(points, target) / size
  late = _median_distance(points[:, :, 1:], target[:, :, :-1]) / size
  early = _median_distance(points[:, :, :-1], target[:, :, 1:]) / size
  # The estimator is part of the aggregate, which pulls `distance` down, so a
  # shift need not be nearer than no shift. Without a shift, however, both
  # directions are equally far.
  shift = np.select(
    [late < _SHIFT_RATIO * early, early < _SHIFT_RATIO * late], [1, -1]
  )
  present = aggregates.any(-1)
  confidence = np.concatenate(
    [
      each[frames]
      for each, frames in zip(frame_confidences, is_seen, strict=True)
    ]
  )
  is_missing = ~clip.any(-1) & is_seen[..., None]
  return {
    'persons': len(clip),
    'frames': clip.shape[1],
    'bodies': int(is_seen.sum()),
    'expert_bodies': int(by_estimator.sum()),
    'missing_before': (~joints & by_estimator[..., None]).sum((0, 1)).tolist(),
    'missing_made': (~present & is_seen[..., None]).sum((0, 1)).tolist(),
    'missing_after': is_missing.sum((0, 1)).tolist(),
    'joint_confidence': _histogram(aggregates[..., 2][present]),
    'frame_confidence': _histogram(confidence),
    'seen': by_estimator.mean(0).round(4).tolist(),
    'apart': distance.round(5).tolist(),
    'shift': shift.tolist(),
  }


def _median_distance(points, target):
  """Returns (N,): median distance of joints (M, N, T, V, 2) to the target."""
  distance = np.linalg.norm(points - target, axis=-1)
  distance = np.moveaxis(distance, 1, 0).reshape(points.shape[1], -1)
  return np.nan_to_num(pose_statistics.nan_median(distance), nan=0)


def _histogram(values):
  return np.histogram(np.clip(values, 0, 1), BINS, (0, 1))[0].tolist()
