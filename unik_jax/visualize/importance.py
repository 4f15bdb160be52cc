"""Importance of each joint for the prediction of a clip.

Two methods: gradient times input, to first order, and occlusion, which removes
one joint after another.

Shape legend: N clips, M persons, T frames, V joints, C channels, K classes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from scipy.special import softmax

from unik_jax.data.transform import Transform
from unik_jax.errors import check_choice
from unik_jax.run.restore import Run
from unik_jax.skeletons.layouts import Layout, get_layout
from unik_jax.visualize.analysis import sample_poses, use_one_view

METHODS = ('gradient', 'occlusion')
BATCH = 32  # occluded clips at once


class Explanation(NamedTuple):
  """A clip, its prediction, and the importance of its joints.

  Attributes:
    logits: (K,).
    importance: (M, T, V), in the frames that the network sees.
    poses: (M, T, V, 2 or 3) recorded coordinates; zeros are missing.
    layout: joint layout.
  """

  logits: np.ndarray
  importance: np.ndarray
  poses: np.ndarray
  layout: Layout


def explain_prediction(
  run: Run, record: dict, method: str = 'gradient', *, windows: int = 1
) -> Explanation:
  """Returns the importance of each joint of a clip for its prediction.

  It explains the prediction for one view of the clip. A run that averages
  several (`test_clips`, `test_crops`) may predict another class.

  Args:
    run: the run.
    record: record of a `PreparedSplit`.
    method: 'gradient' (`compute_gradient_importance`) or 'occlusion'
      (`compute_occlusion_importance`).
    windows: number of stretches of time in which occlusion hides a joint.

  Raises:
    UserError: the method is unknown.
  """
  check_choice('--importance', method, METHODS)
  data = use_one_view(run.config.data)

  def logits_of(x_nmtvc):
    logits, _ = run.net.apply(run.params, run.batch_stats, x_nmtvc, train=False)
    return logits

  if method == 'gradient':
    x = Transform(data, train=False)(record)['x']
    logits, importance = compute_gradient_importance(logits_of, x)
    return Explanation(
      logits, importance, sample_poses(data, record), run.network_layout
    )
  logits, importance = compute_occlusion_importance(
    logits_of, data, record, windows=windows
  )
  # Occlusion hides the recorded joints, so its importance is theirs.
  data = data.copy_and_resolve_references()
  data.joints = ''
  return Explanation(
    logits, importance, sample_poses(data, record), get_layout(data.layout)
  )


def compute_gradient_importance(
  logits_of: Callable[[Any], Any], x_mtvc: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns each joint's share in the highest logit, to first order.

    | sum_c x[m, t, v, c] * d logit / d x[m, t, v, c] |

  Args:
    logits_of: maps (N, M, T, V, C) to (N, K), in JAX.
    x_mtvc: a clip as the network takes it.

  Returns:
    Logits (K,), and the importance (M, T, V) for the predicted class.
  """

  @jax.jit
  def value_and_gradient(x):
    def highest_logit(x):
      logits = logits_of(x[None])[0]
      return logits.max(), logits

    return jax.grad(highest_logit, has_aux=True)(x)

  gradient, logits = value_and_gradient(x_mtvc)
  return np.asarray(logits), np.abs((gradient * x_mtvc).sum(-1))


def compute_occlusion_importance(
  logits_of: Callable[[Any], Any],
  data: ConfigDict,
  record: dict,
  *,
  windows: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns how far the predicted probability falls without each joint.

  A joint of a person is set to zeros in the recorded keypoints, as trackers
  write a missing one. The clip then passes through the complete loader.

  Args:
    logits_of: maps (N, M, T, V, C) to (N, K), in JAX.
    data: the `data` part of a run's config.
    record: record of a `PreparedSplit`, in the dataset's joint layout.
    windows: number of equal stretches of the recorded frames; a joint is
      hidden in one of them at a time.

  Returns:
    Logits (K,) of the complete clip, and the fall (M, T, V) in probability of
    its predicted class, in the frames that the network sees. It is 0 for a
    missing joint, and negative if the probability rises.
  """
  transform = Transform(data, train=False)
  keypoints = record['keypoints'][: data.persons]
  persons, frames, joints, _ = keypoints.shape
  windows = min(windows, frames)
  window_of_frame = np.arange(frames) * windows // frames
  seen = np.stack(
    [keypoints[:, window_of_frame == w].any((1, 3)) for w in range(windows)], 1
  )
  occlusions = np.argwhere(seen)  # rows of (person, window, joint)

  def occlude(m, w, v):
    occluded = keypoints.copy()
    occluded[m, window_of_frame == w, v] = 0
    return transform({**record, 'keypoints': occluded})['x']

  complete = transform(record)['x']
  logits = _run_batches(
    jax.jit(logits_of),
    complete,
    lambda i: occlude(*occlusions[i]),
    len(occlusions),
  )
  probability = softmax(np.float64(logits), -1)[:, logits[0].argmax()]
  falls = np.zeros((persons, windows, joints))
  falls[tuple(occlusions.T)] = probability[0] - probability[1:]

  frame_of = _find_recorded_frames(data, record)
  importance = np.zeros((*frame_of.shape, joints))
  for m in range(persons):
    absent = frame_of[m, :, None] < 0
    window = window_of_frame[frame_of[m]]
    importance[m] = np.where(absent, 0, falls[m, window])
  return logits[0], importance


def _run_batches(run_batch, complete, occluded, count):
  """Returns the logits of the complete clip, then of each occluded one.

  All batches have BATCH clips, padded by the complete one, so that the network
  compiles once.
  """
  logits = []
  for start in range(0, count + 1, BATCH):
    batch = [
      complete if i == 0 else occluded(i - 1)
      for i in range(start, min(start + BATCH, count + 1))
    ]
    x = np.stack(batch + [complete] * (BATCH - len(batch)))
    logits.append(np.asarray(run_batch(x))[: len(batch)])
  return np.concatenate(logits)


def _find_recorded_frames(data, record):
  """Returns the recorded frame of each sampled frame; -1 for an absent person.

  Sends frame numbers through the loader instead of coordinates.

  Returns:
    (M, T).
  """
  keypoints = record['keypoints']
  number = np.arange(1, keypoints.shape[1] + 1)[:, None, None]
  marked = np.float32(number * keypoints.any(-1, keepdims=True))
  marked = np.broadcast_to(marked, keypoints.shape)
  sampled = sample_poses(data, {**record, 'keypoints': marked}).max((2, 3))
  return np.rint(sampled).astype(int) - 1
