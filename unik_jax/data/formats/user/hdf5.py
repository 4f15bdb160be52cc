"""HDF5 files of animal trackers, read without unpickling.

DeepLabCut's files are tables of pandas, which keeps the names of columns as a
pickle in an attribute. pandas' own reader would run that pickle, so it is read
here by `safe_pickle`, as plain data. Links to other files are refused.
"""

from typing import Any

import numpy as np

from unik_jax.data.formats import safe_pickle
from unik_jax.data.formats.user import deeplabcut, sleap
from unik_jax.data.formats.user.keypoints import ParsedClip
from unik_jax.errors import UserError

SUFFIXES = ('.h5', '.hdf5')
_MAX_BYTES = 1 << 30  # of an array; a larger one is an error or an attack


class File:
  """An open HDF5 file whose arrays are checked before they are read.

  Args:
    group: h5py's file, or a group of it.
    where: its path, for errors.

  Attributes:
    names: names in the group.
  """

  def __init__(self, group: Any, where: str):
    self._group, self.where = group, where
    self.names = set(group)

  def group(self, name: str) -> 'File':
    """Returns a group of this group."""
    return File(self._get(name), f'{self.where}, {name}')

  def numbers(self, name: str) -> np.ndarray:
    """Returns an array of numbers; UserError if there is none."""
    array = self._read(name)
    if array.dtype.kind not in 'iufb':
      raise UserError(f'{self.where}, {name}: expected numbers')
    return array

  def texts(self, name: str) -> list[bytes]:
    """Returns a row of texts; UserError if there is none."""
    array = self._read(name)
    if array.ndim != 1 or array.dtype.kind not in 'SO':
      raise UserError(f'{self.where}, {name}: expected a row of texts')
    return [bytes(v) if isinstance(v, bytes) else b'?' for v in array.tolist()]

  def rows(self, name: str) -> np.ndarray:
    """Returns a table: an array with fields."""
    array = self._read(name)
    if array.dtype.names is None:
      raise UserError(f'{self.where}, {name}: expected a table')
    return array

  def attribute(self, name: str, key: str) -> Any:
    """Returns an attribute of something in the group, or None."""
    value = (self._get(name) if name else self._group).attrs.get(key)
    return bytes(value) if isinstance(value, np.bytes_) else value

  def _get(self, name):
    import h5py

    link = self._group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
      raise UserError(
        f'{self.where}: expected {name!r} in the file, got'
        f' {"none" if link is None else "a link to another place"}'
      )
    return self._group[name]

  def _read(self, name):
    import h5py

    data = self._get(name)
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
      raise UserError(f'{self.where}, {name}: expected an array in the file')
    if data.size * data.dtype.itemsize > _MAX_BYTES:
      raise UserError(
        f'{self.where}, {name}: expected at most {_MAX_BYTES} bytes, got shape'
        f' {data.shape}'
      )
    return data[()]


def read_hdf5(path: str, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip in a file of DeepLabCut or SLEAP.

  Args:
    path: path of the file.
    where: the file, for errors.
    persons: maximum number of animals in a file of SLEAP.

  Raises:
    UserError: h5py is not installed, the file is damaged or of another program,
      or its reader refuses it.
  """
  try:
    import h5py
  except ImportError:
    raise UserError(
      f"{where}: needs the package h5py. Run pip install 'unik_jax[hdf5]'"
    ) from None
  try:
    with h5py.File(path, 'r') as opened:
      file = File(opened, where)
      if sleap.is_sleap(file.names):
        return sleap.parse_sleap(file, where, persons)
      for name in sorted(file.names):
        if file.attribute(name, 'pandas_type') is not None:
          columns, values = _read_pandas(file.group(name))
          return deeplabcut.assemble_clip(columns, values, where)
  except UserError:
    raise
  except Exception as error:  # h5py raises many kinds for a damaged file
    raise UserError(
      f'{where}: cannot be read as HDF5 ({str(error)[:200]}). Write it again'
    ) from None
  raise UserError(
    f"{where}: expected SLEAP's analysis file or DeepLabCut's table, got HDF5"
    f' with {", ".join(sorted(file.names)[:6]) or "nothing"}'
  )


def _read_pandas(group):
  """Returns (columns of `assemble_clip`, values) of a pandas table."""
  if 'table' in group.names:
    return _read_table(group)
  if {'block0_values', 'axis0_level0'} <= group.names:
    return _read_fixed(group)
  raise UserError(
    f"{group.where}: expected a table or a frame of pandas with DeepLabCut's"
    ' column names'
  )


def _read_table(group):
  """Reads pandas' format='table', which DeepLabCut's analysis writes."""
  pickled = group.attribute('', 'non_index_axes')
  where = f'{group.where}, non_index_axes'
  axes = safe_pickle.parse_pickle(pickled or b'', where)
  values = group.rows('table')['values_block_0']
  try:
    ((_, names),) = axes
    columns = [_to_column(name, where) for name in names]
  except (TypeError, ValueError):
    raise UserError(f'{where}: expected the names of columns') from None
  return _check_columns(columns, values, group.where)


def _read_fixed(group):
  """Reads pandas' format='fixed', in which DeepLabCut writes labels."""
  levels = []
  while f'axis0_level{len(levels)}' in group.names:
    n = len(levels)
    texts = group.texts(f'axis0_level{n}')
    codes = group.numbers(f'axis0_label{n}')
    if codes.ndim != 1 or not ((0 <= codes) & (codes < len(texts))).all():
      raise UserError(f'{group.where}, axis0_label{n}: expected indices')
    levels.append([texts[c].decode('utf-8', 'replace') for c in codes])
  columns = [
    _to_column(name, group.where) for name in zip(*levels, strict=True)
  ]
  values = group.numbers('block0_values')
  if group.attribute('block0_values', 'transposed') == 0:
    values = values.T
  return _check_columns(columns, values, group.where)


def _to_column(name, where):
  """Returns (individual, body part, coordinate) of a column's names."""
  if (
    not isinstance(name, tuple)
    or len(name) not in (3, 4)
    or not all(isinstance(word, str) for word in name)
  ):
    raise UserError(
      f'{where}: expected the levels {", ".join(deeplabcut.LEVELS)}'
      f' (individuals are optional), got {safe_pickle.describe_value(name)}'
    )
  return ('' if len(name) == 3 else name[1], *name[-2:])


def _check_columns(columns, values, where):
  if values.ndim != 2 or values.shape[1] != len(columns):
    raise UserError(
      f'{where}: expected {len(columns)} values in each row, got shape'
      f' {values.shape}'
    )
  return columns, values.astype(np.float64)
