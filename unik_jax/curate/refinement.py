"""From what several experts see in a video to one refined clip."""

import dataclasses
from typing import NamedTuple

import numpy as np

from unik_jax.curate import aggregation, reference, smoothing, tracks
from unik_jax.skeletons.layouts import Layout

METHODS = ('robust', 'sst_a')
BINS = 20  # of histograms, from 0 to 1
_SHIFTED = 0.93  # times as far: a frame later fits better than one earlier


@dataclasses.dataclass(frozen=True)
class Options:
  """How clips are refined, and which are kept.

  Attributes:
    method: 'robust', or 'sst_a' as published.
    persons: M at most.
    share: of its frames, in which a body must be seen for a clip to be kept.
    gap: frames that a joint may be missing for to be filled in.
    window: frames that smoothing looks at, an odd number; 0 for none.
    gamma: of SST-A: the least confidence of a frame.
    apart: by which share of its frames experts may differ about how many a
      video has.
    least: how many experts there must be.
  """

  method: str = 'robust'
  persons: int = 2
  share: float = 0.5
  gap: int = smoothing.GAP
  window: int = smoothing.WINDOW
  gamma: float = aggregation.GAMMA
  apart: float = 0.05
  least: int = 2


class Dropped(Exception):
  """A clip that is not kept; the message says why, `kind` in a word or two."""

  def __init__(self, kind: str, message: str, share: float | None = None):
    super().__init__(message)
    self.kind = kind
    self.share = share  # of frames with a body, where it is known


class Refined(NamedTuple):
  """A clip that came of it.

  Attributes:
    clip: (M, T, V, 3).
    before: (M, N, T, V, 3) what the experts see of these persons.
    figures: for the report, as `figures` has them.
  """

  clip: np.ndarray
  before: np.ndarray
  figures: dict


def padded(
  bodies: list[np.ndarray], whole: list[bool], names: list[str], apart: float
) -> list[np.ndarray]:
  """All experts' bodies with as many frames as the longest has.

  Args:
    bodies: of each expert, (M_n, T_n, V, 3).
    whole: of each, whether its file tells how many frames the video has.
    names: of the experts.
    apart: by which share of the longest the others may be shorter.

  Raises:
    Dropped: they differ by more, or nobody is seen by anyone.
  """
  lengths = [each.shape[1] for each in bodies]
  longest = max(lengths)
  told = [n for n, known in zip(lengths, whole, strict=True) if known]
  if told and longest - min(told) > max(apart * longest, 1):
    each = (f'{k} {n}' for k, n in zip(names, lengths, strict=True))
    raise Dropped(
      'frame count',
      f'experts disagree on how many frames there are: {", ".join(each)}; are'
      ' they of the same video, and is none cut short?',
    )
  if not any(each.any() for each in bodies):
    raise Dropped('nobody', f'nobody is seen in any of {longest} frames', 0.0)
  return [
    np.pad(each, ((0, 0), (0, longest - each.shape[1]), (0, 0), (0, 0)))
    for each in bodies
  ]


def refine(
  bodies: list[np.ndarray], layout: Layout, options: Options
) -> Refined:
  """One clip.

  Args:
    bodies: of each expert, (M_n, T, V, 3), zeros where missing; see `padded`.
    layout: of the joints.
    options: how.

  Raises:
    Dropped: units differ, nobody is followed, or a body is seen in too few
      frames.
  """
  _check_units(bodies)
  between = max(tracks.BETWEEN, options.gap + 1)
  before = tracks.follow(bodies, options.persons, between)
  if not len(before):
    raise Dropped('nobody', 'nobody is seen for more than a moment', 0.0)
  made, frames = [], []
  for experts in before:
    points = reference.points_of(experts)
    if options.method == 'sst_a':
      pose, sure = aggregation.sst_a(experts, layout, options.gamma)
      there = pose.any(-1) & (sure > 0)[:, None]
      sure_of = np.broadcast_to(sure[:, None, None], (*pose.shape[:2], 1))
      pose = np.concatenate([pose, sure_of], -1) * there[..., None]
    else:
      pose = aggregation.robust(experts, layout)
      marked = np.where(pose.any(-1, keepdims=True), pose, np.nan)
      sure = aggregation.frame_confidence(points, marked[..., :2], layout)
    made.append(pose)
    frames.append(sure)
  made = np.stack(made)
  possible = before.any((0, 1, 2, 4))  # joints that anyone can tell
  seen = made.any(-1)
  bodily = seen[..., possible].mean(-1) >= 0.5
  share = float(bodily.any(0).mean())
  if share < options.share:
    raise Dropped(
      'share',
      f'a body is seen in {share:.0%} of {seen.shape[1]} frames',
      share,
    )
  clip = smoothing.smooth(
    smoothing.fill_short(made, options.gap), options.window
  )
  return Refined(
    clip, before, figures(before, made, clip, frames) | {'share': share}
  )


