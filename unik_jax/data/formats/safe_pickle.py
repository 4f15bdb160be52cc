"""Pickles of plain data, read without running anything they ask for.

A pickle is a small program, and Python's own reader calls whatever function it
names. This one knows the instructions that make numbers, text, containers and
numpy arrays, and no others. Arrays and their dtypes are made by the functions
below from checked arguments; numpy's own would take a state from the file that
can lead to memory it does not own.

Nor can a small file ask for much memory or time: what it holds once is not
copied over and over, and what would be hashed, printed or freed by recursion
(a tuple that has itself twice in it, thirty levels deep, is 65 bytes long) is
no key, not printed, and no element of an array.
"""

import math
import mmap
import os
import pickle
import pickletools
import re
import struct
import sys
import types
from typing import Any

import numpy as np

from unik_jax.errors import UserError

# Of pickle's instructions; those that are not here make instances, take
# extension codes, persistent ids or outside buffers, or are Python 2's.
_ALLOWED = frozenset(
  'PROTO FRAME STOP MARK POP POP_MARK DUP'
  ' PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE'
  ' NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4'
  ' FLOAT BINFLOAT UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8'
  ' SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8'
  ' EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS'
  ' EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET'
  ' GLOBAL STACK_GLOBAL REDUCE BUILD'.split()
)

_SCALARS = str, bool, int, float, types.NoneType, np.generic
_MOST_BYTES_OF_EMPTY = 1 << 24  # an empty array's, if its zero were a one


class _Refused(Exception):
  """The pickle asks for something that is not plain data."""


class _Dtype:
  """Stands in for a numpy.dtype, whose own state could be anything."""

  def __init__(self, text, align=False, copy=False):
    del align, copy
    known = r'b1|[iu][1248]|f[248]|U\d{1,9}|O8?'
    if type(text) is not str or not re.fullmatch(known, text):
      raise _Refused(f'an array of {describe_value(text)}')
    self.dtype = np.dtype(text)
    if not self.dtype.itemsize:
      raise _Refused('an array of nothing')

  def set_state(self, state):
    _, order, *structure = state[:5]
    if structure != [None, None, None]:
      raise _Refused('an array with fields')
    self.dtype = self.dtype.newbyteorder(order)


def _fill(array, shape, dtype, fortran, values):
  """Makes an array what numpy's pickles say, once that fits together."""
  if type(shape) is not tuple or len(shape) > 64:  # numpy's most
    raise ValueError('an array of no size')
  if any(type(n) is not int or not 0 <= n < 1 << 63 for n in shape):
    raise ValueError('an array of no size')
  if array.size or type(dtype) is not _Dtype:
    raise _Refused('a state for what is no new array')  # others may view it
  dtype, size = dtype.dtype, math.prod(shape)
  # Such an array has no elements, but may have any number of rows.
  if not size and (
    math.prod(n or 1 for n in shape) * dtype.itemsize > _MOST_BYTES_OF_EMPTY
  ):
    raise _Refused('a huge array of nothing')
  if dtype.hasobject:
    fits = type(values) is list and len(values) == size
    if fits and not all(isinstance(value, _SCALARS) for value in values):
      raise _Refused('an array of containers')
  else:
    fits = type(values) in (bytes, bytearray)
    fits = fits and len(values) == size * dtype.itemsize
  if not fits:
    raise ValueError('an array of another size than its shape')
  if type(values) is bytearray:
    values = bytes(values)
  if dtype.kind == 'U' and size:
    codes = np.dtype(np.uint32).newbyteorder(dtype.byteorder)
    if np.frombuffer(values, codes).max() > sys.maxunicode:
      raise ValueError('text of what are no characters')
  array.__setstate__((1, shape, dtype, bool(fortran), values))
  return array


def _reconstruct(kind, shape, typecode):
  del shape, typecode  # BUILD brings them
  if kind is not np.ndarray:
    raise _Refused('an array of another class')
  return np.empty(0)


def _frombuffer(values, dtype, shape, order):
  return _fill(np.empty(0), shape, dtype, order == 'F', values)


def _scalar(dtype, value):
  return _fill(np.empty(0), (1,), dtype, False, value)[0]


def _encode(text, encoding):
  if encoding != 'latin1':
    raise _Refused(f'codecs.encode to {describe_value(encoding)}')
  return text.encode('latin1')


def _bytes():
  return b''


def _list():
  return []


def _dict():
  return {}


def _defaultdict(factory=None):
  del factory
  return {}


def _set(items=()):
  return set(_keys(items))


def _frozenset(items=()):
  return frozenset(_keys(items))


def _keys(items):
  """The items, once each is quickly hashed."""
  if type(items) not in (list, tuple, set):
    raise _Refused('a set of what is no list')
  for item in items:
    # Large integers can be chosen so that all have the same hash.
    small = type(item) is not int or item.bit_length() < 64
    if not small or not isinstance(item, (*_SCALARS, bytes)):
      raise _Refused(f'{describe_value(item)} as a key')
  return items


def _dtype(*args):
  return _Dtype(*args)


