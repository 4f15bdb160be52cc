"""A reader for pickles of plain data that runs no code from the file.

A pickle is a small program, and Python's own reader calls any function that it
names. This reader has only the instructions that create numbers, text,
containers and numpy arrays. The functions below create arrays and dtypes from
checked arguments, since numpy's own accept a state from the file that can point
to memory outside the array.

A small file cannot use much memory or time either. All calls together copy at
most twice the file's size. A container, which is hashed, printed and freed by
recursion, cannot be a key or an element of an array, and is not printed: a
tuple that contains one tuple twice, thirty levels deep, takes 65 bytes in the
file and a billion steps to hash.

The instructions are documented in Python's pickletools module.
"""

import io
import math
import mmap
import os
import pickle
import pickletools
import re
import struct
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from unik_jax.errors import UserError

# Instructions of pickle. Its others create instances, use extension codes,
# persistent ids or external buffers, or are Python 2's.
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
# Limit for an empty array, with its sizes of 0 counted as 1: its other sizes
# could be huge at no cost in the file.
_MAX_EMPTY_BYTES = 1 << 24
_MAX_DIMENSIONS = 64  # numpy's limit


class _Refused(Exception):
  """The pickle requests something that is not plain data."""


class _Dtype:
  """Replaces numpy.dtype, which would accept any state from the file."""

  def __init__(self, text, align=False, copy=False):
    del align, copy
    allowed = r'b1|[iu][1248]|f[248]|U\d{1,9}|O8?'
    if type(text) is not str or not re.fullmatch(allowed, text):
      raise _Refused(f'an array of {describe_value(text)}')
    self.dtype = np.dtype(text)
    if not self.dtype.itemsize:
      raise _Refused('an array of empty elements')

  def set_state(self, state):
    _, order, *structure = state[:5]
    if structure != [None, None, None]:
      raise _Refused('an array with fields')
    self.dtype = self.dtype.newbyteorder(order)


def _fill(array, shape, dtype, fortran, values):
  """Sets an empty array's state from a pickle, after checking that it fits."""
  if type(shape) is not tuple or len(shape) > _MAX_DIMENSIONS:
    raise ValueError('an array of invalid size')
  if any(type(n) is not int or not 0 <= n < 1 << 63 for n in shape):
    raise ValueError('an array of invalid size')
  # An array with elements may have views, which a new state would break.
  if array.size or type(dtype) is not _Dtype:
    raise _Refused('a state for an array that is not new')
  dtype, size = dtype.dtype, math.prod(shape)
  if not size and (
    math.prod(n or 1 for n in shape) * dtype.itemsize > _MAX_EMPTY_BYTES
  ):
    raise _Refused('a huge array without elements')
  if dtype.hasobject:
    matches = type(values) is list and len(values) == size
    if matches and not all(isinstance(value, _SCALARS) for value in values):
      raise _Refused('an array of containers')
  else:
    matches = type(values) in (bytes, bytearray)
    matches = matches and len(values) == size * dtype.itemsize
  if not matches:
    raise ValueError('an array of another size than its shape')
  if type(values) is bytearray:
    values = bytes(values)
  if dtype.kind == 'U' and size:
    # numpy does not check the code points, and str() of others would fail.
    codes = np.dtype(np.uint32).newbyteorder(dtype.byteorder)
    if np.frombuffer(values, codes).max() > sys.maxunicode:
      raise ValueError('text with invalid characters')
  array.__setstate__((1, shape, dtype, bool(fortran), values))
  return array


def _reconstruct(kind, shape, typecode):
  del shape, typecode  # the BUILD instruction sets them
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
  """Returns the items, after checking that each is hashed quickly."""
  if type(items) not in (list, tuple, set):
    raise _Refused('a set made of something other than a list')
  for item in items:
    # Large integers can be chosen so that all have the same hash.
    is_small = type(item) is not int or item.bit_length() < 64
    if not is_small or not isinstance(item, (*_SCALARS, bytes)):
      raise _Refused(f'{describe_value(item)} as a key')
  return items


def _dtype(*args):
  return _Dtype(*args)


