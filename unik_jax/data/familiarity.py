"""Check whether a clip's bodies look like those of the training clips.

A network predicts a class for any input, with any probability: also for clips
in millimetres, upside down or mirrored. Three statistics of a clip's bodies, as
the network sees them, are compared with those of the training clips:

- size: the mean length of the bones;
- distance: how far the bones' directions are from their mean in training
  (Mahalanobis, per dimension);
- flip: how much nearer the bodies would be with one axis reversed.

The limits of distance and flip are calibrated on held-out clips: a fifth of the
clips (of other subjects, if known) is measured with statistics of the rest.

Shape legend: B bodies, V joints, E bones, D coordinates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.skeletons.layouts import Layout

_MAX_BODIES = 32  # of a clip, evenly spaced
_MIN_CLIPS = 20  # for a distance
_FOLDS = 5
_QUANTILE = 0.99  # of the held-out clips are within the limits
_SIZE_MARGIN = 1.25
_DISTANCE_MARGIN = 1.1
_MIN_FLIP = 0.05
# Of the mean variance, added to all. Clips are few and their frames alike.
_SHRINKAGE = 0.1


class Familiarity(NamedTuple):
  """Statistics of the bodies in training clips.

  Attributes:
    sizes: (3,) low, median and high of the clips' mean bone lengths.
    mean: (E * D,) mean directions of the bones; empty with too few clips.
    precision: (E * D, E * D) inverse covariance of the directions.
    limits: (2,) highest distance and flip of a familiar clip.
  """

  sizes: np.ndarray
  mean: np.ndarray
  precision: np.ndarray
  limits: np.ndarray


def fit_familiarity(
  bodies: Sequence[np.ndarray], subjects: Sequence[int], layout: Layout
) -> Familiarity | None:
  """Returns the statistics of clips; None if no clip has a bone.

  Args:
    bodies: (B, V, D) of each clip, from `sample_bodies`.
    subjects: number of the person in each clip, -1 if unknown.
    layout: joint layout of the clips.
  """
  bones = [_bones(each, layout) for each in bodies]
  is_seen = [len(lengths) > 0 for _, lengths in bones]
  bones = [each for each, seen in zip(bones, is_seen, strict=True) if seen]
  if not bones:
    return None
  sizes = np.quantile(
    [np.median(lengths) for _, lengths in bones],
    (1 - _QUANTILE, 0.5, _QUANTILE),
  )
  directions = [each for each, _ in bones]
  if len(directions) < _MIN_CLIPS:
    nothing = np.zeros(0)
    return Familiarity(sizes, nothing, np.zeros((0, 0)), np.zeros(2))
  fold = _assign_folds(np.asarray(subjects)[is_seen])
  measured = []
  for held_out in np.unique(fold):
    moments = _fit_moments(_select(directions, fold != held_out))
    measured += [
      _measure(each, *moments) for each in _select(directions, fold == held_out)
    ]
  distance, flip = np.quantile(measured, _QUANTILE, axis=0)
  limits = np.array([_DISTANCE_MARGIN * distance, max(_MIN_FLIP, flip)])
  mean, precision = _fit_moments(directions)
  return Familiarity(sizes, mean, precision, limits)


def explain_unfamiliar(
  clip: np.ndarray, familiarity: Familiarity, layout: Layout
) -> str | None:
  """Returns how a clip's bodies differ from the training clips', or None.

  Args:
    clip: (M, T, V, D) as in `sample_bodies`.
    familiarity: statistics of the training clips.
    layout: joint layout of the clip.
  """
  directions, lengths = _bones(sample_bodies(clip), layout)
  if not len(lengths):
    return None
  low, median, high = familiarity.sizes
  size = np.median(lengths)
  if not low / _SIZE_MARGIN <= size <= high * _SIZE_MARGIN:
    return f'bodies are {size / median:.3g} times as large as in training'
  if not len(familiarity.mean):
    return None
  distance, flip = _measure(directions, familiarity.mean, familiarity.precision)
  max_distance, max_flip = familiarity.limits
  if flip > max_flip:
    return (
      'poses look mirrored or upside down: with an axis reversed, they are'
      ' nearer to those in training'
    )
  if distance > max_distance:
    return (
      f'poses are {distance / max_distance:.1f} times as far from those in'
      ' training as the farthest of 99% of held-out clips'
    )
  return None


def sample_bodies(clip: np.ndarray) -> np.ndarray:
  """Returns (B, V, D): at most 32 bodies, from all persons and frames.

  Args:
    clip: (M, T, V, D), standardised coordinates with zeros where missing.
  """
  bodies = clip.reshape(-1, *clip.shape[2:])
  bodies = bodies[bodies.any((1, 2))]
  count = min(len(bodies), _MAX_BODIES)
  chosen = np.linspace(0, len(bodies) - 1, count).round().astype(int)
  return bodies[chosen].astype(np.float64)


def _bones(bodies, layout):
  """Returns directions (B, E, D), NaN where missing, and lengths (B,)."""
  bodies = np.where(bodies.any(-1, keepdims=True), bodies, np.nan)
  children, parents = (
    [layout.index(bone[end]) for bone in layout.bones] for end in (0, 1)
  )
  lines = bodies[:, children] - bodies[:, parents]
  lengths = np.linalg.norm(lines, axis=-1)
  is_known = lengths > 0  # False for NaN
  lengths = np.where(is_known, lengths, np.nan)
  directions = lines / lengths[..., None]
  has_bone = is_known.any(-1)
  return directions[has_bone], np.nanmean(lengths[has_bone], -1)


def _fit_moments(directions):
  """Returns the mean and the inverse covariance of directions (B, E, D)."""
  rows = np.concatenate([each.reshape(len(each), -1) for each in directions])
  known = ~np.isnan(rows)
  mean = np.where(known, rows, 0).sum(0) / np.maximum(known.sum(0), 1)
  moved = np.where(known, rows - mean, 0)
  covariance = moved.T @ moved / len(rows)
  noise = _SHRINKAGE * np.trace(covariance) / len(covariance)
  # Bones that never move, as in a single repeated frame, keep a small variance.
  noise = max(noise, 1e-6)
  return mean, np.linalg.inv(covariance + noise * np.eye(len(covariance)))


def _measure(directions, mean, precision):
  """Returns the distance and the flip of a clip's directions (B, E, D)."""

  def distance(directions):
    moved = directions.reshape(len(directions), -1) - mean
    moved = np.where(np.isnan(moved), 0, moved)
    squares = np.einsum('bi,ij,bj->b', moved, precision, moved)
    return np.sqrt(squares.mean() / len(mean))

  dimensions = directions.shape[-1]
  flipped = [
    distance(directions * (1 - 2 * axis)) for axis in np.eye(dimensions)
  ]
  own = distance(directions)
  return own, np.log((own + 1e-9) / (min(flipped) + 1e-9))


def _assign_folds(subjects):
  """Returns the fold of each clip; the clips of a subject are in one fold."""
  names, group = np.unique(subjects, return_inverse=True)
  if len(names) < 3 or names[0] < 0:
    group = np.arange(len(subjects))
  return group % _FOLDS


def _select(values, mask):
  return [value for value, chosen in zip(values, mask, strict=True) if chosen]
