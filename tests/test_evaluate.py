"""Evaluation compared to NumPy, with every clip counted once."""

import numpy as np
import pytest

from unik_jax import metrics
from unik_jax.evaluate import Evaluator


class FakeNetwork:
  """A network whose logits are its input."""

  persons = 1

  def apply_features(self, params, batch_stats, x):
    return x[:, 0, 0, 0], x[:, :, 0, 0]


def make_batches(logits, labels, size):
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
  predictions = Evaluator(FakeNetwork())(
    None, None, make_batches(logits, labels, size)
  )
  np.testing.assert_array_equal(predictions[0], logits)
  np.testing.assert_array_equal(predictions[1], labels)
  result = metrics.compute_metrics(*predictions)

  predicted = logits.argmax(-1)
  exact = np.float64(logits)
  losses = np.log(np.exp(exact).sum(-1)) - exact[np.arange(10), labels]
  assert result['clips'] == 10
  assert result['loss'] == pytest.approx(losses.mean(), rel=1e-5)
  assert result['top1'] == pytest.approx((predicted == labels).mean())
  ranks = (exact > exact[np.arange(10), labels][:, None]).sum(-1)
  assert result['top5'] == pytest.approx((ranks < 5).mean())
  per_class = [
    (predicted[labels == c] == c).mean() if c in labels else None
    for c in range(7)
  ]
  assert result['per_class'] == pytest.approx(per_class)
  present = [a for a in per_class if a is not None]
  assert result['mean_class'] == pytest.approx(np.mean(present))
  confusion = np.zeros((7, 7), int)
  for label, prediction in zip(labels, predicted, strict=True):
    confusion[label, prediction] += 1
  assert result['confusion'] == confusion.tolist()


def test_probabilities_of_several_samplings_are_averaged():
  rng = np.random.default_rng(1)
  logits = rng.normal(scale=3, size=(6, 4, 7)).astype(np.float32)  # N, K
  labels = rng.integers(7, size=6)
  batch = {
    'x': logits[:, :, None, None, None],
    'label': labels,
    'clip': np.arange(6),
  }
  predictions = Evaluator(FakeNetwork())(None, None, [batch])
  result = metrics.compute_metrics(*predictions)
  powers = np.exp(np.float64(logits))
  probabilities = (powers / powers.sum(-1, keepdims=True)).mean(1)
  expected = -np.log(probabilities[np.arange(6), labels]).mean()
  assert result['loss'] == pytest.approx(expected, rel=1e-5)
  assert result['top1'] == pytest.approx(
    (probabilities.argmax(-1) == labels).mean()
  )