# What a pickle may name. These functions are safe with any arguments.
_GLOBALS: dict[tuple[str, str], Callable] = {
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
  """Python's reader, with the allowed instructions only.

  It is the reader written in Python: the C one has fixed instructions.
  """

  dispatch = {}

  def find_class(self, module, name):
    if (module, name) not in _GLOBALS:
      raise _Refused(f'{module}.{name}')
    return _GLOBALS[module, name]

  def load_reduce(self):
    args = self._within_size(self.stack.pop())
    # A function can only come from find_class. A class is not called.
    if not isinstance(self.stack[-1], types.FunctionType):
      raise _Refused('a call of something other than a function')
    self.stack[-1] = self.stack[-1](*args)

  def load_build(self):
    state = self._within_size(self.stack.pop())
    if type(self.stack[-1]) is _Dtype:
      self.stack[-1].set_state(state)
    elif type(self.stack[-1]) is np.ndarray:
      _fill(self.stack[-1], *state[1:])
    else:
      raise _Refused('a state for something other than an array')

  def _within_size(self, args):
    """Returns the arguments of a call, counted against the file's size.

    So a file cannot have one list copied a million times.
    """
    if type(args) is not tuple:
      raise _Refused('a call without arguments')
    sized = str, bytes, bytearray, list, tuple, set
    # The allowance is twice the file's size, since protocol 2 has an array's
    # bytes as text, from which it makes bytes.
    self.allowance -= sum(len(arg) for arg in args if isinstance(arg, sized))
    if self.allowance < 0:
      raise _Refused('more copies than the file has data')
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
      raise _Refused('items for something other than a dict')
    pairs = zip(_keys(items[::2]), items[1::2], strict=True)
    self.stack[-1].update(pairs)

  def load_additems(self):
    items = self.pop_mark()
    if type(self.stack[-1]) is not set:
      raise _Refused('items for something other than a set')
    self.stack[-1].update(_keys(items))

  def load_frozenset(self):
    items = self.pop_mark()
    self.append(frozenset(_keys(items)))

  def load_bytearray8(self):
    # Read before allocating, since the size in the file may be anything.
    (size,) = struct.unpack('<Q', self.read(8))
    self.append(bytearray(self.read(size)))


def _get_instruction(opcode):
  """Returns a method of `_Unpickler`, or one that refuses the instruction."""

  def refuse(unpickler):
    raise _Refused(f"pickle's instruction {opcode.name}")

  if opcode.name not in _ALLOWED:
    return refuse
  function = pickle._Unpickler.dispatch[ord(opcode.code)]
  return getattr(_Unpickler, function.__name__)


_Unpickler.dispatch.update(
  (ord(opcode.code), _get_instruction(opcode)) for opcode in pickletools.opcodes
)


def describe_value(value: Any) -> str:
  """Describes a value from a pickle in a few words, for an error.

  A container is named by its type: its `repr` may take years.
  """
  if isinstance(value, str | bytes):
    return repr(value[:40])
  if isinstance(value, int) and value.bit_length() > 64:
    return 'a huge integer'
  if isinstance(value, int | float | types.NoneType | np.generic):
    return str(value)
  return f'a {type(value).__name__}'


def load_pickle(path: str | os.PathLike) -> Any:
  """Returns the object in a pickle file, if it is plain data.

  Plain data is numbers, text, bytes, lists, tuples, dicts, sets, and numpy
  arrays and scalars. An OrderedDict or a defaultdict becomes a dict. Keys and
  elements of sets must be numbers of less than 64 bits, text or bytes; elements
  of object arrays must be numbers or text.

  Args:
    path: path of the file, pickled by Python 3 in any protocol.

  Raises:
    UserError: the file cannot be read, is no whole pickle, or holds other
      objects than plain data.
      Nothing is executed.
  """
  try:
    with (
      open(path, 'rb') as file,
      # A read() of it never allocates more than the file's size.
      mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
      return _load(content, len(content), str(path))
  except OSError as error:
    raise UserError(f'{path}: cannot be read ({error})') from None
  except ValueError as error:  # an empty file cannot be mapped
    if isinstance(error, UserError):
      raise
    raise UserError(
      f'{path}: cut short or not a pickle ({error}). Download it again'
    ) from None


def parse_pickle(content: bytes, where: str) -> Any:
  """Same as `load_pickle`, for a pickle's bytes.

  Args:
    content: the pickle.
    where: its place, for errors.

  Raises:
    UserError: as in `load_pickle`.
  """
  return _load(io.BytesIO(content), len(content), where)


def _load(content, size, where):
  try:
    unpickler = _Unpickler(content)
    unpickler.allowance = 2 * size
    return unpickler.load()
  except _Refused as error:
    raise UserError(
      f'{where}: refused: it asks for {error}, which is not plain data and'
      ' might run a program. Nothing was executed. Do not load it with other'
      ' tools unless you trust its source'
    ) from None
  except Exception as error:  # a broken file can raise any type
    raise UserError(
      f'{where}: cut short or not a pickle ({type(error).__name__}:'
      f' {str(error)[:200]}). Download it again'
    ) from None
