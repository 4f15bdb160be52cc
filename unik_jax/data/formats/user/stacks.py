"""Files that hold all clips of a dataset: the arrays of GCN repositories.

- ST-GCN, 2s-AGCN, UNIK and others: [SPLIT_]data[_STREAM].npy, an array (N, C,
  T, V, M), with [SPLIT_]label.pkl beside it, a pickle of (clip names, labels).
- CTR-GCN and others: NTU60_CS.npz and the like, with x_train and x_test (N, T,
  M * V * 3), and y_train and y_test (N, classes), one-hot.

A clip is read from the file on demand; the array is never in memory as a whole.
Pickles are read by `safe_pickle`, as plain data.
"""

import functools
import math
import os
import re
import struct
import zipfile
from typing import Any, NamedTuple

import numpy as np

from unik_jax.data.formats import safe_pickle
from unik_jax.data.formats.user.keypoints import (
  NobodySeenError,
  ParsedClip,
  check_channels,
)
from unik_jax.errors import UserError

_NTU_PERSONS, _NTU_JOINTS = 2, 25
_STREAM = re.compile('data.*(bone|motion)')
_MAX_BYTES = 1 << 34  # of an array that is unpacked
_LOCAL_HEADER = struct.Struct('<4s22xHH')  # of a member of a zip archive


class Stack(NamedTuple):
  """One array of clips.

  Attributes:
    path: the file.
    member: name of the array in an .npz file; '' in an .npy file.
    clips: number of clips.
    split: the first word of the file's name, or of the member's after x_.
  """

  path: str
  member: str
  clips: int
  split: str

  def clip_names(self) -> list[str]:
    """Returns the name of each clip: INDEX or MEMBER/INDEX."""
    prefix = f'{self.member}/' if self.member else ''
    return [f'{prefix}{n}' for n in range(self.clips)]


def find_stacks(path: str) -> list[Stack]:
  """Returns the arrays of clips in a file; [] if it has none.

  Only headers are read. A damaged file has none; its reader reports it. Arrays
  of bones or motions (data_bone.npy, data_joint_motion.npy) are no clips: a run
  makes these streams from the joints.
  """
  folder, name = os.path.split(path)
  try:
    if _STREAM.search(name.lower()):
      return []
    if name.lower().endswith('.npy'):
      shape = _locate(path, '').shape
      if len(shape) != 5:
        return []
      return [Stack(path, '', shape[0], name.lower().partition('_')[0])]
    if not name.lower().endswith('.npz'):
      return []
    with zipfile.ZipFile(path) as archive:
      members = archive.namelist()
    return [
      Stack(path, x, _locate(path, x).shape[0], x.removeprefix('x_'))
      for x in ('x_train', 'x_val', 'x_test')
      if f'{x}.npy' in members
    ]
  except Exception:  # numpy and zipfile raise many kinds
    return []


class _Array(NamedTuple):
  """Where an array lies in a file; `values` if the file is compressed."""

  path: str
  offset: int
  shape: tuple[int, ...]
  dtype: np.dtype
  values: np.ndarray | None = None

  def read(self, first: int, count: int) -> np.ndarray:
    """Returns some rows. Not by memory map: the file may change meanwhile."""
    if self.values is not None:
      return self.values[first : first + count]
    size = math.prod(self.shape[1:]) * self.dtype.itemsize
    with open(self.path, 'rb') as file:
      file.seek(self.offset + first * size)
      content = file.read(count * size)
    rows = np.frombuffer(content, self.dtype)  # ValueError if cut short
    return rows.reshape(count, *self.shape[1:])


def _locate(path, member):
  """Returns the array of a file; ValueError and others if it is damaged."""
  with open(path, 'rb') as file:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    if member:
      with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f'{member}.npy')
      if info.compress_type != zipfile.ZIP_STORED:
        values = _decompress(path, member, os.stat(path).st_mtime_ns)
        return _Array(path, 0, values.shape, values.dtype, values)
      file.seek(info.header_offset)
      _, *lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
      file.seek(sum(lengths), os.SEEK_CUR)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
      header = np.lib.format.read_array_header_1_0(file)
    else:
      header = np.lib.format.read_array_header_2_0(file)
    shape, is_fortran, dtype = header
    offset = file.tell()
  if dtype.kind not in 'iufb' or is_fortran:
    raise ValueError(f'expected numbers in C order, got {dtype}')
  if min(shape, default=0) < 1:
    raise ValueError(f'expected an array with elements, got shape {shape}')
  if offset + math.prod(shape) * dtype.itemsize > end:
    raise ValueError('the file is cut short')
  return _Array(path, offset, shape, dtype)


