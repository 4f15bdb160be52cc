"""Accuracy of the nearest mean pose: what a classifier without motion reaches.

Each clip is its mean pose, and each class the centroid of its training clips.
A model should be well above it, unless poses alone tell the classes apart.

Shape legend: N clips, K classes, M persons, T frames, V joints, C coordinates.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.data.normalize import center_first
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.run.scores import Scores
from unik_jax.skeletons.layouts import Layout, get_layout

_MAX_TRAINING_CLIPS = 5000  # more hardly move a centroid, and take minutes


def measure_floor(config: ConfigDict, scores: Scores) -> dict[str, Any]:
  """Returns the metrics of the nearest mean pose on a run's test clips.

  Args:
    config: the `data` part of a config.
    scores: of the clips to classify.

  Returns:
    `metrics.compute_metrics`, with the negative distances as logits.

  Raises:
    UserError: the dataset is not prepared, or is not the one of the scores.
  """
  layout = get_layout(config.layout)
  coordinates = config.channels - bool(config.confidence)
  train = PreparedSplit(config, config.train_split, config.train_subjects)
  step = -(-len(train) // _MAX_TRAINING_CLIPS)
  centroids = average_classes(
    (train[i] for i in range(0, len(train), step)), layout, coordinates
  )
  test = PreparedSplit(config, config.test_split, config.test_subjects)
  poses = {
    record['id'].decode(): mean_pose(record['keypoints'], layout, coordinates)
    for record in (test[i] for i in range(len(test)))
  }
  try:
    shown = np.stack([poses[str(name)] for name in scores.ids])
  except KeyError as error:
    raise UserError(
      f'scores: clip {error} is not in the prepared dataset. Evaluate the run'
      ' again with --config.eval_only=true'
    ) from None
  logits = classify_poses(shown, centroids, len(scores.classes))
  return metrics.compute_metrics(logits, scores.labels)


def mean_pose(clip: np.ndarray, layout: Layout, coordinates: int) -> np.ndarray:
  """Returns the first present person's mean centred pose (V, C).

  Args:
    clip: (M, T, V, channels). A missing joint does not count in the mean.
    layout: names the body centre.
    coordinates: channels that are coordinates; the first ones.
  """
  person = clip.any((1, 2, 3)).argmax()
  body = clip[[person], ..., :coordinates]
  seen = body[0].any(-1, keepdims=True)
  (centered,) = center_first(body, layout, (0, 0))
  return centered.sum(0) / np.maximum(seen.sum(0), 1)


def average_classes(
  records: Iterable[dict], layout: Layout, coordinates: int
) -> dict[int, np.ndarray]:
  """Maps each class among the records to its mean pose (V, C)."""
  sums, counts = {}, {}
  for record in records:
    label = int(record['label'])
    pose = mean_pose(record['keypoints'], layout, coordinates)
    sums[label] = sums.get(label, 0) + pose
    counts[label] = counts.get(label, 0) + 1
  return {label: sums[label] / counts[label] for label in sums}


def classify_poses(
  poses: np.ndarray, centroids: dict[int, np.ndarray], num_classes: int
) -> np.ndarray:
  """Returns negative squared distances (N, K), the largest for the nearest.

  A class without a centroid is further than any other.

  Args:
    poses: (N, V, C).
    centroids: (V, C) of each class.
    num_classes: K.
  """
  logits = np.full((len(poses), num_classes), np.nan)
  for label, centroid in centroids.items():
    logits[:, label] = -((poses - centroid) ** 2).sum((1, 2))
  return np.where(np.isnan(logits), np.nanmin(logits) - 1, logits)
