"""Pickles: plain data is read, and anything else is refused."""

import builtins
import collections
import copyreg
import os
import pickle
import struct

import numpy as np
import pytest
from helpers.pickles import Call, write_pickle

from unik_jax.data.formats import safe_pickle
from unik_jax.errors import UserError

PROTOCOLS = range(2, 6)  # mmcv writes 2, mmengine the newest


# Pickles of plain data

VALUES = {
  'float16': np.arange(24, dtype=np.float16).reshape(1, 2, 3, 4),
  'big endian': np.arange(6, dtype='>f4').reshape(2, 3),
  'Fortran order': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
  'not contiguous': np.arange(24).reshape(4, 6)[1:, ::2],
  'no elements': np.zeros((0, 5, 17, 2), np.float32),
  'no dimensions': np.array(5.5),
  'integers': np.array([1, 300], np.int16),
  'text': np.array(['a', 'ünï']),
  'objects': np.array([1, None, 'x'], object),
  'scalar': np.int64(-3),
  'text scalar': np.str_('S001'),
  'boolean': np.bool_(True),
}


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('kind', VALUES)
def test_arrays_and_scalars_are_read(tmp_path, kind, protocol):
  value = VALUES[kind]
  read = safe_pickle.load_pickle(
    write_pickle(tmp_path / 'a.pkl', value, protocol)
  )
  assert type(read) is type(value)
  assert read.shape == value.shape
  assert read.dtype == value.dtype.newbyteorder('=')
  np.testing.assert_array_equal(read, value)


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_plain_containers_are_read(tmp_path, protocol):
  array = np.arange(3)
  value = {
    'split': collections.defaultdict(list, train=['a', 'b']),
    'ordered': collections.OrderedDict(a=(1, 2, 3, 4), b=()),
    'sets': [{1, 2}, frozenset('ab'), set()],
    'values': [
      None,
      True,
      False,
      -1,
      2**70,
      1.5,
      float('inf'),
      '\u20ac',
      b'\0',
    ],
    'twice': [array, array],
  }
  read = safe_pickle.load_pickle(
    write_pickle(tmp_path / 'a.pkl', value, protocol)
  )
  assert read['twice'][0] is read['twice'][1]
  np.testing.assert_array_equal(read.pop('twice')[0], value.pop('twice')[0])
  assert read == value
  assert type(read['split']) is type(read['ordered']) is dict


def test_arrays_of_older_numpy_are_read(tmp_path):
  new = pickle.dumps(np.arange(3), 2)
  old = new.replace(b'numpy._core.', b'numpy.core.')
  assert old != new
  (tmp_path / 'a.pkl').write_bytes(old)
  assert safe_pickle.load_pickle(tmp_path / 'a.pkl').tolist() == [0, 1, 2]


# Pickles that would run code


def payloads(target):
  """Returns objects whose pickles create the file `target`."""
  command = f'echo owned > {target}'
  program = f'open({str(target)!r}, "w").close()'
  return {
    'os.system': Call(os.system, command),
    'eval': Call(builtins.eval, program),
    'exec': Call(builtins.exec, program),
    'os.mkdir': Call(os.mkdir, str(target)),
    'numpy.savetxt': Call(np.savetxt, str(target), [1.0]),
    'pickle in a pickle': Call(
      pickle.loads, pickle.dumps(Call(os.system, command))
    ),
  }


@pytest.mark.parametrize('protocol', PROTOCOLS)
@pytest.mark.parametrize('place', ['top', 'list', 'array', 'annotation'])
@pytest.mark.parametrize('payload', payloads('x'))
def test_calls_are_refused_and_not_made(tmp_path, payload, place, protocol):
  target = tmp_path / 'created'
  call = payloads(target)[payload]
  if place == 'list':
    call = [1, {'a': call}]
  elif place == 'array':
    array = np.empty(2, object)
    array[1] = call
    call = {'keypoint': array}
  elif place == 'annotation':
    call = {'split': {'train': ['a']}, 'annotations': [{'frame_dir': call}]}
  path = write_pickle(tmp_path / 'evil.pkl', call, protocol)
  with pytest.raises(UserError, match=r'evil\.pkl: refused: it asks for \S'):
    safe_pickle.load_pickle(path)
  assert not target.exists()
  pickle.loads(path.read_bytes())  # Python makes the call
  assert target.exists()


@pytest.fixture
def extension():
  """An extension code of os.system, as a library might register one."""
  copyreg.add_extension('posix', 'system', 200)
  pickle.loads(b'\x80\x02\x82\xc8.')  # puts it into pickle's cache
  yield
  copyreg.remove_extension('posix', 'system', 200)


