"""Answers for clips of a user's own, in Python and from the command line."""

import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers import made_run, own_fixtures

import unik_jax
from unik_jax import train
from unik_jax.data.formats.user import recordings
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.predict import inputs, keypoints
from unik_jax.predict.predictor import Predictor
from unik_jax.run import scores
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

ROOT = pathlib.Path(__file__).parents[2]
UNIK = get_layout('unik_17')


@pytest.fixture(scope='module')
def config(synthetic_dir):
  return made_run.settings(data_dir=str(synthetic_dir))


@pytest.fixture(scope='module')
def clips(config):
  return PreparedSplit(config.data, 'test[:21]')


@pytest.fixture(scope='module')
def run_dir(config, clips, tmp_path_factory):
  folder = tmp_path_factory.mktemp('runs') / 'made'
  return made_run.write(folder, config, clips.class_names)


@pytest.fixture(scope='module')
def model(run_dir):
  return unik_jax.load(run_dir)


@pytest.fixture(scope='module')
def scored():
  """A model of two persons, with a confidence."""
  config = made_run.settings(
    layout='coco_17', persons=2, channels=3, confidence=True, normalize='clean'
  )
  return Predictor(made_run.make(config))


def walker(frames=20, joints=17, channels=2, seed=0, at=0.0):
  """(T, V, C) of somebody whose joints tremble about a place."""
  rng = np.random.default_rng(seed)
  pose = at + rng.uniform(0.1, 0.9, (joints, channels))
  return pose + rng.normal(0, 0.02, (frames, joints, channels))


def fit(clip, layout=UNIK, **options):
  data = {
    'persons': options.pop('persons', 1),
    'channels': options.pop('channels', 2),
    'confidence': options.pop('scores', False),
  }
  return keypoints.fit(clip, layout, made_run.settings(**data).data, **options)


# As a run was evaluated


@pytest.mark.parametrize('test_clips', [1, 2])
def test_answers_are_those_of_the_evaluation(
  config, clips, run_dir, test_clips
):
  config = config.copy_and_resolve_references()
  config.eval_only = True
  config.data.test_clips = test_clips
  train.run(config, run_dir)
  stored = scores.read_scores(run_dir / 'scores' / 'test.npz')

  model = unik_jax.load(run_dir)
  model.run.config.data.test_clips = test_clips
  answers = model.predict(
    [clip['keypoints'] for clip in clips],
    image_size=[clip['image_size'] for clip in clips],
  )
  logits = np.stack([answer.logits for answer in answers])
  np.testing.assert_allclose(logits, stored.logits, rtol=0, atol=1e-5)
  assert [answer.clip for answer in answers] == list(range(21))
  assert model.classes == list(stored.classes)


def test_an_answer_is_the_softmax_of_the_network(model, clips):
  record = clips[3]
  run = model.run
  x = Transform(run.config.data, train=False)(record)['x']
  logits, _ = run.net.apply(run.params, run.batch_stats, x[None], train=False)
  powers = np.exp(np.float64(logits[0]) - np.max(logits))
  expected = powers / powers.sum()

  (answer,) = model.predict(record['keypoints'], top_k=3)
  np.testing.assert_allclose(answer.probabilities, expected, atol=1e-6)
  order = np.argsort(-expected)[:3]
  assert [name for name, _ in answer.top] == [model.classes[k] for k in order]
  assert answer.label == answer.top[0][0]
  assert answer.probability == answer.top[0][1] == answer.probabilities.max()
  assert (answer.clip, answer.person) == (0, None)


def test_any_number_and_length_takes_few_compilations(model, monkeypatch):
  model = Predictor(model.run)
  traced = []
  apply = model.run.net.apply

  def spy(params, stats, x, *, train):
    traced.append(len(x))
    return apply(params, stats, x, train=train)

  monkeypatch.setattr(model.run.net, 'apply', spy)
  made = [walker(5 + 7 * n, seed=n) for n in range(19)]
  alone = [model.predict(clip)[0].logits for clip in made]
  for count in (3, 5, 6, 7, 19):
    answers = model.predict(made[:count])
    found = np.stack([answer.logits for answer in answers])
    np.testing.assert_allclose(found, alone[:count], atol=1e-5)
  assert traced == [1, 4, 8]
  assert model.predict([]) == []


# Persons


def test_each_person_answers_as_if_alone(scored):
  one, other = walker(seed=1), walker(seed=2, at=5)
  clip = np.stack([one, np.zeros_like(one), other])
  answers = scored.predict([one, clip], together=False)
  assert [(a.clip, a.person) for a in answers] == [(0, 0), (1, 0), (1, 2)]
  for answer, alone in zip(answers, (one, one, other), strict=True):
    (expected,) = scored.predict(alone)
    np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)


