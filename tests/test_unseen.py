"""Test clips that are also in training: each metric with and without them."""

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.special
from helpers import random_scores
from helpers.finished_run import make_scores, write_run
from helpers.html_page import Page
from helpers.user_clips import make_clip, prepare, write_array, write_file

from unik_jax import evaluate, metrics, training
from unik_jax.config import default_config
from unik_jax.floor.comparison import describe_run
from unik_jax.floor.measure import FloorRow
from unik_jax.fuse import fusion
from unik_jax.report import build
from unik_jax.run.scores import pool_scores, read_scores

CLASSES = ('sit', 'wave', 'walk')


def expected_metrics(logits, labels):
  """The headline metrics and the loss, in plain numpy."""
  order = np.argsort(-logits, 1, kind='stable')
  hits = order[:, 0] == labels
  log_probs = np.log(scipy.special.softmax(np.float64(logits), 1))
  return {
    'clips': len(labels),
    'top1': hits.mean(),
    'top5': np.mean(
      [y in row[:5] for y, row in zip(labels, order, strict=True)]
    ),
    'mean_class': np.mean([hits[labels == k].mean() for k in set(labels)]),
    'loss': -log_probs[np.arange(len(labels)), labels].mean(),
  }


def assert_metrics(found, logits, labels):
  expected = expected_metrics(logits, labels)
  assert {k: found[k] for k in expected} == pytest.approx(expected, rel=1e-5)


def test_unseen_metrics_match_plain_numpy():
  scores = random_scores.make_scores(80)
  seen = np.random.default_rng(3).random(80) < 0.4
  results = evaluate.measure_clips('test', scores.logits, scores.labels, seen)
  assert list(results) == ['test', 'unseen']
  assert results['unseen'].keys() == results['test'].keys()
  assert_metrics(results['test'], scores.logits, scores.labels)
  unseen = scores.logits[~seen], scores.labels[~seen]
  assert_metrics(results['unseen'], *unseen)
  assert np.sum(results['unseen']['confusion']) == np.sum(~seen)
  low, high = results['unseen']['intervals']['top1']
  assert low < results['unseen']['top1'] < high
  best = evaluate.measure_clips(
    'test_of_best', *unseen, np.zeros(len(unseen[1])) > 0
  )
  assert list(best) == ['test_of_best', 'unseen_of_best']
  assert list(evaluate.measure_clips('test', *unseen)) == ['test']


def test_no_clip_is_unseen():
  scores = random_scores.make_scores(6)
  seen = np.ones(6, bool)
  unseen = evaluate.measure_clips('test', scores.logits, scores.labels, seen)[
    'unseen'
  ]
  assert unseen['clips'] == 0 and unseen['intervals'] == {}
  assert all(unseen[key] is None for key in ('loss', *metrics.HEADLINES))


def test_a_fusion_has_both(tmp_path, capsys):
  """Each run has its own training clips, and its own order of the test's."""
  from unik_jax.fuse.__main__ import print_table

  folders, ordered = [], []
  seen = np.zeros((2, 50), bool)
  seen[0, 3:20], seen[1, 10:25] = True, True
  for n in range(2):
    scores = random_scores.make_scores(seed=n)._replace(seen=seen[n])
    order = np.random.default_rng(n).permutation(50)
    shuffled = random_scores.shuffle_scores(scores, n)._replace(
      seen=seen[n][order]
    )
    assert list(shuffled.ids) == list(scores.ids[order])
    ordered.append(scores)
    folders.append(random_scores.write_run(tmp_path / f'run{n}', shuffled))
  fused = fusion.fuse_runs(folders)
  either = np.r_[0:3, 25:50]
  labels = ordered[0].labels[either]
  probs = sum(scipy.special.softmax(s.logits, 1) for s in ordered) / 2
  assert_metrics(fused.table['fusion']['unseen'], np.log(probs[either]), labels)
  for run, scores in zip(fused.table['runs'], ordered, strict=True):
    assert_metrics(run['unseen'], scores.logits[either], labels)
    assert_metrics(run, scores.logits, scores.labels)
  assert sorted(fused.scores.ids[~fused.scores.seen]) == sorted(
    ordered[0].ids[either]
  )
  print_table(fused.table)
  text = capsys.readouterr().out
  top1 = 100 * expected_metrics(probs[either], labels)['top1']
  assert '28 clips that are not in training:' in text
  assert f'{top1:.1f} [' in text.partition('not in training:')[2]
  # Without such clips there is none.
  for n in range(2):
    random_scores.write_run(
      tmp_path / f'other{n}', ordered[n]._replace(seen=None)
    )
  table = fusion.fuse_runs([tmp_path / 'other0', tmp_path / 'other1']).table
  assert 'unseen' not in table['fusion'] and 'unseen' not in table['runs'][0]


def test_folds_are_pooled():
  one, two = (
    random_scores.make_scores(5, prefix=prefix) for prefix in ('one', 'two')
  )
  seen = np.array([False, True, True, False, False])
  pooled = pool_scores([one, two._replace(seen=seen)])
  assert list(pooled.ids[pooled.seen]) == ['two 1', 'two 2']
  assert pool_scores([one, two]).seen is None


