"""Penn Action's .mat annotations: preparation, and errors in the files."""

import io

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import tensorflow_datasets as tfds
from helpers.alterations import write_file
from helpers.penn import prepare_penn, read_records
from helpers.pickles import malicious_pickle
from helpers.real_data import extract
from helpers.reports import read_report, reasons_by_name

from unik_jax.data import registry
from unik_jax.data.formats import penn
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError


def make_fields(frames=4, action='squat', train=1, seed=0, **changes):
  """Returns the fields of a .mat file; without those that are None."""
  rng = np.random.default_rng(seed)
  fields = {
    'action': action,
    'pose': 'back',
    'x': rng.uniform(1, 480, (frames, 13)),
    'y': rng.uniform(1, 270, (frames, 13)),
    'visibility': rng.random((frames, 13)) > 0.3,
    'train': train,
    'bbox': np.ones((frames, 4)),
    'dimensions': np.array([[272, 481, frames]], np.uint16),
    'nframes': frames,
  }
  return {k: v for k, v in (fields | changes).items() if v is not None}


def mat_content(**options):
  """Returns the bytes of a .mat file; see `make_fields`."""
  file = io.BytesIO()
  scipy.io.savemat(file, make_fields(**options))
  return file.getvalue()


ANNOTATIONS = {
  '0001': {'action': 'baseball_pitch', 'seed': 1},
  '0758': {'frames': 1, 'train': -1, 'seed': 2},
  '2326': {'action': 'tennis_serve', 'train': -1, 'seed': 3},
}


def write_annotations(folder):
  (folder / 'labels').mkdir(parents=True)
  for name, options in ANNOTATIONS.items():
    (folder / 'labels' / f'{name}.mat').write_bytes(mat_content(**options))
  return folder


def test_annotations(tmp_path):
  write_annotations(tmp_path / 'raw')
  builder = prepare_penn(tmp_path, 'annotations')
  assert builder.info.metadata['layout'] == 'penn_13'
  assert builder.info.metadata['confidence'] is True
  assert builder.info.features['keypoints'].shape == (1, None, 13, 3)
  names = builder.info.features['label'].names
  records = read_records(builder)
  assert {name: split for name, (split, _) in records.items()} == {
    '0001': 'train',
    '0758': 'test',
    '2326': 'test',
  }
  for name, options in ANNOTATIONS.items():
    fields = make_fields(**options)
    record = records[name][1]
    assert names[record['label']] == fields['action']
    assert record['image_size'].tolist() == [481, 272]  # width, height
    (clip,) = record['keypoints']
    # Joints that are not visible have coordinates too.
    np.testing.assert_array_equal(clip[..., 0], np.float32(fields['x']))
    np.testing.assert_array_equal(clip[..., 1], np.float32(fields['y']))
    np.testing.assert_array_equal(clip[..., 2] == 1, fields['visibility'])
    assert set(np.unique(clip[..., 2])) == {0, 1}


def test_annotations_in_three_lines_of_python(tmp_path):
  write_annotations(tmp_path / 'raw')
  prepare_penn(tmp_path, 'annotations')
  source = tfds.data_source(
    'penn_action/annotations', split='train', data_dir=tmp_path / 'data'
  )
  assert len(source) == 1


def test_coordinates_of_any_number_type(tmp_path):
  """Some files have 16-bit integers."""
  x = np.arange(26, dtype=np.uint16).reshape(2, 13) + 300
  (tmp_path / '0001.mat').write_bytes(mat_content(frames=2, x=x))
  recording = penn.read_annotations(RawFile(str(tmp_path / '0001.mat')))
  clip = recording.keypoints
  assert clip.dtype.kind == 'f' and recording.image_size == (481, 272)
  np.testing.assert_array_equal(clip[0, ..., 0], x)


def test_joints_that_do_not_fit_the_dimensions(tmp_path):
  """As in the authors' 1021.mat, drawn on a larger image."""
  x = np.full((2, 13), 300.0)
  x[:, :2] = 700  # of an image 481 wide
  (tmp_path / '0001.mat').write_bytes(mat_content(frames=2, x=x))
  recording = penn.read_annotations(RawFile(str(tmp_path / '0001.mat')))
  assert recording.image_size == (700, 396)  # 481 x 272, 700 / 481 as large
  (note,) = recording.notes
  assert '15% of the joints' in note and '481 x 272' in note
  np.testing.assert_array_equal(recording.keypoints[0, ..., 0], x)


@pytest.mark.slow
def test_the_real_files(tmp_path):
  raw = extract('penn_action.tar.xz', tmp_path / 'raw')
  files = {path.name: path for path in raw.rglob('*.mat')}
  builder = prepare_penn(tmp_path, 'annotations')
  counts = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert counts == {'train': 1258, 'test': 1068}
  records = read_records(builder)
  larger = {
    name
    for name, (_, record) in records.items()
    if tuple(record['image_size'])
    != tuple(scipy.io.loadmat(files[f'{name}.mat'])['dimensions'][0, 1::-1])
  }
  assert larger == {'0979', '1021', '1024', '1032'}


def put_mat(**options):
  """Returns a function that replaces the first annotation."""
  return write_file('labels/0001.mat', mat_content(**options))


def ones_except(shape, value):
  """Returns ones, with another value at frame 1, joint 7."""
  array = np.ones(shape)
  array[1, 7] = value
  return array


