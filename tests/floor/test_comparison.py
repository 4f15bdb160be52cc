"""Whether a network is above the floor, against plain numpy."""

import numpy as np
import pytest

from unik_jax.errors import UserError
from unik_jax.floor.comparison import advise_run, compare_run, describe_run
from unik_jax.floor.measure import FloorRow
from unik_jax.run.scores import Scores


def make_scores(right, classes=5):
  labels = np.arange(len(right)) % classes
  predictions = np.where(right, labels, (labels + 1) % classes)
  ids = np.array([f'clip{i}' for i in range(len(right))])
  logits = np.eye(classes)[predictions]
  return Scores(ids, labels, logits, np.array(list('abcde')))


def make_row(name, *seeds):
  return FloorRow(name, tuple(map(make_scores, seeds)), 1.0, 9, 9)


def shuffle(scores, seed):
  order = np.random.default_rng(seed).permutation(len(scores.ids))
  return scores._replace(
    ids=scores.ids[order],
    labels=scores.labels[order],
    logits=scores.logits[order],
  )


def test_the_best_row_is_compared_clip_by_clip():
  rng = np.random.default_rng(0)
  run, low, *high = rng.random((4, 300)) < [[0.8], [0.3], [0.7], [0.72]]
  rows = [make_row('nearest', low), make_row('minirocket', *high)]
  # The floor's clips may be in another order.
  rows = [
    r._replace(scores=tuple(shuffle(s, 1) for s in r.scores)) for r in rows
  ]
  found = compare_run(make_scores(run), rows, 'top1')
  gap = run - np.mean(high, 0)
  draws = rng.choice(gap, (5000, 300)).mean(1)
  assert found.best == 'minirocket'
  assert found.difference == pytest.approx(100 * gap.mean())
  expected = 100 * np.quantile(draws, [0.025, 0.975])
  assert found.interval == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize(
  'run, floor, verdict',
  [(0.9, 0.5, 'yes'), (0.5, 0.9, 'no'), (0.8, 0.8, 'not separable')],
)
@pytest.mark.parametrize('headline', ['top1', 'mean_class'])
def test_verdicts(run, floor, verdict, headline):
  rng = np.random.default_rng(3)
  hits, others = rng.random((2, 200)) < [[run], [floor]]
  rows = [make_row('multirocket', others)]
  found = compare_run(make_scores(hits), rows, headline)
  assert found.verdict == verdict
  assert str(found).startswith(verdict) and 'MultiRocket' in str(found)


def test_a_sentence_has_every_row():
  hits = np.ones(10, bool)
  half = np.arange(10) < 5
  rows = [make_row('nearest', half), make_row('minirocket', half, hits)]
  text = describe_run(make_scores(hits), rows, 'top1')
  assert 'nearest mean pose 50.00%, MiniRocket 75.00%' in text
  assert 'above the floor: ' in text and '(+25.0 [' in text


@pytest.mark.parametrize(
  'run, words',
  [(0.95, ()), (0.82, ('not shown to be better',)), (0.5, ('is worse than',))],
)
def test_a_network_that_is_not_better_has_a_remedy(run, words):
  rng = np.random.default_rng(3)
  hits, others = rng.random((2, 200)) < [[run], [0.8]]
  poses = make_row('nearest', np.arange(200) < 20)
  rows = [poses, make_row('minirocket', others)]
  text = advise_run(make_scores(hits), rows, 'top1')
  low, high = compare_run(make_scores(hits), rows, 'top1').interval
  assert bool(text) == bool(words)
  for word in words:
    assert word in text
    assert '--config.model.name=minirocket' in text and '200 test clips' in text
    assert f'{low:+.1f} to {high:+.1f} points' in text
  text = advise_run(make_scores(hits), [make_row('nearest', others)], 'top1')
  assert bool(text) == bool(words) and 'model.name' not in text


def test_the_advice_is_about_unseen_clips():
  """A network that knows its training clips is no better on others."""
  seen = np.arange(100) < 50
  hits, others = seen | (np.arange(100) % 2 == 0), np.arange(100) % 2 == 0
  run = make_scores(hits)
  rows = [make_row('minirocket', others)]
  assert advise_run(run, rows, 'top1') == ''
  text = advise_run(run._replace(seen=seen), rows, 'top1')
  assert 'on 50 test clips' in text and '+0.0 to +0.0 points' in text


def test_other_clips_are_refused():
  row = make_row('nearest', np.ones(10, bool))
  with pytest.raises(UserError, match='different clips'):
    compare_run(make_scores(np.ones(12, bool)), [row], 'top1')
