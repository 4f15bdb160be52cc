"""UTD-MHAD: .mat files, cross-subject splits, bad files."""

import io
import re

import numpy as np
import pytest
import scipy.io
from helpers.pickles import malicious_pickle
from helpers.real_data import extract
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


def mat_content(**fields):
  file = io.BytesIO()
  scipy.io.savemat(file, fields)
  return file.getvalue()


def make_skeleton(frames=3, seed=0):
  return np.random.default_rng(seed).normal(size=(20, 3, frames))


def write_clips(folder):
  """Writes a clip of an odd and one of an even subject."""
  folder.mkdir(parents=True)
  for i, name in enumerate(('a1_s1_t1', 'a27_s8_t4')):
    content = mat_content(d_skel=make_skeleton(seed=i))
    (folder / f'{name}_skeleton.mat').write_bytes(content)


def prepare(tmp_path, **options):
  return registry.prepare_dataset(
    'utd_mhad', tmp_path / 'data', tmp_path / 'raw', **options
  )


def test_splits_and_keypoints(tmp_path):
  write_clips(tmp_path / 'raw' / 'Skeleton')
  builder = prepare(tmp_path)
  assert builder.info.metadata['layout'] == 'utd_20'
  assert builder.info.metadata['units'] == 'metres'
  (train,) = builder.as_data_source('train')
  (test,) = builder.as_data_source('test')
  assert (train['id'], train['label'], train['subject']) == (b'a1_s1_t1', 0, 1)
  assert (test['id'], test['label'], test['subject']) == (b'a27_s8_t4', 26, 8)
  expected = np.float32(make_skeleton(seed=1))
  for t in range(3):
    for joint in range(20):
      np.testing.assert_array_equal(
        test['keypoints'][0, t, joint], expected[joint, :, t]
      )


SKELETON = 'a1_s1_t1_skeleton.mat'
BAD = {
  'cut': (
    mat_content(d_skel=make_skeleton())[:300],
    'not a MATLAB file|d_skel',
  ),
  'empty': (b'', 'not a MATLAB file'),
  'no field': (mat_content(other=1), "no field 'd_skel'"),
  '19 joints': (
    mat_content(d_skel=make_skeleton()[1:]),
    r'd_skel: .*\(20, 3, frames\).*\(19, 3, 3\)',
  ),
  'one frame': (mat_content(d_skel=make_skeleton()[..., 0]), 'd_skel: '),
  'text': (mat_content(d_skel='x' * 60), 'd_skel: '),
  'complex': (mat_content(d_skel=make_skeleton() * 1j), 'd_skel: .*complex'),
  'NaN': (mat_content(d_skel=make_skeleton() * np.nan), 'got nan'),
}


@pytest.mark.parametrize(('content', 'words'), BAD.values(), ids=BAD)
def test_bad_files(tmp_path, content, words):
  write_clips(tmp_path / 'raw')
  (tmp_path / 'raw' / SKELETON).write_bytes(content)
  with pytest.raises(UserError, match=rf'(?s){SKELETON}.*({words})'):
    prepare(tmp_path)


def test_a_pickle_is_not_run(tmp_path):
  write_clips(tmp_path / 'raw')
  content = malicious_pickle(tmp_path / 'created')
  (tmp_path / 'raw' / SKELETON).write_bytes(content)
  with pytest.raises(UserError, match=SKELETON):
    prepare(tmp_path)
  assert not (tmp_path / 'created').exists()


def test_bad_names_are_skipped_and_listed(tmp_path):
  write_clips(tmp_path / 'raw')
  names = ('a28_s1_t1', 'a1_s9_t1', 'a1_s1_t5', 'a1_s1')
  for name in names:
    (tmp_path / 'raw' / f'{name}_skeleton.mat').write_bytes(b'')
  builder = prepare(tmp_path, skip_bad=True)
  reasons = reasons_by_name(read_report(builder)['skipped'])
  assert set(reasons) == {f'{name}_skeleton.mat' for name in names}


@pytest.mark.slow
def test_the_real_files(tmp_path):
  raw = extract('utd_mhad.tar.xz', tmp_path / 'raw')
  builder = prepare(tmp_path)
  layout = get_layout('utd_20')
  # The authors' list has a line `5. left_shoulder;` for each joint.
  (file,) = raw.rglob('Skeleton_joint_order.txt')
  names = re.findall(r'^\d+\. (\w+);', file.read_text(), re.MULTILINE)
  assert list(layout.joints) == names
  records = {
    split: list(builder.as_data_source(split)) for split in ('train', 'test')
  }
  assert [len(r) for r in records.values()] == [431, 430]
  frames = [r['keypoints'].shape[1] for rs in records.values() for r in rs]
  assert (min(frames), max(frames)) == (41, 125)
  clips = [r['keypoints'][0] for r in records['train']]
  head, foot = layout.index('head'), layout.index('left_foot')
  # Metres, y up: a standing person's head is 1.2 to 2 m above the feet.
  heights = [np.median(c[:, head, 1] - c[:, foot, 1]) for c in clips]
  assert 1.2 < np.median(heights) < 2
  # Bones of the right joints keep their lengths far better than others do.
  spread = [np.std(_lengths(c, layout.bone_indices), 0).mean() for c in clips]
  assert np.median(spread) < 0.05


def _lengths(clip, bones):
  child, parent = np.transpose(bones)
  return np.linalg.norm(clip[:, child] - clip[:, parent], axis=-1)
