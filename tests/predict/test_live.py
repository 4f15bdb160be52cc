"""Answers for a stream of frames, over a window that slides along it."""

import json
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers import made_run

from unik_jax.data.formats.user import people
from unik_jax.errors import UserError
from unik_jax.predict import live
from unik_jax.predict.predictor import Predictor
from unik_jax.skeletons.layouts import get_layout

ROOT = pathlib.Path(__file__).parents[2]
UNIK = get_layout('unik_17')


@pytest.fixture(scope='module')
def model():
  return Predictor(made_run.make(made_run.settings(persons=2)))


def walker(frames=20, channels=2, seed=0, at=0.0, speed=0.0):
  """(T, V, C) of somebody who moves along, and trembles."""
  rng = np.random.default_rng(seed)
  pose = at + rng.uniform(0.1, 0.9, (17, channels))
  moved = pose + rng.normal(0, 0.02, (frames, 17, channels))
  return moved + speed * np.arange(frames)[:, None, None]


def line(*bodies, ids=None):
  """A frame of (V, C) bodies."""
  if ids is not None:
    bodies = [
      {'id': name, 'keypoints': body.tolist()}
      for name, body in zip(ids, bodies, strict=True)
    ]
    return json.dumps({'persons': bodies})
  return json.dumps({'persons': [body.tolist() for body in bodies]})


def alone(body):
  return json.dumps({'keypoints': body.tolist()})


def answers(model, lines, **options):
  options = {'window': 8, 'every': 5, 'layout': UNIK} | options
  return list(live.answers(model, lines, **options))


def assert_same(answer, expected):
  """Whether a line is a `Prediction` of a clip."""
  assert answer['label'] == expected.label
  assert answer['probability'] == pytest.approx(expected.probability, abs=1e-5)
  assert [name for name, _ in answer['top']] == [n for n, _ in expected.top]
  np.testing.assert_allclose(
    [p for _, p in answer['top']], [p for _, p in expected.top], atol=1e-5
  )


def window(lines, persons=2, frames=100):
  reader = live.Reader(made_run.settings(persons=persons).data, UNIK)
  seen = live.Window(frames, persons)
  for number, text in enumerate(lines, 1):
    seen.add(reader.read(text, f'line {number}'))
  return seen.clip()


def test_answers_are_those_of_the_last_frames(model):
  clip = walker(13)
  found = answers(model, map(alone, clip))
  assert [(a['frame'], a['frames']) for a in found] == [
    (5, 5),
    (10, 8),
    (13, 8),
  ]
  for answer, (start, end) in zip(
    found, ((0, 5), (2, 10), (5, 13)), strict=True
  ):
    assert_same(answer, model.predict(clip[start:end])[0])
    assert answer['latency_ms'] > 0
  assert found[0]['probability'] != found[1]['probability']


def test_blank_lines_are_no_frames_and_an_even_end_answers_once(model):
  lines = [text for body in walker(10) for text in (alone(body), '\n')]
  assert [a['frame'] for a in answers(model, lines)] == [5, 10]


def test_nobody(model):
  empty = ['null', '[]', '{"keypoints": null}', '{"persons": []}']
  found = answers(model, [*empty, '{"keypoints": []}', alone(walker(1)[0])])
  assert [a['label'] is None for a in found] == [True, False]
  assert found[0]['top'] == [] and found[0]['probability'] is None
  # Seen in the last of six frames, and absent before.
  clip = np.concatenate([np.zeros((5, 17, 2)), walker(1)])
  assert_same(found[1], model.predict(clip)[0])
  missing = np.full((17, 2), np.nan)
  assert answers(model, [alone(missing)] * 5)[0]['label'] is None


def test_persons_with_identities():
  # Who is named second at first is named first later on.
  a, b = walker(6, seed=1), walker(6, seed=2, at=0.1)
  lines = [line(a[t], b[t], ids=['a', 'b']) for t in range(3)]
  lines += [line(b[t], a[t], ids=['b', 'a']) for t in range(3, 6)]
  clip, scored = window(lines)
  assert not scored
  np.testing.assert_array_equal(clip, [a, b])


def test_persons_without_are_linked_by_where_they_are():
  a, b = walker(6, seed=1), walker(6, seed=2, at=4)
  lines = [line(a[t], b[t]) if t % 2 else line(b[t], a[t]) for t in range(6)]
  lines.insert(3, 'null')
  clip, _ = window(lines)
  gap = np.zeros((1, 17, 2))
  rows = [np.concatenate([one[:3], gap, one[3:]]) for one in (b, a)]
  np.testing.assert_array_equal(clip, rows)
  # The rule is that of files.
  frames = np.delete(np.arange(7), 3).repeat(2)
  poses = np.stack(
    [p for t in range(6) for p in ((b, a)[t % 2][t], (a, b)[t % 2][t])]
  )
  expected = people.tracks(
    poses, frames, None, length=7, persons=2, confidence=False
  )
  np.testing.assert_array_equal(clip, expected)


