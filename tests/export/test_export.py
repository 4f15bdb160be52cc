"""Exported models against the networks that they are of."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import made_run

from unik_jax.config import default_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.export import stablehlo
from unik_jax.export.folding import fold
from unik_jax.models import network
from unik_jax.official import tensor_files
from unik_jax.run import restore
from unik_jax.skeletons.layouts import get_layout


def make_config(**model):
  config = default_config()
  config.model.update(widths=(4, 8), strides=(1, 2))
  config.model.update(model)
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    layout='unik_17',
    num_classes=5,
    persons=2,
    channels=2,
    frames=12,
    stream='bone',
    normalize='clean',
  )
  return config


def make_values(net, dtype=np.float32, seed=0):
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda a: (0.3 * rng.random(a.shape) + 0.05).astype(dtype),
    net.shapes,
  )


@pytest.fixture
def run(tmp_path):
  """A network of random weights, as if it had been trained."""
  config = make_config()
  net = network.from_config(config)
  params, stats = make_values(net)
  layout = get_layout('unik_17')
  return restore.Run(
    folder=tmp_path,
    config=config,
    net=net,
    params=params,
    batch_stats=stats,
    step=3,
    classes=list('abcde'),
    data_layout=layout,
    network_layout=layout,
    units='pixels',
  )


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('tau', [1, 3])
def test_folded_networks_are_the_same(tau, attention):
  net = network.from_config(make_config(tau=tau, attention=attention))
  with jax.enable_x64(True):
    params, stats = make_values(net, np.float64)
    x = np.random.default_rng(1).normal(size=(3, 2, 12, 17, 2))
    folded = fold(params, stats)
    one, _ = net.apply(params, stats, x, train=False)
    other, _ = net.apply(*folded, x, train=False)
    assert one.dtype == np.float64
    np.testing.assert_allclose(other, one, rtol=1e-9)
  # Every batch norm but the input's has become the identity.
  norms = [
    (path, stat)
    for path, stat in jax.tree_util.tree_leaves_with_path(folded[1])
    if path[-1].key == 'mean'
  ]
  assert sum(bool(stat.any()) for _, stat in norms) == 1
  assert len(norms) == 8 + 2 * (tau > 1)


def test_xla_drops_what_was_folded():
  net = network.from_config(make_config(tau=3))
  values = make_values(net)
  x = jax.ShapeDtypeStruct((2, 2, 12, 17, 2), np.float32)

  def products(params, stats):
    """How many there are in the compiled network, its weights within."""

    def logits(x):
      return net.apply(params, stats, x, train=False)[0]

    return jax.jit(logits).lower(x).compile().as_text().count(' multiply(')

  assert products(*fold(*values)) < products(*values)


def test_folding_leaves_the_given_values_alone():
  net = network.from_config(make_config(tau=3))
  params, stats = make_values(net)
  before = jax.tree.map(np.copy, (params, stats))
  fold(params, stats)
  jax.tree.map(np.testing.assert_array_equal, (params, stats), before)


@pytest.mark.parametrize('folded', [True, False])
def test_reloaded_artifacts_answer_as_the_network(run, tmp_path, folded):
  stablehlo.save(run, tmp_path / 'out', folded=folded)
  exported = stablehlo.load(tmp_path / 'out')
  assert exported.notes['platforms'] == ['cpu', 'cuda', 'tpu']
  for batch in (1, 3, 8):
    shape = [batch, *exported.notes['input']['shape'][1:]]
    x = np.random.default_rng(batch).normal(size=shape).astype(np.float32)
    want, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
    np.testing.assert_allclose(exported.call(x), want, rtol=1e-5)


def test_the_notes_say_what_its_use_takes(run):
  notes = stablehlo.describe(run)
  assert json.loads(json.dumps(notes)) == notes
  assert notes['input']['shape'] == ['batch', 2, 12, 17, 2]
  assert notes['classes'] == list('abcde')
  assert (notes['stream'], notes['test']) == ('bone', {})
  layout = notes['clips']['layout']
  assert layout['joints'] == list(run.data_layout.joints)
  assert ['nose', 'head'] in layout['bones']
  steps = {step['step']: step for step in notes['preprocessing']}
  assert list(steps) == [
    'cut channels',
    'cut or zero-pad persons',
    'normalize',
    'sample frames',
    'make the stream',
  ]
  assert 'parent' in steps['make the stream']['meaning']
  assert 'test_crops' not in steps['sample frames']


def test_the_notes_on_several_crops_and_mapped_joints(run):
  config = made_run.settings(
    joints='msr_20', sampling='repeat', test_crops=4, pad=30, trim=True
  )
  run = run._replace(config=config, layout=get_layout('msr_20'))
  steps = stablehlo.describe(run)['preprocessing']
  assert [step['step'] for step in steps] == [
    'cut channels',
    'cut or zero-pad persons',
    'map joints by name',
    'drop frames at both ends with nobody in them',
    "repeat each person's track",
    'normalize',
    'sample frames',
  ]
  hand = steps[2]['shares']['left_hand']
  assert hand == {'left_elbow': -0.2, 'left_wrist': 1.2}
  assert steps[-1]['test_crops'] == 4
  assert 'averaged' in steps[-1]['note']


def test_figures_are_those_of_the_exported_step(run, tmp_path):
  results = {
    'step': 9,
    'test': {'top1': 0.5, 'clips': 4, 'confusion': [[4]]},
    'best_step': 3,
    'test_of_best': {'top1': 0.75, 'clips': 4},
  }
  (tmp_path / 'summary.json').write_text(json.dumps(results))
  for step, figures in (
    (3, {'top1': 0.75, 'clips': 4}),
    (6, {}),
    (9, {'top1': 0.5, 'clips': 4}),
  ):
    assert stablehlo.describe(run._replace(step=step))['test'] == figures
  (tmp_path / 'summary.json').write_text('{')
  with pytest.raises(UserError, match='summary.json: not JSON'):
    stablehlo.describe(run)


def test_what_cannot_be_exported_or_opened(run, tmp_path):
  with pytest.raises(UserError, match='unknown platform .*gpu.*cuda'):
    stablehlo.save(run, tmp_path / 'out', platforms=('gpu',))
  with pytest.raises(UserError, match='not an exported model'):
    stablehlo.load(tmp_path / 'none')
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written'):
    stablehlo.save(run, tmp_path / 'file', platforms=('cpu',))
  folder = stablehlo.save(run, tmp_path / 'out', platforms=('cpu',))
  whole = (folder / stablehlo.ARTIFACT).read_bytes()
  for size in (0, 50, len(whole) // 2):
    (folder / stablehlo.ARTIFACT).write_bytes(whole[:size])
    with pytest.raises(UserError, match='broken'):
      stablehlo.load(folder)
  # In the weights: it would load, and answer something else.
  middle = len(whole) // 2
  changed = bytes(255 - byte for byte in whole[middle : middle + 4])
  (folder / stablehlo.ARTIFACT).write_bytes(
    whole[:middle] + changed + whole[middle + 4 :]
  )
  with pytest.raises(UserError, match='broken'):
    stablehlo.load(folder)
  (folder / stablehlo.ARTIFACT).write_bytes(whole)
  (folder / stablehlo.NOTES).write_text('{')
  with pytest.raises(UserError, match='broken'):
    stablehlo.load(folder)


@pytest.mark.parametrize('ending', ['npz', 'safetensors'])
def test_official_names(run, tmp_path, ending):
  from unik_jax.official.state_dict import from_official

  file = tmp_path / f'w.{ending}'
  count = stablehlo.save_weights(run, file)
  back = tensor_files.read_tensors(file)
  assert count == len(back)
  shapes = run.net.shapes
  params, stats = from_official(run.net.abstract, *shapes, back, 'w')
  jax.tree.map(np.testing.assert_array_equal, params, run.params)
  jax.tree.map(np.testing.assert_array_equal, stats, run.batch_stats)


def test_weights_that_cannot_be_written(run, tmp_path, monkeypatch):
  (tmp_path / 'file').write_text('')
  for name, words in (
    ('w.bin', 'expected .npz'),
    ('file/w.safetensors', 'cannot be written.*name a path'),
    ('w.pt', 'torch'),
  ):
    monkeypatch.setitem(sys.modules, 'torch', None)  # as if not installed
    with pytest.raises(UserError, match=words):
      stablehlo.save_weights(run, tmp_path / name)
  (tmp_path / 'w.safetensors').mkdir()
  with pytest.raises(UserError, match='cannot be written'):
    stablehlo.save_weights(run, tmp_path / 'w.safetensors')


# What a user without unik_jax does: clips as model.json says, and the answers.
WITHOUT_US = """
import json, sys
import numpy as np
from jax import export
sys.modules['unik_jax'] = None
folder, clip, answer = sys.argv[1:]
notes = json.load(open(f'{folder}/model.json'))
steps = {step['step']: step for step in notes['preprocessing']}
x = np.load(clip)
x = x[..., : steps['cut channels']['channels']]
x = x[: steps['cut or zero-pad persons']['persons']]
assert steps['normalize']['preset'] == 'center_first'
layout = notes['network_layout']
x = x - x[0, 0, layout['joints'].index(layout['center'])]
x = x / steps['divide']['scale']
frames = steps['sample frames']['frames']
x = x[:, ((np.arange(frames) + 0.5) * x.shape[1] / frames).astype(int)]
assert notes['stream'] == 'bone'
bones, place = x.copy(), layout['joints'].index
for child, parent in layout['bones']:
  bones[:, :, place(child)] = x[:, :, place(child)] - x[:, :, place(parent)]