def test_of_too_many_persons_the_strongest_answer(scored):
  persons = np.stack([walker(channels=3, seed=m, at=m) for m in range(4)])
  persons[..., 2] = np.array([0.2, 0.9, 0.1, 0.8])[:, None, None]
  (answer,) = scored.predict(persons)
  (expected,) = scored.predict(persons[[1, 3]])
  np.testing.assert_array_equal(answer.logits, expected.logits)


def test_three_frames_of_a_person_are_all_there_is(scored):
  clip = np.zeros((2, 30, 17, 3))
  clip[0, :, :, :2], clip[0, ..., 2] = walker(30), 1
  clip[1, 10:13, :, :2], clip[1, 10:13, :, 2] = walker(3, seed=1), 1
  (whole,) = scored.predict(clip)
  first, brief = scored.predict(clip, together=False)
  assert (first.person, brief.person) == (0, 1)
  data, run = scored.run.config.data, scored.run
  transform = Transform(data, train=False)
  for answer, seen in ((whole, clip), (first, clip[:1]), (brief, clip[1:])):
    record = {'keypoints': np.float32(seen), 'image_size': (0, 0), 'label': 0}
    x = transform(record)['x'][None]
    logits, _ = jax.jit(run.net.apply, static_argnames='train')(
      run.params, run.batch_stats, x, train=False
    )
    np.testing.assert_allclose(answer.logits, logits[0], atol=1e-5)
  assert not np.allclose(whole.logits, first.logits)


# Joints and channels


def test_other_joints_are_mapped_by_name(model):
  layout = get_layout('openpose_18')
  clip = walker(joints=18)
  (answer,) = model.predict(clip, layout='openpose_18')
  mapped = joint_maps.convert_clip(clip[None], layout, UNIK)
  (expected,) = model.predict(mapped)
  np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-5)
  assert np.ptp(answer.logits) > 0.01


def test_missing_joints_are_zeros():
  clip = walker(channels=3)
  clip[..., 2] = 0.5
  clip[4, 2], clip[5, 3, 2], clip[6, 7] = np.nan, 0, 0
  expected = np.float32(clip[None, ..., :2])
  for t, v in ((4, 2), (5, 3), (6, 7)):
    expected[0, t, v] = 0
  ((person, found),) = fit(clip)
  assert person is None
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
  'given, stated, takes, scored, kept',
  [
    ('xy', None, 2, False, 'xy'),
    ('xyc', None, 2, False, 'xy'),
    ('xyz', False, 2, False, 'xy'),
    ('xyzc', None, 2, False, 'xy'),
    ('xyz', None, 3, False, 'xyz'),
    ('xyzc', None, 3, False, 'xyz'),
    ('xy', None, 2, True, 'xy1'),
    ('xyc', None, 2, True, 'xyc'),
    ('xyzc', None, 2, True, 'xyc'),
    ('xyz', None, 3, True, 'xyz1'),
    ('xyzc', None, 3, True, 'xyzc'),
  ],
)
def test_channels_that_a_model_takes(given, stated, takes, scored, kept):
  channels = {'x': 1.5, 'y': 2.5, 'z': -3.5, 'c': 0.75, '1': 1.0}
  clip = np.ones((4, 17, 1)) * [channels[c] for c in given]
  clip[1, 2] = 0
  ((_, found),) = fit(
    clip, channels=takes + scored, scores=scored, confidence=stated
  )
  expected = np.ones((1, 4, 17, 1)) * [channels[c] for c in kept]
  expected[0, 1, 2] = 0
  np.testing.assert_array_equal(found, expected)


def _with(value, *place, **options):
  clip = walker(**options)
  clip[place] = value
  return clip


