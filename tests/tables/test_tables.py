"""Tables of the paper: plans, runs side by side, figures and verdicts."""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from unik_jax.config import default
from unik_jax.errors import UserError
from unik_jax.models import network
from unik_jax.run import scores
from unik_jax.tables import markdown, plan, runner, summary
from unik_jax.tables.costs import costs
from unik_jax.tables.paper import ROWS, TABLES

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = str(ROOT / 'configs' / 'tables.py')


def make(table='1', dataset='msr_action3d', seeds=2, folder='runs', **options):
  folder = pathlib.Path(folder)
  return plan.make(
    table, dataset, seeds=seeds, folder=folder, configs=CONFIGS, **options
  )


@pytest.mark.parametrize('table', TABLES)
def test_all_rows_make_a_network(table):
  made = make(table, seeds=1)
  for row, ((first, *_),) in made.rows.items():
    assert network.from_config(first.config).num_params() > 1000, row


@pytest.mark.parametrize('table', TABLES)
def test_figures_are_of_rows_and_columns_that_there_are(table):
  table = TABLES[table]
  rows = {row for section in table.sections for row in section.rows}
  assert table.figures.keys() <= rows <= ROWS.keys()
  for figures in table.figures.values():
    assert len(figures) == len(table.columns)


def test_rows_change_what_they_say():
  made = make(seeds=1)
  settings = {row: runs[0][0].config.model for row, runs in made.rows.items()}
  assert settings['fixed'].matrix == 'fixed'
  assert settings['agcn'].name == 'agcn'
  assert settings['heads_12'].num_heads == 12
  assert settings['window_9'].tau == 9
  assert settings['dilated'].dilations == (1, 2, 1, 2, 1, 2)
  assert settings['init_zeros'].dependency_init == 'zeros'
  (published,) = make(dataset='smarthome_cs', seeds=1).rows['dilated']
  assert published[0].config.model.dilations == (1, 2, 3, 1, 1, 2, 3, 1, 2, 3)
  recipes = [
    {**runs[0][0].config.to_dict(), 'model': None}
    for runs in made.rows.values()
  ]
  assert all(recipe == recipes[0] for recipe in recipes)


def test_rows_that_tables_share_are_run_once():
  one, two = make('1'), make('2')
  folders = {t.folder for t in one.trainings} & {
    t.folder for t in two.trainings
  }
  names = {f'{row}_joint_{seed}' for row in ('agcn', 'unik') for seed in (0, 1)}
  assert {folder.name for folder in folders} == names
  assert len({t.folder for t in two.trainings}) == len(two.trainings)


def test_pretraining_comes_first_and_once():
  made = make('2', rows=['unik_pretrained'])
  first, *rest = made.trainings
  assert first.folder == pathlib.Path('runs/synthetic/unik_joint_0')
  assert [training.needs for training in rest] == [first.folder] * 2
  assert rest[0].config.init_from == str(first.folder)
  assert rest[1].config.seed == 1


def test_two_streams_where_the_paper_has_them():
  made = make('3', rows=['st_gcn'], seeds=1)
  streams = [t.config.data.stream for t in made.rows['st_gcn'][0]]
  assert streams == ['joint', 'bone']


@pytest.mark.parametrize(
  'options, words',
  [
    ({'table': '4'}, "no table '4'"),
    ({'dataset': 'kinetics'}, "--dataset='kinetics' is none of"),
    ({'rows': ['heads_2']}, 'has no row heads_2'),
    ({'seeds': 0}, '--seeds=0'),
    ({'extra': ['--config.epoch=2']}, 'no key .epoch. Did you mean "epochs"'),
    ({'extra': ['--config.epochs=two']}, "literal for int.* 'two'"),
    ({'extra': ['--config.epochs=0']}, 'config.epochs is 0'),
    ({'table': '3', 'dataset': 'posetics'}, 'leave out unik_pretrained'),
  ],
)
def test_what_cannot_be_is_refused_at_once(options, words):
  with pytest.raises(UserError, match=words):
    make(**options)


def test_a_run_of_other_settings_is_not_taken(tmp_path):
  made = make(rows=['unik'], folder=tmp_path, seeds=1)
  (training,) = made.trainings
  training.folder.mkdir(parents=True)
  settings = training.config.to_dict() | {'epochs': 7}
  (training.folder / 'config.json').write_text(json.dumps(settings))
  with pytest.raises(UserError, match='epochs: 7 there, 20 here'):
    make(rows=['unik'], folder=tmp_path, seeds=1)


