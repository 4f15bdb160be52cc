"""Warnings for clips that are unlike the training clips, at every door."""

import json

import numpy as np
import pytest
from absl import logging
from helpers import synthetic_run
from helpers.stream_lines import person_line
from helpers.user_clips import capture_notices

import unik_jax
from unik_jax.data import splits
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.training_clips import describe_clips
from unik_jax.errors import UserError
from unik_jax.predict import live, outputs
from unik_jax.predict.predictor import Predictor, summarize_unfamiliar
from unik_jax.run import paths
from unik_jax.run.writer import ResultsWriter

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def known_dir(config, tmp_path_factory):
  """Folder of a run that has recorded its training clips."""
  clips = splits.open_split(config.data, 'train')
  folder = tmp_path_factory.mktemp('known') / 'run'
  synthetic_run.write_run(folder, config, clips.class_names)
  writer = ResultsWriter(folder, config, clips, None, 1)
  writer.write_data(lambda: describe_clips(clips, config.data), resumed=False)
  return folder


@pytest.fixture(scope='module')
def known_model(known_dir):
  return unik_jax.load(known_dir)


def test_python_names_unfamiliar_clips(known_model, clips, monkeypatch):
  notices = capture_notices(monkeypatch)
  arrays = [clip['keypoints'] for clip in clips]
  familiar = [known_model.predict(a)[0].unfamiliar is None for a in arrays]
  assert np.mean(familiar) >= 0.9
  clip = arrays[familiar.index(True)]
  notices.clear()
  changed = [clip, clip * 1000, clip * [1, -1]]
  reasons = [p.unfamiliar for p in known_model.predict(changed)]
  assert reasons[0] is None
  assert 'times as large' in reasons[1] and 'upside down' in reasons[2]
  (notice,) = notices
  assert notice.startswith('2 of 3 clips are unlike') and 'clip 1: ' in notice


def test_json_and_stream(known_model, clips):
  clip = clips[0]['keypoints'][0]
  predictions = known_model.predict([clip, clip * 1000])
  sources = [ClipSource('a.npy'), ClipSource('b.npy')]
  rows = map(json.loads, outputs.format_json_lines(sources, predictions))
  fields = [row['unfamiliar'] for row in rows]
  assert fields[0] is None and 'times as large' in fields[1]
  lines = [person_line(pose * 1000) for pose in clip[:20]] + ['null']
  written, said = [], []
  live.serve_stream(
    known_model,
    lines,
    write=written.append,
    say=said.append,
    layout=known_model.run.data_layout,
    window=10,
    every=5,
  )
  assert 'times as large' in json.loads(written[0])['unfamiliar']
  assert sum('unlike the training clips' in text for text in said) == 1
  (nobody,) = live.predict_stream(
    known_model, ['null'], window=1, layout=known_model.run.data_layout
  )
  assert nobody['unfamiliar'] is None


def test_an_older_run_checks_nothing(model, clips, monkeypatch):
  monkeypatch.setattr(logging, 'warning', pytest.fail)
  predictions = model.predict(clips[0]['keypoints'] * 1000)
  assert predictions[0].unfamiliar is None
  assert summarize_unfamiliar(predictions, ['a']) is None


def test_a_broken_record_is_an_error(known_dir, known_model):
  assert isinstance(known_model, Predictor)
  file = known_dir / paths.FAMILIARITY
  content = file.read_bytes()
  file.write_bytes(content[: len(content) // 2])
  with pytest.raises(UserError, match='familiarity.npz: cannot be read'):
    unik_jax.load(known_dir)
  file.write_bytes(content)
