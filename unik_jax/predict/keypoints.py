"""Keypoints of a user's own, made into what a trained model takes.

What training does when a dataset is prepared happens here for a single clip:
missing joints become zeros, persons and channels are chosen. What it does in
the loader is left to the loader.
"""

import functools

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.clips import check_clip
from unik_jax.data.formats.user import people
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, Layout

_SHAPES = '(frames, joints, channels) or (persons, frames, joints, channels)'


def as_clip(keypoints: np.ndarray, where: str) -> np.ndarray:
  """(M, T, V, C) float64 of an array (T, V, C) or (M, T, V, C).

  Args:
    keypoints: anything that numpy takes for an array.
    where: the clip, to be named in errors.

  Raises:
    UserError: no numbers, or of another shape.
  """
  try:
    clip = np.asarray(keypoints)
  except ValueError:  # lists of several lengths
    clip = np.zeros(0, object)
  if clip.dtype.kind not in 'iuf':
    raise UserError(
      f'{where}: not an array of numbers; {_SHAPES} is due, of float32'
    )
  clip = clip[None] if clip.ndim == 3 else clip
  if clip.ndim != 4 or clip.shape[-1] not in (2, 3, 4):
    raise UserError(
      f'{where}: of shape {np.shape(keypoints)}, where {_SHAPES} is due, with 2'
      ' to 4 channels'
    )
  if not min(clip.shape):
    raise UserError(f'{where}: of shape {clip.shape}, so that nothing is in it')
  if clip.shape[0] > max(clip.shape[1], 2):
    raise UserError(
      f'{where}: shape {clip.shape} would be {clip.shape[0]} persons in'
      f' {clip.shape[1]} frames; swap the first two axes: {_SHAPES} is due'
    )
  return clip.astype(np.float64)


def check_joints(joints: int, layout: Layout, where: str, frames: int = 0):
  """Raises a UserError where a clip has other joints than a layout.

  Args:
    joints: how many the clip has.
    layout: that they should be of.
    where: the clip, to be named in the error.
    frames: how many it has, to find out that axes are swapped.
  """
  if joints == layout.num_joints:
    return
  fitting = sorted(n for n in BUILT_IN if LAYOUTS[n].num_joints == joints)
  turned = frames == layout.num_joints
  raise UserError(
    f'{where}: {joints} joints, but layout {layout.name!r} has'
    f' {layout.num_joints}; '
    + 'is the order (frames, joints, channels)? If it is, '
    * turned
    + 'name another layout, and its joints are mapped by name: --layout= (in'
    ' Python layout=), '
    + (
      f'where those with as many are: {", ".join(fitting)}'
      if fitting
      else 'where no built-in one has as many'
    )
  )


def has_confidence(
  clip: np.ndarray, stated: bool | None, data: ConfigDict, where: str
) -> bool:
  """Whether the last channel of a clip is a confidence.

  Where nobody says so, the fourth of four channels is one. So is the third of
  three, if the model takes x y confidence, or takes x y and all values are in
  [0, 1].

  Args:
    clip: (..., C), NaN where missing.
    stated: what the user or the file's format says; None where neither does.
    data: the part of a model's config.
    where: the clip, to be named in errors.

  Raises:
    UserError: the third channel may be either; or the clip has fewer
      coordinates than the model takes.
  """
  channels = clip.shape[-1]
  takes = data.channels - bool(data.confidence)
  if stated is None:
    stated = channels == 4
    if channels == 3 and takes == 2 and not data.confidence:
      last = clip[..., 2][~np.isnan(clip[..., 2])]
      stated = bool(((last >= 0) & (last <= 1)).all())
      if not stated:
        raise UserError(
          f'{where}: three channels, of which this model takes x y; the third'
          f' is from {last.min():g} to {last.max():g}. Say --confidence if it'
          ' is one all the same, --noconfidence if it is z (in Python'
          ' confidence=True or False)'
        )
    elif channels == 3 and takes == 2:
      stated = True
  if channels - stated < takes:
    raise UserError(
      f'{where}: joints have {people.channel_names(channels, stated)}, but this'
      f' model takes {people.channel_names(takes, False)}; a model for them can'
      ' be fine-tuned from it, with --config.init_from'
    )
  return stated


def fit(
  keypoints: np.ndarray,
  layout: Layout,
  data: ConfigDict,
  *,
  confidence: bool | None = None,
  together: bool = True,
  where: str = 'keypoints',
) -> list[tuple[int | None, np.ndarray]]:
  """A clip as a prepared dataset would hold it, for `data.transform.Transform`.

  A joint is missing whose coordinates are all NaN or all zero, or whose
  confidence is zero (`people.without_missing`). Coordinates that the model
  does not take are cut, as in the loader. A confidence that it does not take
  is dropped; one that it takes and the clip lacks is 1 for joints that are
  seen.

  Args:
    keypoints: (T, V, C) or (M, T, V, C).
    layout: of its joints.
    data: the part of the model's config.
    confidence: whether its last channel is one; None as `has_confidence`.
    together: whether all persons make one answer, of more than the model takes
      the strongest (`people.strongest`); or each is alone in a clip.
    where: the clip, to be named in errors.

  Returns:
    (None, clip) or, for each person who is seen, (index, clip of them alone);
    the clips are (M, T, V, C) float32.

  Raises:
    UserError: another shape, other joints or too few channels; NaN in part of
      a joint, or infinity; nobody is seen.
  """
  clip = as_clip(keypoints, where)
  check_joints(clip.shape[2], layout, where, clip.shape[1])
  scored = has_confidence(clip, confidence, data, where)
  clip = people.without_missing(clip, scored, layout, where)
  seen = people.seen(clip, scored).any((1, 2))
  if not seen.any():
    raise UserError(
      f'{where}: nobody is seen in any frame: every joint is missing; leave'
      ' this clip out'
    )
  taken = functools.partial(_channels, scored=scored, data=data)
  if together:
    chosen = people.strongest(clip, data.persons, scored)
    return [(None, check_clip(taken(chosen), layout, where))]
  return [
    (int(m), check_clip(taken(clip[m : m + 1]), layout, where))
    for m in np.flatnonzero(seen)
  ]


def _channels(clip, scored, data):
  """The channels that a model takes."""
  points = clip[..., : data.channels - bool(data.confidence)]
  if not data.confidence:
    return points
  sure = clip[..., -1:] if scored else points.any(-1, keepdims=True)
  return np.concatenate([points, sure], -1)
