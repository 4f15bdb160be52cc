"""Where a model went wrong: its surest wrong answers, and confused classes."""

import dataclasses

import numpy as np
import scipy.special

from unik_jax.run.scores import Scores


@dataclasses.dataclass(frozen=True)
class Wrong:
  """A wrong answer.

  Attributes:
    row: of the clip in the scores.
    id: of the clip.
    label: true class.
    answer: the class of the highest probability.
    sure: the probability of the answer.
    of_truth: that of the true class.
  """

  row: int
  id: str
  label: int
  answer: int
  sure: float
  of_truth: float


def most_wrong(answers: Scores, count: int) -> list[Wrong]:
  """The wrong answers of the highest probability, the surest first."""
  probs = scipy.special.softmax(answers.logits.astype(np.float64), axis=1)
  chosen, labels = probs.argmax(1), answers.labels
  rows = np.flatnonzero(chosen != labels)
  sure = probs[rows, chosen[rows]]
  return [
    Wrong(
      row=int(row),
      id=str(answers.ids[row]),
      label=int(labels[row]),
      answer=int(chosen[row]),
      sure=float(probs[row, chosen[row]]),
      of_truth=float(probs[row, labels[row]]),
    )
    for row in rows[np.argsort(-sure, kind='stable')][:count]
  ]


def confused_pairs(
  confusion: np.ndarray, count: int
) -> list[tuple[int, int, int, int]]:
  """The pairs of classes that are taken for each other most often.

  Args:
    confusion: (K, K) counts, by true class and answer.
    count: how many pairs.

  Returns:
    (true class, answer, clips so answered, clips of the true class), by the
    number of clips, then by their share of the class's.
  """
  totals = confusion.sum(1)
  off = confusion * (1 - np.eye(len(confusion), dtype=int))
  truth, answer = np.nonzero(off)
  clips = off[truth, answer]
  order = np.lexsort((answer, truth, -clips / totals[truth], -clips))[:count]
  return [
    (int(truth[i]), int(answer[i]), int(clips[i]), int(totals[truth[i]]))
    for i in order
  ]
