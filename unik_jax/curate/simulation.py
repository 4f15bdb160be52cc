"""Simulated pose estimators, with errors of known kind and rate.

Errors are of the kinds in Ronchi and Perona, "Benchmarking and Error Diagnosis
in Multi-Instance Pose Estimation", ICCV 2017: jitter around the joint, misses
far from it, inversions of left and right. Each estimator also has a bias
(annotators differ on where a hip is) and drop-outs. Errors last for several
frames, as in videos, and all estimators fail more often in hard frames.

Shape legend: N estimators, T frames, V joints.
"""

import dataclasses

import numpy as np

from unik_jax.curate import swaps
from unik_jax.data import synthetic
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout, get_layout

LAYOUT = 'unik_17'
IMAGE = (1280, 720)  # width and height in pixels
_SLOW_DECAY = 0.6  # correlation of a slow error with that of the next frame
_HARD_SHARE, _HARD_FACTOR = 0.15, 3.0  # of frames; of rates in those frames
_LIMBS = ('elbow', 'wrist', 'knee', 'ankle')  # worse located than the trunk
_LIMB_FACTOR = 1.5


@dataclasses.dataclass(frozen=True)
class ErrorModel:
  """Rates and sizes of an estimator's errors.

  Sizes are standard deviations in torso lengths (left shoulder to right hip,
  about 55 cm). Rates are shares of all frames, or of all joints in all frames.

  Attributes:
    bias: size of a joint's constant offset.
    jitter: size of a joint's error in each frame.
    outliers: rate of outlier joints.
    outlier_size: size of an outlier's offset.
    swaps: rate of frames with arms swapped, and of frames with legs swapped.
    lost_joints: rate of missing joints.
    lost_frames: rate of frames without a body.
    confidence: mean confidence of a joint without error.
  """

  bias: float
  jitter: float
  outliers: float
  outlier_size: float
  swaps: float
  lost_joints: float
  lost_frames: float
  confidence: float


# Published estimators differ in this way: the first two are more precise, the
# last one misses fewer joints.
ESTIMATORS = (
  ErrorModel(0.03, 0.045, 0.015, 0.6, 0.02, 0.04, 0.02, 0.85),
  ErrorModel(0.035, 0.055, 0.02, 0.6, 0.03, 0.05, 0.03, 0.75),
  ErrorModel(0.05, 0.07, 0.03, 0.6, 0.05, 0.02, 0.01, 0.8),
)
# Mean duration of an error, in frames.
_MEAN_FRAMES = {'outliers': 2, 'swaps': 5, 'lost_joints': 4, 'lost_frames': 3}


