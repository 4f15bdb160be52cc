"""MSR-Action3D: text skeletons of 20 Kinect v1 joints.

Published by Li, Zhang and Liu, "Action Recognition Based on a Bag of 3D
Points", CVPRW 2010:
https://sites.google.com/view/wanqingli/data-sets/msr-action3d. A clip is
`aAA_sSS_eEE_skeleton3D.txt` (action, subject, execution): 20 rows a frame of
`x y z confidence` in metres, in camera coordinates, layout 'msr_20'. The
sensor ran at 15 frames a second. `files_used.mat` lists the 557 of 567
sequences that the protocol uses. The others have missing or wrong skeletons.
"""

import contextlib
import gzip
import io
import pathlib
import re
import tarfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.clip_names import RESTORE_NAME
from unik_jax.data.formats.matlab import read_mat_fields
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

# Class names, in label order. Action N of a file's name is label N - 1.
LABELS = [
  'high arm wave',
  'horizontal arm wave',
  'hammer',
  'hand catch',
  'forward punch',
  'high throw',
  'draw x',
  'draw tick',
  'draw circle',
  'hand clap',
  'two hand wave',
  'side boxing',
  'bend',
  'forward kick',
  'side kick',
  'jogging',
  'tennis swing',
  'tennis serve',
  'golf swing',
  'pickup and throw',
]
JOINTS = 20
_NAME = re.compile(r'a(\d\d)_s(\d\d)_e(\d\d)')
_SUFFIX = '_skeleton3D.txt'
_ARCHIVE = 'msraction3d.tar.gz'
_USED = 'files_used.mat'


class SkeletonText(NamedTuple):
  """A clip's file, read but not parsed.

  Attributes:
    name: name of the clip (aAA_sSS_eEE).
    content: the file's bytes.
  """

  name: str
  content: bytes

  def __str__(self) -> str:
    return self.name


def parse_clip_name(name: str, where: str) -> tuple[int, int]:
  """Returns (action, subject), both from 1, of a name such as a01_s02_e03.

  Args:
    name: name of the clip.
    where: the file, for errors.

  Raises:
    UserError: the name has another form, or a number that the dataset does not
      have.
  """
  match = _NAME.fullmatch(name)
  if not match:
    raise UserError(
      f'{where}: expected a name of the form aAA_sSS_eEE, got {name!r}.'
      f' {RESTORE_NAME}'
    )
  action, subject, _ = map(int, match.groups())
  if not 1 <= action <= len(LABELS) or not 1 <= subject <= 10:
    raise UserError(
      f'{where}: expected an action from 1 to 20 and a subject from 1 to 10,'
      f' got {name!r}. {RESTORE_NAME}'
    )
  return action, subject


def read_skeleton(text: SkeletonText) -> np.ndarray:
  """Returns (1, T, 20, 4) float32 of a clip; see `parse_skeleton`."""
  return parse_skeleton(text.content, text.name)[None]


def parse_skeleton(content: bytes, where: str) -> np.ndarray:
  """Returns the keypoints of one clip.

  Args:
    content: the text file's bytes.
    where: the file, for errors.

  Returns:
    (T, 20, 4) float32: x, y, z in metres, and confidence.

  Raises:
    UserError: empty, cut short, or with a row that is not four numbers.
  """
  try:
    lines = content.decode('ascii').splitlines()
  except UnicodeDecodeError as error:
    raise UserError(
      f'{where}: byte {error.start} is not text. {FETCH_AGAIN}'
    ) from None
  rows = []
  for number, line in enumerate(lines, 1):
    fields = line.split()
    if not fields:
      continue
    try:
      row = [float(field) for field in fields]
    except ValueError:
      raise UserError(
        f'{where}, line {number}: expected numbers, got'
        f' {line.strip()[:40]!r}. {FETCH_AGAIN}'
      ) from None
    if len(row) != 4:
      raise UserError(
        f'{where}, line {number}: expected x y z confidence, got {len(row)}'
        f' values. {FETCH_AGAIN}'
      )
    rows.append(row)
  if not rows:
    raise UserError(f'{where}: the file is empty. {FETCH_AGAIN}')
  if len(rows) % JOINTS:
    raise UserError(
      f'{where}, line {len(lines)}: expected {JOINTS} rows per frame, got'
      f' {len(rows)} rows: cut short, or of other joints. {FETCH_AGAIN}'
    )
  with np.errstate(over='ignore'):  # `check_clip` refuses infinite values
    return np.asarray(rows, np.float32).reshape(-1, JOINTS, 4)


def read_used_files(
  folder: pathlib.Path,
  on_bad: Callable[
    [str], contextlib.AbstractContextManager
  ] = contextlib.nullcontext,
) -> dict[str, bytes]:
  """Reads the clips that the protocol uses, from the archive or its files.

  Args:
    folder: holds `msraction3d.tar.gz`, or the extracted files at any depth.
    on_bad: see `raw_files.find_files`, which finds the extracted files.

  Returns:
    Each file's bytes by clip name (aAA_sSS_eEE), sorted by name.

  Raises:
    UserError: there are no files or a used file is missing, the archive is
      broken, or a member's name leads out of it or is not UTF-8.
  """
  archive = pathlib.Path(folder) / _ARCHIVE
  if archive.exists():
    contents = _read_archive(archive)
  else:
    matches = raw_files.find_files(folder, (_SUFFIX, _USED), on_bad)
    contents = {file.name: file.read_bytes() for file in matches}
  if _USED not in contents:
    raise UserError(
      f'{folder}: expected {_ARCHIVE}, or {_USED} and extracted'
      f' aAA_sSS_eEE{_SUFFIX} files, got neither. Download the archive from its'
      ' authors, and put it there'
    )
  names = _parse_used_names(contents[_USED], f'{folder}: {_USED}')
  missing = [name for name in names if name + _SUFFIX not in contents]
  if missing:
    raise UserError(
      f'{folder}: {len(missing)} of {len(names)} clips are missing, first'
      f' {missing[0]}{_SUFFIX}. Extract the archive again'
    )
  return {name: contents[name + _SUFFIX] for name in names}


def _parse_used_names(content, where):
  cells = read_mat_fields(content, where, ['files_used'])['files_used']
  try:
    return sorted(str(cell[0]).strip() for cell in cells.ravel())
  except (IndexError, TypeError):
    raise UserError(
      f'{where}: files_used: expected a column of names. {FETCH_AGAIN}'
    ) from None


def _read_archive(archive):
  try:
    # Decompressed completely first: gzip checks its checksum only at the end.
    content = io.BytesIO(gzip.decompress(archive.read_bytes()))
    with tarfile.open(fileobj=content) as tar:
      names = tar.getnames()
      contents = {
        pathlib.PurePath(member.name).name: tar.extractfile(member).read()
        for member in tar
        if member.isfile() and member.name.endswith((_SUFFIX, _USED))
      }
  except Exception as error:  # tarfile raises many types on a broken archive
    raise UserError(
      f'{archive}: cannot be read ({error}). Download it again'
    ) from error
  for name in names:
    raw_files.check_member(name, str(archive))
  return contents
