"""Exported models predict what their networks predict."""

import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import synthetic_run
from helpers.random_run import make_run

from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.export import stablehlo
from unik_jax.official import tensor_files
from unik_jax.official.convert import from_official
from unik_jax.run import restore

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
  return make_run(tmp_path)


# A network that makes its streams itself.
RES_GCN = {
  'name': 'res_gcn',
  'stream': 'joint',
  'widths': (8, 4, 8, 8),
  'strides': (1, 1, 2, 2),
}


@pytest.mark.parametrize('options', [{}, RES_GCN], ids=['unik', 'res_gcn'])
@pytest.mark.parametrize('folded', [True, False])
def test_loaded_artifacts_predict_as_the_network(tmp_path, folded, options):
  run = make_run(tmp_path, **options)
  stablehlo.save_artifact(run, tmp_path / 'out', folded=folded)
  artifact = stablehlo.load_artifact(tmp_path / 'out')
  assert artifact.notes['platforms'] == ['cpu', 'cuda', 'tpu']
  for batch in (1, 3, 8):
    shape = [batch, *artifact.notes['input']['shape'][1:]]
    x = np.random.default_rng(batch).normal(size=shape).astype(np.float32)
    expected, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
    np.testing.assert_allclose(artifact.call(x), expected, rtol=1e-5)


def test_artifacts_that_cannot_be_written_or_loaded(run, tmp_path):
  with pytest.raises(UserError, match='platforms: .*cuda.*gpu'):
    stablehlo.save_artifact(run, tmp_path / 'out', platforms=('gpu',))
  with pytest.raises(UserError, match='not an exported model'):
    stablehlo.load_artifact(tmp_path / 'none')
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written'):
    stablehlo.save_artifact(run, tmp_path / 'file', platforms=('cpu',))
  folder = stablehlo.save_artifact(run, tmp_path / 'out', platforms=('cpu',))
  content = (folder / stablehlo.ARTIFACT).read_bytes()
  for size in (0, 50, len(content) // 2):
    (folder / stablehlo.ARTIFACT).write_bytes(content[:size])
    with pytest.raises(UserError, match='broken'):
      stablehlo.load_artifact(folder)
  # Damaged weights would load, and predict something else.
  middle = len(content) // 2
  damaged = bytes(255 - byte for byte in content[middle : middle + 4])
  (folder / stablehlo.ARTIFACT).write_bytes(
    content[:middle] + damaged + content[middle + 4 :]
  )
  with pytest.raises(UserError, match='broken'):
    stablehlo.load_artifact(folder)
  (folder / stablehlo.ARTIFACT).write_bytes(content)
  (folder / stablehlo.NOTES).write_text('{')
  with pytest.raises(UserError, match='broken'):
    stablehlo.load_artifact(folder)


@pytest.mark.parametrize('ending', ['npz', 'safetensors'])
def test_official_weights_can_be_read_again(run, tmp_path, ending):
  file = tmp_path / f'w.{ending}'
  count = stablehlo.save_official_weights(run, file)
  tensors = tensor_files.read_tensors(file)
  assert count == len(tensors)
  shapes = run.net.shapes
  params, stats = from_official(run.net.abstract, *shapes, tensors, 'w')
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
      stablehlo.save_official_weights(run, tmp_path / name)
  (tmp_path / 'w.safetensors').mkdir()
  with pytest.raises(UserError, match='cannot be written'):
    stablehlo.save_official_weights(run, tmp_path / 'w.safetensors')


# What a user without unik_jax does: pre-processes a clip as model.json says,
# and predicts its logits.
WITHOUT_UNIK_JAX = """
import json, sys
import numpy as np
from jax import export
sys.modules['unik_jax'] = None
folder, clip, output = sys.argv[1:]
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
bones, index = x.copy(), layout['joints'].index
for child, parent in layout['bones']:
  bones[:, :, index(child)] = x[:, :, index(child)] - x[:, :, index(parent)]
with open(f'{folder}/model.stablehlo', 'rb') as file:
  model = export.deserialize(bytearray(file.read()))
np.save(output, model.call(bones[None].astype(np.float32))[0])
"""


def command(*arguments):
  return subprocess.run(
    [sys.executable, *map(str, arguments)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )


def test_the_command_and_its_use_without_unik_jax(tmp_path):
  config = synthetic_run.make_config(stream='bone', scale=0.5)
  folder = tmp_path / 'run'
  synthetic_run.write_run(folder, config, [f'class {k}' for k in range(20)])
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
    '-c', WITHOUT_UNIK_JAX, out, tmp_path / 'clip.npy', tmp_path / 'logits.npy'
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
  expected, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
  logits = np.load(tmp_path / 'logits.npy')
  np.testing.assert_allclose(logits, expected[0], rtol=1e-4, atol=1e-6)


def test_the_command_reports_errors(tmp_path):
  for arguments, words in (
    ([f'--run={tmp_path}'], 'usage'),
    ([f'--run={tmp_path}', f'--out={tmp_path}'], 'error: '),
  ):
    done = command('-m', 'unik_jax.export', *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert 'Traceback' not in done.stderr
