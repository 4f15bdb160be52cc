"""A user's keypoints, adapted to what a trained model takes.

Preparing a dataset does the same for training clips: missing joints become
zeros, and persons and channels are selected. The loader does the rest.
"""

import functools

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.clips import check_clip
from unik_jax.data.formats.user.arrays import as_clip
from unik_jax.data.formats.user.keypoints import (
  channel_names,
  may_be_confidence,
  present_joints,
  select_persons,
  zero_missing_joints,
)
from unik_jax.data.formats.user.layout_inference import layouts_with_joints
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout


def check_joints(joints: int, layout: Layout, where: str, frames: int = 0):
  """Raises a UserError if a clip has other joints than a layout.

  Args:
    joints: number of joints in the clip.
    layout: expected joint layout.
    where: the clip, for errors.
    frames: number of frames in the clip, to detect swapped axes.
  """
  if joints == layout.num_joints:
    return
  start = 'Name'
  if frames == layout.num_joints:
    start = 'Is the order (frames, joints, channels)? If it is, name'
  names = layouts_with_joints(joints)
  known = f'built-in layouts with {joints} joints: {", ".join(names)}'
  raise UserError(
    f'{where}: expected {layout.num_joints} joints, as layout {layout.name!r}'
    f' has, got {joints} joints. {start} another layout with --layout= (in'
    ' Python layout=), and its joints are mapped by name;'
    f' {known if names else f"no built-in one has {joints} joints"}'
  )


def has_confidence(
  clip: np.ndarray, stated: bool | None, data: ConfigDict, where: str
) -> bool:
  """Returns whether the last channel of a clip is a confidence.

  If not stated, the fourth of four channels is a confidence, if none is
  negative. The third of three is a confidence if the model takes two
  coordinates, and z if it takes three, if the values agree
  (`may_be_confidence`).

  Args:
    clip: (..., C), NaN where missing.
    stated: what the user or the file's format states; None if neither does.
    data: the `data` part of the model's config.
    where: the clip, for errors.

  Raises:
    UserError: the values do not tell what the last channel is, or the clip has
      fewer coordinates than the model takes.
  """
  channels = clip.shape[-1]
  coordinates = data.channels - bool(data.confidence)
  if stated is None:
    last = clip[..., -1][present_joints(clip, False)]
    stated = channels == 4 or (channels == 3 and coordinates == 2)
    # Four channels can only end in a confidence: it is never negative.
    is_like_one = (
      may_be_confidence(last) if channels == 3 else not (last < 0).any()
    )
    if channels > 2 and last.size and stated != is_like_one:
      taken = channel_names(data.channels, bool(data.confidence))
      raise UserError(
        f'{where}: the last of {channels} channels may be z or a confidence:'
        f' it is from {last.min():g} to {last.max():g}, and this model takes'
        f' {taken}. Use --confidence if it is a confidence, --noconfidence if'
        ' it is z (in Python confidence=True or False)'
      )
  if channels - stated < coordinates:
    raise UserError(
      f'{where}: joints have {channel_names(channels, stated)}, but this model'
      f' takes {channel_names(coordinates, False)}. Train one on such clips;'
      ' --config.init_from starts from the weights of this one'
    )
  return stated


def adapt_clip(
  keypoints: np.ndarray,
  layout: Layout,
  data: ConfigDict,
  *,
  confidence: bool | None = None,
  together: bool = True,
  where: str = 'keypoints',
) -> list[tuple[int | None, np.ndarray]]:
  """Returns a clip as a prepared dataset holds it, for `Transform`.

  Missing joints become zeros (`zero_missing_joints`). Coordinates that the
  model does not take are cut, as in the loader. A confidence that it does not
  take is dropped. A confidence that it takes and the clip lacks is 1 for
  present joints.

  Args:
    keypoints: (T, V, C) or (M, T, V, C).
    layout: joint layout of the clip.
    data: the `data` part of the model's config.
    confidence: whether the last channel is a confidence; None as in
      `has_confidence`.
    together: one clip of all persons, of too many those from `select_persons`;
      otherwise one clip per person.
    where: the clip, for errors.

  Returns:
    (None, clip) or, for each person who is present, (index, clip of them
    only). Clips are (M, T, V, C) float32.

  Raises:
    UserError: the clip has another shape, other joints or too few channels; a
      joint has some NaN coordinates or an infinite one; or all persons are
      absent.
  """
  clip = as_clip(keypoints, where)
  check_joints(clip.shape[2], layout, where, clip.shape[1])
  confidence = has_confidence(clip, confidence, data, where)
  clip = zero_missing_joints(clip, confidence, layout, where)
  is_present = present_joints(clip, confidence).any((1, 2))
  if not is_present.any():
    raise UserError(
      f'{where}: nobody is seen in any frame: every joint is missing. Leave'
      ' this clip out'
    )
  select = functools.partial(_select_channels, confidence=confidence, data=data)
  if together:
    persons = select_persons(clip, data.persons, confidence)
    return [(None, check_clip(select(persons), layout, where))]
  return [
    (int(m), check_clip(select(clip[m : m + 1]), layout, where))
    for m in np.flatnonzero(is_present)
  ]


def _select_channels(clip, confidence, data):
  """Returns the channels that a model takes."""
  points = clip[..., : data.channels - bool(data.confidence)]
  if not data.confidence:
    return points
  scores = clip[..., -1:] if confidence else points.any(-1, keepdims=True)
  return np.concatenate([points, scores], -1)
