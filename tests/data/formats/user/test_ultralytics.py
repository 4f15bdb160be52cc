"""Ultralytics' JSON and label files, written by its own code.

tests/helpers/estimator_files.py wrote the files and the truth.
"""

import json
import pathlib
import shutil

import numpy as np
import pytest
from helpers.user_clips import clip_sources

import unik_jax
from unik_jax.data.formats.user import recordings, tree
from unik_jax.errors import UserError
from unik_jax.predictor import inputs
from unik_jax.skeletons.layouts import get_layout

CASES = pathlib.Path(__file__).parent / 'cases'
SIZE = np.array([640, 480, 1])


@pytest.fixture
def truth():
  return np.load(CASES / 'yolo_truth.npy')


def assert_same_persons(found, truth, atol):
  """Persons are in any order, and an absent one is zeros."""
  if np.abs(found[0, 0] - truth[0, 0]).max() > atol:
    found = found[::-1]
  np.testing.assert_allclose(found, truth, atol=atol)


def test_json(truth):
  clip = unik_jax.read_clip(CASES / 'yolo.json')
  assert (clip.layout, clip.units, clip.confidence) == (
    *('coco_17', 'pixels'),
    True,
  )
  assert_same_persons(clip.keypoints, truth, 1e-3)


def test_label_files(truth):
  clip = unik_jax.read_clip(CASES / 'yolo_labels')
  assert (clip.layout, clip.units) == ('coco_17', 'fractions')
  assert_same_persons(clip.keypoints * SIZE, truth, 2e-3)
  source = recordings.ClipSource(
    str(CASES / 'yolo_labels'), image_size=(640, 480)
  )
  assert_same_persons(recordings.parse_clip(source).keypoints, truth, 2e-3)


def cut_columns(folder, keep):
  for path in folder.glob('*.txt'):
    rows = [line.split() for line in path.read_text().splitlines()]
    path.write_text('\n'.join(' '.join(keep(row)) for row in rows) + '\n')


@pytest.mark.parametrize(
  'keep, has_track, has_confidence',
  [
    (lambda row: row[:-1], False, True),  # without a tracker
    (lambda row: [*row[:-2], row[-1]], True, True),  # without save_conf
    (lambda row: row[:-2], False, True),
    # A model whose joints have no confidence.
    (lambda r: r[:5] + [v for n, v in enumerate(r[5:56]) if n % 3 < 2], 0, 0),
    (
      lambda r: (
        r[:5] + [v for n, v in enumerate(r[5:56]) if n % 3 < 2] + r[-2:]
      ),
      True,
      False,
    ),
  ],
)
def test_lines_with_other_values(
  truth, tmp_path, keep, has_track, has_confidence
):
  folder = shutil.copytree(CASES / 'yolo_labels', tmp_path / 'labels')
  cut_columns(folder, keep)
  clip = unik_jax.read_clip(folder)
  assert clip.confidence == has_confidence
  channels = 3 if has_confidence else 2
  expected = truth[..., :channels]
  assert_same_persons(clip.keypoints * SIZE[:channels], expected, 2e-3)


def test_a_stated_layout_decides_how_lines_are_read(tmp_path):
  """5 joints x y and a confidence, or 3 joints x y confidence and two more."""
  for t in range(3):
    line = [0, 0.5, 0.5, 0.2, 0.2, *np.linspace(0.3, 0.6, 10), 0.9]
    (tmp_path / f'a_{t}.txt').write_text(' '.join(map(str, line)) + '\n')
  layout = unik_jax.Layout(
    'five_5', tuple('abcde'), tuple((c, 'a') for c in 'bcde'), 'a'
  )
  source = recordings.ClipSource(str(tmp_path))
  assert recordings.parse_clip(source, layout).keypoints.shape == (1, 3, 5, 2)
  assert recordings.parse_clip(source).keypoints.shape == (1, 3, 3, 3)


def test_frames_without_a_body_are_gaps(tmp_path):
  folder = shutil.copytree(CASES / 'yolo_labels', tmp_path / 'labels')
  (folder / 'walk_4.txt').unlink()
  clip = unik_jax.read_clip(folder)
  assert clip.keypoints.shape[1] == 6
  assert not clip.keypoints[:, 3].any()
  data = json.loads((CASES / 'yolo.json').read_text())
  (tmp_path / 'a.json').write_text(json.dumps([[], *data, []]))
  assert unik_jax.read_clip(tmp_path / 'a.json').keypoints.shape[1] == 8


def test_folders_of_labels_are_found(tmp_path):
  """As in `runs/pose/predict/labels`, and videos of a class side by side."""
  for label in ('wave', 'sit'):
    shutil.copytree(
      CASES / 'yolo_labels', tmp_path / label / 'clip1' / 'labels'
    )
    for path in (CASES / 'yolo_labels').glob('*.txt'):
      other = path.name.replace('walk', 'second')
      shutil.copy(path, tmp_path / label / other)
  (tmp_path / 'wave' / 'notes1.txt').write_text('not a label file\n')
  entries, notes = tree.read_clip_tree(tmp_path)
  assert sorted(entry.id for entry in entries) == [
    *('sit/clip1/labels', 'sit/second'),
    *('wave/clip1/labels', 'wave/second'),
  ]
  assert notes == ['1 files of an unknown kind are skipped: .txt']
  sources = inputs.find_clips([str(tmp_path)])
  assert len(sources) == 4
  layout = get_layout('coco_17')
  for source in sources:
    record = recordings.read_recording(source, layout=layout, channels=None)
    assert record.keypoints.shape == (2, 6, 17, 3)


@pytest.mark.parametrize(
  'data, words',
  [
    ([{'keypoints': {'x': [1], 'y': [2]}}], 'record 0: expected a list'),
    ([[{'keypoints': {'x': [1], 'y': [2, 3]}}]], 'frame 0, body 0'),
    (
      [[{'keypoints': {'x': [1], 'y': [2]}}, {'keypoints': None}]],
      'frame 0, body 1',
    ),
    (
      [[{'keypoints': {'x': [1], 'y': [2]}}]]
      + [[{'keypoints': {'x': [1, 2], 'y': [2, 2]}}]],
      'frame 1, body 0: expected 1 joints',
    ),
  ],
)
def test_bad_json(data, words, tmp_path):
  (tmp_path / 'a.json').write_text(json.dumps(data))
  with pytest.raises(UserError, match=f'a.json, {words}'):
    unik_jax.read_clip(tmp_path / 'a.json')


def test_bad_labels(tmp_path):
  folder = shutil.copytree(CASES / 'yolo_labels', tmp_path / 'labels')
  with open(folder / 'walk_3.txt', 'a') as file:
    file.write('0 0.5 0.5\n')
  with pytest.raises(UserError, match='walk_3.txt, line 2: expected 58'):
    unik_jax.read_clip(folder)
  assert clip_sources(folder)
