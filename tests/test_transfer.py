"""Initial weights from a run, an official file, or another joint layout."""

import json
import shutil

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.random_values import random_values

from unik_jax import training, transfer
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.official import tensor_files
from unik_jax.official.convert import to_official
from unik_jax.run import restore
from unik_jax.skeletons.joint_maps import find_nearest
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow


def make_config(**data):
  """Returns a config of two steps on a few synthetic clips."""
  splits = {'train_split': 'train[:16]', 'test_split': 'test[:8]'}
  config = synthetic_run.make_config(**splits | data)
  config.epochs = 1
  return config


def make_weights(config, seed=0):
  """Returns random weights of a config's network."""
  net = network_from_config(config)
  params, stats = random_values(net.shapes, seed=seed, dtype=np.float32)
  data = config.data
  return transfer.Weights(
    where='source',
    net=net,
    values={'params': params, 'batch_stats': stats},
    layout=get_layout(data.joints or data.layout),
    persons=data.persons,
    channels=('x', 'y', 'z')[: data.channels],
  )


@pytest.fixture(scope='module')
def run(synthetic_dir, tmp_path_factory):
  """Trains a run of two steps."""
  folder = tmp_path_factory.mktemp('run')
  training.run(make_config(data_dir=str(synthetic_dir)), folder)
  return folder


def test_same_data_loads_everything_but_the_classifier():
  source = make_weights(make_config())
  config = make_config(num_classes=7)
  got = transfer.adapt_weights(source, config, head=False)
  fresh, _ = network_from_config(config).init(jax.random.key(0))
  for name, value in source.values['params'].items():
    expected = fresh[name] if name == 'head' else value
    jax.tree.map(np.testing.assert_array_equal, got.params[name], expected)
  jax.tree.map(
    np.testing.assert_array_equal, got.batch_stats, source.values['batch_stats']
  )
  assert 'new: the classifier, of 7 classes' in got.report[-1]
  with_head = transfer.adapt_weights(source, make_config(), head=True)
  jax.tree.map(
    np.testing.assert_array_equal, with_head.params, source.values['params']
  )


@pytest.mark.parametrize('tau', [1, 3])
@pytest.mark.parametrize('init_joints', ['nearest', 'fresh'])
def test_other_joints_persons_and_channels(init_joints, tau):
  """Compares every value to loops over joint and channel names."""
  before = make_config(persons=2)
  after = make_config(layout='msr_20', persons=1, channels=3)
  after.init_joints = init_joints
  before.model.tau = after.model.tau = tau
  source = make_weights(before)
  got = transfer.adapt_weights(source, after, head=False)
  fresh, fresh_stats = network_from_config(after).init(jax.random.key(0))

  joints = get_layout('msr_20').joints
  old = get_layout('unik_17').joints
  synonyms = {'hip_center': 'mid_hip', 'shoulder_center': 'neck'}
  synonyms |= {'spine': 'chest'}
  if init_joints == 'nearest':
    synonyms |= {
      f'{side}_{end}': f'{side}_{near}'
      for side in ('left', 'right')
      for end, near in (('hand', 'wrist'), ('foot', 'ankle'))
    }
  origin = [synonyms.get(j, j) for j in joints]
  origin = [old.index(j) if j in old else None for j in origin]
  assert origin.count(None) == (4 if init_joints == 'fresh' else 0)

  for name, tree, start in (
    ('scale', 'params', fresh),
    ('bias', 'params', fresh),
    ('mean', 'batch_stats', fresh_stats),
    ('var', 'batch_stats', fresh_stats),
  ):
    trees = {'params': got.params, 'batch_stats': got.batch_stats}
    value = trees[tree]['input_bn'][name].reshape(20, 3)
    stored = source.values[tree]['input_bn'][name].reshape(2, 17, 2)
    for v, c in np.ndindex(20, 3):
      expected = start['input_bn'][name][v * 3 + c]
      if origin[v] is not None and c < 2:
        expected = stored[0, origin[v], c]
      assert value[v, c] == expected

  for i in (0, 1):
    unit, stored = (
      tree['blocks'][i]['spatial']
      for tree in (got.params, source.values['params'])
    )
    first = fresh['blocks'][i]['spatial']['dependency']
    for u, p in np.ndindex(20 * tau, 20 * tau):
      (wu, ju), (wp, jp) = divmod(u, 20), divmod(p, 20)
      expected = first[:, u, p]
      if origin[ju] is not None and origin[jp] is not None:
        share = origin.count(origin[ju])
        a, b = 17 * wu + origin[ju], 17 * wp + origin[jp]
        expected = stored['dependency'][:, a, b] / share
      np.testing.assert_allclose(
        unit['dependency'][:, u, p], expected, rtol=1e-6
      )
  unit = got.params['blocks'][0]['spatial']
  stored = source.values['params']['blocks'][0]['spatial']
  start = fresh['blocks'][0]['spatial']
  for name in ('theta', 'phi', 'embed'):
    kernel = unit[name]['kernel']
    np.testing.assert_array_equal(kernel[:, :2], stored[name]['kernel'])
    np.testing.assert_array_equal(kernel[:, 2], start[name]['kernel'][:, 2])
  kernel = unit['shortcut']['conv']['kernel']
  np.testing.assert_array_equal(
    kernel[:2], stored['shortcut']['conv']['kernel']
  )
  np.testing.assert_array_equal(
    kernel[2], start['shortcut']['conv']['kernel'][2]
  )

  text = '\n'.join(got.report)
  assert 'joints: unik_17 to msr_20, with 16 of 20 in common' in text
  assert ('left_hand: as left_wrist' in text) == (init_joints == 'nearest')
  assert ('left_hand: new' in text) == (init_joints == 'fresh')
  assert 'channels: x y to x y z' in text and 'persons: 2 to 1' in text


