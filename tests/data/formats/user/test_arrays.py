"""A user's own arrays."""

import io
import os
import pathlib
import pickle

import numpy as np
import pytest
from helpers.user_clips import (
  make_clip,
  read_keypoints,
  read_recording,
  write_array,
  write_file,
)

from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
@pytest.mark.parametrize('dtype', ['float32', 'float64', 'int32', 'float16'])
def test_arrays(tmp_path, suffix, dtype):
  one = make_clip(5, 17, 2).astype(dtype)
  two = make_clip(2, 5, 17, 3).astype(dtype)
  keypoints = read_keypoints(write_array(tmp_path / f'a{suffix}', one))
  np.testing.assert_array_equal(keypoints, one[None].astype(float))
  keypoints = read_keypoints(write_array(tmp_path / f'b{suffix}', two))
  np.testing.assert_array_equal(keypoints, two.astype(float))


def test_an_npz_names_its_array_and_the_image_size(tmp_path):
  clip = make_clip(5, 17, 2)
  path = write_array(
    tmp_path / 'a.npz',
    keypoints=clip,
    image_size=[1920, 1080],
    times=np.arange(5),
  )
  recording = read_recording(path)
  np.testing.assert_array_equal(recording.keypoints[0], clip)
  assert recording.image_size == (1920, 1080)
  # The file's image size overrides the manifest's.
  source = recordings.ClipSource(str(path), image_size=(640, 480))
  layout = get_layout('coco_17')
  assert recordings.read_recording(source, layout=layout).image_size == (
    1920,
    1080,
  )
  source = recordings.ClipSource(
    str(write_array(tmp_path / 'b.npz', clip)), None, (640, 480)
  )
  assert recordings.read_recording(source, layout=layout).image_size == (
    640,
    480,
  )


CASES = pathlib.Path(__file__).parents[2] / 'cases'
PERSONS_LAST = r'may be \(channels, frames, joints, persons\)'


def test_the_axes_of_st_gcn(tmp_path):
  path = CASES / '22-ctvm.npy'
  with pytest.raises(UserError, match=PERSONS_LAST):
    read_keypoints(path, 'ntu_25')
  turned = np.load(path).transpose(3, 1, 2, 0)
  keypoints = read_keypoints(write_array(tmp_path / 'a.npy', turned), 'ntu_25')
  np.testing.assert_array_equal(keypoints, turned)


@pytest.mark.parametrize('channels', [2, 3, 4])
@pytest.mark.parametrize('persons', [1, 2])
def test_the_axes_of_st_gcn_with_an_absent_person(tmp_path, channels, persons):
  clip = make_clip(channels, 9, 17, persons)
  clip[:, 5:, :, 1:] = 0
  with pytest.raises(UserError, match=PERSONS_LAST):
    read_keypoints(write_array(tmp_path / 'a.npy', clip))


def test_three_persons_who_are_not_always_there(tmp_path):
  clip = make_clip(3, 9, 17, 2)
  clip[2, 5:] = 0
  keypoints = read_keypoints(write_array(tmp_path / 'a.npy', clip), persons=3)
  np.testing.assert_array_equal(keypoints, clip)
  clip = make_clip(2, 9, 17, 2)
  keypoints = read_keypoints(write_array(tmp_path / 'b.npy', clip))
  np.testing.assert_array_equal(keypoints, clip)


def test_a_confidence_channel(tmp_path):
  three, four = make_clip(5, 17, 3), make_clip(5, 17, 4)
  three[2, 4, 2] = four[2, 4, 3] = 0
  a, b = (
    write_array(tmp_path / 'a.npy', three),
    write_array(tmp_path / 'b.npy', four),
  )
  assert read_keypoints(a)[0, 2, 4, :2].all()  # three are x y z
  assert not read_keypoints(a, confidence=True)[0, 2, 4].any()
  assert not read_keypoints(b)[
    0, 2, 4
  ].any()  # the fourth of four is a confidence
  with pytest.raises(UserError, match='b.npy: .*got 4 channels'):
    read_keypoints(b, confidence=False)


class Malicious:
  """An object that creates a folder when it is unpickled."""

  def __init__(self, folder):
    self.folder = str(folder)

  def __reduce__(self):
    return os.mkdir, (self.folder,)


