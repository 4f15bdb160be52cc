"""Clips held to the units and image sizes of a model's training clips."""

import json

import numpy as np
import pytest
from helpers import synthetic_run
from helpers.stream_lines import person_line
from helpers.user_clips import body_at, prepare, write_array, write_file

from unik_jax.data import splits
from unik_jax.data.training_clips import describe_clips, sample_records
from unik_jax.errors import UserError
from unik_jax.predict import live
from unik_jax.predictor import inputs
from unik_jax.predictor.conversion import (
  check_stated_units,
  convert_clip,
  explain_other_units,
)
from unik_jax.predictor.predictor import Predictor
from unik_jax.run.restore import load_run
from unik_jax.run.writer import ResultsWriter

pytestmark = pytest.mark.slow

SIZE = (1920, 1080)
OTHER = (640, 480)
SIZES = (SIZE, OTHER, SIZE)
UNKNOWN = (0, 0)


def make_model(sizes, units='pixels', **data):
  config = synthetic_run.make_config(
    layout='coco_17', **({'normalize': 'clean'} | data)
  )
  run = synthetic_run.make_run(config, units)
  return Predictor(run._replace(image_sizes=sizes))


@pytest.fixture(scope='module')
def model():
  """A model of pixels in images of one size."""
  return make_model([SIZE])


def pixel_clip(frames=20):
  rng = np.random.default_rng(0)
  pose = body_at(900, 500, 17)[:, :2]
  return pose + rng.normal(0, 9, (frames, 17, 2))


def expected_logits(model, clip=None, size=SIZE):
  """Returns the logits of pixels, scaled here and not normalised again."""
  clip = pixel_clip() if clip is None else clip
  width, height = size
  plain = model.run.config.copy_and_resolve_references()
  plain.data.normalize = 'none'
  run = model.run._replace(config=plain, units='', image_sizes=[UNKNOWN])
  scaled = (clip - [width / 2, height / 2]) / (width / 2)
  return Predictor(run).predict(scaled)[0].logits


def predict_file(model, path, size=None, units=''):
  sources = inputs.find_clips([str(path)], size, units)
  layout = model.run.data_layout
  records = inputs.read_records(model, sources, layout=layout)
  (prediction,) = model.predict_records(records, layout=layout)
  return prediction.logits


def coco_file(clip, size=()):
  size = dict(zip(('width', 'height'), size, strict=False))
  bodies = np.concatenate([clip, np.ones((*clip.shape[:2], 1))], -1)
  return {
    'images': [{'id': t} | size for t in range(len(clip))],
    'annotations': [
      {'image_id': t, 'keypoints': pose.ravel().tolist()}
      for t, pose in enumerate(bodies)
    ],
  }


def write_door(door, clip, folder):
  if door == 'array':
    return write_array(folder / 'a.npy', clip)
  return write_file(folder / 'a.json', coco_file(clip))


@pytest.mark.parametrize('form', ['pixels', 'fractions'])
@pytest.mark.parametrize('door', ['array', 'coco', 'python', 'stream'])
def test_every_door_uses_the_image_size_of_the_run(model, tmp_path, door, form):
  clip = pixel_clip() / (SIZE if form == 'fractions' else 1)
  if door == 'python':
    logits = model.predict(clip)[0].logits
  elif door == 'stream':
    (line,) = live.predict_stream(
      model,
      [person_line(pose) for pose in clip],
      window=20,
      every=20,
      layout=model.run.data_layout,
      top_k=20,
    )
    expected = dict(model.predict(pixel_clip(), top_k=20)[0].top)
    assert dict(line['top']) == pytest.approx(expected, abs=1e-4)
    return
  else:
    logits = predict_file(model, write_door(door, clip, tmp_path))
  np.testing.assert_allclose(logits, expected_logits(model), atol=1e-4)


def test_a_clips_own_image_size_counts(model, tmp_path):
  """From the file, then the flag, then the nearest layout.yaml."""
  clip = pixel_clip() / 3
  expected = expected_logits(model, clip, OTHER)
  np.testing.assert_allclose(
    model.predict(clip, image_size=OTHER)[0].logits, expected, atol=1e-4
  )
  file = write_file(tmp_path / 'a.json', coco_file(clip, OTHER))
  logits = predict_file(model, file, (99, 99))
  np.testing.assert_allclose(logits, expected, atol=1e-4)
  array = write_array(tmp_path / 'a.npy', clip)
  np.testing.assert_allclose(
    predict_file(model, array, OTHER), expected, atol=1e-4
  )
  write_file(tmp_path / 'layout.yaml', 'image_size: [640, 480]')
  (tmp_path / 'train' / 'wave').mkdir(parents=True)
  array = write_array(tmp_path / 'train' / 'wave' / 'b.npy', clip)
  for path in array, array.parent:
    np.testing.assert_allclose(predict_file(model, path), expected, atol=1e-4)