def _check_units(bodies):
  """Pixels and fractions of an image are told apart by bodies' sizes."""
  sizes = [
    reference.body_size(reference.points_of(each))
    for each in bodies
    if each.any()
  ]
  if max(sizes) > 8 * min(sizes):
    raise Dropped(
      'units',
      'bodies are of sizes '
      + ', '.join(f'{size:.3g}' for size in sizes)
      + ' by the experts; are all in pixels of the same video?',
    )


def figures(
  before: np.ndarray,
  made: np.ndarray,
  clip: np.ndarray,
  frames: list[np.ndarray],
) -> dict:
  """What a clip adds to the report.

  Args:
    before: (M, N, T, V, 3).
    made: (M, T, V, 3) the aggregate.
    clip: (M, T, V, 3) the same with gaps filled, smoothed.
    frames: of each person, (T,) the confidence of frames.

  Returns:
    `persons` and `frames`; of joints, by joint, `bodies` (in how many of these
    the following is counted), `missing_before`, `missing_made` and
    `missing_after`; histograms `joint_confidence` and `frame_confidence`; of
    each expert, `seen`, the share of the persons' frames in which it has them,
    `apart`, its median distance to the aggregate in sizes of the body, and
    `shift`, 1 or -1 where it seems to be a frame late or early, else 0.
  """
  there = before.any((1, 3, 4))  # (M, T): anyone sees them
  by_expert = before.any((3, 4)).swapaxes(1, 2)[there]  # (.., N)
  joints = before.any(-1).swapaxes(1, 2)[there]  # (.., N, V)
  points = reference.points_of(before)
  target = reference.points_of(made)[:, None]
  size = reference.body_size(points)
  apart = _median_apart(points, target) / size
  late = _median_apart(points[:, :, 1:], target[:, :, :-1]) / size
  early = _median_apart(points[:, :, :-1], target[:, :, 1:]) / size
  # The aggregate is of the expert too, so that neither need be nearer than
  # it; but without a shift, both are as far.
  shift = np.select([late < _SHIFTED * early, early < _SHIFTED * late], [1, -1])
  seen = made.any(-1)
  sure = np.concatenate(
    [each[body] for each, body in zip(frames, there, strict=True)]
  )
  return {
    'persons': len(clip),
    'frames': clip.shape[1],
    'bodies': int(there.sum()),
    'expert_bodies': int(by_expert.sum()),
    'missing_before': (~joints & by_expert[..., None]).sum((0, 1)).tolist(),
    'missing_made': (~seen & there[..., None]).sum((0, 1)).tolist(),
    'missing_after': (~clip.any(-1) & there[..., None]).sum((0, 1)).tolist(),
    'joint_confidence': _histogram(made[..., 2][seen]),
    'frame_confidence': _histogram(sure),
    'seen': by_expert.mean(0).round(4).tolist(),
    'apart': apart.round(5).tolist(),
    'shift': shift.tolist(),
  }


def _median_apart(points, target):
  """(N,) the median distance of joints (M, N, T, V, 2) to the aggregate's."""
  apart = np.linalg.norm(points - target, axis=-1)
  apart = np.moveaxis(apart, 1, 0).reshape(points.shape[1], -1)
  return np.nan_to_num(reference.median(apart), nan=0)


def _histogram(values):
  return np.histogram(np.clip(values, 0, 1), BINS, (0, 1))[0].tolist()
