"""Fusing runs: sums checked by hand, weights, and the command."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from helpers.made_scores import (
  answers_of,
  make_scores,
  shuffled,
  softmax,
  write_run,
  write_two,
)

from unik_jax.errors import UserError
from unik_jax.fuse import fusion
from unik_jax.run import scores


@pytest.fixture
def two(tmp_path):
  return write_two(tmp_path)


# Sums


@pytest.mark.parametrize('method', ['softmax', 'logits'])
def test_each_clip_gets_the_sum_of_its_answers(two, method):
  made = fusion.fuse_runs(two, method)
  joint, bone = map(answers_of, two)
  assert made.scores.ids.tolist() == joint.ids.tolist() != bone.ids.tolist()
  hits = []
  for clip, label, fused in zip(*made.scores[:3], strict=True):
    one, other = (
      np.float64(run.logits[run.ids.tolist().index(clip)])
      for run in (joint, bone)
    )
    if method == 'softmax':
      expected = (softmax(one) + softmax(other)) / 2
      np.testing.assert_allclose(np.exp(fused), expected, rtol=1e-12)
    else:
      np.testing.assert_allclose(fused, one + other, rtol=1e-12)
      expected = one + other
    assert label == int(clip.split()[1]) % 6
    hits.append(expected.argmax() == label)
  table = made.table
  assert table['fusion']['top1'] == pytest.approx(np.mean(hits))
  low, high = table['fusion']['intervals']['top1']
  assert low <= np.mean(hits) <= high
  assert [run['stream'] for run in table['runs']] == ['joint', 'bone']
  assert [run['weight'] for run in table['runs']] == (
    [0.5, 0.5] if method == 'softmax' else [1, 1]
  )
  for run, answers in zip(table['runs'], (joint, bone), strict=True):
    right = answers.logits.argmax(1) == answers.labels
    assert run['top1'] == pytest.approx(right.mean())
  assert 'chosen_on' not in table and table['clips'] == 50
  assert json.loads(json.dumps(table)) == table


def test_logits_and_softmax_differ_where_one_run_is_loud():
  loud, quiet = np.float32([[9, 0, 0]]), np.float32([[0, 5, 0]])
  summed = fusion.fuse([loud, quiet, quiet], [1, 1, 1], softmax=False)
  assert summed.argmax() == 1 and summed.tolist() == [[9, 10, 0]]
  mixed = fusion.fuse([loud, quiet], [0.5, 0.5])
  assert mixed.argmax() == 0
  np.testing.assert_allclose(np.exp(mixed).sum(), 1, rtol=1e-12)


def test_a_fusion_can_be_fused(two, tmp_path):
  """Of three runs, one with two and the rest have the weights of thirds."""
  kept = tmp_path / 'both.npz'
  scores.write_scores(kept, fusion.fuse_runs(two).scores)
  third = write_run(tmp_path / 'third', make_scores(seed=5))
  made = fusion.fuse_runs([kept, third])
  parts = scores.align_scores(
    [answers_of(run) for run in (*two, third)], ['a', 'b', 'c']
  )
  shares = (0.25, 0.25, 0.5)
  expected = sum(
    share * softmax(part.logits)
    for share, part in zip(shares, parts, strict=True)
  )
  np.testing.assert_allclose(softmax(made.scores.logits), expected, rtol=1e-6)
  assert made.table['runs'][0]['stream'] == ''


# Weights


@pytest.mark.parametrize('runs', [1, 2, 3, 4])
def test_tenths_are_shared_out_in_all_ways(runs):
  ways = list(fusion.tenths_of(runs))
  expected = [
    way for way in itertools.product(range(11), repeat=runs) if sum(way) == 10
  ]
  assert sorted(ways) == expected and len(expected) == math.comb(9 + runs, 10)


@pytest.mark.parametrize('headline', ['top1', 'mean_class', 'top5'])
def test_no_other_weights_are_better(headline):
  rng = np.random.default_rng(0)
  labels = np.sort(rng.integers(0, 9, 70))
  logits = []
  for right in (2.0, 1.0, 0.5):
    logits.append(rng.normal(size=(70, 9)))
    logits[-1][np.arange(70), labels] += right

  def quality(weights):
    mixed = sum(w * softmax(x) for w, x in zip(weights, logits, strict=True))
    rank = (mixed > mixed[np.arange(70), labels][:, None]).sum(1)
    hits = rank < (5 if headline == 'top5' else 1)
    figure = hits.mean()
    if headline == 'mean_class':
      figure = np.mean([hits[labels == k].mean() for k in np.unique(labels)])
    loss = -np.log(mixed[np.arange(70), labels]).mean()
    return round(figure, 9), round(-loss, 9)

  chosen = fusion.tune(logits, labels, headline)
  assert sum(chosen) == pytest.approx(1)
  grid = [
    (a / 10, b / 10, (10 - a - b) / 10)
    for a in range(11)
    for b in range(11 - a)
  ]
  assert quality(chosen) == max(map(quality, grid))


def test_weights_are_chosen_on_held_out_clips_alone(tmp_path):
  """The run that is good on the test split is bad on the validation split."""
  runs = [
    write_run(
      tmp_path / name,
      make_scores(60, seed=seed, right=on_test),
      shuffled(make_scores(60, seed=seed + 5, right=on_val, prefix='held out')),
      headline='mean_class',
    )
    for seed, (name, on_test, on_val) in enumerate(
      [('fair', 0.0, 2.0), ('lucky', 8.0, 1.0)]
    )
  ]
  made = fusion.fuse_runs(runs, 'tuned')
  fair, lucky = (run['weight'] for run in made.table['runs'])
  assert fair > lucky > 0
  on_val = [answers_of(run, 'val') for run in runs]
  vals = scores.align_scores(on_val, ['fair', 'lucky'])
  mixed = fair * softmax(vals[0].logits) + lucky * softmax(vals[1].logits)
  hits = mixed.argmax(1) == vals[0].labels
  assert made.table['chosen_on']['top1'] == pytest.approx(hits.mean())
  assert made.table['chosen_on']['clips'] == 60
  assert made.table['headline'] == 'mean_class'
  # Other answers to test clips change no weight.
  scores.write_scores(
    runs[1] / 'scores' / 'test.npz', make_scores(60, seed=9, right=-9.0)
  )
  again = fusion.fuse_runs(runs, 'tuned')
  assert [run['weight'] for run in again.table['runs']] == [fair, lucky]
  assert again.table['fusion']['top1'] != made.table['fusion']['top1']
  top5 = fusion.fuse_runs(runs, 'tuned', 'top5').table
  assert top5['headline'] == 'top5'


def test_equals_are_told_apart_by_the_loss():
  """Both runs are right everywhere; the surer one is taken alone."""
  labels = np.arange(6)
  sure, unsure = 9 * np.eye(6), np.eye(6)
  assert fusion.tune([unsure, sure], labels, 'top1') == [0, 1]
  assert fusion.tune([sure, unsure], labels, 'top1') == [1, 0]
  assert fusion.tune([sure, sure], labels, 'top1') == [0, 1]  # the same always


@pytest.mark.parametrize('method', ['softmax', 'logits'])
def test_given_weights(two, method):
  made = fusion.fuse_runs(two, method, weights=[3, 1])
  joint, bone = scores.align_scores([answers_of(run) for run in two], two)
  if method == 'softmax':
    expected = 0.75 * softmax(joint.logits) + 0.25 * softmax(bone.logits)
    found = np.exp(made.scores.logits)
  else:
    expected = 3 * np.float64(joint.logits) + bone.logits
    found = made.scores.logits
  np.testing.assert_allclose(found, expected, rtol=1e-12)
  used = [run['weight'] for run in made.table['runs']]
  assert used == ([0.75, 0.25] if method == 'softmax' else [3, 1])


def test_tuned_weights_can_be_given(two):
  tuned = fusion.fuse_runs(two, 'tuned')
  weights = [run['weight'] for run in tuned.table['runs']]
  given = fusion.fuse_runs(two, weights=weights)
  np.testing.assert_allclose(given.scores.logits, tuned.scores.logits)


@pytest.mark.parametrize(
  'weights, method, words',
  [
    ([1, 0.5], 'tuned', 'given or tuned, not both'),
    ([1], 'softmax', '1 weights for 2 runs'),
    ([1, 2, 3], 'softmax', '3 weights for 2 runs'),
    ([1, -0.5], 'softmax', 'none is less than 0'),
    ([0, 0], 'logits', 'not all are 0'),
    ([1, float('nan')], 'softmax', 'weights 1, nan'),
  ],
)
def test_weights_that_make_no_sense(two, weights, method, words):
  with pytest.raises(UserError, match=words):
    fusion.fuse_runs(two, method, weights=weights)


def test_views_are_kept_and_compared(tmp_path):
  val = make_scores(40, prefix='held out')._replace(split='val', views=1)
  test = make_scores()._replace(split='xsub_test', views=3)
  three = write_run(tmp_path / 'three', test, val)
  ten = write_run(tmp_path / 'ten', test._replace(views=10), val)
  same = write_run(tmp_path / 'same', test, val._replace(views=3))
  assert answers_of(three)[4:] == ('xsub_test', 3)
  made = fusion.fuse_runs([three, ten])
  assert [run['views'] for run in made.table['runs']] == [3, 10]
  assert made.table['split'] == 'xsub_test' and made.scores.views == 0
  (note,) = made.notes
  assert f'{three} 3' in note and f'{ten} 10' in note
  (note,) = fusion.fuse_runs([three, same], 'tuned').notes
  assert note.startswith(f'{three} averages 3 views of a test clip')
  assert fusion.fuse_runs([three, same]).notes == []


def test_scores_of_old_know_neither_split_nor_views(tmp_path):
  np.savez(tmp_path / 'old.npz', **make_scores()._asdict())
  with np.load(tmp_path / 'old.npz') as file:
    parts = {name: file[name] for name in list(file)[:4]}
  np.savez(tmp_path / 'old.npz', **parts)
  assert scores.read_scores(tmp_path / 'old.npz')[4:] == ('', 0)


# The command


def test_the_command(two, tmp_path):
  def command(*arguments):
    return subprocess.run(
      [sys.executable, '-m', 'unik_jax.fuse', *map(str, arguments)],
      capture_output=True,
      text=True,
    )

  out, kept = tmp_path / 'new' / 'fused.json', tmp_path / 'new' / 'fused.npz'
  done = command(*two, '--method=tuned', f'--out={out}', f'--scores={kept}')
  assert done.returncode == 0, done.stderr
  made = fusion.fuse_runs(two, 'tuned')
  assert json.loads(out.read_text()) == made.table
  np.testing.assert_array_equal(
    scores.read_scores(kept).logits, made.scores.logits
  )
  lines = done.stdout.splitlines()
  for line, run in zip(lines[1:3], made.table['runs'], strict=True):
    assert line.startswith(run['run']) and f' {run["stream"]} ' in line
    assert f' {run["weight"]:.2f} ' in line
    low, high = (100 * x for x in run['intervals']['top1'])
    assert f' {100 * run["top1"]:.1f} [{low:.1f}, {high:.1f}] ' in line
  assert lines[3].startswith('fusion, tuned')
  assert f' {100 * made.table["fusion"]["top1"]:.1f} [' in lines[3]
  assert '40 validation clips' in done.stdout
  done = command(*two, '--weights=1,3')
  assert ' 0.25 ' in done.stdout and ' 0.75 ' in done.stdout
  done = command(*two, '--weights=1,x')
  assert done.stderr.startswith('error: --weights: ') and done.returncode == 1
  done = command(*two, '--scores=fused.json')
  assert (done.returncode, done.stdout) == (1, '')
  assert done.stderr.startswith('error: ') and '.npz' in done.stderr


def test_figures_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for path in (tmp_path, tmp_path / 'file' / 'fused.json', '/'):
    with pytest.raises(UserError, match='folder|cannot be written'):
      fusion.write_table(path, {})
