"""Lists of videos, from tables and from folders."""

import numpy as np
import pytest

from unik_jax.curate import estimators, videos
from unik_jax.errors import UserError


def write_video(path):
  path.parent.mkdir(parents=True, exist_ok=True)
  np.savez(path, np.ones((4, 17, 3)))


def test_labels_and_sources_of_a_table(tmp_path):
  for name in ('abc_000010_000020', 'abc_000030_000040', 'other'):
    write_video(tmp_path / f'one/{name}.npz')
  estimator = estimators.open_estimator(tmp_path / 'one')
  with pytest.raises(UserError, match="'abc_000010_000020'.*--labels"):
    videos.list_videos([estimator])
  table = tmp_path / 'labels.csv'
  table.write_text(
    'video,label,width,height,source\n'
    'abc_000010_000020.mp4,wave,640,360,\nabc_000030_000040.mp4,jump,,,\n'
    'gone.mp4,wave,,,tape 4\n'
  )
  listed, notes = videos.list_videos([estimator], table, (1280, 720))
  assert [(v.name, v.label, v.source, v.image_size) for v in listed] == [
    ('abc_000010_000020', 'wave', 'abc', (640, 360)),
    ('abc_000030_000040', 'jump', 'abc', (1280, 720)),
    ('gone', 'wave', 'tape 4', (1280, 720)),
  ]
  assert listed[2].entries == (None,)
  assert any(
    '1 videos are not in' in note and 'other' in note for note in notes
  )
  table.write_text('video,label\nabc_000010_000020,wave\nother,Wave\n')
  with pytest.raises(UserError, match="line 2: label 'wave', .*line 3 'Wave'"):
    videos.list_videos([estimator], table)
  table.write_text('video,label\nnone,wave\n')
  with pytest.raises(UserError, match='labels.csv: .*none'):
    videos.list_videos([estimator], table)


def test_folders_of_splits(tmp_path):
  for name in ('train/wave/a', 'train/jump/b', 'Testing/wave/c'):
    write_video(tmp_path / f'{name}.npz')
  listed, _ = videos.list_videos([estimators.open_estimator(tmp_path)])
  assert {(v.name, v.label, v.split) for v in listed} == {
    ('train/wave/a', 'wave', 'train'),
    ('train/jump/b', 'jump', 'train'),
    ('Testing/wave/c', 'wave', 'test'),
  }