with open(f'{folder}/model.stablehlo', 'rb') as file:
  model = export.deserialize(bytearray(file.read()))
np.save(answer, model.call(bones[None].astype(np.float32))[0])
"""


def command(*arguments):
  return subprocess.run(
    [sys.executable, *map(str, arguments)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )


def test_the_command_and_its_use_without_us(tmp_path):
  config = made_run.settings(stream='bone', scale=0.5)
  folder = tmp_path / 'run'
  made_run.write(folder, config, [f'class {k}' for k in range(20)])
  out, weights = tmp_path / 'out', tmp_path / 'w.npz'
  done = command(
    '-m',
    'unik_jax.export',
    f'--run={folder}',
    f'--out={out}',
    f'--weights={weights}',
  )
  assert (done.returncode, done.stderr) == (0, '')
  assert len(done.stdout.splitlines()) == 3
  assert weights.exists()

  clip = np.random.default_rng(0).normal(size=(2, 40, 17, 3))
  np.save(tmp_path / 'clip.npy', clip.astype(np.float32))
  done = command(
    '-c', WITHOUT_US, out, tmp_path / 'clip.npy', tmp_path / 'answer.npy'
  )
  assert done.returncode == 0, done.stderr

  run = restore.load_run(folder)
  transform = Transform(run.config.data, train=False)
  record = {
    'keypoints': clip.astype(np.float32),
    'image_size': (0, 0),
    'label': 0,
  }
  x = transform(record)['x'][None]
  want, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
  answer = np.load(tmp_path / 'answer.npy')
  np.testing.assert_allclose(answer, want[0], rtol=1e-4, atol=1e-6)


def test_what_the_command_refuses(tmp_path):
  for arguments, words in (
    ([f'--run={tmp_path}'], 'usage'),
    ([f'--run={tmp_path}', f'--out={tmp_path}'], 'error: '),
  ):
    done = command('-m', 'unik_jax.export', *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
