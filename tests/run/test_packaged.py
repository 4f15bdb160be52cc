"""unik-any, the weights in the package, and how they were made."""

import pathlib
import shutil

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.several import make_two

import unik_jax
from unik_jax import training, transfer
from unik_jax.configs import load_config
from unik_jax.errors import UserError
from unik_jax.export.exported_run import export_run
from unik_jax.run import packaged, restore

FOLDER = pathlib.Path(unik_jax.__file__).parent / 'weights' / 'unik-any'
DATA = {
  'coco_17': (2, False, 1),
  'openpose_18': (2, True, 2),  # x, y and confidence
  'kinect_20': (3, False, 1),
}


def make_own(layout):
  """Returns the config of own recordings that are prepared."""
  channels, confidence, persons = DATA[layout]
  config = load_config('own:moves')
  config.init_from = 'unik-any'
  config.data.update(
    layout=layout,
    channels=channels + confidence,
    confidence=confidence,
    persons=persons,
    num_classes=3,
  )
  return config


def test_it_is_small_and_has_a_card():
  assert packaged.names() == ['unik-any']
  assert packaged.find('unik-any') == FOLDER
  assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4e6
  card = (FOLDER / 'README.md').read_text()
  made_by = '--config=every_skeleton:synthetic,unik_pp'
  assert 'license: apache-2.0' in card and made_by in card
  assert restore.read_config(FOLDER).model == load_config(made_by[9:]).model


@pytest.mark.parametrize('layout', DATA)
def test_own_recordings_start_from_it(layout):
  config = make_own(layout)
  source = transfer.read_weights(config)
  initial = transfer.adapt_weights(source, config, head=False)
  assert initial.report[0].startswith('Started from unik-any: 636 arrays')
  source, params = source.values['params'], initial.params
  # Later blocks are the same for any joints.
  for i in range(1, 11):
    jax.tree.map(
      np.testing.assert_array_equal, params['blocks'][i], source['blocks'][i]
    )
  # An elbow keeps its row.
  joints = restore.load_run('unik-any', shared=True).network_layout.joints
  own = unik_jax.get_layout(layout).joints
  first, before = (
    tree['blocks'][0]['blocks'][0]['dependency'] for tree in (params, source)
  )
  assert first.shape == (3, len(own), 8)
  np.testing.assert_array_equal(
    first[:, own.index('left_elbow')], before[:, joints.index('left_elbow')]
  )


def test_it_does_not_predict():
  with pytest.raises(UserError, match='start from it with --config.init_from'):
    unik_jax.load('unik-any')


def test_another_network_is_told_what_to_set():
  config = make_own('coco_17')
  config.model.latent_joints = 4
  with pytest.raises(UserError, match='unik-any: .*model.latent_joints=8'):
    transfer.read_weights(config)


def test_a_folder_is_not_a_name(tmp_path):
  for path in ('', '.', '..', './unik-any', tmp_path / 'unik-any'):
    assert packaged.find(path) is None
  config = make_own('coco_17')
  config.init_from = str(tmp_path / 'unik-any')
  with pytest.raises(UserError, match='The package has unik-any'):
    transfer.read_weights(config)


def test_an_installation_without_weights(tmp_path, monkeypatch):
  monkeypatch.setattr(packaged, '_FOLDER', tmp_path / 'missing')
  assert packaged.names() == [] and packaged.find('unik-any') is None
  with pytest.raises(UserError, match='unik-any: no such run .* has none'):
    transfer.read_weights(make_own('coco_17'))


def test_weights_that_are_cut_off(tmp_path, monkeypatch):
  folder = shutil.copytree(FOLDER, tmp_path / 'unik-any')
  file = folder / 'weights.safetensors'
  file.write_bytes(file.read_bytes()[:-100])
  monkeypatch.setattr(packaged, '_FOLDER', tmp_path)
  with pytest.raises(UserError, match='weights.safetensors'):
    transfer.read_weights(make_own('coco_17'))


@pytest.mark.slow
def test_made_in_miniature(synthetic_dir, tmp_path):
  """Several datasets train one unik_pp; another run starts from its export."""
  network = {'name': 'unik_pp', 'latent_joints': 3, 'streams': ('joint',)}
  config = make_two(synthetic_dir)
  config.epochs = 1
  config.model.update(network)
  training.run(config, tmp_path / 'run')
  folder = tmp_path / 'weights'
  run = restore.load_run(tmp_path / 'run', shared=True)
  export_run(run, folder, address=str(folder))
  own = synthetic_run.make_training_config(synthetic_dir)
  own.update(epochs=1, init_from=str(folder))
  own.model.update(network)
  initial = transfer.adapt_weights(transfer.read_weights(own), own, head=False)
  jax.tree.map(
    np.testing.assert_array_equal,
    initial.params['blocks'][1],
    run.params['blocks'][1],
  )
  summary = training.run(own, tmp_path / 'own')
  assert summary['step'] > 0