def crafted(target):
  """Returns pickles that no pickler writes, or that misuse what is allowed."""
  command = b'X' + struct.pack('<I', 12 + len(target)) + b'echo owned > '[:12]
  command += target
  dtype = b'cnumpy\ndtype\n(X\x02\x00\x00\x00f8tR'
  new = b'cnumpy.core.multiarray\n_reconstruct\n'
  array = new + b'(cnumpy\nndarray\n(K\x00tC\x01btR'
  raw = b'C\x08' + bytes(8)
  state = b'(K\x01(K\x01t' + dtype + b'\x89' + raw + b'tb'
  return {
    'INST': b'(' + command + b'iposix\nsystem\n.',
    'OBJ': b'(cnumpy\nndarray\n(K\x02to.',
    'NEWOBJ': b'cnumpy\nndarray\n(K\x02t\x85\x81.',
    'NEWOBJ_EX': b'cnumpy\nndarray\n)}\x92.',
    'EXT1': b'\x82\xc8' + command + b'\x85R.',
    'EXT2': b'\x83\xc8\x00' + command + b'\x85R.',
    'EXT4': b'\x84\xc8\x00\x00\x00' + command + b'\x85R.',
    'persistent id': b'Pid\n.',
    'binary persistent id': b'K\x01Q.',
    'buffer': b'\x97.',
    'dotted name': b'\x80\x04\x8c\x05numpy\x8c\x0eos.path.system\x93.',
    'another class': new + b'(cbuiltins\nset\n(K\x00tC\x01btR.',
    'ndarray called': b'cnumpy\nndarray\n((K\x02ttR.',
    'data called': b']' + command + b'\x85R.',
    'codec': b'c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.',
    'another codec': b'c_codecs\nencode\n(X\x01\0\0\0aX\x04\0\0\0utf8tR.',
    'state of a function': b'cbuiltins\nset\n}X\x01\x00\x00\x00aK\x01sb.',
    'state of a class': b'cnumpy\nndarray\n}b.',
    'state of a dict': b'}}b.',
    'dtype of fields': b'cnumpy\ndtype\n(X\x02\x00\x00\x00V8tR.',
    'dtype made to have fields': dtype
    + b'(K\x03X\x01\x00\x00\x00<N(X\x01\x00\x00\x00at}K\x08K\x08K\x3ftb.',
    'complex numbers': b'cnumpy\ndtype\n(X\x02\x00\x00\x00c8tR.',
    'byte text': b'cnumpy\ndtype\n(X\x02\x00\x00\x00S8tR.',
    'date': b'cnumpy\ndtype\n(X\x02\x00\x00\x00M8tR.',
    'dtype of no size': b'cnumpy\ndtype\n(X\x02\x00\x00\x00U0tR.',
    'state of an array with views': array + state + state + b'.',
    # Arrays that do not match their bytes.
    'objects of bytes': array
    + b'(K\x01(K\x01tcnumpy\ndtype\n(X\x02\x00\x00\x00O8tR\x89'
    + raw
    + b'tb.',
    'larger than its bytes': array
    + b'(K\x01(K\x02t'
    + dtype
    + b'\x89'
    + raw
    + b'tb.',
    'less than no bytes': array
    + b'(K\x01(J\xff\xff\xff\xffJ\xff\xff\xff\xfft'
    + dtype
    + b'\x89'
    + raw
    + b'tb.',
    'true for one of its bytes': array
    + b'(K\x01(\x88t'
    + dtype
    + b'\x89'
    + raw
    + b'tb.',
    'number of bytes': array
    + b'(K\x01(K\x01t'
    + dtype
    + b'\x89J\xff\xff\xff\x7ftb.',
  }


@pytest.mark.parametrize('case', crafted(b''))
def test_crafted_pickles_are_refused(tmp_path, case, extension):
  target = tmp_path / 'created'
  path = tmp_path / 'evil.pkl'
  path.write_bytes(crafted(str(target).encode())[case])
  reason = 'not a pickle .*size' if ' bytes' in case else 'refused: it asks for'
  with pytest.raises(UserError, match=rf'evil\.pkl: .*{reason}'):
    safe_pickle.load_pickle(path)
  assert not target.exists()


# Files that are no pickles

CONTENT = pickle.dumps({'a': np.arange(1000.0), 'b': ['x' * 99] * 9}, 4)


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'.',
    b'\x80\x04',
    b'<html>Sign in</html>',
    b'version https://git-lfs.github.com/spec/v1\n',
    bytes(range(256)),
    CONTENT[: len(CONTENT) // 2],
    CONTENT[:-1],
    b'\x80\x09' + CONTENT[2:],
    # No memory is allocated for sizes beyond the end of the file.
    b'\x96' + struct.pack('<Q', 1 << 46) + b'abc.',
    b'\x8e' + struct.pack('<Q', 1 << 46) + b'abc.',
    b'\x80\x04\x95' + struct.pack('<Q', 1 << 46) + b'abc.',
    b'\x8b' + struct.pack('<i', 1 << 30) + b'abc.',
  ],
)
def test_files_cut_short_or_of_another_format(tmp_path, content):
  path = tmp_path / 'a.pkl'
  path.write_bytes(content)
  with pytest.raises(UserError, match=r'(?s)a\.pkl: .*(again|refused)'):
    safe_pickle.load_pickle(path)


def test_paths_that_are_not_files(tmp_path):
  for path in (tmp_path, tmp_path / 'b.pkl'):
    with pytest.raises(UserError, match=f'{path}: cannot be read'):
      safe_pickle.load_pickle(path)
