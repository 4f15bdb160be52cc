"""SBU Kinect Interaction: text files, five folds, millimetres, bad files."""

import collections
import zipfile

import numpy as np
import pytest
from helpers.real_data import extract
from helpers.reports import read_report

from unik_jax.data import registry
from unik_jax.data.formats import sbu
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

PAIRS = ('s01s02', 's02s03', 's01s03', 's02s01', 's04s02')  # one of each fold


def make_rows(frames=2, seed=0):
  """Returns (frames, 91) as in a file: the frame's number, then the joints."""
  rng = np.random.default_rng(seed)
  rows = rng.uniform(0, 1, (frames, 91)).round(5)
  rows[:, 0] = np.arange(frames) + 180
  return rows


def to_text(rows):
  return '\n'.join(','.join(f'{v:g}' for v in row) for row in rows)


def write_clips(folder):
  """Writes a clip of each fold. Returns their rows by id."""
  rows = {}
  for i, pair in enumerate(PAIRS):
    path = folder / pair / f'{i + 1:02}' / '001'
    path.mkdir(parents=True)
    rows[f'{pair}_{i + 1:02}_001'] = make_rows(seed=i)
    (path / sbu.FILE).write_text(to_text(make_rows(seed=i)))
  return rows


def prepare(tmp_path, **options):
  return registry.prepare_dataset(
    'sbu', tmp_path / 'data', tmp_path / 'raw', **options
  )


def test_folds_and_keypoints(tmp_path):
  rows = write_clips(tmp_path / 'raw')
  builder = prepare(tmp_path)
  assert builder.info.metadata['layout'] == 'sbu_15'
  assert builder.info.metadata['units'] == 'millimetres'
  for i, name in enumerate(rows):
    (record,) = builder.as_data_source(f'fold_{i + 1}_test')
    train = builder.as_data_source(f'fold_{i + 1}_train')
    assert record['id'].decode() == name and record['label'] == i
    assert {r['id'].decode() for r in train} == rows.keys() - {name}
    x, y, z = rows[name][1, 1 + 45 + 3 * 4 :][:3]  # left elbow of the second
    np.testing.assert_allclose(
      record['keypoints'][1, 1, 4],
      [1280 - 2560 * x, 960 - 1920 * y, 1280 * z],
      rtol=1e-6,
    )


@pytest.mark.parametrize('root', ['.', 'PAIR'])
def test_zip_archives(tmp_path, root):
  """Archives of a pair, which start at its folder or below it."""
  rows = write_clips(tmp_path / 'files')
  (tmp_path / 'raw').mkdir()
  for pair in PAIRS:
    with zipfile.ZipFile(tmp_path / 'raw' / f'{pair}.zip', 'w') as archive:
      for path in (tmp_path / 'files' / pair).rglob(sbu.FILE):
        start = tmp_path / 'files' / root.replace('PAIR', pair)
        archive.write(path, path.relative_to(start))
  builder = prepare(tmp_path)
  (record,) = builder.as_data_source('fold_1_test')
  assert record['id'].decode() in rows


GOOD = to_text(make_rows())
BAD = {
  'empty': ('', 'is empty'),
  '90 values': (GOOD.rpartition(',')[0], 'line 2: expected 91 values.*got 90'),
  'cut': (GOOD[:-300], 'line 2: expected 91'),
  'text': (GOOD.replace('181,', 'x,'), "line 2: expected numbers, got 'x"),
  'NaN': (GOOD.replace('181,', '181,nan,', 1).rpartition(',')[0], 'got nan'),
}


@pytest.mark.parametrize(('text', 'words'), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, text, words):
  write_clips(tmp_path / 'raw')
  (tmp_path / 'raw' / 's01s02' / '01' / '001' / sbu.FILE).write_text(text)
  with pytest.raises(UserError, match=rf'(?s)s01s02/01/001.*{words}'):
    prepare(tmp_path)


@pytest.mark.parametrize('path', ['s01s02/09/001', 's09s02/01/001', 'a/b/c'])
def test_bad_paths_are_skipped_and_listed(tmp_path, path):
  write_clips(tmp_path / 'raw')
  (tmp_path / 'raw' / path).mkdir(parents=True)
  (tmp_path / 'raw' / path / sbu.FILE).write_text(GOOD)
  builder = prepare(tmp_path, skip_bad=True)
  (skipped,) = read_report(builder)['skipped']
  assert path in skipped['clip']


@pytest.mark.slow
def test_the_real_files(tmp_path):
  extract('sbu.tar.xz', tmp_path / 'raw')
  builder = prepare(tmp_path)
  tests = [
    record
    for fold in range(1, 6)
    for record in builder.as_data_source(f'fold_{fold}_test')
  ]
  assert len({record['id'] for record in tests}) == len(tests) == 282
  counts = collections.Counter(int(record['label']) for record in tests)
  assert [counts[i] for i in range(8)] == [42, 43, 40, 41, 18, 21, 39, 38]
  # In millimetres an upper arm is 280 long, and bones keep their lengths.
  layout = get_layout('sbu_15')
  arm = [layout.index(name) for name in ('left_elbow', 'left_shoulder')]
  lengths = [
    np.linalg.norm(
      np.subtract(*(r['keypoints'][:, :, j] for j in arm)), axis=-1
    )
    for r in tests
  ]
  assert 260 < np.median(np.concatenate(lengths, 1)) < 300
  # Bones keep their lengths in millimetres, and not in the numbers of the file.
  child, parent = np.transpose(layout.bone_indices)

  def variation(clip):
    bones = clip[:, :, child] - clip[:, :, parent]
    lengths = np.linalg.norm(bones, axis=-1)
    return (lengths.std(1) / lengths.mean(1)).mean()

  in_file = np.array([2560, 1920, 1280])
  clips = [record['keypoints'] for record in tests]
  ratios = [variation(c) / variation(c / in_file) for c in clips]
  assert np.median(ratios) < 0.6
