"""Table few: draws of the training clips, for networks and the floor alike."""

import collections
import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from helpers.table_plan import CONFIGS, ROOT, make_plan, write_run

from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.floor.measure import measure_floor
from unik_jax.run.scores import Scores
from unik_jax.tables import few, few_markdown, plan, writing


def make_settings(data_dir):
  """Half of the test clips are among the 96 training clips."""
  return [
    '--config.data.train_split=train[:96]',
    '--config.data.test_split=train[48:144]',
    '--config.data.name=synthetic_skeletons/unik_17_2d',
    '--config.data.layout=unik_17',
    '--config.data.channels=2',
    f'--config.data.data_dir={data_dir}',
  ]


@pytest.fixture
def extra(synthetic_dir):
  return make_settings(synthetic_dir)


def count_clips(extra):
  folds = plan.read_folds('synthetic', CONFIGS, extra)
  return folds, few.count_clips([fold.data for fold in folds])


def test_draws_are_runs_with_their_own_clips_and_seed():
  repetitions = few.list_repetitions([5, few.ALL], 2)
  planned = make_plan('few', rows=['unik'], repetitions=repetitions)
  found = [
    (run.folder.name, c.seed, c.data.clips_per_class, c.data.draw)
    for (run,) in planned.rows['unik']
    for c in [run.config]
  ]
  assert found == [
    ('unik_joint_few5_0', 0, 5, 0),
    ('unik_joint_few5_1', 1, 5, 1),
    ('unik_joint_0', 0, 0, 0),
    ('unik_joint_1', 1, 0, 0),
  ]
  # With all clips they are the runs of the other tables.
  others = {run.folder: run for run in make_plan('4', rows=['unik']).trainings}
  for (run,) in planned.rows['unik'][2:]:
    assert others[run.folder].config.to_dict() == run.config.to_dict()


def test_each_fold_is_drawn():
  repetitions = few.list_repetitions([10], 1)
  planned = make_plan('few', 'sbu', rows=['unik'], repetitions=repetitions)
  (runs,) = planned.rows['unik']
  assert [run.folder.parent.name[-1] for run in runs] == list('12345')
  assert {run.config.data.clips_per_class for run in runs} == {10}
  assert [fold.data.test_split for fold in planned.folds] == [
    f'fold_{i}_test' for i in range(1, 6)
  ]


def test_clips_are_counted_and_numbers_above_all_left_out(extra):
  (fold,), clips = count_clips(extra)
  train = PreparedSplit(fold.data, 'train[:96]')
  counts = collections.Counter(record['label'] for record in train)
  assert 5 < max(counts.values()) <= 10
  assert clips.train == {
    5: sum(min(n, 5) for n in counts.values()),
    few.ALL: 96,
  }
  assert clips.per_class == pytest.approx(96 / len(counts))
  tested = PreparedSplit(fold.data, 'train[48:144]').ids()
  assert clips.seen == set(train.ids()) & set(tested)
  assert len(clips.seen) >= 48


def test_chosen_numbers_of_clips(extra):
  assert few.parse_sizes(['all', '20', '3']) == (3, 20, few.ALL)
  for word in ('0', '-1', 'few', ''):
    with pytest.raises(UserError, match='--clips: expected numbers'):
      few.parse_sizes([word])
  (fold,) = plan.read_folds('synthetic', CONFIGS, extra)
  chosen = few.count_clips([fold.data], [3])
  assert list(chosen.train) == [3]
  _, usual = count_clips(extra)
  assert chosen.per_class == usual.per_class
  with pytest.raises(UserError, match=r'--clips: .*or all, got 99'):
    few.count_clips([fold.data], [99])