def test_one_person_alone_is_the_same_however_fast():
  clip, _ = window(map(alone, walker(6, speed=10)))
  np.testing.assert_array_equal(clip[0], walker(6, speed=10))


def test_a_person_of_three_frames(model):
  a, b = walker(8, seed=1), walker(8, seed=2, at=4)
  lines = [line(*([a[t], b[t]] if 2 <= t < 5 else [a[t]])) for t in range(8)]
  b[:2], b[5:] = 0, 0
  (*_, found) = answers(model, lines)
  assert_same(found, model.predict(np.stack([a, b]))[0])


def test_confidence(model):
  clip = walker(5, channels=3)
  clip[..., 2] = 0.5
  clip[1, 3, 2] = clip[2, 4, 2] = 0
  (found,) = answers(model, map(alone, clip))
  assert_same(found, model.predict(clip)[0])
  # A third coordinate that is none.
  with pytest.raises(UserError, match='line 1: three channels.*--noconfidence'):
    answers(model, map(alone, clip * 3))
  (cut,) = answers(model, map(alone, clip * 3), confidence=False)
  assert_same(cut, model.predict(clip[..., :2] * 3)[0])


def _frame(**changes):
  return json.dumps({'keypoints': walker(1)[0].tolist()} | changes)


@pytest.mark.parametrize(
  'text, words',
  [
    ('hello', 'not JSON'),
    ('{"keypoints": [[1, 2]', 'not JSON'),
    (b'\xff\xfe\xff', 'not JSON'),
    ('7', 'not a frame'),
    ('{"joints": []}', 'not a frame'),
    ('{"persons": 7}', 'persons are not a list'),
    (_frame(keypoints=[[1, 2]] * 18), '18 joints.*--layout=.*openpose_18'),
    (_frame(keypoints=[[1, 2]] * 16 + [[1]]), r'not a list of \[x, y\]'),
    (_frame(keypoints=[[1, 2, 3, 4, 5]] * 17), r'not a list of \[x, y\]'),
    (_frame(keypoints=[['a', 'b']] * 17), r'not a list of \[x, y\]'),
    (_frame(keypoints=[[10**400, 1]] * 17), r'not a list of \[x, y\]'),
    (_frame(keypoints=[[1, 2, 0.5]] * 17), 'the frames before have 2'),
    (_frame(keypoints=[[1, None]] * 17), 'y of joint 0'),
    (line(walker(1)[0], walker(1)[0][:5]), 'person 1: 5 joints'),
  ],
)
def test_bad_lines_are_named(model, text, words):
  lines = [_frame(), '', text]
  with pytest.raises(UserError, match='standard input, line 3.*' + words):
    answers(model, lines)


def test_three_coordinates_are_due():
  data = made_run.settings(channels=3).data
  reader = live.Reader(data, get_layout('ntu_25'))
  with pytest.raises(
    UserError, match='line 1: joints have x y, but this model'
  ):
    reader.read(json.dumps({'keypoints': [[1, 2]] * 25}), 'line 1')


def test_an_empty_stream(model):
  for lines in ([], ['', '\n']):
    with pytest.raises(UserError, match='standard input: no frame came; write'):
      answers(model, lines)


def test_serving(model):
  said, written = [], []

  def source():
    # What is compiled is compiled before.
    assert said[0].startswith('ready, compiled in ')
    yield from map(alone, walker(10))
    raise KeyboardInterrupt

  live.serve(
    model, source(), write=written.append, say=said.append, layout=UNIK, every=2
  )
  found = [json.loads(text) for text in written]
  assert [a['frame'] for a in found] == [2, 4, 6, 8, 10]
  latencies = [a['latency_ms'] for a in found]
  middle, high = np.median(latencies), np.quantile(latencies, 0.95)
  assert said[1:] == [
    f'5 answers; latency: median {middle:.1f} ms, 95% within {high:.1f} ms'
  ]


def test_a_window_is_what_the_network_sees():
  assert live.default_window(made_run.settings(frames=32).data) == 32
  assert live.default_window(made_run.settings(test_frames=24).data) == 24


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  names = [f'class {k}' for k in range(20)]
  return made_run.write(folder, made_run.settings(persons=2), names)


@pytest.mark.parametrize('end', ['Ctrl-C', 'closed pipe'])
def test_the_command(run_dir, end):
  lines = [alone(body) + '\n' for body in walker(30)]
  process = subprocess.Popen(
    [sys.executable, '-m', 'unik_jax.predict', f'--run={run_dir}', '--stream'],
    cwd=ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  with process:
    process.stdin.writelines(lines[:12])
    process.stdin.flush()
    # It comes while the stream goes on.
    answer = json.loads(process.stdout.readline())
    assert (answer['frame'], answer['label'][:6]) == (10, 'class ')
    if end == 'Ctrl-C':
      process.send_signal(signal.SIGINT)
    else:
      process.stdout.close()
      process.stdin.writelines(lines[12:])
    process.stdin.close()
    said = process.stderr.read()
    code = process.wait(60)
  assert code == 0, said
  first, last = said.splitlines()
  assert first.startswith('ready, compiled in ')
  assert 'answer' in last and 'latency: median' in last
