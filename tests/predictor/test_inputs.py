"""A user's files as input of a trained model."""

import json
import pathlib

import numpy as np
import pytest
from helpers.ntu import make_frames, skeleton_text
from helpers.user_clips import (
  body_at,
  csv_columns,
  csv_text,
  make_walker,
  openpose_body,
  write_file,
  write_openpose,
  write_tree,
)

import unik_jax
from unik_jax.data.formats import ntu
from unik_jax.data.formats.user import settings
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.formats.user.settings import parse_image_size_flag
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError
from unik_jax.predictor import inputs
from unik_jax.skeletons.layouts import get_layout

UNIK = get_layout('unik_17')


def test_clips_are_found(tmp_path):
  tree = write_tree(tmp_path / 'tree')
  write_file(tree / 'manifest.csv', 'file,label\n')
  write_file(tree / 'notes.txt', 'no clip')
  body = openpose_body(body_at(100, 100))
  for video in ('a', 'b'):
    write_openpose(tree / 'both', [[body]] * 2, video)
  write_openpose(tree / 'open', [[body]] * 2)
  sources = inputs.find_clips([str(tree)], (640, 480))
  names = [str(pathlib.Path(str(s)).relative_to(tmp_path)) for s in sources]
  assert names == (
    ['tree/both/a', 'tree/both/b', 'tree/open']
    + [f'tree/sit/{n}.npy' for n in range(5)]
    + [f'tree/wave/{n}.npy' for n in range(5)]
  )
  assert {source.image_size for source in sources} == {(640, 480)}
  path = str(tree / 'sit' / '3.npy')
  assert inputs.find_clips([path]) == [ClipSource(path)]


def test_paths_without_clips(tmp_path):
  text = str(write_file(tmp_path / 'text' / 'notes.txt', 'no clip'))
  for paths, message in (
    ([], 'arguments: .*got none'),
    ([str(tmp_path / 'none.npy')], 'none.npy: no such file'),
    ([text], "notes.txt: .*.npz, .npy.*suffix '.txt'"),
    ([str(tmp_path / 'text')], 'text: .*no clip in this folder'),
  ):
    with pytest.raises(UserError, match=message):
      inputs.find_clips(paths)


@pytest.mark.parametrize('words', [['640'], ['640', 'x'], ['640', '-1']])
def test_bad_image_sizes(words):
  with pytest.raises(UserError, match='--image_size: .*' + ','.join(words)):
    parse_image_size_flag(words)


def test_files_of_another_layout_name_it(model, tmp_path):
  body = openpose_body(body_at(100, 100))
  folder = write_openpose(tmp_path / 'clip', [[body]] * 3)
  table = write_file(
    tmp_path / 'clip.csv',
    csv_text(
      np.random.default_rng(0).uniform(1, 9, (4, 50)).round(3),
      csv_columns('openpose_25'),
    ),
  )
  for path in (folder, table):
    source = ClipSource(str(path))
    with pytest.raises(UserError, match='trained on.*--layout=openpose_25'):
      inputs.read_clip(source, model.run.data_layout, persons=1)
    layout = inputs.resolve_layout(model, 'openpose_25')[0]
    records = inputs.read_records(model, [source], layout=layout)
    (prediction,) = model.predict_records(records, layout=layout)
    assert np.isfinite(prediction.logits).all()


def test_a_layout_of_ones_own_is_read_from_a_file(model, tmp_path):
  joints = ' '.join(reversed(UNIK.joints))
  path = write_file(
    tmp_path / 'layout.yaml',
    json.dumps(UNIK.to_dict() | {'name': 'upside_down', 'joints': joints}),
  )
  clip = make_walker()
  layout = inputs.resolve_layout(model, str(path))[0]
  (prediction,) = model.predict(clip[:, ::-1], layout=layout)
  (expected,) = model.predict(clip)
  np.testing.assert_allclose(prediction.logits, expected.logits, atol=1e-6)
  with pytest.raises(UserError, match='no such file'):
    inputs.resolve_layout(model, str(tmp_path / 'none' / 'layout.yaml'))
  # Any name will do, and a layout.yaml may name such a file.
  path.rename(tmp_path / 'mine.yml')
  mine = inputs.resolve_layout(model, f'{tmp_path}/mine.yml')[0]
  assert mine.name == layout.name == 'upside_down'
  write_file(tmp_path / 'clips' / 'layout.yaml', 'layout: ../mine.yml')
  assert settings.read_settings(tmp_path / 'clips').layout == mine
  write_file(tmp_path / 'mine.yml', 'layout: ../mine.yml')
  with pytest.raises(UserError, match='mine.yml: expected a layout'):
    settings.read_settings(tmp_path / 'clips')


