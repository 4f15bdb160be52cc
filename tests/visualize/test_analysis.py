"""Dependency matrices, attention and clips of a run."""

import pathlib
import shutil

import numpy as np
import pytest
from helpers.untrained_run import make_config, write_run
from PIL import Image

from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.run import paths, restore
from unik_jax.visualize import analysis, figures

pytestmark = pytest.mark.slow


def matrices_of(params):
  blocks = params['blocks']
  return [blocks[i]['spatial']['dependency'] for i in range(len(blocks))]


def test_no_attention(run):
  config = run.config.copy_and_resolve_references()
  config.model.attention = False
  net = network_from_config(config)
  params, stats = net.shapes
  without = run._replace(net=net, params=params, batch_stats=stats)
  with pytest.raises(UserError, match='unik.*without'):
    analysis.compute_attention(without, {})


def test_dependencies_before_and_after(run_and_initial):
  run, initial = run_and_initial
  before, origin = analysis.restore_first_dependencies(run)
  assert origin == 'initial values of seed 3'
  for a, b, c in zip(
    before, analysis.get_dependencies(run), matrices_of(initial), strict=True
  ):
    np.testing.assert_array_equal(a, c)
    np.testing.assert_allclose(b, c + 0.01, rtol=1e-5)


def test_a_run_that_started_from_another(run, tmp_path):
  """Before training it had the matrices of the run that it started from."""
  config = make_config(run.config.data.data_dir, seed=3)
  config.init_from = str(tmp_path / 'first')
  shutil.copytree(run.folder, config.init_from)
  write_run(tmp_path / 'second', config, 0.5)
  second = restore.load_run(tmp_path / 'second')
  steps = pathlib.Path(config.init_from) / 'checkpoints'
  restore.write_started_from(
    second.folder, restore.find_checkpoint(config.init_from)
  )

  def check(expected, change):
    before, origin = analysis.restore_first_dependencies(second)
    assert origin == f'weights of {config.init_from}, {expected}'
    for a, b in zip(before, analysis.get_dependencies(run), strict=True):
      np.testing.assert_allclose(a, b + change, rtol=1e-5)

  check('step 5', 0)
  # The other run resumes, and keeps the old checkpoint at first.
  write_run(tmp_path / 'later', make_config(config.data.data_dir, seed=3), 0.31)
  (tmp_path / 'later' / 'checkpoints' / '5').rename(steps / '7')
  check('step 5', 0)
  shutil.rmtree(steps / '5')
  check('step 7 (its newest state; the run started from step 5)', 0.3)
  (second.folder / paths.STARTED_FROM).unlink()
  check('step 7 (its newest state; the run started from an unknown one)', 0.3)
  shutil.rmtree(config.init_from)
  lines = list(figures.write_dependencies(second, tmp_path / 'out'))
  assert 'cannot be read' in lines[0]
  with Image.open(lines[1]) as image:
    assert image.size[0] < 1200  # without the columns before training


def test_attention_is_the_mean_over_present_persons(run):
  record = analysis.select_clip(analysis.open_test_split(run))
  data = run.config.data
  x = Transform(data, train=False)(record)['x']
  blocks = run.net.mixing(run.params, run.batch_stats, x[None])
  maps = analysis.compute_attention(run, record)
  for attention, block in zip(maps, blocks, strict=True):
    np.testing.assert_allclose(attention, block.attention[0, 0], rtol=1e-4)


def test_clips_by_id(run):
  split = analysis.open_test_split(run)
  ids = split.ids()
  assert analysis.select_clip(split)['id'].decode() == ids[0]
  assert analysis.select_clip(split, ids[7])['id'].decode() == ids[7]
  with pytest.raises(UserError, match=f'--clip.*{ids[7]}'):
    analysis.select_clip(split, ids[7] + 'x')


def test_a_dataset_that_is_not_prepared(run, tmp_path):
  with pytest.raises(UserError, match='not prepared'):
    analysis.open_test_split(run, str(tmp_path))
