"""Runs without their optimizer: written, loaded, trained from, refused."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
import yaml
from helpers import synthetic_run

import unik_jax
from unik_jax import training, transfer
from unik_jax.errors import UserError
from unik_jax.export import exported_run
from unik_jax.export.exported_run import list_files
from unik_jax.run import paths, restore

pytestmark = pytest.mark.slow


@pytest.fixture
def exported(trained, tmp_path):
  return export_run(restore.load_run(trained), tmp_path / 'small')


def export_run(run, folder, license=''):
  return exported_run.export_run(
    run, folder, license=license, address='hf://me/run'
  )


def predict(path):
  clips = np.random.default_rng(0).normal(size=(3, 2, 40, 17, 2))
  model = unik_jax.load(path)
  return model.predict(list(clips.astype(np.float32)), image_size=(640, 480))


def test_an_exported_run_predicts_the_same_bits(trained, exported):
  assert sorted(p.name for p in exported.iterdir()) == sorted(paths.EXPORTED)
  for expected, found in zip(predict(trained), predict(exported), strict=True):
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.features, expected.features)
    assert found.label == expected.label
    assert found.unfamiliar == expected.unfamiliar
  sizes = list_files(exported)
  assert sizes[paths.WEIGHTS] == (exported / paths.WEIGHTS).stat().st_size
  checkpoint = sum(p.stat().st_size for p in trained.rglob('*') if p.is_file())
  assert sum(sizes.values()) < checkpoint


def test_an_exported_run_is_opened_without_paths_of_the_machine(
  trained, exported
):
  run, small = restore.load_run(trained), restore.load_run(exported)
  assert run.config.data.data_dir and not small.config.data.data_dir
  small.config.data.data_dir = run.config.data.data_dir
  assert small.config.to_dict() == run.config.to_dict()
  assert small.step == run.step == 6
  assert (small.classes, small.units) == (run.classes, run.units)
  for part in ('best', 'checkpoints/6'):
    with pytest.raises(UserError, match='Train this run first'):
      restore.load_run(exported / part)


def test_its_card_has_a_header_with_the_metrics(trained, tmp_path):
  run = restore.load_run(trained)
  folder = export_run(run, tmp_path / 'a', license='mit')
  text = (folder / paths.EXPORTED_CARD).read_text()
  header, body = re.fullmatch(r'---\n(.*?)---\n\n(.*)', text, re.S).groups()
  header = yaml.safe_load(header)
  assert header['library_name'] == 'unik_jax' and header['license'] == 'mit'
  (index,) = header['model-index']
  (result,) = index['results']
  assert result['dataset']['type'] == run.config.data.name
  top1 = json.loads((trained / paths.SUMMARY).read_text())['test']['top1']
  assert result['metrics'][0]['value'] == pytest.approx(top1, abs=5e-5)
  card = (trained / paths.MODEL_CARD).read_text()
  assert body.startswith(card)
  assert "unik_jax.load('hf://me/run')" in body.removeprefix(card)
  second = export_run(run, tmp_path / 'b') / paths.EXPORTED_CARD
  assert 'license:' not in second.read_text().partition('---\n\n')[0]


def test_a_training_starts_from_an_exported_run(
  trained, exported, synthetic_dir, tmp_path
):
  config = synthetic_run.make_training_config(synthetic_dir)
  config.init_from = str(exported)
  source = transfer.read_weights(config)
  run = restore.load_run(trained)
  values = {'params': run.params, 'batch_stats': run.batch_stats}
  jax.tree.map(np.testing.assert_array_equal, source.values, values)
  assert source.classes == run.classes and source.where == str(exported)
  config.update(eval_only=True)
  result = training.run(config, tmp_path / 'evaluated')['test']
  summary = json.loads((trained / paths.SUMMARY).read_text())
  assert result['top1'] == summary['test']['top1']


def test_no_training_writes_to_an_exported_run(exported, synthetic_dir):
  before = {p.name: p.read_bytes() for p in exported.iterdir()}
  config = synthetic_run.make_training_config(synthetic_dir)
  with pytest.raises(UserError, match=f'workdir={exported}: .*init_from='):
    training.run(config, exported)
  assert {p.name: p.read_bytes() for p in exported.iterdir()} == before


def test_an_exported_run_is_copied(exported, tmp_path):
  (exported / paths.EXPORTED_CARD).write_text('Mine.')
  (exported / paths.ENROLLED).write_text('of somebody')
  copy = export_run(restore.load_run(exported), tmp_path / 'copy')
  for name in paths.EXPORTED:
    assert (copy / name).read_bytes() == (exported / name).read_bytes()
  assert not (copy / paths.ENROLLED).exists()
  with pytest.raises(UserError, match='--license: .*README.md'):
    export_run(restore.load_run(exported), tmp_path / 'more', license='mit')


def test_what_is_not_finished_is_refused(trained, tmp_path):
  copy = shutil.copytree(trained, tmp_path / 'copy')
  run = restore.load_run(copy)
  with pytest.raises(UserError, match='summary.json .*6.*, got step 4'):
    export_run(run._replace(step=4), tmp_path / 'out')
  (copy / paths.MODEL_CARD).unlink()
  with pytest.raises(UserError, match='model_card.md: cannot be read'):
    export_run(run, tmp_path / 'out')
  (copy / paths.SUMMARY).unlink()
  with pytest.raises(UserError, match='copy: .*step 6 without summary.json'):
    export_run(run, tmp_path / 'out')
  assert not (tmp_path / 'out').exists()


def test_other_files_are_not_overwritten(trained, tmp_path):
  run = restore.load_run(trained)
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'mine').write_text('')
  for name in ('full', 'full/mine'):
    with pytest.raises(UserError, match='new or an empty folder'):
      export_run(run, tmp_path / name)
