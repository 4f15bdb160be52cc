"""How a run's accuracy falls as its clips are damaged, as real videos are.

`measure(FOLDER)` opens a run and its data, damages the clips of the test split
before anything else happens to them, and writes FOLDER/robustness.json:

  {
    "split": "test",       the clips' split
    "headline": "top1",    the metric that the run quotes
    "clips": 480,
    "seed": 0,             of the damage
    "step": 900,           of the checkpoint
    "curves": {
      "joints": [
        {"strength": 0.0, "top1": 0.97, "mean_class": 0.97, "top5": 1.0},
        {"strength": 0.1, "top1": ..., "mean_class": ..., "top5": ...},
        ...
      ],
      "frames": [...], "noise": [...],
      "left_arm": [...], "right_arm": [...],
      "left_leg": [...], "right_leg": [...]
    }
  }

Accuracies are fractions. Each curve begins with strength 0.0, the clips as
they are, and goes up. `DAMAGES` has the curves in their order, and what a
strength means in each. A limb that the joint layout does not name has none.
"""

import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from unik_jax import evaluate, metrics
from unik_jax.data import loader
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.run import restore
from unik_jax.runtime import atomic_files
from unik_jax.skeletons.body import body_diagonals, limb_joints
from unik_jax.skeletons.layouts import Layout

FILE = 'robustness.json'

# Each curve, and what its strength is.
DAMAGES = {
  'joints': 'share of the joints of a frame that are missing',
  'frames': 'share of the frames that are missing',
  'noise': "standard deviation of the noise, in the body's size",
  'left_arm': 'share of the clip in which the left arm is hidden',
  'right_arm': 'share of the clip in which the right arm is hidden',
  'left_leg': 'share of the clip in which the left leg is hidden',
  'right_leg': 'share of the clip in which the right leg is hidden',
}
STRENGTHS = {
  'joints': (0.1, 0.2, 0.3, 0.5),
  'frames': (0.1, 0.3, 0.5, 0.7),
  'noise': (0.01, 0.02, 0.05, 0.1),
} | {name: (0.25, 0.5, 1.0) for name in list(DAMAGES)[3:]}


