"""Accuracy of the nearest mean pose: what a classifier without motion reaches.

Each clip is its mean pose, and each class the centroid of its training clips.
A model should be well above it, unless poses alone tell the classes apart.

Shape legend: N clips, K classes, M persons, T frames, V joints, C coordinates.
"""

from collections.abc import Iterable

import numpy as np

from unik_jax.data.normalize import center_first
from unik_jax.skeletons.layouts import Layout


def score_mean_poses(
  train: Iterable[dict],
  test: Iterable[dict],
  layout: Layout,
  coordinates: int,
  num_classes: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Returns labels (N,) and logits (N, K) of test clips.

  Args:
    train: records of the training clips.
    test: records of the test clips.
    layout: names the body centre.
    coordinates: channels that are coordinates; the first ones.
    num_classes: K.
  """
  centroids = average_classes(train, layout, coordinates)
  labels, poses = [], []
  for record in test:
    labels.append(record['label'])
    poses.append(mean_pose(record['keypoints'], layout, coordinates))
  logits = classify_poses(np.stack(poses), centroids, num_classes)
  return np.array(labels), logits


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
