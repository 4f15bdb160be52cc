"""Made-up pose estimators, whose errors are known because we make them.

Errors are of the kinds that Ronchi and Perona find ("Benchmarking and Error
Diagnosis in Multi-Instance Pose Estimation", ICCV 2017): jitter around the
joint, misses far from it, inversions of left and right; with a bias of each
expert's own (annotators differ on where a hip is) and drop-outs. Errors last
for some frames, as they do in videos, and experts fail together where a frame
is hard.
"""

import dataclasses

import numpy as np

from unik_jax.curate import swaps
from unik_jax.data import synthetic
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout, get_layout

LAYOUT = 'unik_17'
IMAGE = (1280, 720)
_LASTING = 0.6  # how much of a slow error is still there a frame later
_HARD, _HARDER = 0.15, 3.0  # share of hard frames, and how much more goes wrong
_OUT = ('elbow', 'wrist', 'knee', 'ankle')  # worse located than the trunk


@dataclasses.dataclass(frozen=True)
class Expert:
  """How often, and by how much, an estimator errs.

  Lengths are of the torso (left shoulder to right hip, some 55 cm), rates of
  all frames, or of all joints in all frames.

  Attributes:
    bias: deviation of a joint's constant offset.
    jitter: deviation of its error in a frame.
    outliers: rate of joints that are far off.
    far: deviation of those.
    swaps: rate of frames with arms or legs swapped.
    lost_joints: rate of joints that are missing.
    lost_frames: rate of frames in which nobody is found.
    sure: usual confidence, before the errors lower it.
  """

  bias: float
  jitter: float
  outliers: float
  far: float
  swaps: float
  lost_joints: float
  lost_frames: float
  sure: float


# Three that differ as published ones do: the last one locates joints less well
# but loses few, the first two lose some.
EXPERTS = (
  Expert(0.03, 0.045, 0.015, 0.6, 0.02, 0.04, 0.02, 0.85),
  Expert(0.035, 0.055, 0.02, 0.6, 0.03, 0.05, 0.03, 0.75),
  Expert(0.05, 0.07, 0.03, 0.6, 0.05, 0.02, 0.01, 0.8),
)
_MEAN_FRAMES = {'outliers': 2, 'swaps': 5, 'lost_joints': 4, 'lost_frames': 3}


def motion(
  rng: np.random.Generator, action: str | None = None, frames: int | None = None
) -> np.ndarray:
  """One synthetic person's true joints in an image of `IMAGE` pixels.

  Args:
    rng: chooses person, performance and camera.
    action: of `synthetic.LABELS`; None to choose one.
    frames: T; None for the 32 to 80 frames (at 20 a second) of a performance,
      which else goes to and fro.

  Returns:
    (T, 17, 2) pixels, y downwards, of layout 'unik_17'.
  """
  clip = synthetic.generate_clip(
    action or synthetic.LABELS[rng.integers(len(synthetic.LABELS))],
    synthetic.make_subject(int(rng.integers(1000))),
    rng,
    LAYOUT,
    channels=2,
    yaw=rng.uniform(-synthetic.YAW, synthetic.YAW),
    noise=False,
  )[0]
  if frames is not None:
    there = np.arange(len(clip))
    period = np.concatenate([there, there[-2:0:-1]])
    clip = clip[np.resize(period, frames)]
  width, height = IMAGE
  return clip.astype(np.float64) * (width / 2) + (width / 2, height / 2)


def hardness(frames: int, rng: np.random.Generator) -> np.ndarray:
  """(T,) by how much more goes wrong in a frame than on average."""
  hard = _episodes((frames,), np.full(frames, _HARD), 10, rng)
  level = np.where(hard, _HARDER, 1.0)
  return level / (1 + _HARD * (_HARDER - 1))


def observe(
  truth: np.ndarray,
  expert: Expert,
  rng: np.random.Generator,
  hard: np.ndarray | None = None,
  layout: Layout | None = None,
) -> np.ndarray:
  """What an expert makes of the truth.

  Args:
    truth: (T, V, 2).
    expert: its errors.
    rng: all that is random.
    hard: (T,) of `hardness`, the same for all experts of a clip.
    layout: of the joints, by default 'unik_17'.

  Returns:
    (T, V, 3): x, y and a confidence, which is lower where joints are off but
    does not tell outliers for certain; zeros where missing.
  """
  layout = layout or get_layout(LAYOUT)
  length, count, _ = truth.shape
  hard = np.ones(length) if hard is None else hard
  torso = np.median(
    np.linalg.norm(
      truth[:, layout.index('left_shoulder')]
      - truth[:, layout.index('right_hip')],
      axis=-1,
    )
  )

  def episodes(name, *shape):
    rate = getattr(expert, name) * hard
    return _episodes(shape, rate, _MEAN_FRAMES[name], rng)

  poses = truth.copy()
  for pairs in pairs_by_part(layout):
    mixed_up = episodes('swaps', length)
    poses[mixed_up] = swaps.swap(poses[mixed_up], pairs)
  worse = np.array([1.5 if j.endswith(_OUT) else 1.0 for j in layout.joints])
  error = _slow((length, count, 2), rng) * expert.jitter * worse[:, None]
  error += rng.normal(0, expert.bias, (count, 2))
  off = episodes('outliers', length, count)
  error += off[..., None] * _held(off, rng) * expert.far
  poses += torso * error
  sure = expert.sure - 0.8 * np.linalg.norm(error, axis=-1)
  sure = np.clip(sure + rng.normal(0, 0.1, sure.shape), 0.05, 1)
  lost = episodes('lost_joints', length, count)
  lost |= episodes('lost_frames', length)[:, None]
  return np.where(
    lost[..., None], 0, np.concatenate([poses, sure[..., None]], -1)
  )


def experts(
  truth: np.ndarray,
  rng: np.random.Generator,
  of: tuple[Expert, ...] = EXPERTS,
) -> np.ndarray:
  """(N, T, V, 3): what several experts make of the truth (T, V, 2)."""
  hard = hardness(len(truth), rng)
  return np.stack([observe(truth, one, rng, hard) for one in of])


def _episodes(shape, rate, mean, rng):
  """Whether something lasting is under way: (T, ...) bool.

  A chain with two states, of which the second lasts `mean` frames on average
  and holds for the share `rate` (T,) of the time.
  """
  rate = np.minimum(rate, 0.9).reshape(-1, *(1,) * (len(shape) - 1))
  begin = np.minimum(rate / (mean * (1 - rate)), 1)
  draws = rng.random(shape)
  state = np.zeros(shape, bool)
  now = draws[0] < rate[0]
  state[0] = now
  for t in range(1, shape[0]):
    now = np.where(now, draws[t] >= 1 / mean, draws[t] < begin[t])
    state[t] = now
  return state


def _slow(shape, rng):
  """Noise of deviation 1, half of it lasting for some frames."""
  fast = rng.normal(size=shape)
  slow = rng.normal(size=shape)
  fresh = np.sqrt(1 - _LASTING**2)
  for t in range(1, shape[0]):
    slow[t] = _LASTING * slow[t - 1] + fresh * slow[t]
  return np.sqrt(0.5) * (fast + slow)


def _held(off, rng):
  """(T, V, 2) offsets of deviation 1 that stay while an episode lasts."""
  offset = rng.normal(size=(*off.shape, 2))
  for t in range(1, len(off)):
    going_on = (off[t] & off[t - 1])[:, None]
    offset[t] = np.where(going_on, offset[t - 1], offset[t])
  return offset
