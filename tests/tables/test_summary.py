"""Results of rows, their differences, and the tables written from them."""

import csv

import numpy as np
import pytest
from helpers.table_plan import make_plan, write_run

from unik_jax.floor.measure import FloorRow, pool_floors
from unik_jax.run.scores import Scores, read_scores, write_scores
from unik_jax.tables import markdown, summary
from unik_jax.tables.costs import Costs
from unik_jax.tables.paper import TABLES


def make_scores(right, classes=4, prefix=''):
  """Returns scores of which `right` (N,) predictions are right."""
  labels = np.arange(len(right)) % classes
  predictions = np.where(right, labels, (labels + 1) % classes)
  return Scores(
    ids=np.array([f'{prefix}clip{i}' for i in range(len(right))]),
    labels=labels,
    logits=5.0 * np.eye(classes)[predictions],
    classes=np.array([f'class{i}' for i in range(classes)]),
  )


@pytest.fixture
def finished(tmp_path):
  """(plan, hits of row 'unik'): three rows of 200 clips, two seeds each."""
  plan = make_plan(rows=['fixed', 'agcn', 'unik'], folder=tmp_path)
  rng = np.random.default_rng(0)
  unik = rng.random((2, 200)) < 0.8
  agcn = unik.copy()
  for before, after in zip(unik, agcn, strict=True):
    for kind in (before, ~before):  # as many clips gained as lost
      after[rng.choice(np.flatnonzero(kind), 8, replace=False)] ^= True
  for row, right in (
    ('unik', unik),
    ('fixed', unik & (rng.random((2, 200)) < 0.7)),
    ('agcn', agcn),
  ):
    for seed, (training,) in enumerate(plan.rows[row]):
      write_run(training, make_scores(right[seed]))
  return plan, unik


def test_accuracies_and_intervals_match_plain_numpy(finished):
  plan, unik = finished
  outcomes = summary.read_outcomes(plan, 'top1')
  np.testing.assert_allclose(
    outcomes['unik'].accuracies, 100 * unik.mean(1), rtol=1e-9
  )
  assert outcomes['unik'].seconds == pytest.approx(6.0)
  pairs = {
    frozenset((p.first, p.second)): p
    for p in summary.compare_rows(TABLES['1'], outcomes, 'top1')
  }
  pair = pairs[frozenset(('unik', 'fixed'))]
  gap = outcomes['unik'].hits - outcomes['fixed'].hits
  rng = np.random.default_rng(1)
  draws = [rng.choice(gap, len(gap)).mean() for _ in range(4000)]
  low, high = 100 * np.quantile(draws, [0.025, 0.975])
  assert pair.first == 'unik' and pair.separable
  assert pair.difference == pytest.approx(100 * gap.mean())
  assert pair.interval == pytest.approx((low, high), abs=0.7)
  assert pair.paper == (8.1, 3.0)
  assert not pairs[frozenset(('unik', 'agcn'))].separable


def test_streams_of_a_seed_are_fused(tmp_path):
  """Each stream is right, and confident, for half of the clips."""
  plan = make_plan('3', rows=['unik'], folder=tmp_path, seeds=1)
  joint, bone = plan.rows['unik'][0]
  for training, right in ((joint, [True, False]), (bone, [False, True])):
    write_run(training, make_scores(np.tile(right, 4)))
    file = training.folder / 'scores' / 'test.npz'
    run_scores = read_scores(file)
    sure = np.where(np.tile(right, 4), 1.0, 0.1)[:, None]
    write_scores(file, run_scores._replace(logits=run_scores.logits * sure))
  outcomes = summary.read_outcomes(plan, 'top1')
  assert outcomes['unik'].accuracies == (100.0,)
  assert outcomes['unik'].seconds == pytest.approx(12.0)


