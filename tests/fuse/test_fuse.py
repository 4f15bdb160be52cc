"""Fusion of runs: fused predictions checked by hand, notes, and the command."""

import json
import subprocess
import sys

import numpy as np
import pytest
from helpers.numpy_layers import softmax
from helpers.random_scores import (
  make_scores,
  read_run_scores,
  shuffle_scores,
  write_run,
  write_two_runs,
)

from unik_jax.errors import UserError
from unik_jax.fuse import fusion
from unik_jax.run.scores import align_scores, read_scores, write_scores


@pytest.fixture
def two_runs(tmp_path):
  return write_two_runs(tmp_path)


@pytest.mark.parametrize('method', ['softmax', 'logits'])
def test_each_clip_gets_the_sum_of_its_predictions(two_runs, method):
  fused = fusion.fuse_runs(two_runs, method)
  joint, bone = map(read_run_scores, two_runs)
  assert fused.scores.ids.tolist() == joint.ids.tolist() != bone.ids.tolist()
  hits = []
  for clip, label, logits in zip(*fused.scores[:3], strict=True):
    of_joint, of_bone = (
      np.float64(run.logits[run.ids.tolist().index(clip)])
      for run in (joint, bone)
    )
    if method == 'softmax':
      expected = (softmax(of_joint) + softmax(of_bone)) / 2
      np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-12)
    else:
      expected = of_joint + of_bone
      np.testing.assert_allclose(logits, expected, rtol=1e-12)
    assert label == int(clip.split()[1]) % 6
    hits.append(expected.argmax() == label)
  table = fused.table
  assert table['fusion']['top1'] == pytest.approx(np.mean(hits))
  low, high = table['fusion']['intervals']['top1']
  assert low <= np.mean(hits) <= high
  assert [run['stream'] for run in table['runs']] == ['joint', 'bone']
  assert [run['weight'] for run in table['runs']] == (
    [0.5, 0.5] if method == 'softmax' else [1, 1]
  )
  for run, own in zip(table['runs'], (joint, bone), strict=True):
    right = own.logits.argmax(1) == own.labels
    assert run['top1'] == pytest.approx(right.mean())
  assert 'chosen_on' not in table and table['clips'] == 50
  assert json.loads(json.dumps(table)) == table


def test_a_fusion_can_be_fused(two_runs, tmp_path):
  """A fusion of two runs, fused with a third, leaves each of the two a half."""
  file = tmp_path / 'both.npz'
  write_scores(file, fusion.fuse_runs(two_runs).scores)
  third = write_run(tmp_path / 'third', make_scores(seed=5))
  fused = fusion.fuse_runs([file, third])
  parts = align_scores(
    [read_run_scores(run) for run in (*two_runs, third)], ['a', 'b', 'c']
  )
  weights = (0.25, 0.25, 0.5)
  expected = sum(
    weight * softmax(part.logits)
    for weight, part in zip(weights, parts, strict=True)
  )
  np.testing.assert_allclose(softmax(fused.scores.logits), expected, rtol=1e-6)
  assert fused.table['runs'][0]['stream'] == ''


def test_only_held_out_clips_tune_weights(tmp_path):
  """The run that is good on the test split is bad on the validation split."""
  runs = [
    write_run(
      tmp_path / name,
      make_scores(60, seed=seed, right=on_test),
      shuffle_scores(
        make_scores(60, seed=seed + 5, right=on_val, prefix='held out')
      ),
      headline='mean_class',
    )
    for seed, (name, on_test, on_val) in enumerate(
      [('fair', 0.0, 2.0), ('lucky', 8.0, 1.0)]
    )
  ]
  tuned = fusion.fuse_runs(runs, 'tuned')
  fair, lucky = (run['weight'] for run in tuned.table['runs'])
  assert fair > lucky > 0
  vals = align_scores(
    [read_run_scores(run, 'val') for run in runs], ['fair', 'lucky']
  )
  probs = fair * softmax(vals[0].logits) + lucky * softmax(vals[1].logits)
  hits = probs.argmax(1) == vals[0].labels
  assert tuned.table['chosen_on']['top1'] == pytest.approx(hits.mean())
  assert tuned.table['chosen_on']['clips'] == 60
  assert tuned.table['headline'] == 'mean_class'
  # Other predictions for test clips change no weight.
  write_scores(
    runs[1] / 'scores' / 'test.npz', make_scores(60, seed=9, right=-9.0)
  )
  again = fusion.fuse_runs(runs, 'tuned')
  assert [run['weight'] for run in again.table['runs']] == [fair, lucky]
  assert again.table['fusion']['top1'] != tuned.table['fusion']['top1']
  top5 = fusion.fuse_runs(runs, 'tuned', 'top5').table
  assert top5['headline'] == 'top5'