def test_shares_of_the_cores_do_not_overlap(monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
  cores = os.sched_getaffinity(0)
  shares = runner.slots(len(cores))
  assert sorted(core for s in shares for core in s.cores) == sorted(cores)
  assert len(runner.slots(0)) == 1
  with pytest.raises(UserError, match='--jobs=1000'):
    runner.slots(1000)


def test_each_gpu_has_its_runs(monkeypatch):
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,6')
  shown = [s.environment['CUDA_VISIBLE_DEVICES'] for s in runner.slots(0)]
  assert shown == ['4', '6']


def write_run(training, right, classes=4, seconds=6.0):
  """A run that has ended; `right`: (N,) which of its answers are."""
  folder = training.folder
  (folder / 'scores').mkdir(parents=True)
  labels = np.arange(len(right)) % classes
  answers = np.where(right, labels, (labels + 1) % classes)
  scores.write_scores(
    folder / 'scores' / 'test.npz',
    scores.Scores(
      ids=np.array([f'clip{i}' for i in range(len(right))]),
      labels=labels,
      logits=5.0 * np.eye(classes)[answers],
      classes=np.array([f'class{i}' for i in range(classes)]),
    ),
  )
  about = {'device': '1 x chip', 'commit': 'abc'}
  (folder / 'summary.json').write_text(json.dumps(about))
  (folder / 'config.json').write_text(json.dumps(training.config.to_dict()))
  batch = training.config.batch_size
  lines = [
    {'step': 10, 'lr': 0.1},  # compiled meanwhile
    {'step': 30, 'lr': 0.1, 'clips_per_s': 30 * batch / seconds},
    {'step': 30, 'test/top1': 0.5},
  ]
  text = '\n'.join(map(json.dumps, lines))
  (folder / 'metrics.jsonl').write_text(text + '\n')


@pytest.fixture
def ended(tmp_path):
  """Rows 'unik', 'fixed' and 'agcn' of 200 clips, two seeds each."""
  made = make(rows=['fixed', 'agcn', 'unik'], folder=tmp_path)
  rng = np.random.default_rng(0)
  unik = rng.random((2, 200)) < 0.8
  agcn = unik.copy()
  for before, after in zip(unik, agcn, strict=True):  # as many either way
    for kind in (before, ~before):
      after[rng.choice(np.flatnonzero(kind), 8, replace=False)] ^= True
  for row, right in (
    ('unik', unik),
    ('fixed', unik & (rng.random((2, 200)) < 0.7)),
    ('agcn', agcn),
  ):
    for seed, (training,) in enumerate(made.rows[row]):
      write_run(training, right[seed])
  return made, unik


def test_figures_and_intervals_against_plain_numpy(ended):
  made, unik = ended
  outcomes = summary.read(made, 'top1')
  np.testing.assert_allclose(
    outcomes['unik'].figures, 100 * unik.mean(1), rtol=1e-9
  )
  assert outcomes['unik'].seconds == pytest.approx(6.0)
  found = {
    frozenset((p.first, p.second)): p
    for p in summary.pairs(TABLES['1'], outcomes, 'top1')
  }
  pair = found[frozenset(('unik', 'fixed'))]
  gap = outcomes['unik'].hits - outcomes['fixed'].hits
  rng = np.random.default_rng(1)
  draws = [rng.choice(gap, len(gap)).mean() for _ in range(4000)]
  low, high = 100 * np.quantile(draws, [0.025, 0.975])
  assert pair.first == 'unik' and pair.separable
  assert pair.difference == pytest.approx(100 * gap.mean())
  assert pair.interval == pytest.approx((low, high), abs=0.7)
  assert pair.paper == (8.1, 3.0)
  # The agcn row's clips differ to both sides.
  assert not found[frozenset(('unik', 'agcn'))].separable


def text_of(made, outcomes, pairs, dataset='msr_action3d'):
  priced = {row: (1234, 5_670_000_000) for row in made.rows}
  return markdown.markdown(
    '1',
    TABLES['1'],
    dataset,
    outcomes,
    pairs,
    priced,
    headline='top1',
    command='command',
  )


def test_the_table_says_what_is_separable(ended):
  made, _ = ended
  outcomes = summary.read(made, 'top1')
  pairs = summary.pairs(TABLES['1'], outcomes, 'top1')
  text = text_of(made, outcomes, pairs)
  (line,) = [x for x in text.splitlines() if x.startswith('| UNIK')]
  mean = np.mean(outcomes['unik'].figures)
  assert f'| {mean:.1f} ± ' in line
  assert '| 58.5 | 87.3 | 1,234 | 5.67 G | 0:06 |' in line
  above = text.split('Separable:')[1]
  assert '- UNIK above FM, the graph fixed by' in above
  assert 'so in the paper (+8.1, +3.0)' in above
  assert 'Not separable: ' in text and '2s-AGCN and UNIK' in text
  assert "not one of the paper's" in text
  assert 'a check of the code' in text_of(made, outcomes, pairs, 'synthetic')


def test_an_order_that_is_not_the_papers_is_said():
  pair = summary.Pair('fixed', 'unik', 3.0, (1.0, 5.0), (-8.1, -3.0))
  text = text_of(make(rows=['fixed', 'unik']), {}, [pair])
  assert '**the other way round in the paper** (-8.1, -3.0)' in text


def test_csv_has_a_line_for_each_row(ended):
  made, unik = ended
  outcomes = summary.read(made, 'top1')
  priced = {row: (1234, 567) for row in made.rows}
  text = markdown.as_csv(TABLES['1'], outcomes, priced)
  lines = {line['row']: line for line in csv.DictReader(text.splitlines())}
  assert lines.keys() == {'fixed', 'agcn', 'unik'}
  mean = 100 * unik.mean()
  assert float(lines['unik']['mean']) == pytest.approx(mean, abs=0.01)
  assert lines['fixed']['paper_smarthome_cs'] == '50.4'
  assert lines['unik']['macs'] == '567'


def test_a_row_without_runs_has_a_dash(tmp_path):
  made = make(rows=['fixed', 'unik'], folder=tmp_path)
  assert summary.read(made, 'top1') == {}
  assert '| UNIK | - |' in text_of(made, {}, [])


@pytest.mark.parametrize(
  'options, frames, macs',
  [
    # reference/numbers.md, in billions.
    ({'layout': 'ntu_25', 'channels': 3, 'num_classes': 60}, 100, 6.47),
    ({'layout': 'unik_17', 'channels': 2, 'num_classes': 31}, 400, 17.3),
  ],
)
def test_published_costs(options, frames, macs):
  config = default()
  config.data.update(persons=2, frames=frames, **options)
  params, counted = costs(config)
  assert counted / 1e9 == pytest.approx(macs, rel=3e-3)
  assert params == network.from_config(config).num_params()


def command(folder, data_dir, *extra):
  return [
    sys.executable,
    '-m',
    'unik_jax.tables',
    '2',
    '--dataset=synthetic',
    '--rows=unik,agcn',
    '--seeds=1',
    f'--workdir={folder}',
    '--jobs=2',
    *extra,
    '--',
    '--config.epochs=2',
    '--config.model.widths=(8,8)',
    '--config.model.strides=(2,2)',
    '--config.data.train_split=train[:96]',
    '--config.data.test_split=test[:60]',
    '--config.data.name=synthetic_skeletons/unik_17_2d',
    '--config.data.layout=unik_17',
    '--config.data.channels=2',
    f'--config.data.data_dir={data_dir}',
  ]


def test_runs_stop_go_on_and_are_not_run_again(synthetic_dir, tmp_path):
  """The command: killed while its runs train, and given again."""
  line = command(tmp_path, synthetic_dir)
  first = subprocess.Popen(
    line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
  )
  runs = tmp_path / 'synthetic'
  for _ in range(1200):
    if any(runs.glob('*/checkpoints/*')) or first.poll() is not None:
      break
    time.sleep(0.1)
  first.send_signal(signal.SIGTERM)
  text, _ = first.communicate(timeout=120)
  if first.returncode != 143:
    assert first.returncode == 0, text  # it was done by then
  again = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
  assert again.returncode == 0, again.stdout + again.stderr
  made = list(runs.glob('*/summary.json'))
  assert len(made) == 2
  before = [path.stat().st_mtime_ns for path in made]
  once = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
  assert '2 of 2 runs have ended before.' in once.stdout
  assert [path.stat().st_mtime_ns for path in made] == before
  table = (runs / 'table2.md').read_text()
  assert 'a check of the code' in table and '| UNIK | ' in table
  assert table.strip() in once.stdout


def test_a_run_that_fails_is_said_with_its_last_words(tmp_path):
  (training,) = make(rows=['unik'], folder=tmp_path, seeds=1).trainings
  bad = training._replace(
    arguments=('--config=nowhere.py',), folder=tmp_path / 'bad'
  )
  needs = training._replace(needs=bad.folder)
  said = []
  failed = runner.run_all(
    [bad, needs], runner.slots(1), environment=os.environ, say=said.append
  )
  assert failed == [bad, needs]
  assert 'nowhere.py' in said[-1] and str(bad.folder / 'log.txt') in said[-1]
