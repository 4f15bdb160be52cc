"""Actions enrolled from a few clips: recognised, listed, removed, refused."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import synthetic_run
from helpers.stream_lines import person_line
from helpers.user_clips import capture_notices, make_walker

import unik_jax
from unik_jax import training
from unik_jax.data import synthetic
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.enroll import actions
from unik_jax.errors import UserError
from unik_jax.predict import live, outputs
from unik_jax.predictor.clip_flags import Clips
from unik_jax.run import paths

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]
OWN = synthetic.LABELS[:8]
UNKNOWN = synthetic.LABELS[8:]
NEW = 'jumping_jack'


def run_command(name, *arguments, code=0):
  """Returns what a command prints to standard output and error."""
  process = subprocess.run(
    [sys.executable, '-m', f'unik_jax.{name}', *map(str, arguments)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert process.returncode == code, process.stdout + process.stderr
  assert 'Traceback' not in process.stderr
  return process.stdout, process.stderr


def make_clips(model, arrays):
  """Returns the `Clips` of a command from arrays."""
  records = []
  for n, array in enumerate(arrays):
    records += [x | {'clip': n} for x in model.build_records(array)]
  sources = [ClipSource(f'{n}.npy') for n in range(len(arrays))]
  return Clips(model, sources, model.run.data_layout, records)


def measure_limit(features):
  """Returns the greatest distance of a clip to the mean of the others."""
  others = [np.delete(features, n, 0).mean(0) for n in range(len(features))]
  return max(map(np.linalg.norm, features - np.array(others)))


@pytest.fixture
def folder(run_dir, tmp_path):
  """A copy of a run with initial weights."""
  return shutil.copytree(run_dir, tmp_path / 'run')


def test_a_class_that_training_did_not_have(synthetic_dir, tmp_path):
  config = synthetic_run.make_config(
    data_dir=str(synthetic_dir), classes=OWN, num_classes=len(OWN)
  )
  config.update(batch_size=32, epochs=6)
  config.model.update(name='st_gcn_pp', widths=(12, 24, 24), strides=(1, 2, 1))
  config.optim.update(warmup_epochs=1)
  run = tmp_path / 'run'
  training.run(config, run)
  config.data.update(classes=(), num_classes=20)
  split = PreparedSplit(config.data, 'test')
  clips = [split[n] for n in range(len(split))]
  names = np.array([split.class_names[clip['label']] for clip in clips])
  model = unik_jax.load(run)
  before = model.predict([clip['keypoints'] for clip in clips])
  features = np.float64([prediction.features for prediction in before])

  # By the equations, over several choices of five clips.
  new, unknown = names == NEW, np.isin(names, UNKNOWN) & (names != NEW)
  found, mistaken = [], []
  for start in range(0, 20, 4):
    shots = np.flatnonzero(new)[start : start + 5]
    distances = np.linalg.norm(features - features[shots].mean(0), axis=1)
    within = distances <= measure_limit(features[shots])
    rest = new.copy()
    rest[shots] = False
    found.append(within[rest].mean())
    mistaken.append(within[unknown].mean())
  assert np.mean(found) > 0.6
  assert np.mean(mistaken) < 0.4

  # By the commands, with the last choice.
  folders = {'shots': shots, 'rest': np.setdiff1d(np.arange(480), shots)}
  for name, rows in folders.items():
    (tmp_path / name).mkdir()
    for row in rows:
      np.save(tmp_path / name / f'{row:03}.npy', clips[row]['keypoints'])
  out, _ = run_command('enroll', f'--run={run}', NEW, tmp_path / 'shots')
  assert out == f'{NEW}: 5 clips, limit {measure_limit(features[shots]):.4f}\n'
  out, _ = run_command('predict', f'--run={run}', '--json', tmp_path / 'rest')
  for line in map(json.loads, out.splitlines()):
    row = int(pathlib.Path(line['file']).stem)
    own = before[row]
    assert [name for name, _ in line['top']] == [name for name, _ in own.top]
    if abs(distances[row] - measure_limit(features[shots])) < 1e-4:
      continue  # rounding decides
    if within[row]:
      assert (line['label'], line['probability']) == (NEW, None)
      assert line['enrolled']['distance'] == pytest.approx(
        distances[row], abs=1e-4
      )
      assert line['enrolled']['distance'] <= line['enrolled']['limit']
    else:
      assert line['label'] == own.label and line['enrolled'] is None
      assert line['probability'] == pytest.approx(own.probability, abs=1e-4)


def test_every_door_reports_an_enrolled_action(folder):
  model = unik_jax.load(folder)
  walks = [make_walker(frames=16, seed=n) for n in range(5)]
  (own,) = model.predict(walks[0])
  assert own.enrolled is None and own.probability is not None
  actions.enroll(make_clips(model, walks), 'walk')
  model = unik_jax.load(folder)
  (prediction,) = model.predict(walks[0])
  assert prediction.label == 'walk' and prediction.probability is None
  assert prediction.enrolled.distance <= prediction.enrolled.limit
  assert prediction.top == own.top  # the run's own classes
  np.testing.assert_array_equal(prediction.logits, own.logits)

  sources = [ClipSource('a.npy')]
  head, row = outputs.format_table(sources, [prediction])
  assert row[head.index('prediction') :].split()[:2] == ['walk', 'enrolled']
  best, p = prediction.top[0]
  assert row[head.index('next') :].startswith(f'{best} {p:.1%}, ')
  (line,) = outputs.format_json_lines(sources, [prediction])
  fields = json.loads(line)
  assert fields['label'] == 'walk' and fields['probability'] is None
  assert set(fields['enrolled']) == {'distance', 'limit'}

  *_, last = live.predict_stream(
    model,
    [person_line(pose) for pose in walks[0]],
    window=16,
    layout=model.run.data_layout,
  )
  assert last['label'] == 'walk' and last['enrolled'] == fields['enrolled']
  (nobody,) = live.predict_stream(
    model, ['null'], window=1, layout=model.run.data_layout
  )
  assert nobody['label'] is None and nobody['enrolled'] is None


def test_enrolling_again_replaces_and_remove_removes(folder):
  model = unik_jax.load(folder)
  walks = [make_walker(seed=n) for n in range(6)]
  actions.enroll(make_clips(model, walks[:3]), 'walk')
  actions.enroll(make_clips(model, walks[3:]), 'stroll')
  actions.enroll(make_clips(model, walks[:2]), 'walk')
  rows = list(actions.describe(folder / paths.CHECKPOINTS))
  assert [row.split(',')[0] for row in rows] == [
    'stroll: 3 clips',
    'walk: 2 clips',
  ]
  with pytest.raises(UserError, match=r"--remove.*stroll, walk.*'run'"):
    actions.remove(folder, 'run')
  actions.remove(folder, 'walk')
  (row,) = actions.describe(folder)
  assert row.startswith('stroll: 3 clips')
  actions.remove(folder, 'stroll')
  assert not (folder / paths.ENROLLED).exists()
  assert list(actions.describe(folder)) == [f'{folder}: no enrolled actions']


def test_refused_clips_and_labels(folder):
  model = unik_jax.load(folder)
  walks = [make_walker(seed=n) for n in range(3)]
  for arrays, label, message in (
    (walks, model.classes[3], f"LABEL.*'{model.classes[3]}'"),
    (walks, ' ', "LABEL.*' '"),
    (walks[:1], 'walk', 'walk.*2 clips, got 1'),
    ([walks[0], walks[1], walks[0]], 'walk', '2.npy: identical to 0.npy'),
  ):
    with pytest.raises(UserError, match=message):
      actions.enroll(make_clips(model, arrays), label)
  assert not (folder / paths.ENROLLED).exists()


def test_other_weights_do_not_use_enrolled_actions(folder, monkeypatch):
  model = unik_jax.load(folder)
  walks = [make_walker(seed=n) for n in range(3)]
  model.weights = 'other'
  actions.enroll(make_clips(model, walks), 'walk')
  notices = capture_notices(monkeypatch)
  model = unik_jax.load(folder)
  assert 'enrolled.npz' in notices[-1] and 'other weights' in notices[-1]
  assert model.predict(walks[0])[0].enrolled is None
  with pytest.raises(UserError, match='enrolled.npz.*walk.*--remove'):
    actions.enroll(make_clips(model, walks), 'stroll')
  actions.enroll(make_clips(model, walks), 'walk')  # replaces the last one
  assert unik_jax.load(folder).predict(walks[0])[0] is not None


def test_bad_arguments(folder, tmp_path):
  np.save(tmp_path / 'a.npy', make_walker())
  np.save(tmp_path / 'bad.npy', make_walker(joints=18))
  run = f'--run={folder}'
  for arguments, message in (
    ([], 'LABEL FILES'),
    (['--list', 'walk', tmp_path / 'a.npy'], 'LABEL FILES'),
    ([tmp_path / 'a.npy', tmp_path / 'bad.npy'], 'LABEL.*a.npy'),
    (['walk'], 'got none'),
    (['walk', tmp_path / 'a.npy', tmp_path / 'bad.npy'], '18 joints'),
  ):
    out, error = run_command('enroll', run, *arguments, code=1)
    assert out == '' and error.startswith('error: ')
    assert message.split('.*')[-1] in error
  out, _ = run_command('enroll', run, '--list')
  assert out == f'{folder}: no enrolled actions\n'
  _, error = run_command('enroll', f'--run={tmp_path}/no', '--list', code=1)
  assert f'{tmp_path}/no' in error
