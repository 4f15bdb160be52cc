"""Exported models against the networks that they are of."""

import json

import jax
import numpy as np
import pytest

from unik_jax import checkpoints, exporting, models, runs
from unik_jax.config import default
from unik_jax.errors import UserError
from unik_jax.models.folding import fold
from unik_jax.skeletons import get_layout


def make_config(**model):
  config = default()
  config.model.update(widths=(4, 8), strides=(1, 2), dilations=(1, 1))
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
    jax.eval_shape(net.init, jax.random.key(0)),
  )


@pytest.fixture
def run(tmp_path):
  """A network of random weights, as if it had been trained."""
  config = make_config()
  net = models.from_config(config)
  params, stats = make_values(net)
  layout = get_layout('unik_17')
  return runs.Run(
    folder=tmp_path,
    config=config,
    net=net,
    params=params,
    batch_stats=stats,
    step=3,
    classes=list('abcde'),
    source=layout,
    layout=layout,
    units='pixels',
  )


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('tau', [1, 3])
def test_folded_networks_are_the_same(tau, attention):
  net = models.from_config(make_config(tau=tau, attention=attention))
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


def test_folding_leaves_the_given_values_alone():
  net = models.from_config(make_config(tau=3))
  params, stats = make_values(net)
  before = jax.tree.map(np.copy, (params, stats))
  fold(params, stats)
  jax.tree.map(np.testing.assert_array_equal, (params, stats), before)


@pytest.mark.parametrize('folded', [True, False])
def test_reloaded_artifacts_answer_as_the_network(run, tmp_path, folded):
  exporting.save(run, tmp_path / 'out', folded=folded)
  exported = exporting.load(tmp_path / 'out')
  assert exported.notes['platforms'] == ['cpu', 'cuda', 'tpu']
  for batch in (1, 3, 8):
    shape = [batch, *exported.notes['input']['shape'][1:]]
    x = np.random.default_rng(batch).normal(size=shape).astype(np.float32)
    want, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
    np.testing.assert_allclose(exported.call(x), want, rtol=1e-5)


def test_the_notes_say_what_its_use_takes(run, tmp_path):
  (tmp_path / 'summary.json').write_text(
    json.dumps({'test': {'top1': 0.5, 'clips': 4, 'confusion': [[4]]}})
  )
  notes = exporting.describe(run)
  assert json.loads(json.dumps(notes)) == notes
  assert notes['input']['shape'] == ['batch', 2, 12, 17, 2]
  assert notes['classes'] == list('abcde')
  assert notes['test'] == {'top1': 0.5, 'clips': 4}
  steps = [step['step'] for step in notes['preprocessing']]
  assert steps == [
    'cut or zero-pad persons',
    'cut channels',
    'normalize',
    'sample frames',
    'make the stream',
  ]


def test_what_cannot_be_exported_or_opened(run, tmp_path):
  with pytest.raises(UserError, match='unknown platform .*gpu.*cuda'):
    exporting.save(run, tmp_path / 'out', platforms=('gpu',))
  with pytest.raises(UserError, match='not an exported model'):
    exporting.load(tmp_path / 'none')
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot be written'):
    exporting.save(run, tmp_path / 'file', platforms=('cpu',))
  folder = exporting.save(run, tmp_path / 'out', platforms=('cpu',))
  whole = (folder / exporting.ARTIFACT).read_bytes()
  for size in (0, 50, len(whole) // 2):
    (folder / exporting.ARTIFACT).write_bytes(whole[:size])
    with pytest.raises(UserError, match='broken'):
      exporting.load(folder)
  (folder / exporting.ARTIFACT).write_bytes(whole)
  (folder / exporting.NOTES).write_text('{')
  with pytest.raises(UserError, match='broken'):
    exporting.load(folder)


def test_official_names(run, tmp_path):
  from unik_jax.models.official import from_official, to_official

  tensors = to_official(run.net.abstract, run.params, run.batch_stats)
  checkpoints.write_tensors(tmp_path / 'w.safetensors', tensors)
  back = checkpoints.read_tensors(tmp_path / 'w.safetensors')
  shapes = jax.eval_shape(run.net.init, jax.random.key(0))
  params, stats = from_official(run.net.abstract, *shapes, back, 'w')
  jax.tree.map(np.testing.assert_array_equal, params, run.params)
  jax.tree.map(np.testing.assert_array_equal, stats, run.batch_stats)