@pytest.mark.parametrize(
  'clip, options, words',
  [
    (walker(joints=18), {}, '18 joints.*--layout=.*openpose_18'),
    (walker(joints=6), {}, '6 joints.*no built-in one'),
    (walker(17, 20), {}, r'is the order \(frames, joints, channels\)'),
    (walker(), {'channels': 3}, 'x y, but this model takes x y z.*init_from'),
    (
      walker(channels=3),
      {'channels': 3, 'confidence': True},
      'have x y confidence, but this model takes x y z',
    ),
    (3 * walker(channels=3), {}, 'third is from .* --noconfidence'),
    (walker(channels=5), {}, '2 to 4 channels'),
    (walker()[0], {}, r'shape \(17, 2\)'),
    (walker()[:0], {}, 'nothing is in it'),
    (np.zeros((30, 2, 17, 2)), {}, 'swap the first two axes'),
    ([[[1, 2]], [[1]]], {}, 'not an array of numbers'),
    (np.full((2, 17, 2), 'a'), {}, 'not an array of numbers'),
    (_with(np.nan, 3, 4, 1), {}, r'frame 3, person 0: y of joint 4 \(mid_hip'),
    (_with(np.inf, 3, 4, 1), {}, 'frame 3, person 0: y of joint 4'),
    (_with(1e300, 3, 4, 1), {}, 'frame 3, joint 4'),
    (np.zeros((5, 17, 2)), {}, 'nobody is seen'),
    (np.full((5, 17, 2), np.nan), {}, 'nobody is seen'),
  ],
)
def test_a_clip_that_does_not_fit(clip, options, words):
  for together in (True, False):
    with pytest.raises(UserError, match='^clip 7[:,].*' + words):
      fit(clip, where='clip 7', together=together, **options)


@pytest.mark.parametrize(
  'options, words',
  [
    ({'layout': 'coco_71'}, "unknown joint layout 'coco_71'; known: coco_17"),
    ({'layout': 'mediapipe_33'}, 'clip 0: 17 joints'),
    ({'image_size': (1, 2, 3)}, r'\(width, height\) is due'),
    ({'top_k': 0}, 'top_k'),
  ],
)
def test_options_that_do_not_fit(model, options, words):
  with pytest.raises(UserError, match=words):
    model.predict([walker()], **options)


def test_a_layout_that_cannot_be_mapped(scored):
  with pytest.raises(UserError, match='cannot be mapped.*left_eye'):
    scored.predict(walker(joints=20), layout='msr_20')


# Files


def test_clips_are_found(tmp_path):
  own_fixtures.write_tree(tmp_path / 'tree')
  own_fixtures.put(tmp_path / 'tree' / 'manifest.csv', 'file,label\n')
  own_fixtures.put(tmp_path / 'tree' / 'notes.txt', 'no clip')
  body = own_fixtures.person(own_fixtures.body_at(100, 100))
  for video in ('a', 'b'):
    own_fixtures.put_frames(tmp_path / 'tree' / 'both', [[body]] * 2, video)
  own_fixtures.put_frames(tmp_path / 'tree' / 'open', [[body]] * 2)
  found = inputs.find([str(tmp_path / 'tree')], (640, 480))
  names = [str(pathlib.Path(str(s)).relative_to(tmp_path)) for s in found]
  assert names == (
    ['tree/both/a', 'tree/both/b', 'tree/open']
    + [f'tree/sit/{n}.npy' for n in range(5)]
    + [f'tree/wave/{n}.npy' for n in range(5)]
  )
  assert {source.image_size for source in found} == {(640, 480)}
  one = str(tmp_path / 'tree' / 'sit' / '3.npy')
  assert inputs.find([one]) == [recordings.Source(one)]


def test_files_that_are_none(tmp_path):
  own_fixtures.put(tmp_path / 'text' / 'notes.txt', 'no clip')
  text = str(tmp_path / 'text' / 'notes.txt')
  for paths, words in (
    ([], 'no clip is named'),
    ([str(tmp_path / 'none.npy')], 'none.npy: no such file'),
    ([text], "notes.txt: unknown suffix '.txt'; use one of .npz, .npy"),
    ([str(tmp_path / 'text')], 'text: no clip in this folder'),
  ):
    with pytest.raises(UserError, match=words):
      inputs.find(paths)


@pytest.mark.parametrize('words', [['640'], ['640', 'x'], ['640', '-1']])
def test_image_sizes_that_are_none(words):
  with pytest.raises(UserError, match='width and height in pixels'):
    inputs.size_of(words)


def test_files_of_other_joints_say_which(model, tmp_path):
  body = own_fixtures.person(own_fixtures.body_at(100, 100))
  folder = own_fixtures.put_frames(tmp_path / 'clip', [[body]] * 3)
  table = own_fixtures.put(
    tmp_path / 'clip.csv',
    own_fixtures.table(
      np.random.default_rng(0).uniform(1, 9, (4, 50)).round(3),
      own_fixtures.columns('openpose_25'),
    ),
  )
  for path in (folder, table):
    source = recordings.Source(str(path))
    with pytest.raises(UserError, match='trained on.*--layout=openpose_25'):
      inputs.read(source, model.run.data_layout, False, persons=1)
    layout = inputs.layout_of(model, 'openpose_25')
    ones = inputs.records(model, [source], layout=layout, stated=True)
    (answer,) = model.answer(ones, layout=layout)
    assert np.isfinite(answer.logits).all()


