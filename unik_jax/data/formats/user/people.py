"""What the readers of a user's own files share: joints, frames, persons.

A pose estimator finds bodies frame by frame. A list of them is `poses`
(N, V, C), each in one of T `frames` (N,); tracks make a clip (M, T, V, C) of
it, each person in a row of their own.
"""

import itertools
import math
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.body import body_diagonals
from unik_jax.skeletons.layouts import Layout


class Found(NamedTuple):
  """What a file holds, before it is fitted to the rest of its dataset.

  Attributes:
    keypoints: (M, T, V, C) float64; NaN where a joint is missing, or zero.
    confidence: whether the last channel is one.
    layout: name of the built-in layout that the format implies, or ''.
    units: of the coordinates; '' where the format leaves them open.
    image_size: (width, height) in units, where the file tells.
    is_open: whether the format does not say what channels there are.
    notes: what the user should know.
  """

  keypoints: np.ndarray
  confidence: bool
  layout: str = ''
  units: str = ''
  image_size: tuple[int, int] | None = None
  is_open: bool = False
  notes: tuple[str, ...] = ()


class Nobody(UserError):
  """A file of the right form with no body in any frame.

  Attributes:
    frames: how many there are.
  """

  def __init__(self, message: str, frames: int = 0):
    super().__init__(message)
    self.frames = frames


def channel_names(channels: int, confidence: bool) -> str:
  """Such as 'x y confidence'."""
  names = 'x y z'.split()[: channels - confidence]
  return ' '.join(names + ['confidence'] * confidence)


def check_channels(channels: int, confidence: bool | None, where: str) -> bool:
  """Whether the last of so many channels is a confidence.

  Args:
    channels: C, of a format that does not say what they are.
    confidence: what the user says; None to take the fourth of four for one.
    where: the file, to be named in errors.

  Raises:
    UserError: neither two nor three channels would be left.
  """
  confidence = channels == 4 if confidence is None else confidence
  if channels - confidence not in (2, 3):
    raise UserError(
      f'{where}: {channels} channels a joint, where x y, x y z, or either with'
      ' a confidence are due; see that the array and `confidence` in'
      ' layout.yaml are right'
    )
  return confidence


def seen(poses: np.ndarray, confidence: bool) -> np.ndarray:
  """(..., V): whether a joint of (..., V, C) is there."""
  points = poses[..., :-1] if confidence else poses
  there = np.isfinite(points).all(-1) & (points != 0).any(-1)
  return there & (poses[..., -1] > 0) if confidence else there


def without_missing(
  clip: np.ndarray, confidence: bool, layout: Layout, where: str
) -> np.ndarray:
  """Zeros for joints that are marked as missing.

  A joint is missing whose coordinates are all NaN or all zero, or whose
  confidence is zero.

  Args:
    clip: (M, T, V, C).
    confidence: whether the last channel is one.
    layout: names the joints.
    where: the file, to be named in errors.

  Raises:
    UserError: NaN in some of a joint's coordinates alone, or infinity.
  """
  points = clip[..., : clip.shape[-1] - confidence]
  missing = np.isnan(points).all(-1) | (points == 0).all(-1)
  if confidence:
    missing |= clip[..., -1] == 0
  clip = np.where(missing[..., None], 0, clip)
  bad = np.argwhere(~np.isfinite(clip))
  if len(bad):
    m, t, v, c = bad[0]
    channel = channel_names(clip.shape[-1], confidence).split()[c]
    raise UserError(
      f'{where}, frame {t}, person {m}: {channel} of joint {v}'
      f' ({layout.joints[v]}) is {clip[m, t, v, c]}; correct it, or mark the'
      ' joint as missing with NaN in all its coordinates, or 0'
    )
  return clip


def strongest(clip: np.ndarray, persons: int, confidence: bool) -> np.ndarray:
  """At most so many persons of (M, T, V, C), in the order that they have.

  Those stay whose confidence, summed over joints and frames, is highest;
  where there is none, those of whom most is seen.
  """
  weights = _weights(clip, confidence).sum((1, 2))
  return clip[np.sort(np.argsort(-weights, kind='stable')[:persons])]


def tracks(
  poses: np.ndarray,
  frames: np.ndarray,
  ids: Sequence[str] | None,
  *,
  length: int,
  persons: int,
  confidence: bool,
) -> np.ndarray:
  """Bodies put in rows by person, the most confident person first.

  Where the file gives identities and no frame has one of them twice, they
  decide. Otherwise bodies are linked from frame to frame: the pair that is
  nearest, of all bodies of a frame and all persons known by then, is linked
  first, then the nearest of the rest, and so on. Near is a small mean distance
  over the joints that both have; beyond the size of the body (the diagonal of
  its box) nothing is linked, and a body left over starts a new person.

  Args:
    poses: (N, V, C).
    frames: (N,) the frame of each, from 0.
    ids: (N,) identities; None where unknown.
    length: T.
    persons: how many are kept, as in `strongest`.
    confidence: whether the last channel is one.

  Returns:
    (M, T, V, C) with M <= persons; zeros where a person is not seen.
  """
  if ids is None or len(set(zip(frames.tolist(), ids, strict=True))) < len(ids):
    with np.errstate(over='ignore'):  # absurd numbers are refused elsewhere
      number = _link(poses, frames, confidence)
  else:
    number = np.unique(ids, return_inverse=True)[1]
  strength = np.bincount(number, _weights(poses, confidence).sum(-1))
  order = np.argsort(-strength, kind='stable')[:persons]
  row = np.full(len(strength), -1)
  row[order] = np.arange(len(order))
  kept = row[number] >= 0
  clip = np.zeros((len(order), length, *poses.shape[1:]))
  clip[row[number[kept]], frames[kept]] = poses[kept]
  return clip


