"""A user's own arrays."""

import io
import os
import pickle

import numpy as np
import pytest
from helpers.user_clips import (
  clip_sources,
  make_clip,
  read_keypoints,
  read_recording,
  write_array,
  write_file,
)

from unik_jax.data.formats.user import recordings
from unik_jax.data.formats.user.dataset_format import detect_format
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
@pytest.mark.parametrize('dtype', ['float32', 'float64', 'int32', 'float16'])
def test_arrays(tmp_path, suffix, dtype):
  one = make_clip(5, 17, 2).astype(dtype)
  two = make_clip(2, 5, 17, 3).astype(dtype)
  got = read_keypoints(write_array(tmp_path / f'a{suffix}', one))
  np.testing.assert_array_equal(got, one[None].astype(float))
  got = read_keypoints(write_array(tmp_path / f'b{suffix}', two))
  np.testing.assert_array_equal(got, two.astype(float))


def test_an_npz_says_which_array_and_how_large_the_image_is(tmp_path):
  clip = make_clip(5, 17, 2)
  path = write_array(
    tmp_path / 'a.npz',
    keypoints=clip,
    image_size=[1920, 1080],
    times=np.arange(5),
  )
  got = read_recording(path)
  np.testing.assert_array_equal(got.keypoints[0], clip)
  assert got.image_size == (1920, 1080)
  # The file knows better than the manifest.
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


def test_a_confidence_channel(tmp_path):
  three, four = make_clip(5, 17, 3), make_clip(5, 17, 4)
  three[2, 4, 2] = four[2, 4, 3] = 0
  a, b = (
    write_array(tmp_path / 'a.npy', three),
    write_array(tmp_path / 'b.npy', four),
  )
  assert read_keypoints(a)[0, 2, 4, :2].all()  # three are x y z
  assert not read_keypoints(a, confidence=True)[0, 2, 4].any()
  assert not read_keypoints(b)[0, 2, 4].any()  # the fourth of four is one
  with pytest.raises(UserError, match='b.npy: .*got 4 channels'):
    read_keypoints(b, confidence=False)


def test_missing_joints_become_zeros(tmp_path):
  clip = make_clip(4, 17, 3)
  expected = clip.copy()
  clip[1, 3] = np.nan
  expected[1, 3] = 0
  clip[2, 5] = 0
  expected[2, 5] = 0
  np.testing.assert_array_equal(
    read_keypoints(write_array(tmp_path / 'a.npy', clip))[0], expected
  )


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named(tmp_path, value):
  clip = make_clip(2, 4, 17, 3)
  clip[1, 2, 5, 1] = value
  path = write_array(tmp_path / 'a.npy', clip)
  place = r'a.npy, frame 2, person 1: y of joint 5 \(left_shoulder\): '
  with pytest.raises(UserError, match=f'{place}.*got {value}'):
    read_keypoints(path)
  clip = make_clip(4, 17, 4)
  clip[3, 0, 3] = value
  with pytest.raises(UserError, match='frame 3.*confidence of joint 0'):
    read_keypoints(write_array(tmp_path / 'b.npy', clip))


def test_of_many_persons_the_most_visible_stay_in_order(tmp_path):
  clip = make_clip(4, 6, 17, 2)
  clip[0, 2:] = 0
  clip[2] = 0
  got = read_keypoints(write_array(tmp_path / 'a.npy', clip), persons=2)
  np.testing.assert_array_equal(got, clip[[1, 3]])
  got = read_keypoints(write_array(tmp_path / 'a.npy', clip), persons=3)
  np.testing.assert_array_equal(got, clip[[0, 1, 3]])


class Malicious:
  """Its unpickling makes a folder."""

  def __init__(self, folder):
    self.folder = str(folder)

  def __reduce__(self):
    return os.mkdir, (self.folder,)


def test_nothing_is_unpickled(tmp_path):
  array = np.empty((1, 1, 1), object)
  array[0, 0, 0] = Malicious(tmp_path / 'pwned')
  for name in ('a.npy', 'a.npz'):
    with pytest.raises(UserError, match=f'{name}: cannot be read.*plain'):
      read_keypoints(write_array(tmp_path / name, array))
  write_file(tmp_path / 'b.npy', pickle.dumps(Malicious(tmp_path / 'pwned')))
  with pytest.raises(UserError, match='b.npy: cannot be read'):
    read_keypoints(tmp_path / 'b.npy')
  assert not (tmp_path / 'pwned').exists()


def test_an_npz_writes_nothing(tmp_path):
  """np.load reads members under any name, as arrays in memory."""
  folder = tmp_path / 'clips'
  folder.mkdir()
  clip = make_clip(3, 17, 2)
  path = write_array(folder / 'a.npz', **{'../../evil': clip})
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)
  assert [p.name for p in tmp_path.rglob('*')] == ['clips', 'a.npz']


def whole(suffix):
  file = io.BytesIO()
  (np.save if suffix == '.npy' else np.savez)(file, make_clip(3, 17, 2))
  return file.getvalue()


BAD_ARRAYS = {
  'empty npy': ('.npy', b'', 'cannot be read'),
  'empty npz': ('.npz', b'', 'cannot be read'),
  'truncated npy': ('.npy', whole('.npy')[:-9], 'cannot be read'),
  'truncated header': ('.npy', whole('.npy')[:20], 'cannot be read'),
  'truncated npz': ('.npz', whole('.npz')[:-30], 'cannot be read'),
  'damaged npz': (
    '.npz',
    whole('.npz')[:200] + b'\xff' * 9 + whole('.npz')[209:],
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


def test_axes_in_another_order_are_guessed(tmp_path):
  path = write_array(tmp_path / 'a.npy', make_clip(17, 9, 3))
  order = r'is the order \(frames, joints, channels\)'
  with pytest.raises(UserError, match=f'got 9: .*{order}'):
    read_keypoints(path)
  with pytest.raises(UserError, match=f'9 joints.*{order}'):
    detect_format(clip_sources(path))


def test_no_advice_to_unpickle(tmp_path):
  for content in (b'', b'junk', pickle.dumps([1])):
    path = write_file(tmp_path / 'a.npy', content)
    with pytest.raises(UserError) as error:
      read_keypoints(path)
    assert 'allow_pickle' not in str(error.value)