def test_a_model_of_unknown_image_sizes_uses_none(tmp_path):
  """It was trained on the square around a clip's joints."""
  model = make_model([UNKNOWN])
  clip = pixel_clip()
  low, high = clip.min((0, 1)), clip.max((0, 1))
  half = (high - low).max() / 2
  plain = model.run.config.copy_and_resolve_references()
  plain.data.normalize = 'none'
  scaled = (clip - (low + high) / 2) / half
  expected = Predictor(model.run._replace(config=plain)).predict(scaled)[0]
  file = write_file(tmp_path / 'a.json', coco_file(clip, SIZE))
  for logits in (
    predict_file(model, file),
    model.predict(clip, image_size=SIZE)[0].logits,
  ):
    np.testing.assert_allclose(logits, expected.logits, atol=1e-4)


def test_a_model_of_several_image_sizes_asks():
  model = make_model([OTHER, SIZE])
  with pytest.raises(UserError, match='keypoints: expected an image size.*--'):
    model.predict(pixel_clip())
  logits = model.predict(pixel_clip(), image_size=SIZE)[0].logits
  np.testing.assert_allclose(logits, expected_logits(model), atol=1e-4)
  model = make_model([OTHER, SIZE], normalize='screen_640')  # uses no size
  assert np.isfinite(model.predict(pixel_clip())[0].logits).all()


def test_an_older_run_predicts_as_before():
  model = make_model(None)
  logits = model.predict(pixel_clip(), image_size=SIZE)[0].logits
  np.testing.assert_allclose(logits, expected_logits(model), atol=1e-4)
  (without,) = model.predict(pixel_clip())
  (square,) = make_model([UNKNOWN]).predict(pixel_clip())
  np.testing.assert_array_equal(without.logits, square.logits)


def test_an_older_run_of_image_widths():
  """It took MediaPipe's images for squares of size 1."""
  model = make_model(None, 'image widths')
  clip = np.float32(pixel_clip())[None]
  converted = convert_clip(clip, model.run, units='pixels', image_size=SIZE)
  np.testing.assert_allclose(converted.keypoints, clip / 1920, rtol=1e-6)
  assert converted.image_size == (1, 1)
  fractions = clip / np.float32(SIZE)
  converted = convert_clip(
    fractions, model.run, units='fractions', image_size=(1, 1)
  )
  np.testing.assert_array_equal(converted.keypoints, fractions)
  assert converted.image_size == (1, 1)


@pytest.mark.parametrize('coordinates', [2, 3])
@pytest.mark.parametrize('source', ['pixels', 'fractions', 'image widths'])
@pytest.mark.parametrize('target', ['pixels', 'fractions', 'image widths'])
def test_units_of_an_image_follow_from_its_size(source, target, coordinates):
  width, height = SIZE
  pixels = np.random.default_rng(0).uniform(1, 900, (1, 3, 17, coordinates))
  divisors = {
    'pixels': (1, 1, 1),
    'fractions': (width, height, width),
    'image widths': (width, width, width),
  }
  clips = {k: pixels / v[:coordinates] for k, v in divisors.items()}
  sizes = [(1, 1)] if target == 'fractions' else [UNKNOWN]
  model = make_model(sizes, target, channels=coordinates)
  converted = convert_clip(
    clips[source], model.run, units=source, image_size=SIZE
  )
  np.testing.assert_allclose(converted.keypoints, clips[target])
  assert converted.units == target
  if source != target:
    with pytest.raises(
      UserError, match=f'{target}.*got {source}.*--image_size'
    ):
      convert_clip(clips[source], model.run, units=source)


def test_the_image_sizes_are_recorded(synthetic_dir, tmp_path):
  config = synthetic_run.make_training_config(synthetic_dir)
  clips = splits.open_split(config.data, 'train')
  writer = ResultsWriter(tmp_path, config, clips, None, 1)
  writer.write_data(lambda: describe_clips(clips, config.data), resumed=False)
  table = json.loads((tmp_path / 'data.json').read_text())
  assert table['image_sizes'] == [[0, 0]]
  records = [clips[n] | {'image_size': size} for n, size in enumerate(SIZES)]
  assert describe_clips(records, config.data).image_sizes == [OTHER, SIZE]


def test_a_sample_of_many_clips():
  assert list(sample_records(range(3))) == [0, 1, 2]
  sample = list(sample_records(range(2500)))
  assert len(sample) == 1000 and (sample[0], sample[-1]) == (0, 2499)


def test_pixels_outside_of_the_training_images_ask_for_their_size(model):
  clip = 2.5 * pixel_clip()  # of an image of 4K
  with pytest.raises(UserError, match='1920 x 1080.*--image_size'):
    model.predict(clip)
  size = (4800, 2700)
  logits = model.predict(clip, image_size=size)[0].logits
  np.testing.assert_allclose(logits, expected_logits(model), atol=1e-4)


