"""`python -m unik_jax.predict` with files, and what it prints."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from helpers.user_clips import make_walker

from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.predict import outputs

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[2]


def run_command(*arguments, code=0):
  """Returns what the command prints to standard output and error."""
  process = subprocess.run(
    [sys.executable, '-m', 'unik_jax.predict', *map(str, arguments)],
    cwd=ROOT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert process.returncode == code, process.stdout + process.stderr
  assert 'Traceback' not in process.stderr
  return process.stdout, process.stderr


def test_json(run_dir, model, clips, tmp_path):
  clip = clips[0]['keypoints']
  np.savez(tmp_path / 'one.npz', keypoints=clip)
  np.save(tmp_path / 'two.npy', np.stack([make_walker(), make_walker(at=3)]))
  np.save(tmp_path / 'bad.npy', make_walker(joints=18))
  out, messages = run_command(
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
  assert messages.startswith('skipped: ')
  assert 'bad.npy: ' in messages and 'got 18 joints' in messages

  out, messages = run_command(f'--run={run_dir}', tmp_path, code=1)
  assert out == ''
  assert messages.startswith('error: ') and 'bad.npy' in messages


def test_the_table(model):
  predictions = model.predict([make_walker(), make_walker(seed=1)], top_k=2)
  sources = [ClipSource('short.npy'), ClipSource('a_longer_name.npy')]
  head, *rows = outputs.format_table(sources, predictions)
  assert head.split() == ['file', 'prediction', 'probability', 'next', 'best']
  for row, prediction, source in zip(rows, predictions, sources, strict=True):
    (_, _), (second, p) = prediction.top
    assert row.startswith(str(source))
    assert row[head.index('prediction') :].startswith(prediction.label)
    assert f'{prediction.probability:.1%}' in row
    assert row[head.index('next') :] == f'{second} {p:.1%}'
  by_person = model.predict([make_walker()], together=False)
  assert 'person' in next(outputs.format_table(sources, by_person))


def test_a_missing_run(tmp_path):
  np.save(tmp_path / 'one.npy', make_walker())
  _, messages = run_command(
    f'--run={tmp_path}/none', tmp_path / 'one.npy', code=1
  )
  assert messages.startswith('error: ') and f'{tmp_path}/none' in messages