@pytest.mark.parametrize('method', ['softmax', 'logits'])
def test_given_weights(two_runs, method):
  fused = fusion.fuse_runs(two_runs, method, weights=[3, 1])
  joint, bone = align_scores(
    [read_run_scores(run) for run in two_runs], two_runs
  )
  if method == 'softmax':
    expected = 0.75 * softmax(joint.logits) + 0.25 * softmax(bone.logits)
    actual = np.exp(fused.scores.logits)
  else:
    expected = 3 * np.float64(joint.logits) + bone.logits
    actual = fused.scores.logits
  np.testing.assert_allclose(actual, expected, rtol=1e-12)
  weights = [run['weight'] for run in fused.table['runs']]
  assert weights == ([0.75, 0.25] if method == 'softmax' else [3, 1])


def test_tuned_weights_can_be_given(two_runs):
  tuned = fusion.fuse_runs(two_runs, 'tuned')
  weights = [run['weight'] for run in tuned.table['runs']]
  fused = fusion.fuse_runs(two_runs, weights=weights)
  np.testing.assert_allclose(fused.scores.logits, tuned.scores.logits)


def test_views_are_kept_and_compared(tmp_path):
  val = make_scores(40, prefix='held out')._replace(split='val', views=1)
  test = make_scores()._replace(split='xsub_test', views=3)
  three = write_run(tmp_path / 'three', test, val)
  ten = write_run(tmp_path / 'ten', test._replace(views=10), val)
  same = write_run(tmp_path / 'same', test, val._replace(views=3))
  assert read_run_scores(three)[4:] == ('xsub_test', 3, None)
  fused = fusion.fuse_runs([three, ten])
  assert [run['views'] for run in fused.table['runs']] == [3, 10]
  assert fused.table['split'] == 'xsub_test' and fused.scores.views == 0
  (note,) = fused.notes
  assert f'{three} 3' in note and f'{ten} 10' in note
  (note,) = fusion.fuse_runs([three, same], 'tuned').notes
  assert note.startswith(f'{three} averages 3 views of a test clip')
  assert fusion.fuse_runs([three, same]).notes == []


def test_old_files_of_scores_have_neither_split_nor_views(tmp_path):
  np.savez(tmp_path / 'old.npz', **make_scores()._asdict())
  with np.load(tmp_path / 'old.npz') as file:
    arrays = {name: file[name] for name in list(file)[:4]}
  np.savez(tmp_path / 'old.npz', **arrays)
  assert read_scores(tmp_path / 'old.npz')[4:] == ('', 0, None)


@pytest.mark.slow
def test_the_command(two_runs, tmp_path):
  def command(*arguments):
    return subprocess.run(
      [sys.executable, '-m', 'unik_jax.fuse', *map(str, arguments)],
      capture_output=True,
      text=True,
    )

  out, file = tmp_path / 'new' / 'fused.json', tmp_path / 'new' / 'fused.npz'
  done = command(
    *two_runs, '--method=tuned', f'--out={out}', f'--scores={file}'
  )
  assert done.returncode == 0, done.stderr
  fused = fusion.fuse_runs(two_runs, 'tuned')
  assert json.loads(out.read_text()) == fused.table
  np.testing.assert_array_equal(read_scores(file).logits, fused.scores.logits)
  lines = done.stdout.splitlines()
  for line, run in zip(lines[1:3], fused.table['runs'], strict=True):
    assert line.startswith(run['run']) and f' {run["stream"]} ' in line
    assert f' {run["weight"]:.2f} ' in line
    low, high = (100 * x for x in run['intervals']['top1'])
    assert f' {100 * run["top1"]:.1f} [{low:.1f}, {high:.1f}] ' in line
  assert lines[3].startswith('fusion, tuned')
  assert f' {100 * fused.table["fusion"]["top1"]:.1f} [' in lines[3]
  assert '40 validation clips' in done.stdout
  done = command(*two_runs, '--weights=1,3')
  assert ' 0.25 ' in done.stdout and ' 0.75 ' in done.stdout
  done = command(*two_runs, '--weights=1,x')
  assert done.stderr.startswith('error: --weights: ') and done.returncode == 1
  done = command(*two_runs, '--scores=fused.json')
  assert (done.returncode, done.stdout) == (1, '')
  assert done.stderr.startswith('error: ') and '.npz' in done.stderr


def test_results_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for path in (tmp_path, tmp_path / 'file' / 'fused.json', '/'):
    with pytest.raises(UserError, match='folder|cannot be written'):
      fusion.write_table(path, {})
