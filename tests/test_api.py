"""The Python API: the names of `unik_jax`."""

import json
import pydoc
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import untrained_run
from helpers.stream_lines import person_line
from helpers.user_clips import make_walker

import unik_jax
from unik_jax.predict import live
from unik_jax.skeletons.layouts import get_layout


def test_import_is_light():
  heavy = {'jax', 'flax', 'numpy', 'tensorflow_datasets', 'scipy', 'yaml'}
  code = f'import sys, unik_jax; sys.exit(bool({heavy} & set(sys.modules)))'
  assert subprocess.run([sys.executable, '-c', code]).returncode == 0


def test_every_name_is_importable_and_documented():
  from unik_jax import _MODULES

  names = sorted([*_MODULES, 'load', 'read_clip', 'train'])
  assert unik_jax.__all__ == names
  page = pydoc.plain(pydoc.render_doc(unik_jax))
  for name in unik_jax.__all__:
    value = getattr(unik_jax, name)
    assert value.__doc__ and name in page
    assert name in dir(unik_jax)
  assert 'Opens a trained model for prediction.' in page
  with pytest.raises(AttributeError, match='no attribute .lod.'):
    _ = unik_jax.lod


def test_a_submodule_does_not_hide_a_function():
  """`unik_jax.train` was a module once."""
  import unik_jax.training  # noqa: F401

  assert callable(unik_jax.train) and callable(unik_jax.load)


def test_settings_are_checked_before_training(tmp_path):
  with pytest.raises(unik_jax.UserError, match='epoch'):
    unik_jax.train('synthetic', tmp_path, epoch=3)
  with pytest.raises(unik_jax.UserError, match='Did you mean synthetic'):
    unik_jax.train('synthetc', tmp_path)
  config = unik_jax.load_config('synthetic')
  with pytest.raises(unik_jax.UserError, match='epochs.*0'):
    unik_jax.train(config, tmp_path, epochs=0)
  assert config.epochs == 18  # the caller's config is left alone
  with pytest.raises(unik_jax.UserError, match='data.stream.*bones'):
    data_dir = str(tmp_path / 'data')
    data = {'stream': 'bones', 'data_dir': data_dir}
    unik_jax.train(config, tmp_path, data=data)


def test_a_model_evaluates_by_default():
  net = unik_jax.Network(
    num_classes=4, layout='coco_17', widths=(4,), strides=(1,)
  )
  model = net.create_model()
  x = np.random.default_rng(0).normal(size=(2, 2, 8, 17, 3)).astype(np.float32)
  logits = model(x)
  assert logits.shape == (2, 4)
  params, stats = net.init(jax.random.key(0))
  expected, _ = net.apply(params, stats, x, train=False)
  np.testing.assert_array_equal(logits, expected)
  again = net.create_model(params, stats)(x)
  np.testing.assert_array_equal(again, expected)


def test_read_clip(tmp_path):
  clip = np.random.default_rng(0).random((5, 17, 2))
  np.save(tmp_path / 'a.npy', clip)
  parsed = unik_jax.read_clip(tmp_path / 'a.npy')
  np.testing.assert_array_equal(parsed.keypoints, clip[None])
  rows = clip.reshape(5, -1)
  np.savetxt(tmp_path / 'a.csv', rows, delimiter=',')
  parsed = unik_jax.read_clip(tmp_path / 'a.csv', 'coco_17')
  np.testing.assert_allclose(parsed.keypoints, clip[None])


@pytest.fixture(scope='module')
def model(tmp_path_factory, synthetic_dir):
  folder = tmp_path_factory.mktemp('api') / 'run'
  untrained_run.write_run(folder, untrained_run.make_config(synthetic_dir))
  return unik_jax.load(folder)


@pytest.mark.slow
def test_paths_are_predicted_as_their_arrays(model, tmp_path):
  folder = tmp_path / 'clips'
  folder.mkdir()
  clips = [make_walker(20), make_walker(24) * 0.9]
  for name, clip in zip('ab', clips, strict=True):
    np.save(folder / f'{name}.npy', clip)
  expected = model.predict(clips)
  for paths in (folder, str(folder), sorted(folder.iterdir())):
    predictions = model.predict(paths)
    assert [p.file for p in predictions] == [
      str(folder / name) for name in ('a.npy', 'b.npy')
    ]
    for prediction, array in zip(predictions, expected, strict=True):
      np.testing.assert_allclose(prediction.logits, array.logits, atol=1e-5)
      assert array.file == ''
  (alone,) = model.predict(folder / 'b.npy', top_k=2)
  assert [name for name, _ in alone.top] == [n for n, _ in expected[1].top[:2]]
  with pytest.raises(unik_jax.UserError, match='nowhere.npy: no such file'):
    model.predict(folder / 'nowhere.npy')


@pytest.mark.slow
def test_a_stream_predicts_as_the_command(model):
  clip = make_walker(13)
  expected = live.predict_stream(
    model,
    map(person_line, clip),
    window=8,
    every=5,
    layout=get_layout('unik_17'),
  )
  stream = unik_jax.Stream(model, window=8, every=5)
  found = [stream.add(pose) for pose in clip]
  assert [n + 1 for n, p in enumerate(found) if p] == [5, 10]
  found = [p for p in found if p] + [stream.predict()]
  assert (stream.count, len(stream)) == (13, 8)
  for prediction, fields in zip(found, expected, strict=True):
    assert prediction.label == fields['label']
    assert prediction.probability == pytest.approx(
      fields['probability'], abs=1e-5
    )
  assert unik_jax.Stream(model, every=1).add(None) is None
  two = np.stack([clip[0], clip[0] + 1])
  stream = unik_jax.Stream(model, every=1)
  assert stream.add(two).label
  assert stream.add(json.loads(person_line(clip[1]))).label
  with pytest.raises(unik_jax.UserError, match='frame 3: .*joints'):
    stream.add(np.zeros((5, 2)))
  with pytest.raises(unik_jax.UserError, match='every: .* 0'):
    unik_jax.Stream(model, every=0)