def test_test_clips_of_folds_are_pooled(tmp_path):
  """Folds of 10, 20, ... clips: each clip counts once, whatever its fold."""
  plan = make_plan('4', 'sbu', rows=['unik'], folder=tmp_path)
  rng = np.random.default_rng(3)
  right = [
    [rng.random(10 * fold) < 0.15 * fold for fold in range(1, 6)]
    for _ in range(2)
  ]
  for trainings, folds in zip(plan.rows['unik'], right, strict=True):
    for training, hits in zip(trainings, folds, strict=True):
      split = training.config.data.test_split
      write_run(training, make_scores(hits, prefix=split))
  floor = pool_floors(
    [
      [FloorRow('nearest', (make_scores(hits, prefix=name),), 0.5, 40, 40)]
      for hits, name in zip(
        right[0], (f'fold_{i}_test' for i in range(1, 6)), strict=True
      )
    ]
  )
  outcomes = summary.read_outcomes(plan, 'top1', floor)
  unik = outcomes['unik']
  pooled = [100 * np.concatenate(folds).mean() for folds in right]
  by_fold = [100 * np.mean(folds) for folds in zip(*right, strict=True)]
  assert unik.accuracies == pytest.approx(pooled)
  assert unik.folds == pytest.approx(by_fold)
  assert len(unik.hits) == 150 and unik.seconds == pytest.approx(30)
  assert outcomes['nearest'].accuracies == pytest.approx(pooled[:1])
  assert outcomes['nearest'].seconds == pytest.approx(2.5)
  text = markdown.format_markdown(
    '4',
    TABLES['4'],
    'sbu',
    outcomes,
    [],
    {'unik': Costs(1234, 567)},
    floor=floor,
    above=summary.compare_with_floors(outcomes, 'top1'),
    headline='top1',
    command='command',
  )
  assert f'| UNIK | {np.mean(pooled):.1f} ± ' in text
  values = ', '.join(f'{x:.1f}' for x in by_fold)
  assert f'- UNIK: {values}; mean {np.mean(by_fold):.1f}\n' in text
  assert '- nearest mean pose: ' in text
  assert 'paper' not in text and 'floor_streams' not in text
  text = markdown.format_markdown(
    '5',
    TABLES['5'],
    'sbu',
    outcomes,
    [],
    {'unik': Costs(1234, 567)},
    floor=floor,
    headline='top1',
    command='command',
  )
  assert 'the floor joints only' in text and 'floor_streams.py RUN' in text


def test_streams_are_fused_within_each_fold(tmp_path):
  plan = make_plan('5', 'sbu', rows=['unik'], folder=tmp_path, seeds=1)
  for training in plan.trainings:
    right = np.full(4, training.config.data.stream != 'bone')
    prefix = training.config.data.test_split
    write_run(training, make_scores(right, prefix=prefix))
  unik = summary.read_outcomes(plan, 'top1')['unik']
  assert unik.accuracies == (100.0,) and len(unik.hits) == 20
  assert unik.folds == (100.0,) * 5


def format_table(plan, outcomes, pairs, dataset='msr_action3d', **floor):
  return markdown.format_markdown(
    '1',
    TABLES['1'],
    dataset,
    outcomes,
    pairs,
    {row: Costs(1234, 5_670_000_000) for row in plan.rows},
    headline='top1',
    command='command',
    **floor,
  )


def test_the_table_names_separable_rows(finished):
  plan, _ = finished
  outcomes = summary.read_outcomes(plan, 'top1')
  pairs = summary.compare_rows(TABLES['1'], outcomes, 'top1')
  text = format_table(plan, outcomes, pairs)
  (line,) = [x for x in text.splitlines() if x.startswith('| UNIK')]
  mean = np.mean(outcomes['unik'].accuracies)
  assert f'| {mean:.1f} ± ' in line
  assert '| 58.5 | 87.3 | 1,234 | 5.67 G | 0:06 |' in line
  separable = text.split('Separable:')[1]
  assert '- UNIK above FM, the graph fixed by' in separable
  assert 'same order in the paper (+8.1, +3.0)' in separable
  assert 'Not separable: ' in text and '2s-AGCN and UNIK' in text
  assert "not one of the paper's" in text
  assert 'a check of the code' in format_table(
    plan, outcomes, pairs, 'synthetic'
  )


@pytest.fixture
def floor(finished):
  """Two seeds of MiniRocket, about as good as row 'unik', and poses alone."""
  _, unik = finished
  rng = np.random.default_rng(5)
  others = unik.copy()
  for before, after in zip(unik, others, strict=True):
    for kind in (before, ~before):  # as many clips gained as lost
      after[rng.choice(np.flatnonzero(kind), 8, replace=False)] ^= True
  return [
    FloorRow('nearest', (make_scores(rng.random(200) < 0.3),), 0.1, 300, 300),
    FloorRow('minirocket', tuple(map(make_scores, others)), 4.2, 300, 900),
  ]


def test_rows_are_compared_with_the_floor(finished, floor):
  plan, unik = finished
  outcomes = summary.read_outcomes(plan, 'top1', floor)
  above = summary.compare_with_floors(outcomes, 'top1')
  assert above.keys() == {'unik', 'agcn', 'fixed'}
  assert {found.best for found in above.values()} == {'minirocket'}
  assert above['unik'].verdict == 'not separable'
  assert above['fixed'].verdict == 'no'
  mean = np.mean(outcomes['minirocket'].accuracies)
  assert above['unik'].difference == pytest.approx(100 * unik.mean() - mean)
  pairs = summary.compare_rows(TABLES['1'], outcomes, 'top1')
  assert {'nearest', 'minirocket'}.isdisjoint(
    row for pair in pairs for row in (pair.first, pair.second)
  )
  text = format_table(plan, outcomes, pairs, floor=floor, above=above)
  lines = text.splitlines()
  head = next(x for x in lines if x.startswith('|  | ')).split(' | ')
  tables = [x.split(' | ') for x in lines if x.startswith('| ')]
  assert {len(cells) for cells in tables} == {len(head)}
  (row,) = [
    x for x in tables if x[0] == '| MiniRocket, 300 of 900 training clips'
  ]
  assert row[1].startswith(f'{mean:.1f} ± ') and row[-1] == '0:04 |'
  (row,) = [x for x in tables if x[0] == '| FM, the graph fixed']
  assert row[head.index('above the floor')].startswith('no (-')
  costs = {row: Costs(1234, 567) for row in plan.rows}
  csv_text = markdown.format_csv(TABLES['1'], outcomes, costs, floor, above)
  found = {x['row']: x for x in csv.DictReader(csv_text.splitlines())}
  assert found['unik']['above_floor'] == 'not separable'
  assert float(found['minirocket']['mean']) == pytest.approx(mean, abs=0.01)
  assert found['minirocket']['training_seconds'] == '4.2'