def generate_motion(
  rng: np.random.Generator, action: str | None = None, frames: int | None = None
) -> np.ndarray:
  """Returns the true joints of one synthetic person in an image.

  Args:
    rng: draws the person, the performance and the camera.
    action: one of `synthetic.LABELS` (default: drawn).
    frames: T (default: the 32 to 80 frames of one performance, at 20 frames a
      second). A longer motion plays the performance forwards and backwards.

  Returns:
    (T, 17, 2) pixels, y downwards, in layout 'unik_17' and an image of `IMAGE`
    pixels.
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
    order = np.arange(len(clip))
    period = np.concatenate([order, order[-2:0:-1]])
    clip = clip[np.resize(period, frames)]
  width, height = IMAGE
  return clip.astype(np.float64) * (width / 2) + (width / 2, height / 2)


def draw_difficulty(frames: int, rng: np.random.Generator) -> np.ndarray:
  """Returns (T,) factors on all error rates, with mean 1.

  Hard frames come in episodes of 10 frames on average.
  """
  is_hard = _draw_episodes((frames,), np.full(frames, _HARD_SHARE), 10, rng)
  factor = np.where(is_hard, _HARD_FACTOR, 1.0)
  return factor / (1 + _HARD_SHARE * (_HARD_FACTOR - 1))


def simulate_estimator(
  truth: np.ndarray,
  model: ErrorModel,
  rng: np.random.Generator,
  difficulty: np.ndarray | None = None,
  layout: Layout | None = None,
) -> np.ndarray:
  """Returns one estimator's poses for known true joints.

  Args:
    truth: (T, V, 2).
    model: the estimator's errors.
    rng: draws the errors.
    difficulty: (T,) from `draw_difficulty`, the same for all estimators of a
      clip (default: 1 everywhere).
    layout: joint layout (default: 'unik_17').

  Returns:
    (T, V, 3): x, y, confidence; zeros where missing. Confidence falls with the
    error, with noise, so it does not reveal every outlier.
  """
  layout = layout or get_layout(LAYOUT)
  length, count, _ = truth.shape
  difficulty = np.ones(length) if difficulty is None else difficulty
  torso = np.median(
    np.linalg.norm(
      truth[:, layout.index('left_shoulder')]
      - truth[:, layout.index('right_hip')],
      axis=-1,
    )
  )

  def draw_errors(kind, *shape):
    rate = getattr(model, kind) * difficulty
    return _draw_episodes(shape, rate, _MEAN_FRAMES[kind], rng)

  poses = truth.copy()
  for pairs in pairs_by_part(layout):
    is_swapped = draw_errors('swaps', length)
    poses[is_swapped] = swaps.swap_sides(poses[is_swapped], pairs)
  factor = np.array(
    [_LIMB_FACTOR if j.endswith(_LIMBS) else 1.0 for j in layout.joints]
  )
  error = _draw_jitter((length, count, 2), rng) * model.jitter * factor[:, None]
  error += rng.normal(0, model.bias, (count, 2))
  is_outlier = draw_errors('outliers', length, count)
  offset = _draw_lasting_offsets(is_outlier, rng)
  error += is_outlier[..., None] * offset * model.outlier_size
  poses += torso * error
  # A joint of a swapped limb keeps its confidence: estimators do not notice.
  confidence = model.confidence - 0.8 * np.linalg.norm(error, axis=-1)
  confidence += rng.normal(0, 0.1, confidence.shape)
  confidence = np.clip(confidence, 0.05, 1)
  lost = draw_errors('lost_joints', length, count)
  lost |= draw_errors('lost_frames', length)[:, None]
  return np.where(
    lost[..., None], 0, np.concatenate([poses, confidence[..., None]], -1)
  )


def simulate_estimators(
  truth: np.ndarray,
  rng: np.random.Generator,
  models: tuple[ErrorModel, ...] = ESTIMATORS,
) -> np.ndarray:
  """Returns the poses (N, T, V, 3) of several estimators.

  Args:
    truth: (T, V, 2).
    rng: draws the hard frames, which all estimators share, and the errors.
    models: each estimator's errors.
  """
  difficulty = draw_difficulty(len(truth), rng)
  return np.stack(
    [simulate_estimator(truth, model, rng, difficulty) for model in models]
  )


def _draw_episodes(shape, rate, mean_frames, rng):
  """Returns (T, ...) bool: whether an episode is under way.

  A Markov chain with two states. An episode lasts `mean_frames` on average, and
  episodes cover the share `rate` (T,) of the time.
  """
  rate = np.minimum(rate, 0.9).reshape(-1, *(1,) * (len(shape) - 1))
  # Stationarity: rate / mean_frames episodes end per frame, as many begin.
  begin = np.minimum(rate / (mean_frames * (1 - rate)), 1)
  draws = rng.random(shape)
  state = np.zeros(shape, bool)
  current = draws[0] < rate[0]
  state[0] = current
  for t in range(1, shape[0]):
    current = np.where(
      current, draws[t] >= 1 / mean_frames, draws[t] < begin[t]
    )
    state[t] = current
  return state


def _draw_jitter(shape, rng):
  """Returns noise of variance 1; half of the variance is slow (an AR(1))."""
  fast = rng.normal(size=shape)
  slow = rng.normal(size=shape)
  innovation = np.sqrt(1 - _SLOW_DECAY**2)  # keeps the variance at 1
  for t in range(1, shape[0]):
    slow[t] = _SLOW_DECAY * slow[t - 1] + innovation * slow[t]
  return np.sqrt(0.5) * (fast + slow)


def _draw_lasting_offsets(is_outlier, rng):
  """Returns (T, V, 2) offsets of variance 1, constant in an episode."""
  offset = rng.normal(size=(*is_outlier.shape, 2))
  for t in range(1, len(is_outlier)):
    continues = (is_outlier[t] & is_outlier[t - 1])[:, None]
    offset[t] = np.where(continues, offset[t - 1], offset[t])
  return offset