@pytest.fixture
def finished(extra, tmp_path):
  """Two draws of a network that is right for nine in ten test clips."""
  (fold,), clips = count_clips(extra)
  repetitions = few.list_repetitions(list(clips.train), 2)
  planned = make_plan(
    'few',
    'synthetic',
    rows=['unik'],
    repetitions=repetitions,
    folder=tmp_path,
    extra=extra,
  )
  split = PreparedSplit(fold.data, fold.data.test_split)
  labels = np.array([record['label'] for record in split])
  right = np.random.default_rng(0).random((4, len(labels))) < 0.9
  for (run,), hits in zip(planned.rows['unik'], right, strict=True):
    predictions = np.where(hits, labels, (labels + 1) % 20)
    logits = 5.0 * np.eye(20)[predictions]
    ids, classes = np.array(split.ids()), np.array(split.class_names)
    # As `find_seen` has it: other draws have other training clips.
    seen = np.random.default_rng(1).random(len(labels)) < 0.3
    scores = Scores(ids, labels, logits, classes, seen=seen)
    write_run(run, scores)
  counts = np.array([name not in clips.seen for name in split.ids()])
  return planned, clips, fold, right.reshape(2, 2, -1)[..., counts], counts


def test_points_match_plain_numpy(finished):
  planned, clips, fold, right, counts = finished
  lines = []
  points = few.measure_points(planned, clips, 2, ['nearest'], lines.append)
  assert list(points) == [5, few.ALL]
  for hits, (size, point) in zip(right, points.items(), strict=True):
    found = few_markdown.counted_accuracies(point, 'unik')
    assert found == pytest.approx(100 * hits.mean(1))
    floors = []
    for draw in range(2):
      data = few.draw_clips(fold.data, size, draw)
      (row,) = measure_floor(data, (draw,), ['nearest'])
      (scores,) = row.scores
      floors.append((scores.logits.argmax(1) == scores.labels)[counts].mean())
    found = few_markdown.counted_accuracies(point, 'nearest')
    assert found == pytest.approx(100 * np.array(floors))
    assert point.above['unik'].difference == pytest.approx(
      100 * (hits.mean() - np.mean(floors))
    )
    assert point.above['unik'].verdict == 'yes'
  few_draws, all_draws = (
    few_markdown.counted_accuracies(point, 'nearest')
    for point in points.values()
  )
  assert len(set(few_draws)) == 2 and len(set(all_draws)) == 1


def test_the_table_has_a_column_for_each_number(finished, tmp_path):
  planned, clips, _, right, _ = finished
  text, path = writing.write_few_table(
    planned, clips, 'synthetic', 2, ['nearest'], tmp_path, 'THE COMMAND'
  )
  assert path == tmp_path / 'synthetic' / 'few.md' and path.read_text() == text
  (line,) = [x for x in text.splitlines() if x.startswith('| UNIK')]
  mean, deviation = 100 * right[0].mean(), 100 * right[0].mean(1).std(ddof=1)
  assert f'| {mean:.1f} ± {deviation:.1f} | as all | as all | ' in line
  assert f'Without the {len(clips.seen)} test clips' in text
  assert '- UNIK above the floor? 5 (' in text and 'THE COMMAND' in text
  text = path.with_suffix('.csv').read_text()
  table = list(csv.DictReader(text.splitlines()))
  assert [(x['row'], x['clips_per_class']) for x in table] == [
    ('unik', '5'),
    ('unik', '4.8'),
    ('nearest', '5'),
    ('nearest', '4.8'),
  ]
  assert float(table[0]['mean']) == pytest.approx(mean, abs=0.01)
  assert table[0]['above_floor'] == 'yes' and not table[2]['above_floor']


def test_numbers_of_clips_are_for_this_table_only():
  few.refuse_clips('4', given=False)
  with pytest.raises(UserError, match="--clips: only for table few, got .*'4'"):
    few.refuse_clips('4', given=True)


@pytest.mark.slow
def test_the_command_without_rows_measures_the_floor(synthetic_dir, tmp_path):
  line = [sys.executable, '-m', 'unik_jax.tables', 'few']
  line += ['--dataset=synthetic', '--floor=nearest', f'--workdir={tmp_path}']
  done = subprocess.run(
    [*line, '--', *make_settings(synthetic_dir)],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  text = pathlib.Path(tmp_path / 'synthetic' / 'few.md').read_text()
  assert '| nearest mean pose | ' in text and text.strip() in done.stdout