@functools.lru_cache(maxsize=2)
def _decompress(path, member, changed):
  """Returns an array of a compressed file, kept for its next clips."""
  del changed
  with zipfile.ZipFile(path) as archive:
    info = archive.getinfo(f'{member}.npy')
    if info.file_size > _MAX_BYTES:
      raise ValueError(
        f'it unpacks to {info.file_size} bytes. Save it again with numpy.savez'
      )
    with archive.open(info) as file:
      return np.lib.format.read_array(file, allow_pickle=False)


def read_labels(stack: Stack) -> tuple[list[str], list[int]]:
  """Returns the name and the label of each clip.

  Raises:
    UserError: the labels are missing or malformed, or their number is another.
  """
  names, labels = _read_labels(stack)
  if not stack.clips == len(labels) == len(names):
    raise UserError(
      f'{stack.path} {stack.member}: expected a label for each of'
      f' {stack.clips} clips, got {len(labels)}'
    )
  return names, labels


def _read_labels(stack):
  if stack.member:
    key = stack.member.replace('x_', 'y_')
    try:
      found = _locate(stack.path, key)
      one_hot = found.read(0, found.shape[0])
    except Exception as error:  # numpy and zipfile raise many kinds
      raise UserError(
        f'{stack.path}, {key}: cannot be read ({error})'
      ) from None
    if one_hot.ndim != 2 or one_hot.dtype.kind not in 'iufb':
      raise UserError(
        f'{stack.path}, {key}: expected (clips, classes), one-hot, got shape'
        f' {one_hot.shape}'
      )
    labels = one_hot.argmax(1).tolist()
    return [f'{stack.member}_{n:06}' for n in range(len(labels))], labels
  folder, name = os.path.split(stack.path)
  path = os.path.join(folder, f'{name.partition("data")[0]}label.pkl')
  if 'data' not in name or not os.path.exists(path):
    raise UserError(
      f'{stack.path}: expected its labels in {path}, as (clip names, labels),'
      ' got no such file'
    )
  value: Any = safe_pickle.load_pickle(path)
  if isinstance(value, list | tuple) and len(value) == 2:
    names, labels = map(list, value)
    if all(map(_is_label, labels)):
      return [str(name).removesuffix('.skeleton') for name in names], labels
  raise UserError(
    f'{path}: expected a pickle of (clip names, labels), two lists of one'
    ' length'
  )


def _is_label(value):
  is_number = isinstance(value, int | np.integer) and not isinstance(
    value, bool
  )
  return is_number and value >= 0


def read_stacked_clip(
  path: str, clip: str, where: str, confidence: bool | None = None
) -> ParsedClip:
  """Returns one clip of a stack, without the empty frames at its end.

  Args:
    path: the file.
    clip: 'INDEX' or 'MEMBER/INDEX', as in `Stack.clip_names`.
    where: the clip, for errors.
    confidence: whether the last channel is a confidence; None means that the
      fourth of four channels is.

  Raises:
    UserError: the file cannot be read or has another shape, or the clip is
      empty.
  """
  member, _, index = clip.rpartition('/')
  try:
    array = _locate(path, member).read(int(index), 1)[0].astype(np.float64)
  except Exception as error:  # numpy and zipfile raise many kinds
    raise UserError(f'{where}: cannot be read ({error})') from None
  layout = units = ''
  if member:
    values = _NTU_PERSONS * _NTU_JOINTS * 3
    if array.ndim != 2 or array.shape[1] != values:
      raise UserError(
        f'{where}: expected (frames, {values}), two persons of {_NTU_JOINTS}'
        f' joints with x y z, got shape {array.shape}'
      )
    array = array.reshape(len(array), _NTU_PERSONS, _NTU_JOINTS, 3)
    array, layout, units = array.transpose(1, 0, 2, 3), 'ntu_25', 'metres'
    confidence = False
  elif array.ndim == 4:
    array = array.transpose(3, 1, 2, 0)
  if array.ndim != 4 or array.shape[-1] not in (2, 3, 4):
    raise UserError(
      f'{where}: expected (channels, frames, joints, persons), got a clip of'
      f' shape {array.shape} (persons, frames, joints, channels)'
    )
  frames = np.flatnonzero((np.nan_to_num(array) != 0).any((0, 2, 3)))
  if not len(frames):
    raise NobodySeenError.in_file(where, array.shape[1])
  return ParsedClip(
    array[:, : frames[-1] + 1],
    check_channels(array.shape[-1], confidence, where),
    layout,
    units,
    is_open=not member,
  )
