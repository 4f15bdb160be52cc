"""A model's most confident mistakes, and its most confused classes."""

import dataclasses

import numpy as np
import scipy.special

from unik_jax.run.scores import Scores


@dataclasses.dataclass(frozen=True)
class Mistake:
  """A wrong prediction.

  Attributes:
    row: the clip's row in the scores.
    id: name of the clip, unique in the dataset.
    label: true class.
    prediction: the class of the highest probability.
    probability: probability of the prediction.
    truth_probability: probability of the true class.
  """

  row: int
  id: str
  label: int
  prediction: int
  probability: float
  truth_probability: float


def list_mistakes(scores: Scores, count: int) -> list[Mistake]:
  """Returns the wrong predictions of the highest probability, highest first."""
  probabilities = scipy.special.softmax(
    scores.logits.astype(np.float64), axis=1
  )
  predictions, labels = probabilities.argmax(1), scores.labels
  rows = np.flatnonzero(predictions != labels)
  highest = probabilities[rows, predictions[rows]]
  return [
    Mistake(
      row=int(row),
      id=str(scores.ids[row]),
      label=int(labels[row]),
      prediction=int(predictions[row]),
      probability=float(probabilities[row, predictions[row]]),
      truth_probability=float(probabilities[row, labels[row]]),
    )
    for row in rows[np.argsort(-highest, kind='stable')][:count]
  ]


def list_confused_pairs(
  confusion: np.ndarray, count: int
) -> list[tuple[int, int, int, int]]:
  """Returns the pairs of classes that are confused most often.

  Args:
    confusion: (K, K) clips by true class and prediction.
    count: maximum number of pairs.

  Returns:
    (true class, prediction, clips predicted so, clips of the true class),
    sorted by the number of clips, then by their share of the true class.
  """
  totals = confusion.sum(1)
  errors = confusion * (1 - np.eye(len(confusion), dtype=int))
  truth, prediction = np.nonzero(errors)
  clips = errors[truth, prediction]
  order = np.lexsort((prediction, truth, -clips / totals[truth], -clips))
  return [
    (int(truth[i]), int(prediction[i]), int(clips[i]), int(totals[truth[i]]))
    for i in order[:count]
  ]