MAT = 'labels/0001.mat'
WRONG_ANNOTATIONS = {
  'truncated': (write_file(MAT, mat_content()[:600]), f'{MAT}: '),
  'header only': (
    write_file(MAT, mat_content()[:128]),
    f"{MAT}: no field 'action'",
  ),
  'empty': (write_file(MAT, b''), f'{MAT}: not a MATLAB file'),
  'text': (write_file(MAT, 'x' * 999), f'{MAT}: not a MATLAB file'),
  'no action': (put_mat(action=None), f"{MAT}: no field 'action'"),
  'no x': (put_mat(x=None), f"{MAT}: no field 'x'"),
  'other action': (put_mat(action='juggle'), f"{MAT}: action: .*got 'juggle'"),
  'actions': (
    put_mat(action=['bowl', 'squat']),
    f'{MAT}: action: .*one value, got 2',
  ),
  'other flag': (put_mat(train=0), f'{MAT}: train: .*got 0'),
  'flag a cell': (
    put_mat(train=np.array([[1]], object)),
    f'{MAT}: train: expected real',
  ),
  'flag a struct': (
    put_mat(train={'a': 1}),
    f'{MAT}: train: expected real',
  ),
  'flag a text': (put_mat(train='1'), f'{MAT}: train: expected real'),
  'action a cell': (
    put_mat(action=np.array([['squat']], object)),
    f'{MAT}: action: ',
  ),
  'sparse': (
    put_mat(x=scipy.sparse.csc_matrix(np.eye(4, 13))),
    f'{MAT}: x is a sparse matrix',
  ),
  '14 joints': (
    put_mat(**{k: np.ones((4, 14)) for k in ('x', 'y', 'visibility')}),
    rf'{MAT}: .*\(frames, 13\).*\(4, 14\)',
  ),
  'frames differ': (put_mat(y=np.ones((3, 13))), rf'{MAT}: .*\(3, 13\)'),
  'text for x': (put_mat(x=['a'] * 4), f'{MAT}: x: expected real'),
  'complex': (put_mat(y=np.full((4, 13), 1j)), f'{MAT}: y: expected real'),
  'no frames': (put_mat(frames=0), f'{MAT}: '),
  'NaN': (
    put_mat(x=ones_except((4, 13), np.nan)),
    f'{MAT}: .*got nan.*frame 1.*left_hip',
  ),
  'infinity': (put_mat(y=ones_except((4, 13), np.inf)), f'{MAT}: .*got inf'),
  'zeros': (
    put_mat(x=np.zeros((4, 13)), y=np.zeros((4, 13))),
    f'{MAT}: .*only zeros',
  ),
  'dimensions': (put_mat(dimensions=[[272, 481]]), f'{MAT}: dimensions: '),
  'endless': (put_mat(dimensions=[[9, np.inf, 4]]), f'{MAT}: dimensions: '),
  'half a pixel': (
    put_mat(dimensions=[[0.5, 0.5, 4]]),
    f'{MAT}: dimensions: ',
  ),
  'frames elsewhere': (
    put_mat(dimensions=[[272, 481, 9]]),
    f'{MAT}: dimensions: .*4 frames.*9.0',
  ),
  'no size': (put_mat(dimensions=[[0, 481, 4]]), f'{MAT}: dimensions: '),
  'other name': (
    write_file('labels/a.mat', mat_content()),
    "a.mat: .*number.*got 'a'",
  ),
  'clip twice': (
    write_file('0001.mat', mat_content()),
    "'0001' occurs twice",
  ),
}


@pytest.mark.parametrize('case', WRONG_ANNOTATIONS)
def test_errors_in_the_annotations_name_the_file(tmp_path, case):
  alter, message = WRONG_ANNOTATIONS[case]
  alter(write_annotations(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'(?s){message}'):
    prepare_penn(tmp_path, 'annotations')
  assert not registry.open_prepared(
    'penn_action/annotations', tmp_path / 'data'
  )


def test_truncation_anywhere(tmp_path):
  content = mat_content(frames=2)
  path = tmp_path / '0001.mat'
  path.write_bytes(content)
  expected = penn.read_annotations(RawFile(str(path)))
  for length in range(0, len(content), 7):
    path.write_bytes(content[:length])
    try:
      clip = penn.read_annotations(RawFile(str(path))).keypoints
    except UserError as error:
      assert str(path) in str(error)
    else:  # only unneeded bytes were cut off
      np.testing.assert_array_equal(clip, expected.keypoints)
      assert length > 0.9 * len(content)


def test_a_pickle_is_not_run(tmp_path):
  content = malicious_pickle(tmp_path / 'created')
  write_file(MAT, content)(write_annotations(tmp_path / 'raw'))
  with pytest.raises(UserError, match=f'{MAT}: not a MATLAB file'):
    prepare_penn(tmp_path, 'annotations')
  assert not (tmp_path / 'created').exists()


def test_bad_annotations_can_be_skipped(tmp_path):
  folder = write_annotations(tmp_path / 'raw')
  put_mat(action='juggle')(folder)
  write_file('labels/0002.mat', mat_content()[:700])(folder)
  builder = prepare_penn(tmp_path, 'annotations', skip_bad=True)
  assert set(read_records(builder)) == {'0758', '2326'}
  skipped = reasons_by_name(read_report(builder)['skipped'])
  assert set(skipped) == {'0001.mat', '0002.mat'}


def test_no_files_prints_what_to_download(tmp_path):
  with pytest.raises(UserError, match='(?s)Data Preparation.*PennAction'):
    prepare_penn(tmp_path, 'annotations')