def _weights(poses, confidence):
  """(..., V): how sure each joint is; 0 where it is missing."""
  there = seen(poses, confidence)
  # Absurd numbers are refused later on.
  sure = np.clip(poses[..., -1], 0, 1e9) if confidence else 1.0
  return np.where(there, sure, 0)


def _link(poses, frames, confidence):
  """(N,) number of the person that each body is of."""
  there = seen(poses, confidence)
  points = poses[..., :-1] if confidence else poses
  points = np.where(there[..., None], points, np.nan)
  size = body_diagonals(points)
  order = np.argsort(frames, kind='stable')
  starts = np.flatnonzero(np.diff(frames[order])) + 1
  if len(starts) == len(poses) - 1:  # a body a frame, mostly of one person
    before, after = order[:-1], order[1:]
    gap = _gap(points[before], points[after], size[before], size[after])
    if np.isfinite(gap).all():
      return np.zeros(len(poses), int)
  number = np.full(len(poses), -1)
  last = []  # the newest body of each person
  for rows in np.split(order, starts):
    gap = _gap(
      points[last][:, None], points[rows], size[last][:, None], size[rows]
    )
    while np.isfinite(gap).any():
      person, body = np.unravel_index(gap.argmin(), gap.shape)
      number[rows[body]], last[person] = person, rows[body]
      gap[person], gap[:, body] = np.inf, np.inf
    for row in rows[number[rows] < 0]:
      number[row] = len(last)
      last.append(row)
  return number


def _gap(before, after, size_before, size_after):
  """Mean distance over the joints that both have; inf beyond their size."""
  apart = np.linalg.norm(before - after, axis=-1)
  both = np.isfinite(apart)
  total, joints = np.where(both, apart, 0).sum(-1), both.sum(-1)
  far = total > joints * np.maximum(size_before, size_after)
  return np.where(far | (joints == 0), np.inf, total / np.maximum(joints, 1))


def body(values: Any, where: str, expected: int | None = None) -> np.ndarray:
  """(V, 3) of a body's [x, y, confidence, x, y, confidence, ...].

  Raises:
    UserError: not a list of numbers, three a joint, or not `expected` joints.
  """
  try:
    array = np.asarray(values)
  except ValueError:  # lists of several lengths
    array = np.zeros(0, object)
  if array.ndim != 1 or array.dtype.kind not in 'iuf' or array.size % 3:
    raise UserError(
      f'{where}: not a list of numbers x, y, confidence for each joint;'
      ' write the file again'
    )
  if expected is not None and array.size != 3 * expected:
    raise UserError(
      f'{where}: {array.size} values, where the bodies before have'
      f' {3 * expected}; a clip has one kind of skeleton'
    )
  return array.reshape(-1, 3).astype(np.float64)


def image_size(values: Sequence[Any], where: str) -> tuple[int, int] | None:
  """(width, height), or None where neither is given.

  Raises:
    UserError: one is missing, or they are not positive whole numbers.
  """
  if all(value is None for value in values):
    return None
  if len(values) != 2 or not all(
    isinstance(value, int | float) and value >= 1 and value % 1 == 0
    for value in values
  ):
    raise UserError(
      f'{where}: image size {list(values)}, where width and height in pixels'
      ' are due'
    )
  return int(values[0]), int(values[1])


def check_one_video(names: Sequence[str], where: str) -> None:
  """Raises a UserError where frames' file names are in several folders."""
  folders = sorted({os.path.dirname(n.replace('\\', '/')) for n in names})
  if len(folders) > 1:
    raise UserError(
      f'{where}: frames from several folders ({folders[0]!r}, {folders[1]!r});'
      ' a file holds one clip: write one for each video'
    )


def places(names: Sequence[str | int]) -> np.ndarray:
  """(N,) frames, from 0, of what has its frame's name or number.

  In a name, the last number in it counts. Frames without anybody, which are
  not named, so leave a gap; where every second or third frame was used, that
  is the step. Where most frames would be gaps, the numbers are times or dates
  and give the order alone. Names without numbers of their own are put in
  alphabetical order.
  """
  if isinstance(names[0], str):
    digits = {name: re.findall('[0-9]{1,18}', name)[-1:] for name in names}
    numbers = {name: int(last[0]) for name, last in digits.items() if last}
    if len(set(numbers.values())) < len(digits):
      return np.unique(names, return_inverse=True)[1]
    names = [numbers[name] for name in names]
  known = sorted(set(names))
  step = math.gcd(*(b - a for a, b in itertools.pairwise(known))) or 1
  frames = {number: (number - known[0]) // step for number in known}
  if frames[known[-1]] >= 10 * len(known):
    frames = {number: frame for frame, number in enumerate(known)}
  return np.array([frames[name] for name in names])
