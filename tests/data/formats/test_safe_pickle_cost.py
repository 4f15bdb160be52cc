"""Small pickles that would use much memory or time are refused."""

import struct

import numpy as np
import pytest

from unik_jax.data.formats import safe_pickle
from unik_jax.errors import UserError


def text(value):
  """Returns the instruction for a text."""
  return b'X' + struct.pack('<I', len(value)) + value.encode()


def long(value):
  """Returns the instruction for an integer."""
  size = value.bit_length() // 8 + 1
  return b'\x8a' + bytes([size]) + value.to_bytes(size, 'little', signed=True)


def array(shape, dtype, values):
  """Returns the instructions for an array; its values are instructions."""
  return (
    b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tC\x01btR'
    b'(K\x01('
    + b''.join(map(long, shape))
    + b'tcnumpy\ndtype\n('
    + text(dtype)
    + b'tR\x89'
    + values
    + b'tb'
  )


def called(function, arguments):
  """Returns the instructions for a call of a built-in function."""
  return b'cbuiltins\n' + function.encode() + b'\n' + arguments + b'R'


NOTHING = array((3 * 10**8, 0), 'f8', b'C\0')
DOUBLED = b')' + b'2\x86' * 40  # (x, x), 40 levels deep
BEFORE, AFTER = array((1,), 'O8', b']@a').split(b'@')
MANY = b'(' + b'N' * 10_000 + b'lq\x010'
MERSENNE = (1 << 61) - 1  # all its multiples have the same hash

COSTLY = {
  'rows of nothing': (NOTHING, 'a huge array without elements'),
  'list of nothing': (called('list', b'(' + NOTHING + b't'), 'huge array'),
  'arguments of nothing': (called('list', NOTHING), 'huge array'),
  'sizes of nothing': (array((2**62, 2**62, 0), 'f8', b'C\0'), 'huge array'),
  'long text of nothing': (array((0,), 'U500000000', b'C\0'), 'huge array'),
  'endless size': (
    array((2**400,), 'f8', b'C\0'),
    'an array of invalid size',
  ),
  'endless sizes': (
    array([1] * 100, 'u1', b'C\x01a'),
    'an array of invalid size',
  ),
  'arguments in a list': (called('set', b']'), 'a call without arguments'),
  'arrays in arrays': (
    BEFORE * 6000 + b'N' + AFTER * 6000,
    'an array of containers',
  ),
  'list in an array': (array((1,), 'O8', b']]a'), 'an array of containers'),
  'array filled later': (
    array((1,), 'O8', b']Na') + b'K\0]s',
    'items for something other than a dict',
  ),
  'array as a set': (
    called('set', array((2,), 'u1', b'C\2ab') + b'\x85'),
    'a set made of something other than a list',
  ),
  'doubled in a set': (b'\x8f(' + DOUBLED + b'\x90', 'a tuple as a key'),
  'doubled in a frozenset': (b'(' + DOUBLED + b'\x91', 'a tuple as a key'),
  'doubled in a list of a set': (
    called('set', b'](' + DOUBLED + b'e\x85'),
    'a tuple as a key',
  ),
  'doubled as a key': (b'}' + DOUBLED + b'Ns', 'a tuple as a key'),
  'doubled as one of the keys': (b'}(' + DOUBLED + b'Nu', 'a tuple as a key'),
  'doubled as first key': (b'(' + DOUBLED + b'Nd', 'a tuple as a key'),
  'doubled for a codec': (
    b'c_codecs\nencode\n(' + text('a') + DOUBLED + b'tR',
    'codecs.encode to a tuple',
  ),
  'doubled for a dtype': (
    b'cnumpy\ndtype\n(' + DOUBLED + b'tR',
    'an array of a tuple',
  ),
  'frozenset in a set': (b'\x8f((\x91\x90', 'a frozenset as a key'),
  'copies': (
    b'(' + MANY + called('set', b'h\x01\x85') * 3 + b't',
    'more copies than the file has',
  ),
  'copies of bytes': (
    b'('
    + text('a' * 9000)
    + b'q\x01'
    + (b'c_codecs\nencode\n(h\x01' + text('latin1') + b'tR') * 4
    + b't',
    'more copies than the file has',
  ),
  'the same hash': (
    b'}(' + b''.join(long(MERSENNE * i) + b'N' for i in range(9, 99)) + b'u',
    'a huge integer as a key',
  ),
  'a huge key': (b'}' + long(1 << 400) + b'Ns', 'a huge integer as a key'),
  'no characters': (
    array((1,), 'U1', b'C\4' + b'\xff' * 4),
    'invalid characters',
  ),
}


@pytest.mark.parametrize('case', COSTLY)
def test_costly_pickles_are_refused_at_once(tmp_path, case):
  content, problem = COSTLY[case]
  path = tmp_path / 'bomb.pkl'
  path.write_bytes(content + b'.')
  with pytest.raises(UserError, match=rf'bomb\.pkl: .*{problem}'):
    safe_pickle.load_pickle(path)


def test_deeply_nested_lists_are_read_and_freed(tmp_path):
  path = tmp_path / 'a.pkl'
  path.write_bytes(b']' * 100_000 + b'a' * 99_999 + b'.')
  assert len(safe_pickle.load_pickle(path)) == 1


def test_descriptions_are_short():
  doubled = ()
  for _ in range(40):
    doubled = (doubled, doubled)
  for value, expected in {
    'a' * 50: repr('a' * 40),
    10**5000: 'a huge integer',
    -7: '-7',
    0.5: '0.5',
    np.int64(3): '3',
    True: 'True',
    None: 'None',
  }.items():
    assert safe_pickle.describe_value(value) == expected
  assert safe_pickle.describe_value(doubled) == 'a tuple'
  assert safe_pickle.describe_value(np.ones(5)) == 'a ndarray'
