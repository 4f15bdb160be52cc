"""The paper's tables as data, the runs that they need, and what these cost."""

import json
import pathlib

import pytest
from helpers.table_plan import make_plan

from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.models.registry import get_model
from unik_jax.tables.costs import measure_costs
from unik_jax.tables.paper import ROWS, TABLES, model_changes


@pytest.mark.slow
@pytest.mark.parametrize('table', TABLES)
def test_every_row_describes_a_network(table):
  plan = make_plan(table, seeds=1)
  for row, ((first, *_),) in plan.rows.items():
    assert network_from_config(first.config).num_params() > 1000, row


@pytest.mark.parametrize('table', TABLES)
def test_accuracies_fit_the_rows_and_columns(table):
  table = TABLES[table]
  rows = {row for section in table.sections for row in section.rows}
  assert table.accuracies.keys() <= rows <= ROWS.keys()
  for accuracies in table.accuracies.values():
    assert len(accuracies) == len(table.columns)


def test_rows_change_the_model_only():
  plan = make_plan(seeds=1)
  models = {row: runs[0][0].config.model for row, runs in plan.rows.items()}
  assert models['fixed'].matrix == 'fixed'
  assert models['agcn'].name == 'agcn'
  assert models['heads_12'].num_heads == 12
  assert models['window_9'].tau == 9
  assert models['dilated'].dilations == (1, 2, 1, 2, 1, 2)
  assert models['init_zeros'].dependency_init == 'zeros'
  (published,) = make_plan(dataset='smarthome_cs', seeds=1).rows['dilated']
  assert published[0].config.model.dilations == (1, 2, 3, 1, 1, 2, 3, 1, 2, 3)
  recipes = [
    {**runs[0][0].config.to_dict(), 'model': None}
    for runs in plan.rows.values()
  ]
  assert all(recipe == recipes[0] for recipe in recipes)


def test_rows_that_tables_share_are_run_once():
  one, two = make_plan('1'), make_plan('2')
  shared = {t.folder for t in one.trainings} & {t.folder for t in two.trainings}
  names = {f'{row}_joint_{seed}' for row in ('agcn', 'unik') for seed in (0, 1)}
  assert {folder.name for folder in shared} == names
  assert len({t.folder for t in two.trainings}) == len(two.trainings)


def test_pretraining_comes_first_and_once():
  plan = make_plan('2', rows=['unik_pretrained'])
  first, *rest = plan.trainings
  assert first.folder == pathlib.Path('runs/synthetic/unik_joint_0')
  assert [training.required_run for training in rest] == [first.folder] * 2
  assert rest[0].config.init_from == str(first.folder)
  assert rest[1].config.seed == 1


def test_table_3_has_two_streams():
  plan = make_plan('3', rows=['st_gcn'], seeds=1)
  streams = [t.config.data.stream for t in plan.rows['st_gcn'][0]]
  assert streams == ['joint', 'bone']


@pytest.mark.parametrize('row', ROWS)
def test_networks_that_make_streams_are_trained_on_joints(row):
  changes = model_changes(ROWS[row], default_config().model)
  makes_streams = get_model(changes.get('name', 'unik')).makes_streams
  assert ROWS[row].streams == (('joint',) if makes_streams else ())


def test_a_row_has_its_own_streams():
  plan = make_plan('3', 'nw_ucla', rows=['res_gcn', 'unik'], seeds=1)
  ((res_gcn,),), (unik,) = plan.rows['res_gcn'], plan.rows['unik']
  assert len(unik) == 2 and res_gcn.config.data.stream == 'joint'
  # Half of its published widths (64, 32, 128, 256), as the others have.
  assert res_gcn.config.model.widths == (32, 16, 64, 128)


def test_a_dataset_of_folds_runs_each_fold():
  plan = make_plan('5', 'sbu', rows=['unik', 'ms_g3d'])
  first, second = plan.rows['unik']
  assert len(plan.trainings) == 2 * 2 * 5 * 4  # rows, seeds, folds, streams
  data = [training.config.data for training in first]
  assert [(d.train_split, d.test_split, d.stream) for d in data[3:5]] == [
    ('fold_1_train', 'fold_1_test', 'bone_motion'),
    ('fold_2_train', 'fold_2_test', 'joint'),
  ]
  assert first[-1].folder == pathlib.Path('runs/sbu_fold_5/unik_bone_motion_0')
  assert {training.config.seed for training in second} == {1}
  # Half of its published widths, as the other networks have.
  assert plan.rows['ms_g3d'][0][0].config.model.widths == (48, 96, 192)


def test_the_official_recipe_is_that_of_all_rows():
  plan = make_plan('4', 'nw_ucla_official', seeds=1, rows=['unik', 'ctr_gcn'])
  (unik,), (ctr_gcn,) = (runs[0] for runs in plan.rows.values())
  names = [run.config.model.name for run in (unik, ctr_gcn)]
  assert names == ['unik', 'ctr_gcn']
  for run in (unik, ctr_gcn):
    assert run.config.epochs == 65 and run.config.data.fit_axes


@pytest.mark.parametrize(
  'options, words',
  [
    ({'table': '6'}, "TABLE: .*'6'"),
    ({'dataset': 'kinetics'}, "--dataset: .*'kinetics'"),
    ({'rows': ['heads_2']}, '--rows: .*heads_2'),
    ({'seeds': 0}, '--seeds: .*0'),
    ({'extra': ['--config.epoch=2']}, 'epoch.*"epochs"'),
    ({'extra': ['--config.epochs=two']}, "epochs=two.* 'two'"),
    ({'extra': ['--config.epochs=0']}, 'config.epochs.*0'),
    ({'table': '3', 'dataset': 'posetics'}, '--rows: .*unik_pretrained'),
  ],
)
def test_a_plan_that_cannot_run_is_refused(options, words):
  with pytest.raises(UserError, match=words):
    make_plan(**options)


def test_a_folder_with_other_settings_is_refused(tmp_path):
  plan = make_plan(rows=['unik'], folder=tmp_path, seeds=1)
  (training,) = plan.trainings
  training.folder.mkdir(parents=True)
  settings = training.config.to_dict() | {'epochs': 7}
  (training.folder / 'config.json').write_text(json.dumps(settings))
  with pytest.raises(UserError, match='epochs.*7.*20'):
    make_plan(rows=['unik'], folder=tmp_path, seeds=1)


@pytest.mark.parametrize(
  'options, frames, billion_macs',
  [
    # Published multiply-accumulates of one clip of one person.
    ({'layout': 'ntu_25', 'channels': 3, 'num_classes': 60}, 100, 6.47),
    ({'layout': 'unik_17', 'channels': 2, 'num_classes': 31}, 400, 17.3),
  ],
)
def test_published_costs(options, frames, billion_macs):
  config = default_config()
  config.data.update(persons=2, frames=frames, **options)
  costs = measure_costs(config)
  assert costs.macs / 1e9 == pytest.approx(billion_macs, rel=3e-3)
  assert costs.params == network_from_config(config).num_params()