def test_a_model_of_landmarks_with_z_knows_the_size_in_layout_yaml(tmp_path):
  rng = np.random.default_rng(0)
  for seed in range(4):
    clip = rng.uniform(0.1, 0.9, (3, 33, 3)) - [0, 0, 0.5]
    path = tmp_path / 'raw' / 'ab'[seed % 2] / f'{seed}.json'
    write_file(path, clip.tolist())
  write_file(tmp_path / 'raw' / 'layout.yaml', 'image_size: [1920, 1080]')
  builder = prepare(tmp_path)
  config = synthetic_run.make_config(
    name='skeleton_folder/mine',
    data_dir=str(tmp_path / 'data'),
    layout='mediapipe_33',
    num_classes=2,
    channels=3,
    normalize='clean',
  )
  clips = splits.open_split(config.data, 'train')
  folder = synthetic_run.write_run(
    tmp_path / 'run', config, clips.class_names, builder.info.metadata['units']
  )
  writer = ResultsWriter(folder, config, clips, None, 1)
  writer.write_data(lambda: describe_clips(clips, config.data), resumed=False)
  model = Predictor(load_run(folder))
  assert (model.run.units, model.run.image_sizes) == ('image widths', [SIZE])
  alone = write_file(tmp_path / 'alone.json', clip.tolist())
  expected = model.predict(clip * [1, 1080 / 1920, 1])[0].logits
  np.testing.assert_allclose(predict_file(model, alone), expected, atol=1e-5)
  np.testing.assert_allclose(predict_file(model, path), expected, atol=1e-5)


def test_units_of_length_are_converted(tmp_path):
  """layout.yaml states those of an array; the model was trained on metres."""
  model = make_model([UNKNOWN], 'metres', channels=3)
  clip = np.random.default_rng(0).uniform(0.5, 2, (9, 17, 3))
  expected = model.predict(clip)[0].logits
  for units, factor in ('millimetres', 1000), ('centimetres', 100):
    write_file(tmp_path / units / 'layout.yaml', f'units: {units}')
    path = write_array(tmp_path / units / 'a.npy', clip * factor)
    np.testing.assert_allclose(predict_file(model, path), expected, atol=1e-5)


@pytest.mark.parametrize('door', ['array', 'python', 'stream'])
def test_every_door_takes_units(tmp_path, door):
  """They count more than those in layout.yaml."""
  model = make_model([UNKNOWN], 'metres', channels=3)
  clip = np.random.default_rng(0).uniform(0.5, 2, (9, 17, 3))
  (expected,) = model.predict(clip, top_k=20)
  clip = clip * 1000
  if door == 'array':
    write_file(tmp_path / 'layout.yaml', 'units: centimetres')
    path = write_array(tmp_path / 'a.npy', clip)
    logits = predict_file(model, path, units='millimetres')
  elif door == 'python':
    logits = model.predict(clip, units='millimetres')[0].logits
  else:
    said, lines = [], []
    live.serve_stream(
      model,
      [person_line(pose) for pose in clip],
      write=lines.append,
      say=said.append,
      window=9,
      every=9,
      layout=model.run.data_layout,
      units='millimetres',
      confidence=False,
      top_k=20,
    )
    top = dict(json.loads(lines[0])['top'])
    assert top == pytest.approx(dict(expected.top), abs=1e-4)
    assert not any('note' in text for text in said)
    return
  np.testing.assert_allclose(logits, expected.logits, atol=1e-4)


def test_stated_units_that_a_file_contradicts(model, tmp_path):
  clip = pixel_clip()
  file = write_file(tmp_path / 'a.json', coco_file(clip, SIZE))
  with pytest.raises(UserError, match='a.json.* metres, as in --units.*pixels'):
    predict_file(model, file, units='metres')
  expected = expected_logits(model)
  array = write_array(tmp_path / 'b.npy', clip / SIZE)
  for size in (None, SIZE):
    np.testing.assert_allclose(
      predict_file(model, array, size, 'fractions'), expected, atol=1e-4
    )
  with pytest.raises(UserError, match='b.npy.* pixels, as .*got fractions'):
    predict_file(model, array, units='pixels')


def test_units_that_cannot_be_converted(model):
  metres = make_model([UNKNOWN], 'metres', channels=3)
  with pytest.raises(UserError, match="units: .*metres.*; got 'mm'"):
    metres.predict(np.ones((9, 17, 3)), units='mm')
  note = explain_other_units(['', 'pixels'], metres.run)
  assert 'pixels' in note and 'metres' in note
  for units, run in (
    (['metres', 'millimetres'], metres.run),
    (['pixels', 'fractions'], model.run),
    (['metres'], model.run._replace(units='as in the files')),
  ):
    assert explain_other_units(units, run) is None
  own = model.run._replace(units='feet')
  check_stated_units('feet', own, '--units')
  with pytest.raises(UserError, match='--units: .*feet; got .metre.'):
    check_stated_units('metre', own, '--units')