def test_layouts_of_ones_own_are_read_from_a_file(model, tmp_path):
  joints = ' '.join(reversed(UNIK.joints))
  path = own_fixtures.put(
    tmp_path / 'layout.yaml',
    json.dumps(UNIK.to_dict() | {'name': 'upside_down', 'joints': joints}),
  )
  clip = walker()
  layout = inputs.layout_of(model, str(path))
  (answer,) = model.predict(clip[:, ::-1], layout=layout)
  (expected,) = model.predict(clip)
  np.testing.assert_allclose(answer.logits, expected.logits, atol=1e-6)
  with pytest.raises(UserError, match='no such file'):
    inputs.layout_of(model, str(tmp_path / 'none' / 'layout.yaml'))


def test_bad_files_are_left_out(model, tmp_path):
  np.save(tmp_path / 'a.npy', walker())
  np.save(tmp_path / 'b.npy', walker(joints=18))
  own_fixtures.put(tmp_path / 'c.json', '{')
  sources, said = inputs.find([str(tmp_path)]), []
  options = {'layout': UNIK, 'stated': False}
  with pytest.raises(UserError, match=r'b\.npy: 18 joints'):
    inputs.records(model, sources, **options)
  (one,) = inputs.records(model, sources, on_bad=said.append, **options)
  assert one['clip'] == 0
  assert [pathlib.Path(str(e).split(':')[0]).name for e in said] == [
    'b.npy',
    'c.json',
  ]
  with pytest.raises(UserError, match='none of 2 clips'):
    inputs.records(model, sources[1:], on_bad=said.append, **options)


def test_other_units_are_noted(model):
  model = Predictor(model.run._replace(units='metres'))
  note = inputs.note_on_units(model, [{'units': ''}, {'units': 'pixels'}])
  assert 'pixels' in note and 'metres' in note
  assert inputs.note_on_units(model, [{'units': 'metres'}]) is None


# The command


def command(*arguments, code=0):
  done = subprocess.run(
    [sys.executable, '-m', 'unik_jax.predict', *map(str, arguments)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert done.returncode == code, done.stdout + done.stderr
  assert 'Traceback' not in done.stderr
  return done.stdout, done.stderr


def test_the_command(run_dir, model, clips, tmp_path):
  clip = clips[0]['keypoints']
  np.savez(tmp_path / 'one.npz', keypoints=clip)
  np.save(tmp_path / 'two.npy', np.stack([walker(), walker(at=3)]))
  np.save(tmp_path / 'bad.npy', walker(joints=18))
  out, said = command(
    f'--run={run_dir}', '--json', '--each_person', '--skip_bad', tmp_path
  )
  lines = [json.loads(line) for line in out.splitlines()]
  assert [(pathlib.Path(x['file']).name, x['person']) for x in lines] == [
    ('one.npz', 0),
    ('two.npy', 0),
    ('two.npy', 1),
  ]
  (expected,) = model.predict(clip)
  assert lines[0]['label'] == expected.label
  assert lines[0]['probability'] == pytest.approx(expected.probability, 1e-4)
  assert [name for name, _ in lines[0]['top']] == [n for n, _ in expected.top]
  assert said.startswith('skipped: ') and 'bad.npy: 18 joints' in said

  out, said = command(f'--run={run_dir}', tmp_path, code=1)
  assert out == '' and said.startswith('error: ') and 'bad.npy' in said


def test_the_table(model):
  answers = model.predict([walker(), walker(seed=1)], top_k=2)
  sources = [
    recordings.Source('short.npy'),
    recordings.Source('a_longer_name.npy'),
  ]
  head, *rows = inputs.table(sources, answers)
  assert head.split() == ['file', 'answer', 'probability', 'next', 'best']
  for row, answer, source in zip(rows, answers, sources, strict=True):
    (_, _), (second, p) = answer.top
    assert row.startswith(str(source))
    assert row[head.index('answer') :].startswith(answer.label)
    assert f'{answer.probability:.1%}' in row
    assert row[head.index('next') :] == f'{second} {p:.1%}'
  each = model.predict([walker()], together=False)
  assert 'person' in next(inputs.table(sources, each))


def test_a_run_that_is_not_there(tmp_path):
  np.save(tmp_path / 'one.npy', walker())
  _, said = command(f'--run={tmp_path}/none', tmp_path / 'one.npy', code=1)
  assert said.startswith('error: ') and f'{tmp_path}/none' in said


def test_importing_the_library_imports_nothing_else():
  code = "import sys, unik_jax; print('jax' in sys.modules, unik_jax.load)"
  out = subprocess.run(
    [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True
  ).stdout
  assert out.startswith('False <function load')