# Functions of this module, each safe whatever it is called with.
_GLOBALS = {
  ('numpy', 'ndarray'): np.ndarray,
  ('numpy', 'dtype'): _dtype,
  ('_codecs', 'encode'): _encode,
  ('collections', 'OrderedDict'): _dict,
  ('collections', 'defaultdict'): _defaultdict,
}
for _core in ('numpy.core', 'numpy._core'):
  _GLOBALS[f'{_core}.multiarray', '_reconstruct'] = _reconstruct
  _GLOBALS[f'{_core}.multiarray', 'scalar'] = _scalar
  _GLOBALS[f'{_core}.numeric', '_frombuffer'] = _frombuffer
for _builtins in ('builtins', '__builtin__'):
  for _function in (_bytes, _list, _dict, _set, _frozenset):
    _GLOBALS[_builtins, _function.__name__[1:]] = _function


class _Unpickler(pickle._Unpickler):
  """Python's reader in Python, the one whose instructions can be chosen."""

  dispatch = {}

  def find_class(self, module, name):
    if (module, name) not in _GLOBALS:
      raise _Refused(f'{module}.{name}')
    return _GLOBALS[module, name]

  def load_reduce(self):
    args = self._within_size(self.stack.pop())
    # Functions come from find_class alone; a class, or data that can be
    # called, is not one.
    if not isinstance(self.stack[-1], types.FunctionType):
      raise _Refused('a call of what is no function')
    self.stack[-1] = self.stack[-1](*args)

  def load_build(self):
    state = self._within_size(self.stack.pop())
    if type(self.stack[-1]) is _Dtype:
      self.stack[-1].set_state(state)
    elif type(self.stack[-1]) is np.ndarray:
      _fill(self.stack[-1], *state[1:])
    else:
      raise _Refused('a state for what is no array')

  def _within_size(self, args):
    """The arguments; all that there are hold no more than the file does."""
    if type(args) is not tuple:
      raise _Refused('a call without arguments')
    sized = str, bytes, bytearray, list, tuple, set
    # Twice that: protocol 2 has the bytes of an array as text, and then made
    # bytes of.
    self.allowance -= sum(len(arg) for arg in args if isinstance(arg, sized))
    if self.allowance < 0:
      raise _Refused('more copies than there is to copy')
    return args

  def load_setitem(self):
    items = self.stack[-2:]
    del self.stack[-2:]
    self._update(items)

  def load_setitems(self):
    self._update(self.pop_mark())

  def load_dict(self):
    items = self.pop_mark()
    self.append({})
    self._update(items)

  def _update(self, items):
    if type(self.stack[-1]) is not dict:
      raise _Refused('items of what is no dict')
    pairs = zip(_keys(items[::2]), items[1::2], strict=True)
    self.stack[-1].update(pairs)

  def load_additems(self):
    items = self.pop_mark()
    if type(self.stack[-1]) is not set:
      raise _Refused('items of what is no set')
    self.stack[-1].update(_keys(items))

  def load_frozenset(self):
    items = self.pop_mark()
    self.append(frozenset(_keys(items)))

  def load_bytearray8(self):
    # Read first: the size may be anything, and would be allocated.
    (size,) = struct.unpack('<Q', self.read(8))
    self.append(bytearray(self.read(size)))


def _instruction(opcode):
  def refuse(unpickler):
    raise _Refused(f"pickle's instruction {opcode.name}")

  if opcode.name not in _ALLOWED:
    return refuse
  function = pickle._Unpickler.dispatch[ord(opcode.code)]
  return getattr(_Unpickler, function.__name__)


_Unpickler.dispatch.update(
  (ord(opcode.code), _instruction(opcode)) for opcode in pickletools.opcodes
)


def describe_value(value: Any) -> str:
  """Something out of a pickle, for a message, in at most a few words.

  Never by `repr` of what it contains, which may take for ever.
  """
  if isinstance(value, str | bytes):
    return repr(value[:40])
  if isinstance(value, int) and value.bit_length() > 64:
    return 'a huge integer'
  if isinstance(value, int | float | types.NoneType | np.generic):
    return str(value)
  return f'a {type(value).__name__}'


def load_pickle(path: str | os.PathLike) -> Any:
  """The object that a pickle file holds, if it is plain data.

  Numbers, text, bytes, lists, tuples, dicts, sets, and numpy arrays and
  scalars of numbers, text or such objects are read. An OrderedDict or a
  defaultdict becomes a dict. Keys and elements of sets are numbers of less than
  64 bits, text or bytes; elements of arrays of objects, numbers or text.

  Args:
    path: of the file, pickled by Python 3 in any protocol.

  Raises:
    UserError: cannot be read; cut short or not a pickle; or it asks for
      anything else, of which nothing is then executed.
  """
  try:
    with (
      open(path, 'rb') as file,
      # Its read() never takes more memory than there is in the file.
      mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
      unpickler = _Unpickler(content)
      unpickler.allowance = 2 * len(content)
      return unpickler.load()
  except _Refused as error:
    raise UserError(
      f'{path}: refused: it asks for {error}, which is not plain data, and'
      ' might run a program; nothing was executed. Do not load it with other'
      ' tools before you know who made it'
    ) from None
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error})') from None
  except Exception as error:  # garbage leads to whatever it leads to
    raise UserError(
      f'{path}: cut short or not a pickle ({type(error).__name__}:'
      f' {str(error)[:200]}); download it again'
    ) from None