def test_rows_are_compared_with_the_floor_on_unseen_clips(finished, floor):
  plan, unik = finished
  seen = np.random.default_rng(5).random(200) < 0.4
  for (training,) in plan.rows['unik']:
    path = training.folder / 'scores' / 'test.npz'
    write_scores(path, read_scores(path)._replace(seen=seen))
  outcomes = summary.read_outcomes(plan, 'top1', floor)
  above = summary.compare_with_floors(outcomes, 'top1')
  kept = {
    name: outcomes[name].hits[~seen].mean() for name in ('unik', 'minirocket')
  }
  expected = 100 * (kept['unik'] - kept['minirocket'])
  assert above['unik'].difference == pytest.approx(expected)
  assert above['unik'].difference != pytest.approx(
    100 * (unik.mean() - outcomes['minirocket'].hits.mean())
  )


def test_the_table_marks_the_opposite_order():
  pair = summary.Pair('fixed', 'unik', 3.0, (1.0, 5.0), (-8.1, -3.0))
  text = format_table(make_plan(rows=['fixed', 'unik']), {}, [pair])
  assert '**opposite order in the paper** (-8.1, -3.0)' in text


def test_csv_has_a_line_for_each_row(finished):
  plan, unik = finished
  outcomes = summary.read_outcomes(plan, 'top1')
  costs = {row: Costs(1234, 567) for row in plan.rows}
  text = markdown.format_csv(TABLES['1'], outcomes, costs)
  lines = {line['row']: line for line in csv.DictReader(text.splitlines())}
  assert lines.keys() == {'fixed', 'agcn', 'unik'}
  mean = 100 * unik.mean()
  assert float(lines['unik']['mean']) == pytest.approx(mean, abs=0.01)
  assert lines['fixed']['paper_smarthome_cs'] == '50.4'
  assert lines['unik']['macs'] == '567'


def test_a_row_without_runs_has_a_dash(tmp_path):
  plan = make_plan(rows=['fixed', 'unik'], folder=tmp_path)
  assert summary.read_outcomes(plan, 'top1') == {}
  assert '| UNIK | - |' in format_table(plan, {}, [])


def test_accuracies_on_unseen_clips(finished):
  """A column of their own, if some test clips are also in training."""
  plan, unik = finished
  outcomes = summary.read_outcomes(plan, 'top1')
  assert outcomes['unik'].unseen == ()
  costs = {row: Costs(1, 2) for row in plan.rows}
  options = dict(headline='top1', command='c')

  def write(outcomes):
    args = TABLES['1'], 'msr_action3d', outcomes, [], costs
    text = markdown.format_markdown('1', *args, **options)
    (head,) = [line for line in text.splitlines() if 'parameters' in line]
    (row,) = [x for x in text.splitlines() if x.startswith('| UNIK')]
    table = csv.DictReader(
      markdown.format_csv(TABLES['1'], outcomes, costs).splitlines()
    )
    columns = dict(zip(head.split('|'), row.split('|'), strict=True))
    return columns, {line['row']: line for line in table}['unik']

  columns, line = write(outcomes)
  assert ' unseen ' not in columns and 'unseen_mean' not in line

  seen = np.random.default_rng(5).random(200) < 0.2
  for (training,) in plan.rows['unik']:
    path = training.folder / 'scores' / 'test.npz'
    write_scores(path, read_scores(path)._replace(seen=seen))
  outcomes = summary.read_outcomes(plan, 'top1')
  expected = 100 * unik[:, ~seen].mean(1)
  np.testing.assert_allclose(outcomes['unik'].unseen, expected, rtol=1e-9)
  assert outcomes['fixed'].unseen == ()
  columns, line = write(outcomes)
  mean, deviation = expected.mean(), expected.std(ddof=1)
  assert columns[' unseen '].strip() == f'{mean:.1f} ± {deviation:.1f}'
  assert line['unseen_mean'] == f'{mean:.2f}'