def drop_joints(
  clip: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
  """Joints are missing, all zeros; others in each frame and of each person.

  Args:
    clip: (M, T, V, C).
    share: of the joints of a frame, rounded to a whole number of them.
    rng: of the same state, a larger share drops the same joints and more.
  """
  order = rng.random(clip.shape[:3]).argsort(-1)
  damaged = clip.copy()
  damaged[order < round(share * clip.shape[2])] = 0
  return damaged


def drop_frames(
  clip: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
  """Frames here and there are missing: all zeros, for all persons.

  Args:
    clip: (M, T, V, C).
    share: of the frames, rounded to a whole number of them.
    rng: of the same state, a larger share drops the same frames and more.
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
  """Gaussian noise on each coordinate; a missing joint stays missing.

  Args:
    clip: (M, T, V, C).
    size: standard deviation, in the size of each person's body: the median
      over frames of the diagonal of the box around the joints that are seen.
    rng: of the same state, noise of another size is the same times a factor.
    coordinates: how many channels are coordinates; all by default.
  """
  points = clip[..., :coordinates]
  seen = points.any(-1)
  damaged = clip.copy()
  noise = rng.standard_normal(points.shape)
  for m, there in enumerate(seen.any(-1)):
    if there.any():
      mask = seen[m, there, :, None]
      track = points[m, there]
      body = np.median(body_diagonals(np.where(mask, track, np.nan)))
      noisy = points[m] + size * body * noise[m]
      damaged[m, ..., :coordinates] = np.where(seen[m, ..., None], noisy, 0)
  return damaged


def hide_joints(
  clip: np.ndarray,
  share: float,
  rng: np.random.Generator,
  *,
  joints: Sequence[int],
) -> np.ndarray:
  """Some joints are missing for one stretch of the clip, each person's own.

  Args:
    clip: (M, T, V, C).
    share: of the clip's frames, rounded to a whole number of them.
    rng: of the same state, a longer stretch holds the shorter one.
    joints: their indices.
  """
  persons, length, *_ = clip.shape
  hidden = round(share * length)
  starts = np.int64(rng.random(persons) * (length - hidden + 1))
  damaged = clip.copy()
  for m, start in enumerate(starts):
    damaged[m, start : start + hidden, joints] = 0
  return damaged


class Damaged(Sequence):
  """Clips as they come from a dataset, each damaged in its own way.

  Args:
    clips: records by index, as of `PreparedSplit`.
    config: the `data` part of a config.
    layout: of the clips' joints.
    name: a key of `DAMAGES`.
    strength: as there.
    seed: with a clip's index it decides its damage.
  """

  def __init__(
    self,
    clips: Sequence[dict],
    config: Any,
    layout: Layout,
    name: str,
    strength: float,
    seed: int = 0,
  ):
    self._clips, self._strength, self._seed = clips, strength, seed
    self._channels = config.channels
    self._options = {}
    if name == 'noise':
      coordinates = config.channels - bool(config.confidence)
      self._options = {'coordinates': coordinates}
    elif name not in ('joints', 'frames'):
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


def curves(
  run: restore.Run,
  clips: Sequence[dict],
  *,
  split: str = 'test',
  seed: int = 0,
  strengths: Mapping[str, Sequence[float]] = STRENGTHS,
  tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """Evaluates a run on damaged clips, once for each damage and strength.

  Args:
    run: of `restore.load_run`.
    clips: records by index, as of `PreparedSplit`.
    split: their split, for the record.
    seed: of the damage.
    strengths: those above 0 of each curve, keys of `DAMAGES`.
    tell: told each figure, since this takes as long as many evaluations.

  Returns:
    As robustness.json holds it; see the top of this file.

  Raises:
    UserError: no clips, or an unknown damage.
  """
  if not len(clips):
    raise UserError(f'split {split!r} has no clips to damage')
  if unknown := sorted(set(strengths) - set(DAMAGES)):
    raise UserError(
      f'unknown damage {unknown[0]!r}; use some of {", ".join(DAMAGES)}'
    )
  data = run.config.data
  size = min(run.config.eval_batch_size, len(clips))
  evaluator = evaluate.Evaluator(run.net)
  weights = jax.device_put((run.params, run.batch_stats))

  def accuracies(clips, strength):
    batches = loader.eval_batches(clips, data, batch_size=size)
    figures = metrics.summarize(*evaluator(*weights, batches))
    return {
      'strength': float(strength),
      **{key: figures[key] for key in metrics.HEADLINES},
    }

  def say(name, point):
    headline = run.config.headline
    tell(
      f'{name} {point["strength"]:g}: {headline} {100 * point[headline]:.2f}%'
    )

  undamaged = accuracies(clips, 0)
  say('undamaged', undamaged)
  found = {}
  for name in DAMAGES:
    limbs = name not in ('joints', 'frames', 'noise')
    if name not in strengths or (
      limbs and not limb_joints(run.data_layout, name)
    ):
      continue
    found[name] = [dict(undamaged)]
    for strength in sorted(set(strengths[name]) - {0}):
      damaged = Damaged(clips, data, run.data_layout, name, strength, seed)
      found[name].append(accuracies(damaged, strength))
      say(name, found[name][-1])
  return {
    'split': split,
    'headline': run.config.headline,
    'clips': len(clips),
    'seed': seed,
    'step': run.step,
    'curves': found,
  }


def measure(
  folder: str | os.PathLike,
  data_dir: str | os.PathLike | None = None,
  *,
  seed: int = 0,
  tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """The curves of a run on its test split, kept as robustness.json in it.

  Args:
    folder: of the run, as for `restore.load_run`.
    data_dir: where prepared datasets live; by default where the run's does.
    seed: of the damage.
    tell: as in `curves`.

  Raises:
    UserError: no run there, its data is not prepared here, or the file cannot
      be written.
  """
  run = restore.load_run(folder)
  data = run.config.data
  if data_dir:
    data.data_dir = os.fspath(data_dir)
  clips = PreparedSplit(data, data.test_split, data.test_subjects)
  found = curves(run, clips, split=data.test_split, seed=seed, tell=tell)
  path = pathlib.Path(run.folder) / FILE
  with atomic_files.atomic_write(path) as part:
    part.write_text(json.dumps(found, indent=1) + '\n')
  return found
