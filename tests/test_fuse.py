"""Fusing runs: sums checked by hand, weights, and clips that do not match."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from unik_jax import fusion, scores
from unik_jax.config import default
from unik_jax.errors import UserError

CLASSES = [f'class {k}' for k in range(6)]


def softmax(logits):
  powers = np.exp(np.float64(logits))
  return powers / powers.sum(-1, keepdims=True)


def make_scores(count=50, *, seed=0, right=1.0, prefix='clip', classes=CLASSES):
  """Answers that are the better the larger `right` is; labels by the id."""
  rng = np.random.default_rng(seed)
  labels = np.arange(count, dtype=np.int32) % len(classes)
  logits = rng.normal(size=(count, len(classes)))
  logits[np.arange(count), labels] += right
  return scores.Scores(
    np.array([f'{prefix} {i}' for i in range(count)]),
    labels,
    logits.astype(np.float32),
    np.array(classes),
  )


def shuffled(answers, seed=0):
  order = np.random.default_rng(seed).permutation(len(answers.ids))
  return answers._replace(
    ids=answers.ids[order],
    labels=answers.labels[order],
    logits=answers.logits[order],
  )


def write_run(folder, test, val=None, *, headline='top1', **data):
  """A folder with what fusing reads of a run."""
  config = default()
  config.headline = headline
  config.data.update(**{'val_split': 'validation', **data})
  folder.mkdir()
  (folder / 'config.json').write_text(json.dumps(config.to_dict()))
  scores.write(folder / 'scores' / 'test.npz', test)
  if val is not None:
    scores.write(folder / 'scores' / 'val.npz', val)
  return folder


@pytest.fixture
def two(tmp_path):
  """A joint run and a bone run, the clips of the latter in another order."""
  return [
    write_run(
      tmp_path / stream,
      shuffled(make_scores(seed=seed), seed),
      make_scores(40, seed=seed + 10, prefix='held out'),
      stream=stream,
    )
    for seed, stream in enumerate(('joint', 'bone'))
  ]


def answers_of(folder, part='test'):
  return scores.read(folder / 'scores' / f'{part}.npz')


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
  scores.write(kept, fusion.fuse_runs(two).scores)
  third = write_run(tmp_path / 'third', make_scores(seed=5))
  made = fusion.fuse_runs([kept, third])
  parts = scores.align(
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
  vals = scores.align(on_val, ['fair', 'lucky'])
  mixed = fair * softmax(vals[0].logits) + lucky * softmax(vals[1].logits)
  hits = mixed.argmax(1) == vals[0].labels
  assert made.table['chosen_on']['top1'] == pytest.approx(hits.mean())
  assert made.table['chosen_on']['clips'] == 60
  assert made.table['headline'] == 'mean_class'
  # Other answers to test clips change no weight.
  scores.write(
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
  joint, bone = scores.align([answers_of(run) for run in two], two)
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
  assert scores.read(tmp_path / 'old.npz')[4:] == ('', 0)


# What does not fit


def others():
  good = make_scores()
  renamed = good.ids.copy()
  renamed[7] = 'clip 90'
  relabelled = good.labels.copy()
  relabelled[3] = 5
  twice = good.ids.copy()
  twice[1] = twice[0]
  part = make_scores(49)
  return {
    'over different clips: 50 and 50, 1 only in .*clip 90, 1 .*clip 7;': (
      good._replace(ids=renamed)
    ),
    'different clips: 49 and 50, 1 only in the latter, such as clip 49': part,
    'different labels for 1 clips; .*clip 3, is class 5 .* class 3': (
      good._replace(labels=relabelled)
    ),
    'different classes: 6 and 6, 1 only in the former, such as dance': (
      good._replace(classes=np.array([*CLASSES[:5], 'dance']))
    ),
    'different classes: 6 and 6, the same in another order': (
      good._replace(classes=np.array(CLASSES[::-1]))
    ),
    'clip clip 0 is there twice': good._replace(ids=twice),
    'NaN': good._replace(logits=good.logits * np.float32(np.nan)),
    'no clip in it': scores.Scores(*(x[:0] for x in good[:3]), good.classes),
  }


@pytest.mark.parametrize('words, other', others().items())
def test_runs_over_different_clips_are_refused(tmp_path, words, other):
  one = write_run(tmp_path / 'one', make_scores())
  two = write_run(tmp_path / 'two', other)
  with pytest.raises(UserError, match=words) as error:
    fusion.fuse_runs([one, two])
  assert str(two) in str(error.value)


def test_runs_that_cannot_be_fused(two, tmp_path):
  with pytest.raises(UserError, match='two runs or more'):
    fusion.fuse_runs(two[:1])
  with pytest.raises(UserError, match='is named twice'):
    fusion.fuse_runs([*two, two[0] / '..' / 'joint'])
  with pytest.raises(UserError, match='tuned'):
    fusion.fuse_runs(two, 'median')
  with pytest.raises(UserError, match='top9'):
    fusion.fuse_runs(two, 'tuned', 'top9')
  with pytest.raises(UserError, match='nowhere'):
    fusion.fuse_runs([two[0], tmp_path / 'nowhere'])
  (two[1] / 'scores' / 'test.npz').unlink()
  with pytest.raises(UserError, match='test.npz: no such file'):
    fusion.fuse_runs(two)


def test_weights_need_clips_that_were_held_out(two, tmp_path):
  lost = write_run(tmp_path / 'lost', make_scores())
  with pytest.raises(UserError, match='val.npz: no such file.*command'):
    fusion.fuse_runs([two[0], lost], 'tuned')
  bare = write_run(tmp_path / 'bare', make_scores(), val_split='')
  with pytest.raises(UserError, match='config.data.val_split.*val_subjects'):
    fusion.fuse_runs([two[0], bare], 'tuned')
  with pytest.raises(UserError, match='no validation split'):
    fusion.fuse_runs([two[0], two[1] / 'scores' / 'test.npz'], 'tuned')
  other = write_run(
    tmp_path / 'other', make_scores(), make_scores(40, prefix='else')
  )
  with pytest.raises(
    UserError, match='other, validation.*different clips.*hold the same ones'
  ):
    fusion.fuse_runs([two[0], other], 'tuned')


def test_weights_are_not_chosen_on_test_clips(tmp_path):
  test = make_scores()
  val = make_scores(40, seed=3, prefix='held out')
  val.ids[11] = 'clip 4'
  runs = [write_run(tmp_path / name, test, val) for name in ('one', 'two')]
  with pytest.raises(UserError, match='1 validation clips .* such as clip 4'):
    fusion.fuse_runs(runs, 'tuned')
  fusion.fuse_runs(runs)


@pytest.mark.parametrize(
  'trained, held_out, apart',
  [
    ((1, 2), (3,), True),
    ((1, 2), (2, 3), False),
    ((), (3,), False),
    ((1, 2), (), False),
    ((), (), False),
  ],
)
def test_nor_on_training_clips(tmp_path, trained, held_out, apart):
  val = make_scores(40, prefix='held out')
  runs = [
    write_run(
      tmp_path / name,
      make_scores(seed=seed),
      val,
      val_split='train',
      train_subjects=trained,
      val_subjects=held_out,
    )
    for seed, name in enumerate(('one', 'two'))
  ]
  if apart:
    fusion.fuse_runs(runs, 'tuned')
  else:
    with pytest.raises(UserError, match='trained on its validation clips'):
      fusion.fuse_runs(runs, 'tuned')


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
  np.testing.assert_array_equal(scores.read(kept).logits, made.scores.logits)
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