def test_copied_joints_leave_the_first_mixing_unchanged():
  """New joints that copy an old joint's position change no mixed joint."""
  before, after = make_config(), make_config(layout='ntu_25')
  for config in (before, after):
    config.model.attention = False
  source = make_weights(before)
  got = transfer.adapt_weights(source, after, head=False)
  x = np.random.default_rng(1).normal(size=(2, 1, 16, 17, 2))
  origin = find_nearest(get_layout('unik_17'), get_layout('ntu_25'))

  def first_block(net, params, stats, x):
    """Mixes joints; stops before the mean, where copies count twice."""
    matrix = params['blocks'][0]['spatial']['dependency'].astype(np.float64)
    flat = x.transpose(0, 2, 1, 3, 4).reshape(2, 16, -1)
    norm = {**params['input_bn'], **stats['input_bn']}
    flat = (flat - norm['mean']) / np.sqrt(norm['var'] + 1e-5) * norm['scale']
    flat = (flat + norm['bias']).reshape(2, 16, -1, 2)
    return np.einsum('ntuc,hup->nthpc', flat, matrix)

  old = first_block(before, *source.values.values(), x)
  new = first_block(after, got.params, got.batch_stats, x[..., origin, :])
  np.testing.assert_allclose(new, old[:, :, :, origin], rtol=1e-4)


def test_a_run_starts_another(run, synthetic_dir, tmp_path, capsys):
  config = make_config(
    data_dir=str(synthetic_dir),
    classes=('drink', 'sit_down', 'lunge'),
    num_classes=3,
    train_split='train[:320]',
    test_split='test[:160]',
  )
  config.init_from = str(run)
  config.optim.update(lr=0.0, weight_decay=0.0)
  config.tune = 'head'  # keeps batch norm's statistics too
  training.run(config, tmp_path / 'next')
  step = f'{run}/checkpoints/{restore.load_run(run).step}'
  said = capsys.readouterr().out
  assert f'Started from {step}' in said and 'note: ' not in said
  assert restore.read_started_from(tmp_path / 'next') == step
  old, new = restore.load_run(run), restore.load_run(tmp_path / 'next')
  assert new.classes == ['drink', 'sit_down', 'lunge']
  assert new.params['head']['bias'].shape == (3,)
  for name in ('input_bn', 'blocks'):
    jax.tree.map(
      np.testing.assert_array_equal, new.params[name], old.params[name]
    )
  jax.tree.map(np.testing.assert_array_equal, new.batch_stats, old.batch_stats)

  # The resumed run uses its own checkpoint, and needs the first run no more.
  own = training.run(config, tmp_path / 'next')['test']
  config.init_from = str(tmp_path / 'moved')
  (tmp_path / 'next' / 'config.json').write_text(
    (tmp_path / 'next' / 'config.json')
    .read_text()
    .replace(str(run), str(tmp_path / 'moved'))
  )
  assert training.run(config, tmp_path / 'next')['test'] == own
  config.eval_only = True
  assert training.run(config, tmp_path / 'next')['test'] == own

  # Evaluating one of its checkpoints loads the classifier: same metrics.
  config = make_config(data_dir=str(synthetic_dir))
  step = run / 'checkpoints' / str(old.step)
  config.update(init_from=str(step), eval_only=True)
  result = training.run(config, tmp_path / 'same')
  assert result['test']['top1'] == training.run(config, run)['test']['top1']

  # A classifier of other classes is an error.
  config = make_config(data_dir=str(synthetic_dir))
  config.update(init_from=str(tmp_path / 'next'), init_head='load')
  with pytest.raises(UserError, match='init_head=new'):
    training.run(config, tmp_path / 'other')


