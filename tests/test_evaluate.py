"""Metrics against numpy, every clip counted once."""

import numpy as np
import pytest

from unik_jax import metrics
from unik_jax.evaluate import Evaluator


class Fake:
  """A network whose logits are its input."""

  persons = 1

  def apply(self, params, batch_stats, x, *, train):
    assert not train
    return x[:, 0, 0, 0], batch_stats


def batches(logits, labels, size):
  for start in range(0, len(labels), size):
    part = slice(start, start + size)
    fill = size - len(labels[part])
    yield {
      'x': np.concatenate([logits[part], np.full((fill, 7), 9.0)])[
        :, None, None, None
      ],
      'label': np.concatenate([labels[part], np.zeros(fill, int)]),
      'clip': np.r_[start : start + size - fill, [-1] * fill].astype(int),
    }


@pytest.mark.parametrize('size', [1, 4, 10, 16])
def test_metrics(size):
  rng = np.random.default_rng(0)
  logits = rng.standard_normal((10, 7)).astype(np.float32)
  labels = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 6])  # 4 and 5 do not occur
  answers = Evaluator(Fake())(None, None, batches(logits, labels, size))
  np.testing.assert_array_equal(answers[0], logits)
  np.testing.assert_array_equal(answers[1], labels)
  got = metrics.compute_metrics(*answers)

  best = logits.argmax(-1)
  wide = np.float64(logits)
  losses = np.log(np.exp(wide).sum(-1)) - wide[np.arange(10), labels]
  assert got['clips'] == 10
  assert got['loss'] == pytest.approx(losses.mean(), rel=1e-5)
  assert got['top1'] == pytest.approx((best == labels).mean())
  ranks = (wide > wide[np.arange(10), labels][:, None]).sum(-1)
  assert got['top5'] == pytest.approx((ranks < 5).mean())
  per_class = [
    (best[labels == c] == c).mean() if c in labels else None for c in range(7)
  ]
  assert got['per_class'] == pytest.approx(per_class)
  present = [a for a in per_class if a is not None]
  assert got['mean_class'] == pytest.approx(np.mean(present))
  confusion = np.zeros((7, 7), int)
  for true, predicted in zip(labels, best, strict=True):
    confusion[true, predicted] += 1
  assert got['confusion'] == confusion.tolist()


def test_probabilities_of_several_samplings_are_averaged():
  rng = np.random.default_rng(1)
  logits = rng.normal(scale=3, size=(6, 4, 7)).astype(np.float32)  # N, K
  labels = rng.integers(7, size=6)
  batch = {
    'x': logits[:, :, None, None, None],
    'label': labels,
    'clip': np.arange(6),
  }
  answers = Evaluator(Fake())(None, None, [batch])
  got = metrics.compute_metrics(*answers)
  wide = np.exp(np.float64(logits))
  probabilities = (wide / wide.sum(-1, keepdims=True)).mean(1)
  expected = -np.log(probabilities[np.arange(6), labels]).mean()
  assert got['loss'] == pytest.approx(expected, rel=1e-5)
  assert got['top1'] == pytest.approx(
    (probabilities.argmax(-1) == labels).mean()
  )
