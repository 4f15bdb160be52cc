"""Every config resolves to the model and recipe that it should."""

import importlib.util
import pathlib

import pytest

from unik_jax import models, train
from unik_jax.config import default
from unik_jax.data import loader, registry
from unik_jax.errors import UserError

FOLDER = pathlib.Path(__file__).parents[1] / 'configs'
# Parameters: the published counts, less the bias vectors that are never used.
CASES = {
  'posetics:joint': 3_525_904 - 170,
  'posetics:bone': 3_525_904 - 170,
  'posetics:joint_motion': 3_525_904 - 170,
  'posetics:bone_motion': 3_525_904 - 170,
  'msr_action3d:official': None,
  'msr_action3d:modern': None,
  'msr_action3d:tune': None,
  'synthetic:quick': None,
  'synthetic:full': None,
}


def load(case):
  name, _, variant = case.partition(':')
  spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(*[variant] if variant else [])


def test_every_file_is_among_the_cases():
  files = {path.stem for path in FOLDER.glob('*.py')}
  assert {case.partition(':')[0] for case in CASES} == files


@pytest.mark.parametrize('case', CASES)
def test_resolves(case):
  config = load(case)
  known = default().to_dict()

  def check(tree, known):
    assert tree.keys() == known.keys()
    for key, value in tree.items():
      if isinstance(value, dict):
        check(value, known[key])

  check(config.to_dict(), known)
  net = models.from_config(config)
  if CASES[case]:
    assert net.num_params() == CASES[case]
  loader.make_transform(config.data, train=True)
  assert config.data.name.partition('/')[0] in registry.names()


@pytest.mark.parametrize('name', ['posetics', 'msr_action3d', 'synthetic'])
def test_unknown_variant(name):
  with pytest.raises(UserError, match='it has'):
    load(f'{name}:jiont')


def test_posetics_has_the_official_recipe():
  """config/posetics/train_joint.yaml, from reference/architectures.md."""
  config = load('posetics')
  assert (config.epochs, config.batch_size) == (65, 64)
  assert (config.optim.lr, config.optim.weight_decay) == (0.1, 1e-4)
  assert config.optim.decay_epochs == (45, 55)
  assert (config.optim.momentum, config.optim.nesterov) == (0.9, True)
  assert (config.data.frames, config.data.test_frames) == (150, 300)
  assert config.data.random_move and config.model.num_heads == 3


@pytest.mark.parametrize('name', ['posetics', 'msr_action3d'])
def test_missing_data_is_explained(name, tmp_path):
  config = load(name)
  config.data.data_dir = str(tmp_path / 'data')
  with pytest.raises(UserError) as error:
    train.run(config, tmp_path / 'run')
  text = str(error.value)
  dataset = config.data.name.partition('/')[0]
  assert str(tmp_path / 'data' / 'downloads' / 'manual' / dataset) in text
  assert f'python -m unik_jax.prepare {config.data.name}' in text
  assert 'https://' in text