def test_the_floor_has_both():
  scores = random_scores.make_scores(60, seed=1)._replace(
    seen=np.arange(60) < 25
  )
  floor = random_scores.make_scores(60, seed=2)
  rows = [
    FloorRow('nearest', (random_scores.shuffle_scores(floor),), 1.0, 9, 9)
  ]
  text = describe_run(scores, rows, 'top1')
  every, unseen = text.split('; on those that are not in training: ')
  for part, some in ((every, slice(None)), (unseen, slice(25, None))):
    own, cheap = (
      100 * expected_metrics(s.logits[some], s.labels[some])['top1']
      for s in (scores, floor)
    )
    assert f'nearest mean pose {cheap:.2f}%' in part
    assert f'({own - cheap:+.1f} [' in part
  assert 'not in training' not in describe_run(floor, rows, 'top1')


@pytest.mark.slow
def test_a_report_has_both(synthetic_dir, tmp_path):
  seen = np.arange(60) < 22
  scores = make_scores(synthetic_dir)._replace(seen=seen)
  folder = write_run(
    tmp_path / 'run', scores, synthetic_dir, test_split='test[:60]'
  )
  logits, labels = scores.logits, scores.labels
  summary = json.loads((folder / 'summary.json').read_text())
  summary |= evaluate.measure_clips('test', logits, labels, seen)
  (folder / 'summary.json').write_text(json.dumps(summary))
  report = build.write_report(folder, tmp_path / 'page.html')
  expected = expected_metrics(logits[~seen], labels[~seen])
  page = Page(report.path.read_text())
  text = ' '.join(e.text for e in page.find_all('div'))
  for key in metrics.HEADLINES:
    assert f'not in training: {100 * expected[key]:.1f}%' in text
  assert '38 not in training' in text
  (row,) = [
    row.text
    for row in page.find_all('tr')
    if row.text.startswith('Test clips that are not in training')
  ]
  assert f'{100 * expected["top1"]:.1f}%' in row and row.endswith('38')


@pytest.fixture
def config(tmp_path):
  """A tiny training on own clips: 6 of 12 test clips are also in training."""
  root = tmp_path / 'raw'
  root.mkdir()
  rows = ['file,label,subject,split']
  for n in range(36):
    label, split = CLASSES[n % 3], 'train' if n < 24 else 'test'
    # Test clips 24 to 29 are the training clips 0 to 5.
    poses = make_clip(8, 17, 2, seed=n - 24 if 24 <= n < 30 else n)
    write_array(root / f'{n}.npy', poses)
    rows.append(f'{n}.npy,{label},{n % 4},{split}')
  write_file(root / 'manifest.csv', '\n'.join(rows))
  write_file(root / 'layout.yaml', 'layout: coco_17\n')
  prepare(tmp_path)
  config = default_config()
  config.update(epochs=1, batch_size=8, eval_batch_size=8)
  config.model.update(widths=(8, 8), strides=(1, 2))
  config.data.update(
    name='skeleton_folder/mine',
    data_dir=str(tmp_path / 'data'),
    layout='',
    num_classes=0,
    persons=0,
    channels=0,
    normalize='center_first',
    sampling='linear',
    frames=8,
  )
  return config


@pytest.mark.slow
def test_a_run_has_both(config, tmp_path, capsys):
  folder = tmp_path / 'run'
  summary = training.run(config, folder)
  assert json.loads((folder / 'summary.json').read_text()) == summary
  scores = read_scores(folder / 'scores' / 'test.npz')
  seen = {name for name, s in zip(scores.ids, scores.seen, strict=True) if s}
  assert seen == {f'{n}.npy' for n in range(24, 30)}
  rows = ~scores.seen
  assert_metrics(summary['test'], scores.logits, scores.labels)
  assert_metrics(summary['unseen'], scores.logits[rows], scores.labels[rows])
  assert summary['unseen'].keys() == summary['test'].keys()
  top1 = f'{100 * summary["unseen"]["top1"]:.2f}%'
  assert f'unseen, step 3: top1 {top1}' in capsys.readouterr().out
  card = (folder / 'model_card.md').read_text()
  assert f'| unseen | 6 | **{top1}' in card
  assert 'without the 6 test clips that are also in training' in card
  lines = (folder / 'metrics.jsonl').read_text()
  assert lines.count('"unseen/top1"') == 1

  config.eval_only = True
  evaluation = training.run(config, folder)
  assert evaluation['unseen'] == summary['unseen']
  assert json.loads((folder / 'evaluation.json').read_text()) == evaluation
  # A finished run that is started again has its results once.
  config.eval_only = False
  training.run(config, folder)
  lines = (folder / 'metrics.jsonl').read_text()
  assert lines.count('"unseen/top1"') == 1

  # On training subjects 2 and 3, subjects 0 and 1 have no twin.
  config.data.train_subjects = (2, 3)
  other = training.run(config, tmp_path / 'other')
  assert other['unseen']['clips'] == 10
  config.data.test_subjects = (0, 1)
  none = training.run(config, tmp_path / 'none')
  assert 'unseen' not in none and none['test']['clips'] == 6
  assert 'unseen' not in (tmp_path / 'none' / 'model_card.md').read_text()


@pytest.mark.slow
def test_prepare_says_it_and_lists_it(config, tmp_path):
  command = ['unik_jax.prepare', 'skeleton_folder/again']
  command += [
    f'--manual_dir={tmp_path / "raw"}',
    f'--data_dir={tmp_path / "d"}',
  ]
  run = subprocess.run(
    [sys.executable, '-m', *command], capture_output=True, text=True, check=True
  )
  assert (
    'note: skeleton_folder/again: 6 of 12 test clips are also in training;'
    ' test accuracy is reported with and without them'
  ) in run.stderr
  assert '12 clip(s) are identical to another clip.' in run.stdout
  assert 'report.json' in run.stdout