def test_another_scale_of_the_data_is_noted(
  run, synthetic_dir, tmp_path, capsys
):
  """Once, at the start of a training, and by an evaluation."""
  source = shutil.copytree(run, tmp_path / 'source')
  table = json.loads((source / 'data.json').read_text())
  units = table['units']
  table['units'] = 'millimetres'
  (source / 'data.json').write_text(json.dumps(table))
  config = make_config(data_dir=str(synthetic_dir))
  config.init_from = str(source)
  note = f'note: {source}/checkpoints/2: the data are in {units}, its'
  for times in (1, 0):  # not when it resumes
    training.run(config, tmp_path / 'next')
    assert capsys.readouterr().out.count(note) == times
  config.eval_only = True
  training.run(config, tmp_path / 'evaluated')
  assert capsys.readouterr().out.count(note) == 1


def test_linear_probe_changes_only_the_classifier(run, synthetic_dir, tmp_path):
  config = make_config(data_dir=str(synthetic_dir))
  config.update(init_from=str(run), tune='head')
  training.run(config, tmp_path)
  old, new = restore.load_run(run), restore.load_run(tmp_path)
  for name in ('input_bn', 'blocks'):
    jax.tree.map(
      np.testing.assert_array_equal, new.params[name], old.params[name]
    )
  jax.tree.map(np.testing.assert_array_equal, new.batch_stats, old.batch_stats)
  start = transfer.adapt_weights(
    transfer.read_weights(config), config, head=False
  )
  for name in ('kernel', 'bias'):
    assert (new.params['head'][name] != start.params['head'][name]).any()


def test_init_joints_data_maps_the_data(run, tmp_path):
  from unik_jax.data import registry

  registry.prepare_dataset('synthetic_skeletons/msr_20_3d', tmp_path)
  config = make_config(
    data_dir=str(tmp_path),
    name='synthetic_skeletons/msr_20_3d',
    layout='msr_20',
  )
  config.update(init_from=str(run), init_joints='data')
  training.run(config, tmp_path / 'run')
  loaded = restore.load_run(tmp_path / 'run')
  assert loaded.config.data.joints == 'unik_17'
  assert loaded.network_layout.name == 'unik_17'
  assert loaded.data_layout.name == 'msr_20'
  config.eval_only = True
  assert training.run(config, tmp_path / 'run')['test']['clips'] == 8


def test_layout_of_a_state_dict(tmp_path):
  """It follows from the number of joints, or from a setting."""
  before = make_config(layout='ntu_25', channels=3, num_classes=60, persons=2)
  source = make_weights(before)
  tensors = to_official(source.net.abstract, *source.values.values())
  tensor_files.write_tensors(tmp_path / 'ntu.npz', tensors)
  config = make_config()
  config.init_from = str(tmp_path / 'ntu.npz')
  got = transfer.read_weights(config)
  assert (got.layout.name, got.persons) == ('ntu_25', 2)
  assert got.channels == ('x', 'y', 'z')
  one, other = (
    transfer.adapt_weights(weights, config, head=False).params
    for weights in (got, source)
  )
  jax.tree.map(np.testing.assert_array_equal, one, other)

  twenty = make_weights(make_config(layout='msr_20'))
  tensors = to_official(twenty.net.abstract, *twenty.values.values())
  tensor_files.write_tensors(tmp_path / 'twenty.npz', tensors)
  config.init_from = str(tmp_path / 'twenty.npz')
  with pytest.raises(UserError, match='init_layout: kinect_20 or msr_20'):
    transfer.read_weights(config)
  config.init_layout = 'msr_20'
  assert transfer.read_weights(config).layout.name == 'msr_20'
  config.init_layout = 'ntu_25'
  with pytest.raises(UserError, match='init_layout: .*20 joints.* of 25'):
    transfer.read_weights(config)


def test_errors_of_init_from(run, tmp_path):
  config = make_config()
  config.init_from = str(run)
  config.model.num_heads = 6
  with pytest.raises(UserError, match=r'--config.model.num_heads=3 \(here 6'):
    transfer.read_weights(config)
  for key, value in (('tune', 'head'), ('init_joints', 'data')):
    config = make_config()
    config[key] = value
    with pytest.raises(UserError, match=f'{key}.*--config.init_from'):
      training.run(config, tmp_path / 'none')
  config = make_config()
  config.init_from = str(tmp_path / 'none')
  with pytest.raises(UserError, match='no such run or file'):
    transfer.read_weights(config)
  config.init_from = str(tmp_path)
  with pytest.raises(UserError, match='no such file. Name the --workdir'):
    transfer.read_weights(config)
  (tmp_path / 'config.json').write_text('{"seeed": 1}')
  with pytest.raises(UserError, match='not the settings of a run'):
    transfer.read_weights(config)
  for name in ('kernel.txt', 'none.npz'):
    config.init_from = str(tmp_path / name)
    with pytest.raises(UserError, match=name):
      transfer.read_weights(config)
  tensor_files.write_tensors(tmp_path / 'a.npz', {'a': np.zeros(3)})
  config.init_from = str(tmp_path / 'a.npz')
  with pytest.raises(UserError, match='not a state dict of this model'):
    transfer.read_weights(config)
