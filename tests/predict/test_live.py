"""Predictions for a stream of frames, over a sliding window."""

import json
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers import synthetic_run
from helpers.stream_lines import frame_line, person_line
from helpers.user_clips import make_walker

from unik_jax.data.transform import input_frames
from unik_jax.errors import UserError
from unik_jax.predict import live
from unik_jax.predictor.predictor import Predictor
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
UNIK = get_layout('unik_17')


@pytest.fixture(scope='module')
def pair_model():
  """A model of two persons."""
  return Predictor(synthetic_run.make_run(synthetic_run.make_config(persons=2)))


def predict(model, lines, **options):
  """Returns all predictions for a stream."""
  options = {'window': 8, 'every': 5, 'layout': UNIK} | options
  return list(live.predict_stream(model, lines, **options))


def assert_same(fields, expected):
  """Asserts that JSON fields are those of a `Prediction`."""
  assert fields['label'] == expected.label
  assert fields['probability'] == pytest.approx(expected.probability, abs=1e-5)
  assert [name for name, _ in fields['top']] == [n for n, _ in expected.top]
  np.testing.assert_allclose(
    [p for _, p in fields['top']], [p for _, p in expected.top], atol=1e-5
  )


def test_predictions_are_those_of_the_last_frames(pair_model):
  clip = make_walker(13)
  predictions = predict(pair_model, map(person_line, clip))
  assert [(p['frame'], p['frames']) for p in predictions] == [
    (5, 5),
    (10, 8),
    (13, 8),
  ]
  for fields, (start, end) in zip(
    predictions, ((0, 5), (2, 10), (5, 13)), strict=True
  ):
    assert_same(fields, pair_model.predict(clip[start:end])[0])
    assert fields['latency_ms'] > 0
  assert predictions[0]['probability'] != predictions[1]['probability']


def test_blank_lines_do_not_count_and_an_even_end_predicts_once(pair_model):
  lines = [t for body in make_walker(10) for t in (person_line(body), '\n')]
  assert [p['frame'] for p in predict(pair_model, lines)] == [5, 10]


def test_nobody(pair_model):
  empty = ['null', '[]', '{"keypoints": null}', '{"persons": []}']
  last = person_line(make_walker(1)[0])
  predictions = predict(pair_model, [*empty, '{"keypoints": []}', last])
  assert [p['label'] is None for p in predictions] == [True, False]
  assert predictions[0]['top'] == [] and predictions[0]['probability'] is None
  # Present in the last of six frames, absent before.
  clip = np.concatenate([np.zeros((5, 17, 2)), make_walker(1)])
  assert_same(predictions[1], pair_model.predict(clip)[0])
  missing = np.full((17, 2), np.nan)
  lines = [person_line(missing)] * 5
  assert predict(pair_model, lines)[0]['label'] is None


def test_a_person_of_three_frames(pair_model):
  a, b = make_walker(8, seed=1), make_walker(8, seed=2, at=4)
  lines = [
    frame_line(*([a[t], b[t]] if 2 <= t < 5 else [a[t]])) for t in range(8)
  ]
  b[:2], b[5:] = 0, 0
  (*_, last) = predict(pair_model, lines)
  assert_same(last, pair_model.predict([np.stack([a, b])])[0])


def test_confidence(pair_model):
  clip = make_walker(5, channels=3)
  clip[..., 2] = 0.5
  clip[1, 3, 2] = clip[2, 4, 2] = 0
  (fields,) = predict(pair_model, map(person_line, clip))
  assert_same(fields, pair_model.predict(clip)[0])
  # A third channel beyond 1 is no confidence.
  lines = list(map(person_line, clip * 3))
  with pytest.raises(UserError, match='line 1: the last of 3 .*--noconfidence'):
    predict(pair_model, lines)
  (fields,) = predict(pair_model, lines, confidence=False)
  assert_same(fields, pair_model.predict(clip[..., :2] * 3)[0])


def _frame(**changes):
  return json.dumps({'keypoints': make_walker(1)[0].tolist()} | changes)