def test_nothing_is_unpickled(tmp_path):
  array = np.empty((1, 1, 1), object)
  array[0, 0, 0] = Malicious(tmp_path / 'created')
  for name in ('a.npy', 'a.npz'):
    with pytest.raises(UserError, match=f'{name}: cannot be read.*plain'):
      read_keypoints(write_array(tmp_path / name, array))
  write_file(tmp_path / 'b.npy', pickle.dumps(Malicious(tmp_path / 'created')))
  with pytest.raises(UserError, match='b.npy: cannot be read'):
    read_keypoints(tmp_path / 'b.npy')
  assert not (tmp_path / 'created').exists()


def test_an_npz_writes_nothing(tmp_path):
  """np.load keeps members of any name in memory."""
  folder = tmp_path / 'clips'
  folder.mkdir()
  clip = make_clip(3, 17, 2)
  path = write_array(folder / 'a.npz', **{'../../evil': clip})
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)
  assert [p.name for p in tmp_path.rglob('*')] == ['clips', 'a.npz']


def array_bytes(suffix):
  file = io.BytesIO()
  (np.save if suffix == '.npy' else np.savez)(file, make_clip(3, 17, 2))
  return file.getvalue()


BAD_ARRAYS = {
  'empty npy': ('.npy', b'', 'cannot be read'),
  'empty npz': ('.npz', b'', 'cannot be read'),
  'truncated npy': ('.npy', array_bytes('.npy')[:-9], 'cannot be read'),
  'truncated header': ('.npy', array_bytes('.npy')[:20], 'cannot be read'),
  'truncated npz': ('.npz', array_bytes('.npz')[:-30], 'cannot be read'),
  'damaged npz': (
    '.npz',
    array_bytes('.npz')[:200] + b'\xff' * 9 + array_bytes('.npz')[209:],
    'cannot be read',
  ),
  'text': ('.npz', b'1,2,3\n', 'cannot be read'),
  'strings': ('.npy', np.array([['a', 'b']]), 'got <U1'),
  'complex': ('.npy', make_clip(3, 17, 2) * 1j, 'got complex128'),
  'true and false': ('.npy', make_clip(3, 17, 2) > 99, 'got bool'),
  'flat': ('.npy', make_clip(3, 34), r'\(frames, .*got shape \(3, 34\)'),
  'five axes': ('.npy', make_clip(1, 1, 3, 17, 2), 'numpy.transpose'),
  'channels first': ('.npy', make_clip(3, 9, 17), 'numpy.transpose'),
  'persons second': ('.npy', make_clip(9, 1, 17, 2), '9 persons in 1 frames'),
  'joints': (
    '.npy',
    make_clip(9, 18, 2),
    "expected 17 joints.*'coco_17'.*got 18",
  ),
}


@pytest.mark.parametrize('case', BAD_ARRAYS)
def test_bad_arrays(tmp_path, case):
  suffix, content, message = BAD_ARRAYS[case]
  path = tmp_path / f'clip{suffix}'
  if isinstance(content, bytes):
    write_file(path, content)
  else:
    write_array(path, content)
  with pytest.raises(UserError, match=f'(?s)clip{suffix}.*{message}'):
    read_keypoints(path)


def test_an_npz_of_several_arrays_needs_one_named_keypoints(tmp_path):
  clip = make_clip(3, 17, 2)
  with pytest.raises(UserError, match="'keypoints', got poses, scores"):
    read_keypoints(write_array(tmp_path / 'a.npz', poses=clip, scores=clip))
  with pytest.raises(UserError, match="'keypoints', got no array"):
    read_keypoints(write_array(tmp_path / 'b.npz', image_size=[1, 2]))
  with pytest.raises(UserError, match=r'c.npz: image size: .*\[640\]'):
    read_keypoints(
      write_array(tmp_path / 'c.npz', keypoints=clip, image_size=[640])
    )


def test_errors_do_not_suggest_unpickling(tmp_path):
  for content in (b'', b'junk', pickle.dumps([1])):
    path = write_file(tmp_path / 'a.npy', content)
    with pytest.raises(UserError) as error:
      read_keypoints(path)
    assert 'allow_pickle' not in str(error.value)
