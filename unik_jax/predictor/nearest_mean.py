"""Actions known by a few clips: the nearest class mean, or none of them.

A clip belongs to the action whose mean is nearest to the clip's features, by
Euclidean distance (Snell et al., "Prototypical Networks for Few-shot Learning",
NeurIPS 2017), if it is within the action's limit. The limit is the greatest
distance of one of the action's n clips to the mean of the others. The n clips
and a new one of the action are exchangeable, so the new one is within the limit
in about n of n + 1 cases.

Shape legend: N clips, D features, A actions.
"""

from typing import NamedTuple

import numpy as np


class Match(NamedTuple):
  """The enrolled action that a clip is nearest to.

  Attributes:
    label: name of the action.
    distance: Euclidean, of the clip's features to the action's mean.
    limit: greatest distance of a clip of this action.
  """

  label: str
  distance: float
  limit: float


class NearestMean(NamedTuple):
  """The means of some actions.

  Attributes:
    labels: names of the actions.
    means: (A, D) mean features.
    limits: (A,) greatest distance of a clip of each action.
  """

  labels: list[str]
  means: np.ndarray
  limits: np.ndarray

  def find(self, features: np.ndarray) -> Match | None:
    """Returns the nearest action if it is within its limit, otherwise None.

    Args:
      features: (D,) of a clip.
    """
    distances = np.linalg.norm(self.means - features, axis=-1)
    nearest = int(distances.argmin())
    distance, limit = float(distances[nearest]), float(self.limits[nearest])
    if distance > limit:
      return None
    return Match(self.labels[nearest], distance, limit)


def fit_means(labels: np.ndarray, features: np.ndarray) -> NearestMean:
  """Returns the means and limits of actions with at least two clips each.

  Args:
    labels: (N,) action of each clip.
    features: (N, D).
  """
  features = features.astype(np.float64)
  names = sorted(set(labels.tolist()))
  groups = [features[labels == name] for name in names]
  means = np.stack([group.mean(0) for group in groups])
  return NearestMean(names, means, np.array([_limit(g) for g in groups]))


def _limit(group):
  others = (group.sum(0) - group) / (len(group) - 1)
  return np.linalg.norm(group - others, axis=-1).max()