@pytest.mark.parametrize(
  'text, message',
  [
    ('hello', 'not JSON'),
    ('{"keypoints": [[1, 2]', 'not JSON'),
    (b'\xff\xfe\xff', 'not JSON'),
    ('7', 'expected a frame'),
    ('{"joints": []}', 'expected a frame'),
    ('{"persons": 7}', 'persons: expected a list'),
    (_frame(keypoints=[[1, 2]] * 18), 'got 18 joints.*--layout=.*openpose_18'),
    (_frame(keypoints=[[1, 2]] * 16 + [[1]]), r'keypoints: .*list of \[x, y\]'),
    (_frame(keypoints=[[1, 2, 3, 4, 5]] * 17), r'keypoints: .*list of \[x, y'),
    (_frame(keypoints=[['a', 'b']] * 17), r'keypoints: .*list of \[x, y\]'),
    (_frame(keypoints=[[10**400, 1]] * 17), r'keypoints: .*list of \[x, y\]'),
    (_frame(keypoints=[[1, 2, 0.5]] * 17), 'expected 2 numbers.*got 3'),
    (_frame(keypoints=[[1, None]] * 17), 'y of joint 0'),
    (
      frame_line(make_walker(1)[0], make_walker(1)[0][:5]),
      'person 1: .*got 5 joints',
    ),
    (
      frame_line(make_walker(1)[0], make_walker(1, channels=3)[0]),
      'person 1: expected 2 numbers.*got 3',
    ),
  ],
)
def test_bad_lines(pair_model, text, message):
  lines = [_frame(), '', text]
  with pytest.raises(UserError, match='standard input, line 3.*' + message):
    predict(pair_model, lines)


def test_an_empty_stream(pair_model):
  for lines in ([], ['', '\n']):
    with pytest.raises(UserError, match='standard input: no frame'):
      predict(pair_model, lines)


def test_serving(pair_model):
  messages, written = [], []

  def lines():
    # The model is compiled before the first line is read.
    assert messages[0].startswith('ready, compiled in ')
    yield from map(person_line, make_walker(10))
    raise KeyboardInterrupt

  live.serve_stream(
    pair_model,
    lines(),
    write=written.append,
    say=messages.append,
    layout=UNIK,
    every=2,
  )
  predictions = [json.loads(text) for text in written]
  assert [p['frame'] for p in predictions] == [2, 4, 6, 8, 10]
  latencies = [p['latency_ms'] for p in predictions]
  median, high = np.median(latencies), np.quantile(latencies, 0.95)
  (summary,) = messages[1:]
  assert summary.startswith('5 ')
  assert f'median {median:.1f} ms, 95% within {high:.1f} ms' in summary


def test_the_default_window_is_the_networks_input():
  assert input_frames(synthetic_run.make_config(frames=32).data) == 32
  assert input_frames(synthetic_run.make_config(test_frames=24).data) == 24
  whole_clips = synthetic_run.make_config(frames=32, test_frames=-1).data
  assert input_frames(whole_clips) == 32


@pytest.fixture(scope='module')
def pair_run_dir(tmp_path_factory):
  """Folder of a run of two persons."""
  folder = tmp_path_factory.mktemp('run')
  names = [f'class {k}' for k in range(20)]
  return synthetic_run.write_run(
    folder, synthetic_run.make_config(persons=2), names
  )


@pytest.mark.parametrize('end', ['Ctrl-C', 'closed pipe'])
def test_the_command(pair_run_dir, end):
  lines = [person_line(body) + '\n' for body in make_walker(30)]
  process = subprocess.Popen(
    [
      sys.executable,
      '-m',
      'unik_jax.predict',
      f'--run={pair_run_dir}',
      '--stream',
    ],
    cwd=ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  with process:
    process.stdin.writelines(lines[:12])
    process.stdin.flush()
    # Predictions are written while the stream continues.
    fields = json.loads(process.stdout.readline())
    assert (fields['frame'], fields['label'][:6]) == (10, 'class ')
    if end == 'Ctrl-C':
      process.send_signal(signal.SIGINT)
    else:
      process.stdout.close()
      process.stdin.writelines(lines[12:])
    process.stdin.close()
    messages = process.stderr.read()
    code = process.wait(60)
  assert code == 0, messages
  first, last = messages.splitlines()
  assert first.startswith('ready, compiled in ')
  assert 'latency: median' in last