def test_the_layout_yaml_of_the_clips_is_honoured(model, tmp_path):
  joints = ' '.join(reversed(UNIK.joints))
  table = UNIK.to_dict() | {'name': 'reversed', 'joints': joints}
  write_file(tmp_path / 'layout.yaml', json.dumps(table))
  clip = make_walker()
  folder = tmp_path / 'train' / 'walk'
  folder.mkdir(parents=True)
  np.save(folder / 'a.npy', clip[:, ::-1])
  (expected,) = model.predict(clip)
  (prediction,) = model.predict(folder)
  np.testing.assert_allclose(prediction.logits, expected.logits, atol=1e-6)
  (prediction,) = model.predict(folder, layout='unik_17')  # counts more
  assert np.abs(prediction.logits - expected.logits).max() > 1e-3
  write_file(tmp_path / 'other' / 'layout.yaml', 'layout: coco_17')
  np.save(tmp_path / 'other' / 'b.npy', clip)
  with pytest.raises(UserError, match="'reversed'.*'coco_17'"):
    model.predict([folder, tmp_path / 'other'])


def test_a_file_of_ntu(tmp_path):
  path = write_file(tmp_path / 'a.skeleton', skeleton_text(make_frames()))
  clip = unik_jax.read_clip(path)
  assert (clip.layout, clip.units) == ('ntu_25', 'metres')
  expected = ntu.read_skeletons(RawFile(str(path)))
  np.testing.assert_array_equal(clip.keypoints, expected)
  assert len(inputs.find_clips([str(tmp_path)])) == 1


def test_bad_files_are_skipped(model, tmp_path):
  np.save(tmp_path / 'a.npy', make_walker())
  np.save(tmp_path / 'b.npy', make_walker(joints=18))
  write_file(tmp_path / 'c.json', '{')
  sources, errors = inputs.find_clips([str(tmp_path)]), []
  options = {'layout': UNIK}
  with pytest.raises(UserError, match=r'b\.npy: .*got 18 joints'):
    inputs.read_records(model, sources, **options)
  (record,) = inputs.read_records(
    model, sources, on_bad=errors.append, **options
  )
  assert record['clip'] == 0
  assert [pathlib.Path(str(e).split(':')[0]).name for e in errors] == [
    'b.npy',
    'c.json',
  ]
  with pytest.raises(UserError, match='none of 2 clips'):
    inputs.read_records(model, sources[1:], on_bad=errors.append, **options)


def test_layout_yaml_states_whether_there_is_a_confidence(model, tmp_path):
  """A joint of confidence 0 is missing. The flag counts more."""
  walker = make_walker()[..., :2]
  scores = np.ones((*walker.shape[:2], 1))
  scores[:, 5] = 0
  np.save(tmp_path / 'a.npy', np.concatenate([walker, scores], -1))
  for stated in (False, True):
    inputs._read_settings.cache_clear()  # a command reads it once
    write_file(tmp_path / 'layout.yaml', f'confidence: {stated}'.lower())
    for flag in (None, False, True):
      (record,) = inputs.read_records(
        model,
        inputs.find_clips([str(tmp_path)]),
        layout=UNIK,
        confidence=flag,
      )
      is_missing = not record['keypoints'][:, :, 5].any()
      assert is_missing == (stated if flag is None else flag)


def test_notes_of_readers_are_passed_on(model, tmp_path):
  """Two of three clips have every 30th frame only."""
  for n, step in enumerate([1, 30, 30]):
    rows = [
      [*pose.ravel(), step * t] for t, pose in enumerate(make_walker(frames=8))
    ]
    header = csv_columns('unik_17', extra=['frame'])
    write_file(tmp_path / f'{n}.csv', csv_text(rows, header))
  notes = []
  inputs.read_records(
    model,
    inputs.find_clips([str(tmp_path)]),
    layout=UNIK,
    on_note=notes.append,
  )
  (note,) = notes
  assert '1.csv: frames are numbered in steps of 30' in note
  assert '(as in 1 other clip)' in note
