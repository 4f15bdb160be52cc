"""Damages clips as real videos do: missing joints or frames, noise, occlusion.

Every function takes a random generator. With the same state, a stronger damage
removes what a weaker one does and more, so that curves compare like with like.

Shape legend: M persons, T frames, V joints, C channels.
"""

from collections.abc import Callable, Sequence

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.clips import Records
from unik_jax.errors import UserError
from unik_jax.skeletons.body import body_diagonals, limb_joints
from unik_jax.skeletons.layouts import Layout

# Each damage, and what its strength is.
DAMAGES = {
  'joints': 'share of the joints of a frame that are missing',
  'frames': 'share of the frames that are missing',
  'noise': "standard deviation of the noise, in the body's size",
  'left_arm': 'share of the clip in which the left arm is hidden',
  'right_arm': 'share of the clip in which the right arm is hidden',
  'left_leg': 'share of the clip in which the left leg is hidden',
  'right_leg': 'share of the clip in which the right leg is hidden',
}
LIMBS = ('left_arm', 'right_arm', 'left_leg', 'right_leg')


def drop_joints(
  clip: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
  """Sets joints to zero, others in each frame and for each person.

  Args:
    clip: (M, T, V, C).
    share: share of a frame's joints, rounded to a whole number of joints.
    rng: random generator.
  """
  order = rng.random(clip.shape[:3]).argsort(-1)
  damaged = clip.copy()
  damaged[order < round(share * clip.shape[2])] = 0
  return damaged


def drop_frames(
  clip: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
  """Sets scattered frames to zero, the same ones for all persons.

  Args:
    clip: (M, T, V, C).
    share: share of the frames, rounded to a whole number of frames.
    rng: random generator.
  """
  length = clip.shape[1]
  damaged = clip.copy()
  damaged[:, rng.permutation(length)[: round(share * length)]] = 0
  return damaged


def add_noise(
  clip: np.ndarray,
  size: float,
  rng: np.random.Generator,
  *,
  coordinates: int | None = None,
) -> np.ndarray:
  """Adds Gaussian noise to each coordinate; missing joints stay missing.

  Args:
    clip: (M, T, V, C).
    size: standard deviation as a share of each person's body size, which is
      the median over frames of the diagonal of the box around the joints.
    rng: random generator. With the same state, noise of another size is the
      same noise, scaled.
    coordinates: number of channels that are coordinates (default: all).
  """
  points = clip[..., :coordinates]
  seen = points.any(-1)
  damaged = clip.copy()
  noise = rng.standard_normal(points.shape)
  for m, frames in enumerate(seen.any(-1)):
    if frames.any():
      track = np.where(seen[m, frames, :, None], points[m, frames], np.nan)
      noisy = points[m] + size * np.median(body_diagonals(track)) * noise[m]
      damaged[m, ..., :coordinates] = np.where(seen[m, ..., None], noisy, 0)
  return damaged


def hide_joints(
  clip: np.ndarray,
  share: float,
  rng: np.random.Generator,
  *,
  joints: Sequence[int],
) -> np.ndarray:
  """Sets some joints to zero for one stretch of time, each person's own.

  Args:
    clip: (M, T, V, C).
    share: share of the clip's frames, rounded to a whole number of frames.
    rng: random generator. With the same state, a longer stretch contains the
      shorter one.
    joints: their indices.
  """
  persons, length, *_ = clip.shape
  hidden = round(share * length)
  starts = np.int64(rng.random(persons) * (length - hidden + 1))
  damaged = clip.copy()
  for m, start in enumerate(starts):
    damaged[m, start : start + hidden, joints] = 0
  return damaged


class DamagedClips:
  """Clips of a dataset, each damaged in its own way before anything else.

  Args:
    clips: records by index, as `PreparedSplit`.
    config: the `data` part of a config.
    layout: joint layout of the clips.
    name: a key of `DAMAGES`.
    strength: strength of the damage, as the function of `name` takes it.
    seed: with a clip's index it determines the damage.

  Raises:
    UserError: the damage is unknown.
  """

  def __init__(
    self,
    clips: Records,
    config: ConfigDict,
    layout: Layout,
    name: str,
    strength: float,
    seed: int = 0,
  ):
    check_damages([name])
    self._clips, self._strength, self._seed = clips, strength, seed
    self._channels = config.channels
    self._options = {}
    if name == 'noise':
      coordinates = config.channels - bool(config.confidence)
      self._options = {'coordinates': coordinates}
    elif name in LIMBS:
      self._options = {'joints': limb_joints(layout, name)}
    self._damage: Callable = {
      'joints': drop_joints,
      'frames': drop_frames,
      'noise': add_noise,
    }.get(name, hide_joints)

  def __len__(self) -> int:
    return len(self._clips)

  def __getitem__(self, index: int) -> dict:
    if not 0 <= index < len(self):
      raise IndexError(index)
    record = self._clips[index]
    clip = record['keypoints'][..., : self._channels]
    rng = np.random.default_rng((self._seed, index))
    damaged = self._damage(clip, self._strength, rng, **self._options)
    return {**record, 'keypoints': damaged}


def check_damages(names: Sequence[str]) -> None:
  """Raises a UserError for a name that is not a key of `DAMAGES`."""
  if unknown := sorted(set(names) - set(DAMAGES)):
    raise UserError(
      f'strengths: expected some of {", ".join(DAMAGES)}, got {unknown[0]!r}'
    )
